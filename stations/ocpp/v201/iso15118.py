"""Charging by contract: certificates of cars (2.0.1 C07, M01, M02, M06)."""

import base64
from collections.abc import Mapping
from datetime import datetime

from stations.domain.certificates import (
    ContractAsked,
    ContractShown,
    ContractVerdict,
    Standing,
    StatusAsked,
)
from stations.models import ContractRequest
from stations.ocpp.context import Json, Socket
from stations.ocpp.v201 import fields
from stations.ocpp.v201.certificates import hash_data_of
from stations.services.certificates import contracts, standings
from stations.services.certificates.validity import Found, Inquiry

CERTIFICATE_STATUS: Mapping[ContractVerdict, str] = {
    ContractVerdict.ACCEPTED: "Accepted",
    ContractVerdict.SIGNATURE_ERROR: "SignatureError",
    ContractVerdict.EXPIRED: "CertificateExpired",
    ContractVerdict.REVOKED: "CertificateRevoked",
    ContractVerdict.NOT_AVAILABLE: "NoCertificateAvailable",
    ContractVerdict.CHAIN_ERROR: "CertChainError",
}
OCSP_RESULT_MAX = 5_500
URL_MAX = 2_000


def shown(payload: Json) -> ContractShown | None:
    """The contract that a car showed with its token, if any."""
    chain = str(payload.get("certificate") or "")
    hashes = tuple(_asked(entry) for entry in payload.get("iso15118CertificateHashData") or ())
    return ContractShown(hashes=hashes, chain=chain) if chain or hashes else None


def certificate_status(socket: Socket, payload: Json, received_at: datetime) -> Json:
    """GetCertificateStatus: the responder's own answer, or Failed in time (M06)."""
    return status_of(socket, payload, OCSP_RESULT_MAX, received_at)


def status_of(socket: Socket, payload: Json, longest: int, received_at: datetime) -> Json:
    asked = _asked(payload.get("ocspRequestData") or {})
    found = Inquiry(socket).fetch(asked)
    result = base64.b64encode(found.der).decode()
    if found.standing is not Standing.FAILED and not 0 < len(result) <= longest:
        found = Found(Standing.FAILED, detail="The responder's answer is too long to be handed on.")
    standings.keep(socket, [(asked, found)], received_at)
    if found.standing is Standing.FAILED:
        return {"status": "Failed"}
    return {"status": "Accepted", "ocspResult": result}


def ev_certificate(socket: Socket, payload: Json, received_at: datetime) -> Json:
    """Get15118EVCertificate: relayed as it is, however long (P241)."""
    row = contracts.relay(socket, asked_for(payload), received_at)
    return answer_of(row)


def asked_for(payload: Json) -> ContractAsked:
    return ContractAsked(
        schema_version=fields.text(payload, "iso15118SchemaVersion", 50),
        action=fields.text(payload, "action", 10),
        exi_request=str(payload.get("exiRequest") or ""),
        maximum_chains=fields.whole_or_none(payload, "maximumContractCertificateChains"),
        prioritized_emaids=tuple(str(one)[:255] for one in payload.get("prioritizedEMAIDs") or ()),
    )


def answer_of(row: ContractRequest) -> Json:
    accepted = row.status == ContractRequest.Status.ACCEPTED
    return {"status": "Accepted" if accepted else "Failed", "exiResponse": row.exi_response}


def _asked(entry: Json) -> StatusAsked:
    url = fields.text(entry, "responderURL", URL_MAX)
    return StatusAsked(hash_data=hash_data_of(entry), urls=(url,) if url else ())
