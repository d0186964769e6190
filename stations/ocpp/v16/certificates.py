"""Certificates and passwords of stations (security extension of 1.6)."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial

from core.errors import NotSupported
from stations.domain import intents
from stations.domain.certificates import (
    CertificateUse,
    HashData,
    InstalledCertificateReported,
    SigningRequested,
)
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import OutboundCall
from stations.ocpp.v16 import fields, outbound
from stations.services.certificates import installed, signing

ROOT: Mapping[str, str] = {
    CertificateUse.CSMS_ROOT: "CentralSystemRootCertificate",
    CertificateUse.MANUFACTURER_ROOT: "ManufacturerRootCertificate",
}
USE_OF = {word: CertificateUse(use) for use, word in ROOT.items()}
CERTIFICATE_MAX = 5_500


def sign_certificate(socket: Socket, payload: Json, received_at: datetime) -> Json:
    taken = signing.receive(socket, SigningRequested(csr=str(payload.get("csr") or "")), received_at)
    return {"status": "Accepted" if taken else "Rejected"}


def certificate_signed(socket: Socket, intent: intents.SendSignedCertificate) -> OutboundCall:
    keep = partial(signing.sent, socket, intent.request)
    return OutboundCall("CertificateSigned", {"certificateChain": intent.chain}, keep=keep)


def install_certificate(socket: Socket, intent: intents.InstallCertificate) -> OutboundCall:
    if len(intent.certificate) > CERTIFICATE_MAX:
        raise NotSupported(f"OCPP 1.6 takes certificates of at most {CERTIFICATE_MAX} characters.")
    payload = {"certificateType": _root(intent.certificate_type), "certificate": intent.certificate}
    return OutboundCall("InstallCertificate", payload)


def delete_certificate(socket: Socket, intent: intents.DeleteCertificate) -> OutboundCall:
    assert intent.hash_data is not None
    return OutboundCall("DeleteCertificate", {"certificateHashData": _hash_data(intent.hash_data)})


def get_installed(socket: Socket, intent: intents.GetInstalledCertificates) -> OutboundCall:
    """One kind a message."""
    words = [_root(use) for use in intent.certificate_types] or list(ROOT.values())
    first, *more = [OutboundCall("GetInstalledCertificateIds", {"certificateType": word}) for word in words]
    return OutboundCall(first.action, first.payload, tuple(more))


def renew_certificate(socket: Socket, intent: intents.RenewCertificate) -> OutboundCall:
    if intent.certificate_type != "charging_station_certificate":
        raise NotSupported(
            "OCPP 1.6 stations have one certificate of their own only.", field="certificate_type"
        )
    return OutboundCall("ExtendedTriggerMessage", {"requestedMessage": "SignChargePointCertificate"})


def rotate_password(socket: Socket, intent: intents.RotatePassword) -> OutboundCall:
    item = intents.VariableItem(variable="AuthorizationKey", value=intent.password)
    return outbound.set_variables(socket, intents.SetVariables(items=(item,)))


def absorb_installed(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    use = USE_OF.get(fields.text(request, "certificateType", 40))
    if use is None:
        return
    entries = response.get("certificateHashData") or () if response.get("status") == "Accepted" else ()
    found = [InstalledCertificateReported(use=use, hash_data=_named(entry)) for entry in entries]
    installed.reported(socket, found, [use], at)


def absorb_install(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    use = USE_OF.get(fields.text(request, "certificateType", 40))
    if response.get("status") == "Accepted" and use is not None:
        installed.stored(socket, use, str(request.get("certificate", "")), at)


def absorb_delete(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    named = _named(request.get("certificateHashData") or {})
    installed.deleted(socket, named, fields.text(response, "status", 20), at)


def _root(use: str) -> str:
    if use not in ROOT:
        raise NotSupported(f"OCPP 1.6 knows no certificates of the kind “{use}”.", field="certificate_type")
    return ROOT[use]


def _hash_data(named: HashData) -> Json:
    return {
        "hashAlgorithm": named.algorithm,
        "issuerNameHash": named.issuer_name_hash,
        "issuerKeyHash": named.issuer_key_hash,
        "serialNumber": named.serial_number,
    }


def _named(entry: Json) -> HashData:
    return HashData(
        algorithm=fields.text(entry, "hashAlgorithm", 6),
        issuer_name_hash=fields.text(entry, "issuerNameHash", 128),
        issuer_key_hash=fields.text(entry, "issuerKeyHash", 128),
        serial_number=fields.text(entry, "serialNumber", 40),
    )
