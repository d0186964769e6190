"""Authorize, and how a decision on a token is told (2.0.1 C01, C09)."""

from collections.abc import Mapping
from datetime import datetime

from core import clock
from drivers.authorization import Verdict
from stations.domain.certificates import ContractVerdict
from stations.domain.events import TokenShown
from stations.ocpp.context import Json, Socket
from stations.ocpp.v201 import fields, iso15118
from stations.services import authorization, cost_displays
from stations.services.authorization import Authorization
from stations.services.certificates import contracts
from stations.services.cost_displays import PriceText

STATUS: Mapping[Verdict, str] = {
    Verdict.ACCEPTED: "Accepted",
    Verdict.BLOCKED: "Blocked",
    Verdict.EXPIRED: "Expired",
    Verdict.INVALID: "Invalid",
    Verdict.UNKNOWN: "Unknown",
    Verdict.CONCURRENT_TX: "ConcurrentTx",
    Verdict.NOT_AT_THIS_LOCATION: "NotAtThisLocation",
    Verdict.NOT_AT_THIS_TIME: "NotAtThisTime",
    Verdict.NO_CREDIT: "NoCredit",
}
GROUP_TYPE = "Central"


def authorize(socket: Socket, payload: Json, received_at: datetime) -> Json:
    """The decision, with the price in words where a session would have one (T-46)."""
    decision, answer = decide(socket, payload)
    told = price_of(socket, payload, decision)
    return answer if told is None else with_price(answer, told)


def price_of(socket: Socket, payload: Json, decision: Authorization) -> PriceText | None:
    """The price to be told with an accepted token."""
    if not decision.accepted:
        return None
    shown = fields.token(payload)
    return cost_displays.price_text(socket, token_type=shown.type if shown else "", driver=decision.driver)


def with_price(answer: Json, told: PriceText) -> Json:
    message = {"format": "UTF8", "language": told.language, "content": told.content}
    return {**answer, "idTokenInfo": {**answer["idTokenInfo"], "personalMessage": message}}


def decide(socket: Socket, payload: Json) -> tuple[Authorization, Json]:
    """What the token, and a contract certificate with it, may do; and the answer that tells it."""
    shown = fields.token(payload) or TokenShown(value="")
    contract = iso15118.shown(payload)
    if contract is None:
        decision = authorization.for_authorize(socket, shown)
        return decision, {"idTokenInfo": token_info(decision)}
    verdict = contracts.judge(socket, contract, shown.value)
    status = iso15118.CERTIFICATE_STATUS[verdict]
    if verdict is ContractVerdict.ACCEPTED:
        decision = authorization.for_authorize(socket, shown)
    else:
        decision = authorization.without_certificate(socket, shown, status)
    return decision, {"idTokenInfo": token_info(decision), "certificateStatus": status}


def token_info(decision: Authorization) -> Json:
    """The IdTokenInfoType that tells the decision."""
    info: dict[str, object] = {"status": STATUS[decision.verdict]}
    if decision.valid_until is not None:
        info["cacheExpiryDateTime"] = clock.to_wire(decision.valid_until)
    if decision.group_value:
        info["groupIdToken"] = {"idToken": decision.group_value, "type": GROUP_TYPE}
    return info
