"""Transactions that stations name: 2.x TransactionEvent, in whatever order the events arrive (E01 to E06)."""

from dataclasses import dataclass

from django.db import IntegrityError
from django.db.transaction import atomic

from core.errors import Invalid
from stations.domain.events import TransactionEventReported
from stations.domain.station import StationSide
from stations.domain.words import Flag, TransactionStatus
from stations.models import Evse, Transaction, TransactionEvent
from stations.services import authorization, cost_comparison, effects, readings, reservations, tariffs
from stations.services.authorization import Authorization
from stations.services.transactions import log, standing
from stations.services.transactions.ending import apply_figures, flags_of, recount_given
from stations.services.transactions.figures import Candidates
from stations.services.transactions.locking import in_one_piece, lock_evse

INT32_MAX = 2_147_483_647
REFERENCE_MAX = 64
STOPS = frozenset({"StopAuthorized", "Deauthorized", "RemoteStop"})


@dataclass(frozen=True, slots=True)
class EventOutcome:
    """``decision`` is there when the event had a token; ``repeated`` where nothing was stored."""

    transaction: Transaction
    decision: Authorization | None
    repeated: bool = False


def apply_event(station: StationSide, event: TransactionEventReported) -> EventOutcome:
    """Store one event and what follows from it; a repeat gets the stored answer (P154).

    Raises :class:`Invalid` for a sequence number that no station counts to.
    """
    if not 0 <= event.seq_no < log.RENUMBERED:
        raise Invalid("seqNo is out of range.", field="seqNo")
    known = Transaction.objects.filter(station_id=station.station_id, reference=_reference(event))
    evse_id = known.values_list("evse__evse_id", flat=True).first()
    return _apply(station, event, event.evse_id or evse_id)


def digest_of(event: TransactionEventReported) -> bytes:
    """What a repeat is known by: the message without ``offline``, which may be set when it is sent again."""
    if event.content:
        return log.digest_of({key: value for key, value in event.content.items() if key != "offline"})
    return log.digest_of(event.kind, log.sent_time(event.stamp), event.trigger_reason, event.charging_state)


@in_one_piece
def _apply(station: StationSide, event: TransactionEventReported, evse_id: int | None) -> EventOutcome:
    evse = lock_evse(station, evse_id, event.connector_id)
    transaction = _take(station, event, evse)
    place = standing.place_of(transaction)
    evse = _evse_of(transaction, evse)
    entry = _entry(event)
    seq_no, stored = log.find(transaction, entry)
    if stored is not None:
        return _repeat(station, event, transaction, entry, stored)
    decision = _decide(station, event, transaction, evse)
    log.add(transaction, entry, seq_no, decision)
    began = event.kind == log.STARTED or _names_remote_start(event, transaction)
    if event.kind == log.ENDED:
        recount_given(transaction, station.max_power_w)
    is_first = transaction.event_count == 0
    terms = _terms_of(transaction)
    _note(station, event, transaction, seq_no, decision)
    if transaction.status != TransactionStatus.ACTIVE or standing.place_of(transaction) != place:
        standing.settle(transaction, evse)
    transaction.save()
    if is_first or event.kind == log.STARTED or _terms_of(transaction) != terms:
        tariffs.freeze(transaction, received_at=transaction.start_received_at or event.stamp.received_at)
    _store_samples(station, event, transaction, evse)
    _follow_up(event, transaction, evse, began)
    return EventOutcome(transaction, decision)


def _terms_of(transaction: Transaction) -> tuple[object, ...]:
    """What decides which tariff of those at its start a session has; some of it is told after the start."""
    return transaction.driver_id, transaction.token_type, transaction.connector_id


def _take(station: StationSide, event: TransactionEventReported, evse: Evse | None) -> Transaction:
    """The transaction of that name, locked; made by whichever event comes first (P155)."""
    if found := _locked(station, event):
        return found
    transaction = _draft(station, event, evse)
    try:
        with atomic():
            transaction.save(force_insert=True)
    except IntegrityError:
        if found := _locked(station, event):
            return found
        raise
    return transaction


def _locked(station: StationSide, event: TransactionEventReported) -> Transaction | None:
    # Nothing is joined: what a row points to may change while its lock is waited for.
    rows = Transaction.objects.select_for_update(no_key=True)
    return rows.filter(station_id=station.station_id, reference=_reference(event)).first()


