"""Transactions that we number: 1.6 StartTransaction and StopTransaction (sections 4.8 and 4.10)."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db import IntegrityError, connection
from django.db.transaction import atomic

from stations.domain.events import TransactionStarted, TransactionStopped
from stations.domain.station import StationSide
from stations.domain.words import Flag
from stations.models import Evse, Transaction
from stations.services import authorization, effects, reservations, tariffs
from stations.services.authorization import Authorization
from stations.services.transactions import ending, log, orphans, standing
from stations.services.transactions.ending import StopOutcome, flags_of
from stations.services.transactions.locking import in_one_piece, lock_evse

START_SEQ_NO = 0
INT32_MAX = 2_147_483_647


@dataclass(frozen=True, slots=True)
class StartOutcome:
    transaction: Transaction
    decision: Authorization


def start(station: StationSide, event: TransactionStarted) -> StartOutcome:
    """Begin a transaction, or answer a repeated start as before (P141); safe to call twice at once."""
    digest = _digest_of_start(event)
    return _answered(station, digest) or _begin(station, event, digest)


def stop(station: StationSide, event: TransactionStopped) -> StopOutcome:
    """End a transaction; one that is unknown is kept as an orphan stop (P143). A repeat changes nothing."""
    known = _numbered(station, event.number)
    if known is None:
        orphans.keep(station, event)
        return StopOutcome(None, None)
    return _end(station, event, *known)


@in_one_piece
def _begin(station: StationSide, event: TransactionStarted, digest: bytes) -> StartOutcome:
    evse = lock_evse(station, event.evse_id, event.connector_id)
    if answered := _answered(station, digest):
        return answered
    transaction = _draft(station, event, evse, digest)
    decision = authorization.for_start(
        station, event.token, started_at=transaction.started_at, evse=evse, transaction_pk=transaction.pk
    )
    transaction.token, transaction.authorization = decision.token, decision.verdict.value
    transaction.driver = decision.driver
    standing.set_flag(transaction, Flag.NOT_AUTHORIZED, not decision.accepted)
    standing.settle(transaction, evse)
    try:
        with atomic():
            transaction.save(force_insert=True)
    except IntegrityError:
        if answered := _answered(station, digest):
            return answered
        raise
    log.add(transaction, _start_entry(event, digest), START_SEQ_NO, decision)
    tariffs.freeze(transaction, received_at=event.stamp.received_at)
    effects.transaction_started(transaction)
    reservations.use(transaction)
    orphans.pair(station, transaction)
    standing.show(transaction, evse)
    standing.announce(transaction)
    return StartOutcome(transaction, decision)


@in_one_piece
def _end(station: StationSide, event: TransactionStopped, pk: UUID, evse_id: int | None) -> StopOutcome:
    evse = lock_evse(station, evse_id)
    transaction = Transaction.objects.select_for_update(no_key=True)
    return ending.close(station, event, transaction.get(pk=pk), evse)


def _draft(station: StationSide, event: TransactionStarted, evse: Evse | None, digest: bytes) -> Transaction:
    number = _next_number()
    at = event.stamp.occurred_at
    return Transaction(
        organization_id=station.organization_id,
        site_id=station.site_id,
        station_id=station.station_id,
        evse=evse,
        connector_id=event.connector_id if 0 <= event.connector_id <= INT32_MAX else None,
        reference=str(number),
        number=number,
        start_digest=digest,
        token_value=event.token.value[:255],
        token_type=event.token.type[:20],
        reservation_id=_int32(event.reservation_id),
        flags=sorted(flag.value for flag in flags_of(event.stamp, event.repairs, station)),
        repairs=[repair[:120] for repair in event.repairs],
        started_at=at,
        start_received_at=event.stamp.received_at,
        last_event_at=at,
        first_seq_no=START_SEQ_NO,
        last_seq_no=START_SEQ_NO,
        event_count=1,
        meter_start_wh=event.meter_start_wh,
        meter_start_at=at,
        meter_start_exact=True,
        meter_last_wh=event.meter_start_wh,
        meter_last_at=at,
        energy_wh=Decimal(0),
    )


def _answered(station: StationSide, digest: bytes) -> StartOutcome | None:
    transaction = Transaction.objects.filter(station_id=station.station_id, start_digest=digest).first()
    if transaction is None:
        return None
    answer = log.answer_of(transaction.events.get(seq_no=START_SEQ_NO))
    return StartOutcome(transaction, answer) if answer else None


def _numbered(station: StationSide, number: int) -> tuple[UUID, int | None] | None:
    """The station's transaction of that number with the number of its EVSE."""
    if not 0 < number <= INT32_MAX:
        return None
    rows = Transaction.objects.filter(number=number, station_id=station.station_id)
    return rows.values_list("pk", "evse__evse_id").first()


def _digest_of_start(event: TransactionStarted) -> bytes:
    return log.digest_of(
        event.evse_id,
        event.connector_id,
        event.token.value.upper(),
        log.sent_time(event.stamp),
        event.meter_start_wh,
    )


def _start_entry(event: TransactionStarted, digest: bytes) -> log.Entry:
    return log.Entry(
        seq_no=START_SEQ_NO,
        kind=log.STARTED,
        stamp=event.stamp,
        digest=digest,
        content={},
        repairs=event.repairs,
    )


def _next_number() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT stations_next_transaction_number()")
        return int(cursor.fetchone()[0])


def _int32(value: int | None) -> int | None:
    return value if value is not None and abs(value) <= INT32_MAX else None
