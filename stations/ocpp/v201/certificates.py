"""Certificates and passwords of stations (2.0.1 A01 to A03, M03 to M05)."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from core.errors import NotSupported
from stations.domain import intents
from stations.domain.certificates import (
    CertificateUse,
    HashData,
    InstalledCertificateReported,
    SigningRequested,
    SigningUse,
)
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import OutboundCall
from stations.ocpp.v201 import fields, outbound
from stations.services.certificates import installed, signing

USE: Mapping[str, str] = {
    CertificateUse.CSMS_ROOT: "CSMSRootCertificate",
    CertificateUse.MANUFACTURER_ROOT: "ManufacturerRootCertificate",
    CertificateUse.V2G_ROOT: "V2GRootCertificate",
    CertificateUse.MO_ROOT: "MORootCertificate",
    CertificateUse.OEM_ROOT: "OEMRootCertificate",
    CertificateUse.V2G_CHAIN: "V2GCertificateChain",
}
ONLY_21 = frozenset({CertificateUse.OEM_ROOT})
USE_OF = {word: CertificateUse(use) for use, word in USE.items()}
SIGNING: Mapping[str, str] = {
    SigningUse.STATION: "ChargingStationCertificate",
    SigningUse.V2G: "V2GCertificate",
    SigningUse.V2G20: "V2G20Certificate",
}
SIGNING_OF = {word: SigningUse(use) for use, word in SIGNING.items()}
TRIGGER: Mapping[str, str] = {
    "charging_station_certificate": "SignChargingStationCertificate",
    "v2g_certificate": "SignV2GCertificate",
    "combined_certificate": "SignCombinedCertificate",
}
CERTIFICATE_MAX = 5_500
PASSWORD = intents.VariableItem(component="SecurityCtrlr", variable="BasicAuthPassword")


def sign_certificate(socket: Socket, payload: Json, received_at: datetime) -> Json:
    """Answered at once; what becomes of it is a job (P235)."""
    root = payload.get("hashRootCertificate")
    event = SigningRequested(
        csr=str(payload.get("csr") or ""),
        use=SIGNING_OF.get(fields.text(payload, "certificateType", 40), SigningUse.UNSAID),
        request_id=fields.request_id(payload),
        root=hash_data_of(root) if isinstance(root, Mapping) else None,
    )
    return {"status": "Accepted" if signing.receive(socket, event, received_at) else "Rejected"}


def certificate_signed(socket: Socket, intent: intents.SendSignedCertificate) -> OutboundCall:
    """The kind is named where the station named it (P236)."""
    if intent.certificate_type == SigningUse.V2G20:
        raise NotSupported("OCPP 2.0.1 knows no certificates for ISO 15118-20.")
    return signed_call(socket, intent)


def signed_call(socket: Socket, intent: intents.SendSignedCertificate) -> OutboundCall:
    """CertificateSigned, whatever kinds the version knows."""
    payload: dict[str, Any] = {"certificateChain": intent.chain}
    if intent.certificate_type:
        payload["certificateType"] = SIGNING[intent.certificate_type]
    return OutboundCall("CertificateSigned", payload, keep=partial(signing.sent, socket, intent.request))


def install_certificate(socket: Socket, intent: intents.InstallCertificate) -> OutboundCall:
    if intent.certificate_type in ONLY_21 or len(intent.certificate) > CERTIFICATE_MAX:
        raise NotSupported(
            f"OCPP 2.0.1 knows no “{intent.certificate_type}” certificates, or none of more than {CERTIFICATE_MAX} "
            "characters."
        )
    return install_any(intent)


def install_any(intent: intents.InstallCertificate) -> OutboundCall:
    payload = {"certificateType": USE[intent.certificate_type], "certificate": intent.certificate}
    return OutboundCall("InstallCertificate", payload)


def delete_certificate(socket: Socket, intent: intents.DeleteCertificate) -> OutboundCall:
    assert intent.hash_data is not None
    return OutboundCall("DeleteCertificate", {"certificateHashData": hash_data_on_wire(intent.hash_data)})


def get_installed(socket: Socket, intent: intents.GetInstalledCertificates) -> OutboundCall:
    if ONLY_21.intersection(intent.certificate_types):
        raise NotSupported("OCPP 2.0.1 knows no OEM roots.", field="certificate_types")
    return installed_of(intent)


def installed_of(intent: intents.GetInstalledCertificates) -> OutboundCall:
    words = [USE[use] for use in intent.certificate_types]
    return OutboundCall("GetInstalledCertificateIds", {"certificateType": words} if words else {})


def renew_certificate(socket: Socket, intent: intents.RenewCertificate) -> OutboundCall:
    return renewal_of(intent, TRIGGER)


def renewal_of(intent: intents.RenewCertificate, triggers: Mapping[str, str]) -> OutboundCall:
    if intent.certificate_type not in triggers:
        raise NotSupported(
            f"This version of OCPP renews no “{intent.certificate_type}” certificate.",
            field="certificate_type",
        )
    return OutboundCall("TriggerMessage", {"requestedMessage": triggers[intent.certificate_type]})


def rotate_password(socket: Socket, intent: intents.RotatePassword) -> OutboundCall:
    item = intents.VariableItem(
        component=PASSWORD.component, variable=PASSWORD.variable, value=intent.password
    )
    return outbound.set_variables(socket, intents.SetVariables(items=(item,)))


def absorb_installed(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    """Every kind that was asked for is known now, also those of which there is nothing."""
    accepted = response.get("status") == "Accepted"
    entries = response.get("certificateHashDataChain") or () if accepted else ()
    found = [
        InstalledCertificateReported(
            use=USE_OF[entry["certificateType"]],
            hash_data=hash_data_of(entry["certificateHashData"]),
            children=tuple(hash_data_of(child) for child in entry.get("childCertificateHashData") or ()),
        )
        for entry in entries
        if entry.get("certificateType") in USE_OF
    ]
    asked = [USE_OF[word] for word in request.get("certificateType") or () if word in USE_OF]
    installed.reported(socket, found, asked, at)


def absorb_install(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    use = USE_OF.get(fields.text(request, "certificateType", 40))
    if response.get("status") == "Accepted" and use is not None:
        installed.stored(socket, use, str(request.get("certificate", "")), at)


def absorb_delete(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    named = hash_data_of(request.get("certificateHashData") or {})
    installed.deleted(socket, named, fields.text(response, "status", 20), at)


def hash_data_on_wire(named: HashData) -> Json:
    """A CertificateHashDataType."""
    return {
        "hashAlgorithm": named.algorithm,
        "issuerNameHash": named.issuer_name_hash,
        "issuerKeyHash": named.issuer_key_hash,
        "serialNumber": named.serial_number,
    }


def hash_data_of(entry: Json) -> HashData:
    return HashData(
        algorithm=fields.text(entry, "hashAlgorithm", 6),
        issuer_name_hash=fields.text(entry, "issuerNameHash", 128),
        issuer_key_hash=fields.text(entry, "issuerKeyHash", 128),
        serial_number=fields.text(entry, "serialNumber", 40),
    )