def _draft(station: StationSide, event: TransactionEventReported, evse: Evse | None) -> Transaction:
    """A row that stands for nothing yet; how it stands is settled once the event is noted."""
    return Transaction(
        organization_id=station.organization_id,
        site_id=station.site_id,
        station_id=station.station_id,
        evse=evse,
        reference=_reference(event),
        started_at=event.stamp.occurred_at,
        last_event_at=event.stamp.occurred_at,
        status=TransactionStatus.ORPHANED.value,
    )


def _evse_of(transaction: Transaction, evse: Evse | None) -> Evse | None:
    """The EVSE is sent once and inherited by all other events (P158)."""
    if transaction.evse_id is not None and (evse is None or transaction.evse_id != evse.pk):
        # Another worker placed it while this one waited for its row.
        evse = Evse.objects.select_for_update(no_key=True).get(pk=transaction.evse_id)
    transaction.evse = evse
    return evse


def _repeat(
    station: StationSide,
    event: TransactionEventReported,
    transaction: Transaction,
    entry: log.Entry,
    stored: TransactionEvent,
) -> EventOutcome:
    answer = log.answer_of(stored)
    if log.contradicts(stored, entry):
        log.add_conflict(transaction, entry, stored.seq_no)
        if log.ENDED in (stored.kind, entry.kind):
            standing.set_flag(transaction, Flag.CONFLICTING_END, True)
            transaction.save(update_fields=["flags"])
        standing.announce(transaction)
    if event.token is None:
        return EventOutcome(transaction, None, repeated=True)
    return EventOutcome(
        transaction,
        answer or authorization.for_stop(station, event.token, transaction_pk=transaction.pk),
        repeated=True,
    )


def _decide(
    station: StationSide, event: TransactionEventReported, transaction: Transaction, evse: Evse | None
) -> Authorization | None:
    if event.token is None:
        return None
    if _is_stop(event):
        return authorization.for_stop(station, event.token, transaction_pk=transaction.pk)
    return authorization.for_start(
        station,
        event.token,
        started_at=event.stamp.occurred_at,
        evse=evse,
        transaction_pk=transaction.pk,
    )


def _note(
    station: StationSide,
    event: TransactionEventReported,
    transaction: Transaction,
    seq_no: int,
    decision: Authorization | None,
) -> None:
    """Each value is the least, greatest or latest of its kind, so that the order does not matter (M-03)."""
    transaction.event_count += 1
    transaction.first_seq_no = _least(transaction.first_seq_no, seq_no)
    transaction.last_seq_no = _greatest(transaction.last_seq_no, seq_no)
    transaction.last_event_at = max(transaction.last_event_at, event.stamp.occurred_at)
    _note_start(event, transaction)
    _note_numbers(event, transaction)
    _note_token(event, transaction, seq_no, decision)
    _note_charging_state(event, transaction, seq_no)
    _note_end(event, transaction)
    transaction.repairs = sorted({*transaction.repairs, *(repair[:120] for repair in event.repairs)})
    _note_flags(station, event, transaction)


def _note_start(event: TransactionEventReported, transaction: Transaction) -> None:
    if event.kind == log.STARTED:
        transaction.started_at = event.stamp.occurred_at
        transaction.start_received_at = event.stamp.received_at
    elif transaction.start_received_at is None:
        transaction.started_at = min(transaction.started_at, event.stamp.occurred_at)


def _note_numbers(event: TransactionEventReported, transaction: Transaction) -> None:
    if transaction.connector_id is None and event.connector_id and event.connector_id <= INT32_MAX:
        transaction.connector_id = event.connector_id
    if transaction.remote_start_id is None:
        transaction.remote_start_id = _int32(event.remote_start_id)
    if transaction.reservation_id is None:
        transaction.reservation_id = _int32(event.reservation_id)


def _note_token(
    event: TransactionEventReported, transaction: Transaction, seq_no: int, decision: Authorization | None
) -> None:
    if event.token is None or decision is None:
        return
    if _is_stop(event):
        transaction.stop_token_value = event.token.value[:255]
        unrelated = bool(transaction.token_value) and not authorization.related(
            decision, event.token.value, transaction
        )
        standing.set_flag(transaction, Flag.UNRELATED_STOP_TOKEN, unrelated)
        return
    if transaction.token_seq_no is not None and transaction.token_seq_no < seq_no:
        return
    transaction.token_seq_no = seq_no
    transaction.token_value, transaction.token_type = event.token.value[:255], event.token.type[:20]
    transaction.token, transaction.authorization = decision.token, decision.verdict.value
    transaction.driver = decision.driver
    standing.set_flag(transaction, Flag.NOT_AUTHORIZED, not decision.accepted)


