"""Authorize, and how a decision on a token is told (2.0.1 C01, C09)."""

from collections.abc import Mapping
from datetime import datetime

from core import clock
from drivers.authorization import Verdict
from stations.domain.events import TokenShown
from stations.ocpp.context import Json, Socket
from stations.ocpp.v201 import fields
from stations.services import authorization
from stations.services.authorization import Authorization

STATUS: Mapping[Verdict, str] = {
    Verdict.ACCEPTED: "Accepted",
    Verdict.BLOCKED: "Blocked",
    Verdict.EXPIRED: "Expired",
    Verdict.INVALID: "Invalid",
    Verdict.UNKNOWN: "Unknown",
    Verdict.CONCURRENT_TX: "ConcurrentTx",
}
GROUP_TYPE = "Central"


def authorize(socket: Socket, payload: Json, received_at: datetime) -> Json:
    shown = fields.token(payload) or TokenShown(value="")
    if payload.get("certificate") or payload.get("iso15118CertificateHashData"):
        # No trust anchors for contracts are kept yet: a certificate that nobody checked opens nothing.
        return {"idTokenInfo": {"status": "Invalid"}, "certificateStatus": "NoCertificateAvailable"}
    return {"idTokenInfo": token_info(authorization.for_authorize(socket, shown))}


def token_info(decision: Authorization) -> Json:
    """The IdTokenInfoType that tells the decision."""
    info: dict[str, object] = {"status": STATUS[decision.verdict]}
    if decision.valid_until is not None:
        info["cacheExpiryDateTime"] = clock.to_wire(decision.valid_until)
    if decision.group_value:
        info["groupIdToken"] = {"idToken": decision.group_value, "type": GROUP_TYPE}
    return info
