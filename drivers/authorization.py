"""The one answer to "may this token charge here?"; plain values in, a decision with its reason out.

What it must know of stations (open transactions of the token, where it may charge) is handed in, since this room
knows nothing of stations.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from core import statements
from drivers.models import Budget, IdToken, TokenStatus
from drivers.models.blocks import BLOCKED, Blockable
from drivers.models.policies import ANY_NUMBER


class Verdict(StrEnum):
    """Kept apart here; the door translates to the words of each version (P121)."""

    ACCEPTED = "accepted"
    BLOCKED = "blocked"
    EXPIRED = "expired"
    INVALID = "invalid"
    UNKNOWN = "unknown"
    CONCURRENT_TX = "concurrent_tx"
    NOT_AT_THIS_LOCATION = "not_at_this_location"
    NOT_AT_THIS_TIME = "not_at_this_time"
    NO_CREDIT = "no_credit"


class Rule(StrEnum):
    """What decided; kept with each answer, so that a refusal can be explained later."""

    VALID = "valid"
    NO_AUTHORIZATION = "no_authorization"
    UNKNOWN = "unknown"
    TOKEN_STATUS = "token_status"
    DRIVER_BLOCKED = "driver_blocked"
    EXPIRED = "expired"
    NOT_YET = "not_yet"
    FREE = "free"
    PLACE = "place"
    BUDGET = "budget"
    CONCURRENT = "concurrent"
    STATION_PENDING = "station_pending"
    TOO_LONG = "too_long"
    CERTIFICATE = "certificate"
    NO_TARIFF = "no_tariff"


VERDICT_OF_STATUS = {
    TokenStatus.BLOCKED: Verdict.BLOCKED,
    TokenStatus.EXPIRED: Verdict.EXPIRED,
    TokenStatus.INVALID: Verdict.INVALID,
}


# lower() as in the constraint that keeps tokens apart, so that its index answers.
_LIVE = "it.organization_id = %(organization)s AND it.retired_at IS NULL AND lower(it.value) = lower(%(value)s::text)"
_OF_ANY_TYPE = f"{_LIVE} ORDER BY it.id"
_OF_TYPE = f"{_LIVE} AND it.type = %(type)s::text ORDER BY it.id"

ELSEWHERE = {
    "token": "The token may charge at other sites only.",
    "driver": "The driver of the token may charge at other sites only.",
    "token_group": "The group of the token may charge at other sites only.",
    "driver_group": "The driver's group may charge at other sites only.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """``token`` is the known one of what was shown (:func:`find`); ``type`` is empty where none was named (1.6).

    ``open_transactions`` counts other transactions of this token that are really open (P123), of which it may
    have ``at_once`` where neither it nor its group says (0: any number). ``free``: everybody may charge there.
    ``elsewhere``: who of ``token``, ``driver``, ``token_group`` and ``driver_group`` is limited to other places.
    ``used_up``: a budget that leaves nothing. ``unpriced``: charging costs money, and nothing says how much it
    costs who has no contract.
    """

    token: IdToken | None
    type: str
    now: datetime
    free: bool = False
    elsewhere: str = ""
    used_up: Budget | None = None
    unpriced: bool = False
    open_transactions: int = 0
    at_once: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """``expires_at`` is never in the past together with ``accepted`` (P129)."""

    verdict: Verdict
    rule: Rule
    reason: str
    token: IdToken | None = None
    group_value: str = ""
    master_pass: bool = False
    expires_at: datetime | None = None

    @property
    def accepted(self) -> bool:
        return self.verdict is Verdict.ACCEPTED


def decide(question: Question) -> Decision:
    """Whether the token may start charging now, and why."""
    if question.unpriced and not question.free:
        reason = "No price is set here for charging without a contract."
        return _judged(question.token, Verdict.NOT_AT_THIS_LOCATION, Rule.NO_TARIFF, reason)
    if question.type == "NoAuthorization":
        return Decision(
            verdict=Verdict.ACCEPTED,
            rule=Rule.NO_AUTHORIZATION,
            reason="The station asks for no authorization.",
        )
    token = question.token
    if question.free:
        return _judged(token, Verdict.ACCEPTED, Rule.FREE, "Everybody may charge here.")
    if token is None:
        return Decision(verdict=Verdict.UNKNOWN, rule=Rule.UNKNOWN, reason="This token is not known here.")
    return _judged(token, *_verdict(token, question))


def find(organization_id: UUID, value: str, type_: str = "") -> IdToken | None:
    """The live token of that value, compared without case; without a type the oldest of that value."""
    sought = {"organization": organization_id, "value": value, "type": type_}
    return statements.first(IdToken, _OF_TYPE if type_ else _OF_ANY_TYPE, sought, with_=("group", "driver"))


def _judged(token: IdToken | None, verdict: Verdict, rule: Rule, reason: str) -> Decision:
    group = token.group if token else None
    ahead = verdict is Verdict.ACCEPTED and rule is not Rule.FREE
    return Decision(
        verdict=verdict,
        rule=rule,
        reason=reason,
        token=token,
        group_value=group.token if group else "",
        master_pass=bool(group and group.master_pass),
        expires_at=token.expires_at if token and ahead else None,
    )


def _verdict(token: IdToken, question: Question) -> tuple[Verdict, Rule, str]:
    now, driver = question.now, token.driver
    status = TokenStatus(token.status_at(now))
    if status in VERDICT_OF_STATUS:
        return VERDICT_OF_STATUS[status], Rule.TOKEN_STATUS, f"The token is {status}{_until(token)}."
    if driver is not None and driver.status_at(now) == BLOCKED:
        return Verdict.BLOCKED, Rule.DRIVER_BLOCKED, f"The driver of the token is blocked{_until(driver)}."
    return (
        _verdict_of_dates(token, question.now)
        or _verdict_of_place(question)
        or _verdict_of_budget(question)
        or _verdict_of_others(token, question)
        or (Verdict.ACCEPTED, Rule.VALID, "The token is known and valid.")
    )


def _until(holder: Blockable) -> str:
    if holder.status != BLOCKED or holder.blocked_until is None:
        return ""
    return f" until {holder.blocked_until:%Y-%m-%d %H:%M} UTC"


def _verdict_of_dates(token: IdToken, now: datetime) -> tuple[Verdict, Rule, str] | None:
    if token.expires_at is not None and token.expires_at <= now:
        expired = f"The token expired on {token.expires_at:%Y-%m-%d %H:%M} UTC."
        return Verdict.EXPIRED, Rule.EXPIRED, expired
    if token.valid_from is not None and token.valid_from > now:
        early = f"The token is valid from {token.valid_from:%Y-%m-%d %H:%M} UTC on."
        return Verdict.NOT_AT_THIS_TIME, Rule.NOT_YET, early
    return None


def _verdict_of_place(question: Question) -> tuple[Verdict, Rule, str] | None:
    if not question.elsewhere:
        return None
    return Verdict.NOT_AT_THIS_LOCATION, Rule.PLACE, ELSEWHERE[question.elsewhere]


def _verdict_of_budget(question: Question) -> tuple[Verdict, Rule, str] | None:
    budget = question.used_up
    if budget is None:
        return None
    return Verdict.NO_CREDIT, Rule.BUDGET, f"The budget of the {budget.whose} is used up: {budget.words}."


def _verdict_of_others(token: IdToken, question: Question) -> tuple[Verdict, Rule, str] | None:
    group = token.group
    own = (token.sessions_at_once, group.sessions_at_once if group else None, question.at_once)
    most = next(number for number in own if number is not None)
    unlimited = most == ANY_NUMBER or bool(group and group.master_pass)
    if unlimited or question.open_transactions < most:
        return None
    return Verdict.CONCURRENT_TX, Rule.CONCURRENT, "The token is already charging elsewhere."
