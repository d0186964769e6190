"""The end of a transaction that we numbered, by its stop or by one that is joined to it."""

from dataclasses import dataclass

from stations.domain.events import Stamp, TransactionStopped
from stations.domain.station import StationSide
from stations.domain.words import Flag, Registration, TransactionStatus
from stations.models import Evse, OrphanStop, Transaction, TransactionEvent
from stations.services import authorization, effects, readings
from stations.services.authorization import Authorization
from stations.services.transactions import figures, guesses, log, standing
from stations.services.transactions.figures import Candidates

STOP_SEQ_NO = 1
_OF_STAMP = {flag.value: flag for flag in (Flag.CLOCK_IMPLAUSIBLE, Flag.TIME_WITHOUT_ZONE)}


@dataclass(frozen=True, slots=True)
class StopOutcome:
    """No decision where the stop had no token, or its number is not one of the station's.

    ``repeated`` where nothing was stored.
    """

    transaction: Transaction | None
    decision: Authorization | None
    repeated: bool = False


def close(
    station: StationSide, event: TransactionStopped, transaction: Transaction, evse: Evse | None
) -> StopOutcome:
    """Apply a stop to its transaction; both it and its EVSE are locked.

    An end that was only joined to it gives way to its own (M-03).
    """
    entry = _stop_entry(event)
    stored = log.at_number(transaction, STOP_SEQ_NO)
    guess = guesses.joined_to(transaction) if stored is not None else None
    if stored is not None and guess is not None and log.contradicts(stored, entry):
        _withdraw(transaction, guess, stored)
    elif stored is not None:
        if log.contradicts(stored, entry):
            _note_conflict(transaction, entry)
        return StopOutcome(transaction, log.answer_of(stored), repeated=True)
    decision = _asked(station, event, transaction)
    log.add(transaction, entry, STOP_SEQ_NO, decision)
    recount_given(transaction, station.max_power_w)
    _note_end(station, event, transaction, decision)
    if guess is not None:
        remeasured = Candidates(guesses.remaining(transaction), contexts_count=False)
        apply_figures(transaction, remeasured, station.max_power_w)
    _store_readings(station, transaction, evse, event)
    standing.show(transaction, evse)
    effects.transaction_ended(transaction)
    standing.announce(transaction)
    return StopOutcome(transaction, decision)


def _asked(station: StationSide, event: TransactionStopped, transaction: Transaction) -> Authorization | None:
    if event.token is None:
        return None
    return authorization.for_stop(station, event.token, transaction_pk=transaction.pk)


def _store_readings(
    station: StationSide, transaction: Transaction, evse: Evse | None, event: TransactionStopped
) -> None:
    """Store the meter values that came with the stop and let them and its register count."""
    offered = Candidates(event.samples, contexts_count=False).stopped(
        transaction.ended_at or event.stamp.occurred_at, event.meter_stop_wh
    )
    apply_figures(transaction, offered, station.max_power_w)
    readings.store(
        station.station_id,
        evse.evse_id if evse else 0,
        event.samples,
        received_at=event.stamp.received_at,
        transaction_id=transaction.pk,
    )


def apply_figures(transaction: Transaction, offered: Candidates, max_power_w: int | None) -> None:
    """Merge into the stored row, and let the object in hand follow."""
    for merged in figures.merge([(transaction.pk, offered, max_power_w)]):
        for name, value in merged.values.items():
            setattr(transaction, name, value)


def recount_given(transaction: Transaction, max_power_w: int | None) -> None:
    """The end that the station reports outranks a register that an operator gave: the readings count again."""
    if guesses.forget_given(transaction):
        remeasured = Candidates(guesses.remaining(transaction), contexts_count=False)
        apply_figures(transaction, remeasured, max_power_w)


def _note_end(
    station: StationSide, event: TransactionStopped, transaction: Transaction, decision: Authorization | None
) -> None:
    if transaction.status == TransactionStatus.ENDED:  # an operator had closed it
        standing.set_flag(transaction, Flag.CONFLICTING_END, True)
    standing.end(transaction, event.stamp.occurred_at)
    transaction.end_received_at = event.stamp.received_at
    transaction.last_event_at = max(transaction.last_event_at, event.stamp.occurred_at)
    transaction.last_seq_no, transaction.event_count = STOP_SEQ_NO, transaction.event_count + 1
    transaction.stopped_reason = event.reason[:40]
    transaction.charging_state = ""
    for flag in flags_of(event.stamp, event.repairs, station):
        standing.set_flag(transaction, flag, True)
    transaction.repairs = [*transaction.repairs, *(repair[:120] for repair in event.repairs)]
    if event.token and decision:
        transaction.stop_token_value = event.token.value[:255]
        unrelated = not authorization.related(decision, event.token.value, transaction)
        standing.set_flag(transaction, Flag.UNRELATED_STOP_TOKEN, unrelated)
    transaction.save()


def _withdraw(transaction: Transaction, guess: OrphanStop, stored: TransactionEvent) -> None:
    """Take back what the guess said; it stays as a conflict and as a stop without a start."""
    log.add_conflict(transaction, _stop_entry(guesses.event_of(guess, transaction)), STOP_SEQ_NO)
    guesses.take_back(guess, transaction)
    stored.delete()
    transaction.event_count -= 1
    transaction.last_event_at = transaction.started_at
    transaction.stop_token_value = ""
    for flag in (Flag.STOP_JOINED, Flag.UNRELATED_STOP_TOKEN, Flag.NEGATIVE_DURATION):
        standing.set_flag(transaction, flag, False)


def _note_conflict(transaction: Transaction, entry: log.Entry) -> None:
    log.add_conflict(transaction, entry, STOP_SEQ_NO)
    standing.set_flag(transaction, Flag.CONFLICTING_END, True)
    transaction.save(update_fields=["flags"])
    standing.announce(transaction)


def flags_of(stamp: Stamp, repairs: tuple[str, ...], station: StationSide) -> set[Flag]:
    """What of a message makes its transaction worth a look."""
    flags = {_OF_STAMP[flag] for flag in stamp.flags if flag in _OF_STAMP}
    if repairs:
        flags.add(Flag.REPAIRED)
    if station.registration != Registration.ACCEPTED:
        flags.add(Flag.BEFORE_ACCEPTANCE)
    return flags


def _stop_entry(event: TransactionStopped) -> log.Entry:
    content = {
        "meter_stop_wh": str(event.meter_stop_wh),
        "time": log.sent_time(event.stamp),
        "reason": event.reason,
        "token": event.token.value.upper() if event.token else "",
    }
    return log.Entry(
        seq_no=STOP_SEQ_NO,
        kind=log.ENDED,
        stamp=event.stamp,
        digest=log.digest_of(content),
        content=content,
        repairs=event.repairs,
    )
