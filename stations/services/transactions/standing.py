"""How a transaction stands: running, over or given up; and what its EVSE shows live.

A transaction that is not ended is superseded when a later one began on its EVSE, whichever message
arrived first. The caller holds the lock of the EVSE.
"""

from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.db.models.functions import Least

from stations import live
from stations.domain.words import Flag, TransactionStatus
from stations.models import Connector, Evse, Transaction

UNPLUGGING = timedelta(minutes=1)
ACTIVE, ENDED, ORPHANED = TransactionStatus.ACTIVE, TransactionStatus.ENDED, TransactionStatus.ORPHANED


def settle(transaction: Transaction, evse: Evse | None) -> None:
    """Give up the running ones that began before on its EVSE, and this one if a later one began there."""
    if evse is not None:
        _supersede_earlier(transaction, evse)
    if transaction.status == ENDED:
        return
    superseded = evse is not None and _later_ones(transaction, evse).exists()
    transaction.status = ORPHANED if superseded else ACTIVE
    transaction.power_w = None if superseded else transaction.power_w
    set_flag(transaction, Flag.SUPERSEDED, superseded)


def place_of(transaction: Transaction) -> tuple[object, ...]:
    """What :func:`settle` looks at; while it stays the same nothing is to be settled."""
    return (
        transaction.status,
        transaction.evse_id,
        transaction.started_at,
        transaction.start_received_at,
    )


def end(transaction: Transaction, at: datetime) -> None:
    """Mark as ended at that time; it is no longer superseded, whatever began after it."""
    transaction.status = ENDED
    transaction.ended_at = at
    transaction.power_w = None
    set_flag(transaction, Flag.SUPERSEDED, False)
    set_flag(transaction, Flag.NEGATIVE_DURATION, at < transaction.started_at)
    if Flag.AVAILABLE_DURING_SESSION in transaction.flags:
        set_flag(transaction, Flag.AVAILABLE_DURING_SESSION, _was_free_before(transaction, at))


def show(transaction: Transaction, evse: Evse | None) -> None:
    """Let the EVSE show the running transaction and its figures, or nothing when it is over (P156).

    Call for what happens now, never for what a station tells of the past.
    """
    if evse is None:
        return
    if transaction.status == ACTIVE:
        evse.active = transaction
        evse.power_w, evse.energy_wh = transaction.power_w, transaction.energy_wh
        evse.soc_percent, evse.measured_at = transaction.soc_percent, transaction.measured_at
    elif not is_shown(transaction, evse):
        return
    else:
        clear(evse)
    evse.save(update_fields=["active", "power_w", "energy_wh", "soc_percent", "measured_at"])


def is_shown(transaction: Transaction, evse: Evse) -> bool:
    return evse.active_id == transaction.pk


def clear(evse: Evse) -> None:
    """Nothing is charging here."""
    evse.active = None
    evse.power_w = evse.energy_wh = evse.soc_percent = None


def set_flag(transaction: Transaction, flag: Flag, condition: bool) -> None:
    flags = set(transaction.flags)
    flags = flags | {flag.value} if condition else flags - {flag.value}
    transaction.flags = sorted(flags)


def announce(transaction: Transaction) -> None:
    """Tell who watches that the transaction and its station changed, after the commit."""
    live.announce_on_commit(
        "transaction",
        transaction.organization_id,
        transaction.pk,
        site_id=transaction.site_id,
        station_id=transaction.station_id,
    )
    live.announce_on_commit(
        "station",
        transaction.organization_id,
        transaction.station_id,
        site_id=transaction.site_id,
        station_id=transaction.station_id,
    )


def _was_free_before(transaction: Transaction, at: datetime) -> bool:
    """Whether its connector was available well before the end; moments before it, the car was unplugged."""
    if transaction.evse_id is None:
        return False
    connectors = Connector.objects.filter(evse_id=transaction.evse_id, status="Available")
    if transaction.connector_id is not None:
        connectors = connectors.filter(connector_id=transaction.connector_id)
    return connectors.filter(status_at__lt=at - UNPLUGGING).exists()


def _began_at(transaction: Transaction) -> datetime:
    """When it began; a clock that was ahead at the time is no proof: receipt is the latest possible."""
    return min(transaction.started_at, transaction.start_received_at or transaction.started_at)


def _later_ones(transaction: Transaction, evse: Evse) -> QuerySet[Transaction]:
    began_at = _began_at(transaction)
    others = Transaction.objects.filter(
        station_id=transaction.station_id, evse=evse, started_at__gte=began_at
    )
    others = others.annotate(began_at=Least("started_at", "start_received_at")).exclude(pk=transaction.pk)
    return others.filter(Q(began_at__gt=began_at) | Q(began_at=began_at, pk__gt=transaction.pk))


def _supersede_earlier(transaction: Transaction, evse: Evse) -> None:
    running = Transaction.objects.select_for_update(no_key=True).filter(evse=evse, status=ACTIVE.value)
    for other in running.exclude(pk=transaction.pk):
        if (_began_at(other), other.pk) < (_began_at(transaction), transaction.pk):
            _give_up(other, evse)


def _give_up(other: Transaction, evse: Evse) -> None:
    other.status, other.power_w = ORPHANED, None
    set_flag(other, Flag.SUPERSEDED, True)
    other.save(update_fields=["status", "flags", "power_w"])
    announce(other)
    if is_shown(other, evse):
        clear(evse)
        evse.save(update_fields=["active", "power_w", "energy_wh", "soc_percent"])
