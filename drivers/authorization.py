"""The one answer to "may this token charge here?"; plain values in, a decision with its reason out.

What it must know of stations (open transactions of the token, the site) is handed in, since this room
knows nothing of stations.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db.models import Value
from django.db.models.functions import Lower

from drivers.models import IdToken, TokenStatus


class Verdict(StrEnum):
    """Kept apart here; the door translates to the words of each version (P121)."""

    ACCEPTED = "accepted"
    BLOCKED = "blocked"
    EXPIRED = "expired"
    INVALID = "invalid"
    UNKNOWN = "unknown"
    CONCURRENT_TX = "concurrent_tx"


class Rule(StrEnum):
    """What decided; kept with each answer, so that a refusal can be explained later."""

    VALID = "valid"
    NO_AUTHORIZATION = "no_authorization"
    UNKNOWN = "unknown"
    TOKEN_STATUS = "token_status"
    DRIVER_BLOCKED = "driver_blocked"
    EXPIRED = "expired"
    CONCURRENT = "concurrent"
    STATION_PENDING = "station_pending"
    TOO_LONG = "too_long"
    CERTIFICATE = "certificate"


VERDICT_OF_STATUS = {
    TokenStatus.BLOCKED: Verdict.BLOCKED,
    TokenStatus.EXPIRED: Verdict.EXPIRED,
    TokenStatus.INVALID: Verdict.INVALID,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """``type`` is empty where the protocol names none (1.6): the value then decides alone.

    ``open_transactions`` counts other transactions of this token that are really open (P123).
    """

    organization_id: UUID
    value: str
    type: str
    now: datetime
    site_id: UUID | None = None
    open_transactions: int = 0


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
    if question.type == "NoAuthorization":
        return Decision(
            verdict=Verdict.ACCEPTED,
            rule=Rule.NO_AUTHORIZATION,
            reason="The station asks for no authorization.",
        )
    token = find(question.organization_id, question.value, question.type)
    if token is None:
        return Decision(verdict=Verdict.UNKNOWN, rule=Rule.UNKNOWN, reason="This token is not known here.")
    return _judge(token, question)


def find(organization_id: UUID, value: str, type_: str = "") -> IdToken | None:
    """The live token of that value, compared without case; without a type the oldest of that value."""
    tokens = IdToken.objects.live().select_related("group", "driver")
    # Lower() as in the constraint that keeps tokens apart, so that its index answers (iexact would be Upper).
    tokens = tokens.alias(folded=Lower("value")).filter(
        organization_id=organization_id, folded=Lower(Value(value))
    )
    if type_:
        tokens = tokens.filter(type=type_)
    return tokens.order_by("id").first()


def _judge(token: IdToken, question: Question) -> Decision:
    verdict, rule, reason = _verdict(token, question)
    group = token.group
    return Decision(
        verdict=verdict,
        rule=rule,
        reason=reason,
        token=token,
        group_value=group.token if group else "",
        master_pass=bool(group and group.master_pass),
        expires_at=token.expires_at if verdict is Verdict.ACCEPTED else None,
    )


def _verdict(token: IdToken, question: Question) -> tuple[Verdict, Rule, str]:
    if token.status in VERDICT_OF_STATUS:
        verdict = VERDICT_OF_STATUS[TokenStatus(token.status)]
        return verdict, Rule.TOKEN_STATUS, f"The token is {token.status}."
    if token.driver is not None and token.driver.blocked:
        return Verdict.BLOCKED, Rule.DRIVER_BLOCKED, "The driver of the token is blocked."
    if token.expires_at is not None and token.expires_at <= question.now:
        expired = f"The token expired on {token.expires_at:%Y-%m-%d %H:%M} UTC."
        return Verdict.EXPIRED, Rule.EXPIRED, expired
    if question.open_transactions and not (token.group and token.group.master_pass):
        return Verdict.CONCURRENT_TX, Rule.CONCURRENT, "The token is already charging elsewhere."
    return Verdict.ACCEPTED, Rule.VALID, "The token is known and valid."
