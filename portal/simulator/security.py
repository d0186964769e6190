"""Firmware, logs and certificates of a simulated station, whatever the version that carries them.

A file whose name holds ``fail`` cannot be loaded, one with ``forged`` has a bad signature; otherwise the
version in the file's name runs after the restart.
"""

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from core.errors import Invalid
from portal.simulator.commands import ACCEPTED, REJECTED, status
from portal.simulator.transport import Reply, SimulatorError
from stations.services.certificates import reading

if TYPE_CHECKING:
    from portal.simulator.station import SimulatedStation

Json = dict[str, Any]
VERSION = re.compile(r"\d+(?:\.\d+)+")
SIGNING = {
    "SignChargePointCertificate": "",
    "SignChargingStationCertificate": "",
    "SignV2GCertificate": "V2GCertificate",
    "SignCombinedCertificate": "",
}
STATES = frozenset({"FirmwareStatusNotification", "LogStatusNotification", "DiagnosticsStatusNotification"})
ALGORITHM = "SHA256"


@dataclass
class Safe:
    """What the station keeps: its keys, its certificates, what runs of files."""

    key: ec.EllipticCurvePrivateKey | None = None
    chain: str = ""
    roots: list[tuple[str, x509.Certificate]] = field(default_factory=list)
    updating: int | None = None
    uploading: int | None = None


def update(station: "SimulatedStation", action: str, location: str, request_id: int | None) -> Reply:
    """``action`` is the message in which states are told. A newer update takes the place of a running one."""
    word = "AcceptedCanceled" if station.safe.updating is not None else ACCEPTED
    station.safe.updating = request_id or 0
    return Reply({"status": word}, lambda: _begin(station, _update(station, action, location, request_id)))


def publish(station: "SimulatedStation", location: str, request_id: int) -> Reply:
    words = ["Downloading", "Downloaded", "ChecksumVerified", "Published"]
    if "fail" in location:
        words = ["Downloading", "DownloadFailed"]

    async def tell() -> None:
        for word in words:
            payload: Json = {"status": word, "requestId": request_id}
            if word == "Published":
                payload["location"] = [f"http://192.168.7.1/{location.rpartition('/')[2]}"]
            await station.call("PublishFirmwareStatusNotification", payload)

    return status(ACCEPTED, tell)


def upload(
    station: "SimulatedStation", action: str, location: str, request_id: int | None, *, failed: str
) -> Reply:
    """A log goes to where it was asked to; nothing really leaves."""
    word = "AcceptedCanceled" if station.safe.uploading is not None else ACCEPTED
    station.safe.uploading = request_id or 0
    name = f"{station.identity}.log"
    answer: Json = {"fileName": name} if request_id is None else {"status": word, "filename": name}

    async def tell() -> None:
        for state in ("Uploading", failed if "fail" in location else "Uploaded"):
            await station.call(action, _state(state, request_id))
        station.safe.uploading = None

    return Reply(answer, tell)


def trigger(station: "SimulatedStation", wanted: str) -> Reply | None:
    """States that do not run are Idle; ``None`` for what is not ours."""
    if wanted in STATES:
        return status(ACCEPTED, lambda: station.call(wanted, {"status": "Idle"}))
    if wanted in SIGNING:
        return status(ACCEPTED, lambda: _ask_to_sign(station, SIGNING[wanted]))
    return None


def certificate_signed(station: "SimulatedStation", chain: str) -> Reply:
    """Taken where it holds the key that the station made."""
    try:
        leaf = reading.chain(chain)[0]
    except Invalid:
        return status(REJECTED)
    key = station.safe.key
    if key is None or reading.key_bytes(leaf.public_key()) != reading.key_bytes(key.public_key()):
        return status(REJECTED)
    station.safe.chain = chain
    return status(ACCEPTED)


def install(station: "SimulatedStation", kind: str, pem: str) -> Reply:
    try:
        root = x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        return status("Failed")
    if (kind, root) not in station.safe.roots:
        station.safe.roots.append((kind, root))
    return status(ACCEPTED)


def delete(station: "SimulatedStation", named: Json) -> Reply:
    for entry in station.safe.roots:
        if _named(entry[1]) == named:
            station.safe.roots.remove(entry)
            return status(ACCEPTED)
    return status("NotFound")


def installed(station: "SimulatedStation", kinds: list[str]) -> list[tuple[str, Json]]:
    """Kind and hash data of each; no kinds means all."""
    return [(kind, _named(root)) for kind, root in station.safe.roots if not kinds or kind in kinds]


async def _begin(station: "SimulatedStation", work: Any) -> None:
    """On its own: the restart at the end takes the connection away on which it was asked."""
    station.spawn(work)


async def _update(station: "SimulatedStation", action: str, location: str, request_id: int | None) -> None:
    try:
        for word in _words(station, location):
            await station.call(action, _state(word, request_id))
            if word == "Installing" and not station.faults.fails_updates:
                found = VERSION.search(location.rpartition("/")[2])
                firmware = found[0] if found else f"{station.hardware.firmware}.1"
                station.hardware = replace(station.hardware, firmware=firmware)
                await station.reboot(reason="FirmwareUpdate")
    except SimulatorError:
        return  # the link is gone: the update ends where it was
    finally:
        station.safe.updating = None


def _words(station: "SimulatedStation", location: str) -> list[str]:
    if station.faults.fails_updates:
        return ["Downloading", "Downloaded", "Installing", "InstallationFailed"]
    if "fail" in location:
        return ["Downloading", "DownloadFailed"]
    if "forged" in location:
        return ["Downloading", "Downloaded", "InstallationFailed"]
    return ["Downloading", "Downloaded", "Installing", "Installed"]


def _state(word: str, request_id: int | None) -> Json:
    return {"status": word} if request_id is None else {"status": word, "requestId": request_id}


async def _ask_to_sign(station: "SimulatedStation", kind: str) -> None:
    key = station.safe.key = ec.generate_private_key(ec.SECP256R1())
    operator = station.settings.get("CpoName") or station.settings.get("SecurityCtrlr.OrganizationName")
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, station.identity),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, operator or "Demo"),
        ]
    )
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    payload: Json = {"csr": csr.public_bytes(Encoding.PEM).decode()}
    if kind:
        payload["certificateType"] = kind
    await station.call("SignCertificate", payload)


def _named(root: x509.Certificate) -> Json:
    named = reading.hash_data(root, root, ALGORITHM)
    return {
        "hashAlgorithm": named.algorithm,
        "issuerNameHash": named.issuer_name_hash,
        "issuerKeyHash": named.issuer_key_hash,
        "serialNumber": named.serial_number,
    }
