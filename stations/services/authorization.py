"""What a station is told about a token: the drivers' decision, asked with what the stations know."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q

from core import clock
from drivers import authorization
from drivers.authorization import Decision, Question, Rule, Verdict
from drivers.models import Driver, IdToken
from drivers.services import policies
from stations.domain.events import TokenShown
from stations.domain.station import StationSide
from stations.domain.words import Asked, Registration, TransactionStatus
from stations.models import Evse, Transaction
from stations.services import authorization_log, circumstances, spending, tariff_choice
from stations.services.tariff_choice import AD_HOC, Place

UNTYPED_MAX = 20
LIVE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """An answer about a token, as given to the station and stored with the message it answers."""

    verdict: Verdict
    rule: Rule = field(default=Rule.VALID, compare=False)
    reason: str = ""
    group_value: str = ""
    expires_at: datetime | None = None
    master_pass: bool = False
    token: IdToken | None = field(default=None, compare=False)

    @property
    def accepted(self) -> bool:
        return self.verdict is Verdict.ACCEPTED

    @property
    def driver(self) -> Driver | None:
        return self.token.driver if self.token else None

    @property
    def valid_until(self) -> datetime | None:
        """The expiry date where it still lies ahead: a past one is never told with "accepted" (P129)."""
        return self.expires_at if self.expires_at and self.expires_at > clock.now() else None

    def to_json(self) -> dict[str, Any]:
        stored: dict[str, Any] = {"verdict": self.verdict.value, "reason": self.reason}
        if self.group_value:
            stored["group"] = self.group_value
        if self.expires_at:
            stored["expires_at"] = self.expires_at.isoformat()
        return stored


def from_json(stored: Mapping[str, Any]) -> Authorization | None:
    """The answer that was stored; ``None`` where the message had no token."""
    if "verdict" not in stored:
        return None
    expires = stored.get("expires_at")
    return Authorization(
        verdict=Verdict(stored["verdict"]),
        reason=stored.get("reason", ""),
        group_value=stored.get("group", ""),
        expires_at=datetime.fromisoformat(expires) if expires else None,
    )


def for_authorize(station: StationSide, token: TokenShown) -> Authorization:
    """The answer to Authorize; a station that is not accepted yet hears "invalid" (P103)."""
    accepted = station.registration == Registration.ACCEPTED
    answer = _ask(station, token) if accepted else _not_yet()
    authorization_log.note(station, token, answer, Asked.AUTHORIZE)
    return answer


def without_certificate(station: StationSide, token: TokenShown, why: str) -> Authorization:
    """The answer to Authorize where the contract certificate decides against the token (P128)."""
    reason = f"The contract certificate was not accepted ({why})."
    answer = Authorization(verdict=Verdict.INVALID, rule=Rule.CERTIFICATE, reason=reason)
    authorization_log.note(station, token, answer, Asked.AUTHORIZE)
    return answer


def for_start(
    station: StationSide,
    token: TokenShown,
    *,
    started_at: datetime,
    transaction_pk: UUID,
    evse: Evse | None = None,
) -> Authorization:
    """The answer to a start, which also looks at the token's other open transactions (P123).

    Those on the same EVSE do not count, since the start supersedes them. What a station tells of the past
    is not measured by what began later. Starts of one token are decided one after the other: run inside a
    database transaction, which keeps the token until its commit.
    """
    if station.registration == Registration.ACCEPTED:
        _lock_token(station, token)
        others = _open_elsewhere(station, token, started_at, evse.pk if evse else None, transaction_pk)
        answer = _ask(station, token, others=others, evse=evse)
    else:
        answer = _not_yet()
    authorization_log.note(
        station,
        token,
        answer,
        Asked.START,
        evse_id=evse.evse_id if evse else None,
        transaction_id=transaction_pk,
    )
    return answer


def for_stop(station: StationSide, token: TokenShown, *, transaction_pk: UUID | None = None) -> Authorization:
    """The answer about a token shown to stop: what it is, whatever it is charging."""
    answer = _told(authorization.decide(_about(station, token))) if _short(token) else _too_long()
    authorization_log.note(station, token, answer, Asked.STOP, transaction_id=transaction_pk)
    return answer


def for_remote_start(station: StationSide, token: TokenShown, *, evse: Evse | None = None) -> Authorization:
    """Whether a start from afar makes sense: what the station would hear once it begins."""
    others = _open_elsewhere(station, token, clock.now(), evse.pk if evse else None, None)
    answer = _ask(station, token, others=others, evse=evse)
    authorization_log.note(station, token, answer, Asked.REMOTE_START, evse_id=evse.evse_id if evse else None)
    return answer


def related(shown: Authorization, shown_value: str, transaction: Transaction) -> bool:
    """Whether the token may stop the transaction: the same one, one of its group, or a master pass (P124)."""
    if shown_value.upper() == transaction.token_value.upper() or shown.master_pass:
        return True
    began_with = transaction.token
    if shown.token is None or began_with is None:
        return False
    return shown.token.group_id is not None and shown.token.group_id == began_with.group_id


def _ask(
    station: StationSide, token: TokenShown, *, others: int = 0, evse: Evse | None = None
) -> Authorization:
    """What is decided where the token wants to charge: place and other sessions count."""
    if not _short(token):
        return _too_long()
    question = _about(station, token)
    here = circumstances.read(station.station_id, question.token, evse.evse_id if evse else None)
    at_once = policies.of(station.organization_id).sessions_at_once if others else 1
    known = question.token
    question = replace(
        question,
        free=here.free,
        elsewhere=here.elsewhere,
        unpriced=token.type in AD_HOC and not here.free and _unpriced(station, token, evse),
        used_up=spending.used_up(known, question.now) if known and here.budgeted else None,
        open_transactions=others,
        at_once=at_once,
    )
    return _told(authorization.decide(question))


def _unpriced(station: StationSide, token: TokenShown, evse: Evse | None) -> bool:
    """Whether a start that nobody has a contract for would have no price (T-43)."""
    place = Place(station.organization_id, station.site_id, station.station_id, evse.pk if evse else None)
    return tariff_choice.is_missing(place, clock.now(), token.type)


def _about(station: StationSide, token: TokenShown) -> Question:
    """The question what the token is, wherever it is shown."""
    known = authorization.find(station.organization_id, token.value, token.type)
    return Question(token=known, type=token.type, now=clock.now())


def _short(token: TokenShown) -> bool:
    return bool(token.type) or len(token.value) <= UNTYPED_MAX


def _too_long() -> Authorization:
    return Authorization(
        verdict=Verdict.INVALID,
        rule=Rule.TOO_LONG,
        reason=f"The token is longer than {UNTYPED_MAX} characters.",
    )


def _told(decision: Decision) -> Authorization:
    return Authorization(
        verdict=decision.verdict,
        rule=decision.rule,
        reason=decision.reason,
        group_value=decision.group_value,
        expires_at=decision.expires_at,
        master_pass=decision.master_pass,
        token=decision.token,
    )


def _not_yet() -> Authorization:
    reason = "The station is not accepted yet."
    return Authorization(verdict=Verdict.INVALID, rule=Rule.STATION_PENDING, reason=reason)


def _lock_token(station: StationSide, token: TokenShown) -> None:
    """After EVSE and transaction in the order of locks (M-04)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
            [f"token {station.organization_id} {token.value.upper()}"],
        )


def _open_elsewhere(
    station: StationSide,
    token: TokenShown,
    started_at: datetime,
    evse_pk: UUID | None,
    transaction_pk: UUID | None,
) -> int:
    if not token.value:
        return 0
    open_ = Transaction.objects.filter(
        organization_id=station.organization_id,
        token_value__iexact=token.value,
        status=TransactionStatus.ACTIVE.value,
    )
    if started_at < clock.now() - LIVE:
        open_ = open_.filter(started_at__lte=started_at)
    if token.type:
        open_ = open_.filter(Q(token_type="") | Q(token_type=token.type))
    if evse_pk:
        open_ = open_.exclude(evse_id=evse_pk)
    if transaction_pk:
        open_ = open_.exclude(pk=transaction_pk)
    return open_.count()
