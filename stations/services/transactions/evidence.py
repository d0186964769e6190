"""Which sessions need a person, and why; reads only."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from core import clock
from core.access import Actor
from stations.domain.repairs import Evidence
from stations.domain.words import Capability, Flag, TransactionStatus
from stations.models import (
    Connector,
    MeterReading,
    OrphanStop,
    SessionDecision,
    StatusAnswer,
    Transaction,
)

FOLLOWING_SHOWN = 3
STOPS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Case:
    """All that is known of a session without an end.

    ``last_reading`` is its latest meter value with a register; ``following`` the next sessions at its outlet;
    ``stops`` ends without a start that fit it; ``free_since`` when its connector became available after it.
    """

    session: Transaction
    reasons: list[Evidence]
    last_reading: MeterReading | None
    answer: StatusAnswer | None
    can_be_asked: bool
    following: list[Transaction]
    stops: list[OrphanStop]
    free_since: datetime | None
    decisions: list[SessionDecision]

    @property
    def open(self) -> bool:
        return self.session.status != TransactionStatus.ENDED

    @property
    def waits_until(self) -> datetime | None:
        """Until when an operator lets it wait, where that lies ahead."""
        until = [one.waits_until for one in self.decisions if one.waits_until]
        latest = max(until, default=None)
        return latest if latest is not None and latest > clock.now() else None


def needing(by: Actor, now: datetime) -> QuerySet[Transaction]:
    """Sessions that cannot end by themselves, without those that an operator lets wait."""
    denied = StatusAnswer.objects.filter(_denied(), transaction=OuterRef("pk"))
    stop = OrphanStop.objects.filter(suggested=OuterRef("pk"), joined=None)
    awaited = SessionDecision.objects.filter(transaction=OuterRef("pk"), waits_until__gt=now)
    silent = Q(last_event_at__lt=_silent_before(now))
    free = Q(flags__contains=[Flag.AVAILABLE_DURING_SESSION.value])
    given_up = Q(status=TransactionStatus.ORPHANED.value)
    return Transaction.objects.visible_to(by).filter(
        given_up | silent | free | Exists(denied) | Exists(stop),
        ~Exists(awaited),
        status__in=[TransactionStatus.ACTIVE.value, TransactionStatus.ORPHANED.value],
    )


def of(session: Transaction, by: Actor, now: datetime) -> Case:
    """The case of one session; its ``station`` and ``evse`` are loaded."""
    answer = StatusAnswer.objects.filter(transaction=session).first()
    following = list(_following(session, by))
    stops = list(_stops(session))
    free_since = _free_since(session)
    return Case(
        session=session,
        reasons=list(_reasons(session, answer, following, stops, free_since, now)),
        last_reading=_last_reading(session),
        answer=answer,
        can_be_asked=session.number is None and session.station.supports(Capability.TRANSACTION_STATUS),
        following=following,
        stops=stops,
        free_since=free_since,
        decisions=list(session.decisions.all()[:20]),
    )


def _reasons(
    session: Transaction,
    answer: StatusAnswer | None,
    following: list[Transaction],
    stops: list[OrphanStop],
    free_since: datetime | None,
    now: datetime,
) -> Iterator[Evidence]:
    if session.status == TransactionStatus.ENDED:
        return
    if session.status == TransactionStatus.ORPHANED:
        yield Evidence.GIVEN_UP
    if following:
        yield Evidence.NEWER_SESSION
    if answer is not None and answer.nothing_follows and answer.answered_at >= session.last_event_at:
        yield Evidence.STATION_DENIES
    if free_since is not None or Flag.AVAILABLE_DURING_SESSION in session.flags:
        yield Evidence.CONNECTOR_FREE
    if stops:
        yield Evidence.STOP_WITHOUT_START
    if session.last_event_at < _silent_before(now):
        yield Evidence.SILENT


def _denied() -> Q:
    """What the station said after the last message of the session."""
    return Q(ongoing=False, messages_in_queue=False, answered_at__gte=F("transaction__last_event_at"))


def _silent_before(now: datetime) -> datetime:
    return now - timedelta(hours=settings.OCPP_ORPHAN_GRACE_HOURS)


def _following(session: Transaction, by: Actor) -> QuerySet[Transaction]:
    if session.evse_id is None:
        return Transaction.objects.none()
    later = Transaction.objects.visible_to(by).filter(
        evse_id=session.evse_id, started_at__gt=session.started_at
    )
    return later.order_by("started_at", "id")[:FOLLOWING_SHOWN]


def _stops(session: Transaction) -> QuerySet[OrphanStop]:
    """Those that were suggested, and others of its token that fit by time and register (P145)."""
    own_token = Q(token_value="") | Q(token_value__iexact=session.token_value)
    fits = Q(occurred_at__gte=session.started_at) & own_token
    if session.meter_start_wh is not None:
        fits &= Q(meter_stop_wh__gte=session.meter_start_wh)
    if session.number is None:
        fits = Q(pk__in=[])
    rows = OrphanStop.objects.filter(Q(suggested=session) | fits, station_id=session.station_id, joined=None)
    return rows.order_by("occurred_at")[:STOPS_SHOWN]


def _free_since(session: Transaction) -> datetime | None:
    if session.evse_id is None:
        return None
    connectors = Connector.objects.filter(
        evse_id=session.evse_id, status="Available", status_at__gt=session.last_event_at
    )
    if session.connector_id is not None:
        connectors = connectors.filter(connector_id=session.connector_id)
    return connectors.order_by("status_at").values_list("status_at", flat=True).first()


def _last_reading(session: Transaction) -> MeterReading | None:
    readings = MeterReading.objects.filter(transaction=session, occurred_at__gte=session.started_at)
    return readings.filter(energy_wh__isnull=False).order_by("-occurred_at").first()
