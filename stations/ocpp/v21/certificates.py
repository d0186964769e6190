"""What 2.1 adds about certificates: OEM roots, ISO 15118-20, request ids, and the state of whole chains."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from core import clock
from core.errors import Invalid
from stations.domain import intents
from stations.domain.certificates import Standing, StatusAsked
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import OutboundCall
from stations.ocpp.v201 import certificates as v201
from stations.ocpp.v201 import firmware, iso15118
from stations.services.certificates import contracts, standings
from stations.services.certificates.validity import Found, Inquiry

STANDING: Mapping[Standing, str] = {
    Standing.GOOD: "Good",
    Standing.REVOKED: "Revoked",
    Standing.UNKNOWN: "Unknown",
    Standing.FAILED: "Failed",
}
TRIGGER: Mapping[str, str] = {**v201.TRIGGER, "v2g20_certificate": "SignV2G20Certificate"}
LOG: Mapping[str, str] = {**firmware.LOG, "data_collector": "DataCollectorLog"}
OCSP_RESULT_MAX = 18_000
HASHES = ("SHA256", "SHA384", "SHA512")


def certificate_signed(socket: Socket, intent: intents.SendSignedCertificate) -> OutboundCall:
    call = v201.signed_call(socket, intent)
    if intent.station_request_id is None:
        return call
    return replace(call, payload={**call.payload, "requestId": intent.station_request_id})


def install_certificate(socket: Socket, intent: intents.InstallCertificate) -> OutboundCall:
    return v201.install_any(intent)


def get_installed(socket: Socket, intent: intents.GetInstalledCertificates) -> OutboundCall:
    return v201.installed_of(intent)


def renew_certificate(socket: Socket, intent: intents.RenewCertificate) -> OutboundCall:
    return v201.renewal_of(intent, TRIGGER)


def get_log(socket: Socket, intent: intents.GetLog) -> OutboundCall:
    return firmware.log_of(socket, intent, LOG)


def certificate_status(socket: Socket, payload: Json, received_at: datetime) -> Json:
    return iso15118.status_of(socket, payload, OCSP_RESULT_MAX, received_at)


def ev_certificate(socket: Socket, payload: Json, received_at: datetime) -> Json:
    row = contracts.relay(socket, iso15118.asked_for(payload), received_at)
    answer = dict(iso15118.answer_of(row))
    if row.remaining is not None:
        answer["remainingContracts"] = row.remaining
    return answer


def chain_status(socket: Socket, payload: Json, received_at: datetime) -> Json:
    """GetCertificateChainStatus: each certificate by the source that the station names, all within one deadline."""
    inquiry = Inquiry(socket)
    entries = payload.get("certificateStatusRequests") or ()
    if not entries:
        raise Invalid("certificateStatusRequests is empty.", field="certificateStatusRequests")
    questions = [_asked(entry) for entry in entries]
    told = [(asked, inquiry.ask(asked)) for asked in questions]
    standings.keep(socket, told, received_at)
    return {
        "certificateStatus": [_status(entry, found) for entry, (_, found) in zip(entries, told, strict=True)]
    }


def _asked(entry: Json) -> StatusAsked:
    """The answer repeats the hashes, so a lenient station may not make up how they were reckoned."""
    hash_data = v201.hash_data_of(entry.get("certificateHashData") or {})
    if hash_data.algorithm not in HASHES:
        raise Invalid("hashAlgorithm is none of " + ", ".join(HASHES) + ".", field="hashAlgorithm")
    return StatusAsked(
        hash_data=hash_data,
        urls=tuple(str(url)[:2000] for url in entry.get("urls") or ()),
        by_list=entry.get("source") == "CRL",
    )


def _status(entry: Json, found: Found) -> Json:
    return {
        "certificateHashData": entry["certificateHashData"],
        "source": "CRL" if entry["source"] == "CRL" else "OCSP",
        "status": STANDING[found.standing],
        "nextUpdate": clock.to_wire(found.next_update or clock.now()),
    }
