"""Authorize, and how a decision on a token is told (1.6 sections 4.1 and 7.20)."""

from collections.abc import Mapping
from datetime import datetime

from core import clock
from drivers.authorization import Verdict
from stations.ocpp.context import Json, Socket
from stations.ocpp.v16 import fields
from stations.services import authorization, cost_displays
from stations.services.authorization import Authorization

STATUS: Mapping[Verdict, str] = {
    Verdict.ACCEPTED: "Accepted",
    Verdict.BLOCKED: "Blocked",
    Verdict.EXPIRED: "Expired",
    Verdict.INVALID: "Invalid",
    Verdict.UNKNOWN: "Invalid",
    Verdict.CONCURRENT_TX: "ConcurrentTx",
    Verdict.NOT_AT_THIS_LOCATION: "Blocked",
    Verdict.NOT_AT_THIS_TIME: "Blocked",
    Verdict.NO_CREDIT: "Blocked",
}
TOKEN_MAX = 20


def authorize(socket: Socket, payload: Json, received_at: datetime) -> Json:
    decision = authorization.for_authorize(socket, fields.token(payload["idTag"]))
    if decision.accepted:
        cost_displays.tell_price(socket, payload["idTag"], driver=decision.driver)
    return {"idTagInfo": token_info(decision)}


def token_info(decision: Authorization) -> Json:
    """The IdTagInfo that tells the decision. A group token too long for 1.6 cannot be told."""
    info = {"status": STATUS[decision.verdict]}
    if decision.valid_until is not None:
        info["expiryDate"] = clock.to_wire(decision.valid_until)
    if 0 < len(decision.group_value) <= TOKEN_MAX:
        info["parentIdTag"] = decision.group_value
    return info
