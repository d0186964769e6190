"""Sessions that cannot end by themselves: what speaks for their end, and what an operator decides (P107, P145).

Nothing here happens by itself. An end that the station reports later outranks what was decided, and is flagged.
"""

from datetime import datetime, timedelta
from decimal import Decimal

from core import audit, clock
from core.access import Actor, Permission
from core.errors import Conflict, Invalid
from stations.domain.metering import MAX_REGISTER_WH
from stations.domain.repairs import DecisionKind
from stations.domain.station import StationRef, StationSide
from stations.domain.words import Registration, TransactionStatus
from stations.models import OrphanStop, SessionDecision, Transaction
from stations.services import effects
from stations.services.transactions import orphans, standing
from stations.services.transactions.ending import apply_figures
from stations.services.transactions.figures import Candidates
from stations.services.transactions.locking import in_one_piece, lock_evse

CLOSED_BY_OPERATOR = "ClosedByOperator"
LONGEST_WAIT = timedelta(days=30)


@in_one_piece
def confirm(orphan: OrphanStop, transaction: Transaction, *, by: Actor, reason: str = "") -> Transaction:
    """An operator says that the stop belongs to the transaction. Raises :class:`Conflict` where it cannot."""
    by.require(Permission.SESSIONS_CORRECT, transaction)
    station, locked = _locked(transaction)
    orphan = OrphanStop.objects.select_for_update(of=("self",)).get(pk=orphan.pk)
    if orphan.station_id != locked.station_id or orphan.joined_id is not None:
        raise Conflict("This stop belongs elsewhere already.")
    _require_open(locked)
    orphans.join(station, locked, orphan)
    _note(locked, DecisionKind.JOINED_STOP, by=by, reason=reason)
    audit.record("transaction.stop_confirmed", locked, by=by, reason=reason)
    return locked


@in_one_piece
def close_stuck(
    transaction: Transaction, *, by: Actor, reason: str, meter_stop_wh: Decimal | None = None
) -> Transaction:
    """End a transaction whose end never came, with its last register or a given one. Needs a reason.

    An end that the station reports later takes its place and is flagged. Raises :class:`Conflict` for one
    that has ended, :class:`Invalid` for a register that no session can end with.
    """
    by.require(Permission.SESSIONS_CORRECT, transaction)
    _require_reason(reason)
    station, locked = _locked(transaction)
    _require_open(locked)
    _require_register(locked, meter_stop_wh)
    before = {"status": locked.status, "meter_stop_wh": _text(locked.meter_last_wh)}
    standing.end(locked, locked.last_event_at)
    locked.stopped_reason, locked.charging_state = CLOSED_BY_OPERATOR, ""
    if meter_stop_wh is not None:
        _place_register(station, locked, meter_stop_wh)
    locked.save()
    standing.show(locked, locked.evse)
    effects.transaction_ended(locked)
    kind = DecisionKind.LAST_READING if meter_stop_wh is None else DecisionKind.GIVEN_READING
    _note(locked, kind, by=by, reason=reason, meter_stop_wh=meter_stop_wh)
    after = {"status": locked.status, "meter_stop_wh": _text(locked.meter_last_wh)}
    changes = {name: [before[name], after[name]] for name in after}
    audit.record("transaction.closed", locked, by=by, reason=reason, changes=changes)
    standing.announce(locked)
    return locked


@in_one_piece
def keep_waiting(transaction: Transaction, *, until: datetime, by: Actor, reason: str) -> Transaction:
    """Leave the transaction as it is until then; it is not given up by itself meanwhile.

    Raises :class:`Invalid` for a time that is over or too far ahead, :class:`Conflict` for one that has ended.
    """
    by.require(Permission.SESSIONS_CORRECT, transaction)
    _require_reason(reason)
    now = clock.now()
    if not now < until <= now + LONGEST_WAIT:
        raise Invalid(f"Choose a time within the next {LONGEST_WAIT.days} days.", field="until")
    _, locked = _locked(transaction)
    _require_open(locked)
    _note(locked, DecisionKind.WAIT, by=by, reason=reason, waits_until=until)
    audit.record(
        "transaction.kept_waiting",
        locked,
        by=by,
        reason=reason,
        changes={"waits_until": [None, until.isoformat()]},
    )
    standing.announce(locked)
    return locked


def _place_register(station: StationSide, locked: Transaction, meter_stop_wh: Decimal) -> None:
    """The given register instead of all that were read; what it means is computed by the one rule."""
    locked.meter_last_wh = locked.meter_last_at = None
    locked.meter_stop_exact = False
    locked.save()
    ended_at = locked.ended_at or locked.last_event_at
    offered = Candidates(contexts_count=False).stopped(ended_at, meter_stop_wh)
    apply_figures(locked, offered, station.max_power_w)


def _require_open(locked: Transaction) -> None:
    if locked.status == TransactionStatus.ENDED:
        raise Conflict("This session has ended already.")


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid("Say why; the reason is kept in the audit log.", field="reason")


def _require_register(locked: Transaction, meter_stop_wh: Decimal | None) -> None:
    if meter_stop_wh is None:
        return
    if not meter_stop_wh.is_finite() or not 0 <= meter_stop_wh <= MAX_REGISTER_WH:
        raise Invalid("This is not a register of a meter.", field="meter_stop_wh")
    if locked.meter_start_wh is not None and meter_stop_wh < locked.meter_start_wh:
        raise Invalid("The register lies below that of the start.", field="meter_stop_wh")


def _note(
    locked: Transaction,
    kind: DecisionKind,
    *,
    by: Actor,
    reason: str,
    meter_stop_wh: Decimal | None = None,
    waits_until: datetime | None = None,
) -> None:
    SessionDecision.objects.create(
        transaction=locked,
        kind=kind.value,
        meter_stop_wh=meter_stop_wh,
        waits_until=waits_until,
        reason=reason.replace("\x00", "")[:500],
        decided_by=by.label[:200],
        decided_at=clock.now(),
    )


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _locked(transaction: Transaction) -> tuple[StationSide, Transaction]:
    row = Transaction.objects.select_related("station").get(pk=transaction.pk)
    station = StationRef(
        station_id=row.station_id,
        organization_id=row.organization_id,
        site_id=row.site_id,
        registration=Registration(row.station.registration),
        max_power_w=row.station.max_power_w,
    )
    evse = lock_evse(station, row.evse.evse_id) if row.evse else None
    locked = (
        Transaction.objects.select_for_update(no_key=True, of=("self",))
        .select_related("token")
        .get(pk=row.pk)
    )
    locked.evse = evse
    return station, locked
