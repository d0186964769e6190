"""Stops without a start, and transactions without an end (P107, P143 to P147)."""

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from stations.domain.events import TransactionStopped
from stations.domain.station import StationSide
from stations.domain.words import Flag, TransactionStatus
from stations.models import Evse, OrphanStop, SessionDecision, StatusAnswer, Transaction
from stations.services.transactions import ending, guesses, standing
from stations.services.transactions.locking import in_one_piece

LONGEST_JOINED = timedelta(days=7)
INT64_MAX = 9_223_372_036_854_775_807


@in_one_piece
def keep(station: StationSide, event: TransactionStopped) -> OrphanStop:
    """Store a stop whose number is not of this station; it ends nothing (P143, P144).

    A transaction of the same token that runs since an earlier time is noted as a suggestion (P145).
    """
    row = OrphanStop(
        station_id=station.station_id,
        number=max(-INT64_MAX, min(event.number, INT64_MAX)),
        token_value=event.token.value[:255] if event.token else "",
        meter_stop_wh=event.meter_stop_wh,
        occurred_at=event.stamp.occurred_at,
        received_at=event.stamp.received_at,
        reason=event.reason[:40],
        samples=[guesses.packed(sample) for sample in event.samples],
    )
    if Flag.CLOCK_IMPLAUSIBLE in event.stamp.flags and (known := _repeated(row)):
        return known
    row.suggested = _suggestion(row)
    OrphanStop.objects.bulk_create([row], ignore_conflicts=True)
    return row


def pair(station: StationSide, transaction: Transaction) -> None:
    """Join a stop that came before its start (P147): same token, times and registers in order, and the only one.

    Where several fit they become suggestions. The transaction and its EVSE are locked.
    """
    if not transaction.token_value:
        return
    fitting = list(
        OrphanStop.objects.select_for_update().filter(
            station_id=station.station_id,
            joined=None,
            token_value__iexact=transaction.token_value,
            occurred_at__gte=transaction.started_at,
            occurred_at__lte=transaction.started_at + LONGEST_JOINED,
            meter_stop_wh__gte=transaction.meter_start_wh,
            received_at__lte=transaction.start_received_at,
        )[:2]
    )
    if len(fitting) == 1 and not _another_began_between(transaction, fitting[0]):
        join(station, transaction, fitting[0])
        return
    OrphanStop.objects.filter(pk__in=[row.pk for row in fitting], suggested=None).update(
        suggested=transaction
    )


def orphan_overdue(now: datetime) -> int:
    """Give up transactions that nothing was heard of since a boot, or a disconnect, longer ago than the grace.

    Not those that the station has said to be running or to have messages of since (P161), nor those that an
    operator waits for. Answers with how many. What the station reports later still counts.
    """
    overdue = _overdue(now).values_list("pk", flat=True)[:500]
    return sum(_give_up(pk, now) for pk in list(overdue))


@in_one_piece
def _give_up(pk: UUID, now: datetime) -> bool:
    evse_pk = Transaction.objects.filter(pk=pk).values_list("evse_id", flat=True).first()
    evse = Evse.objects.select_for_update(no_key=True).get(pk=evse_pk) if evse_pk else None
    transaction = (
        Transaction.objects.select_for_update(no_key=True).filter(pk=pk, pk__in=_overdue(now)).first()
    )
    if transaction is None:
        return False
    transaction.status, transaction.power_w = TransactionStatus.ORPHANED, None
    transaction.save(update_fields=["status", "power_w"])
    standing.show(transaction, evse)
    standing.announce(transaction)
    return True


def _overdue(now: datetime) -> QuerySet[Transaction]:
    limit = now - timedelta(hours=settings.OCPP_ORPHAN_GRACE_HOURS)
    booted = Q(station__booted_at__lt=limit, last_event_at__lt=F("station__booted_at"))
    gone = Q(station__presence__connected=False, station__presence__disconnected_at__lt=limit)
    told = StatusAnswer.objects.filter(
        Q(ongoing=True) | Q(messages_in_queue=True), transaction=OuterRef("pk"), answered_at__gte=limit
    )
    awaited = SessionDecision.objects.filter(transaction=OuterRef("pk"), waits_until__gt=now)
    return Transaction.objects.filter(
        booted | gone,
        ~Exists(told),
        ~Exists(awaited),
        status=TransactionStatus.ACTIVE.value,
        last_event_at__lt=limit,
    )


def _repeated(row: OrphanStop) -> OrphanStop | None:
    """The same stop, where its time cannot tell since it was replaced by that of receipt."""
    return OrphanStop.objects.filter(
        station_id=row.station_id,
        number=row.number,
        meter_stop_wh=row.meter_stop_wh,
        token_value=row.token_value,
    ).first()


def _suggestion(row: OrphanStop) -> Transaction | None:
    """The one running transaction that the stop could be of; ``None`` where none or several fit."""
    fitting = Transaction.objects.filter(
        station_id=row.station_id,
        end_received_at=None,
        number__isnull=False,
        started_at__lte=row.occurred_at,
        started_at__gte=row.occurred_at - LONGEST_JOINED,
        meter_start_wh__lte=row.meter_stop_wh,
    )
    if row.token_value:
        fitting = fitting.filter(token_value__iexact=row.token_value)
    found = list(fitting[:2])
    return found[0] if len(found) == 1 else None


def _another_began_between(transaction: Transaction, row: OrphanStop) -> bool:
    return (
        Transaction.objects.filter(
            station_id=transaction.station_id,
            token_value__iexact=transaction.token_value,
            started_at__gt=transaction.started_at,
            started_at__lte=row.occurred_at,
        )
        .exclude(pk=transaction.pk)
        .exists()
    )


def join(station: StationSide, transaction: Transaction, row: OrphanStop) -> None:
    """The stop ends the transaction; both are locked."""
    standing.set_flag(transaction, Flag.STOP_JOINED, True)
    ending.close(station, guesses.event_of(row, transaction), transaction, transaction.evse)
    OrphanStop.objects.filter(pk=row.pk).update(joined=transaction)