def _note_charging_state(event: TransactionEventReported, transaction: Transaction, seq_no: int) -> None:
    """The state of the latest event; of an ended transaction that of its end, which often names none."""
    at = (event.stamp.occurred_at, seq_no)
    if event.kind != log.ENDED:
        if not event.charging_state or transaction.status == TransactionStatus.ENDED:
            return
        if transaction.charging_state_at is not None:
            latest = (transaction.charging_state_at, transaction.charging_state_seq_no or 0)
            if at < latest:
                return
    transaction.charging_state = event.charging_state[:20]
    transaction.charging_state_at, transaction.charging_state_seq_no = at


def _note_end(event: TransactionEventReported, transaction: Transaction) -> None:
    if event.kind == log.ENDED and transaction.end_received_at is None:
        if transaction.status == TransactionStatus.ENDED:  # an operator had closed it
            standing.set_flag(transaction, Flag.CONFLICTING_END, True)
        transaction.end_received_at = event.stamp.received_at
        transaction.stopped_reason = (event.stopped_reason or "Local")[:40]
        standing.end(transaction, event.stamp.occurred_at)
    elif transaction.ended_at is not None:
        standing.end(transaction, transaction.ended_at)


def _note_flags(station: StationSide, event: TransactionEventReported, transaction: Transaction) -> None:
    for flag in flags_of(event.stamp, event.repairs, station):
        standing.set_flag(transaction, flag, True)
    if event.offline:
        standing.set_flag(transaction, Flag.OFFLINE, True)
    standing.set_flag(transaction, Flag.MISSING_EVENTS, _misses_events(transaction))


def _misses_events(transaction: Transaction) -> bool:
    """Whether the start or a number is missing; a counter that runs on over transactions has gaps (P157)."""
    if transaction.start_received_at is None:
        return True
    first, last = transaction.first_seq_no or 0, transaction.last_seq_no or 0
    return first == 0 and last < log.RENUMBERED and last + 1 > transaction.event_count


def _store_samples(
    station: StationSide, event: TransactionEventReported, transaction: Transaction, evse: Evse | None
) -> None:
    if not event.samples:
        return
    apply_figures(transaction, Candidates(event.samples, contexts_count=True), station.max_power_w)
    readings.store(
        station.station_id,
        evse.evse_id if evse else 0,
        event.samples,
        received_at=event.stamp.received_at,
        transaction_id=transaction.pk,
    )


def _follow_up(
    event: TransactionEventReported, transaction: Transaction, evse: Evse | None, began: bool
) -> None:
    if not event.offline or transaction.status != TransactionStatus.ACTIVE:
        standing.show(transaction, evse)
    if began:
        effects.transaction_started(transaction)
    if event.reservation_id is not None:
        reservations.use(transaction)
    if event.kind == log.ENDED:
        effects.transaction_ended(transaction)
        if event.cost is not None:
            cost_comparison.note(transaction.pk, event.cost, at=event.stamp.received_at)
    standing.announce(transaction)


def _is_stop(event: TransactionEventReported) -> bool:
    return event.kind == log.ENDED or event.trigger_reason in STOPS


def _names_remote_start(event: TransactionEventReported, transaction: Transaction) -> bool:
    return event.remote_start_id is not None and transaction.remote_start_id is None


def _entry(event: TransactionEventReported) -> log.Entry:
    return log.Entry(
        seq_no=event.seq_no,
        kind=event.kind,
        stamp=event.stamp,
        digest=digest_of(event),
        content=event.content,
        trigger_reason=event.trigger_reason,
        charging_state=event.charging_state,
        offline=event.offline,
        repairs=event.repairs,
    )


def _reference(event: TransactionEventReported) -> str:
    return event.reference[:REFERENCE_MAX]


def _least(known: int | None, new: int) -> int:
    return new if known is None else min(known, new)


def _greatest(known: int | None, new: int) -> int:
    return new if known is None else max(known, new)


def _int32(value: int | None) -> int | None:
    return value if value is not None and abs(value) <= INT32_MAX else None
