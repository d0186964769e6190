"""Ends that were joined to a transaction by what fits, not by its number; its own end outranks them (P143 to P147)."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from stations.domain import metering
from stations.domain.events import MeterSample, Stamp, TokenShown, TransactionStopped
from stations.domain.repairs import DecisionKind
from stations.domain.words import TransactionStatus
from stations.models import MeterReading, OrphanStop, SessionDecision, SignedMeterData, Transaction

FIGURES = ("occurred_at", "energy_wh", "power_w", "soc_percent", "flags")
OF_TRANSACTION = (
    "power_w", "power_at", "power_max_w", "soc_start_percent", "soc_start_at", "soc_percent", "soc_at", "measured_at",
)  # fmt: skip


def joined_to(transaction: Transaction) -> OrphanStop | None:
    """The stop that was joined, locked; ``None`` where the end is the transaction's own."""
    return OrphanStop.objects.select_for_update().filter(joined=transaction).first()


def event_of(row: OrphanStop, transaction: Transaction) -> TransactionStopped:
    """The stop as if it had come with the transaction's number."""
    return TransactionStopped(
        number=transaction.number or 0,
        meter_stop_wh=row.meter_stop_wh,
        stamp=Stamp(occurred_at=row.occurred_at, received_at=row.received_at),
        token=TokenShown(value=row.token_value) if row.token_value else None,
        reason=row.reason,
        samples=tuple(_unpacked(packed) for packed in row.samples),
    )


def take_back(row: OrphanStop, transaction: Transaction) -> None:
    """Undo the joining: its readings belong to no session, the figures begin anew; to be saved by the caller.

    Readings are told by their receipt, so that what was also sent during the session stays.
    """
    row.joined, row.suggested = None, transaction
    row.save(update_fields=["joined", "suggested"])
    brought = MeterReading.objects.filter(transaction=transaction, received_at=row.received_at)
    times = list(brought.values_list("occurred_at", flat=True))
    brought.update(transaction=None)
    SignedMeterData.objects.filter(transaction=transaction, occurred_at__in=times).update(transaction=None)
    transaction.meter_last_wh, transaction.meter_last_at = (
        transaction.meter_start_wh,
        transaction.meter_start_at,
    )
    transaction.meter_stop_exact = False
    for name in OF_TRANSACTION:
        setattr(transaction, name, None)


def forget_given(transaction: Transaction) -> bool:
    """Undo a last register that an operator gave, since the end that the station reports outranks it.

    Saved; ``False`` where there was none. The readings are to be counted anew.
    """
    given = SessionDecision.objects.filter(transaction=transaction, kind=DecisionKind.GIVEN_READING.value)
    closed = transaction.status == TransactionStatus.ENDED and transaction.end_received_at is None
    if not closed or not given.exists():
        return False
    transaction.meter_last_wh, transaction.meter_last_at = (
        transaction.meter_start_wh,
        transaction.meter_start_at,
    )
    transaction.meter_stop_exact = False
    transaction.save(update_fields=["meter_last_wh", "meter_last_at", "meter_stop_exact"])
    return True


def remaining(transaction: Transaction) -> Iterator[MeterSample]:
    """What was measured in the session itself, from its readings."""
    readings = MeterReading.objects.filter(transaction=transaction).values_list(*FIGURES)
    for at, energy, power, soc, flags in readings.iterator():
        yield MeterSample(
            occurred_at=at,
            samples=(),
            energy_wh=energy,
            power_w=power,
            soc_percent=soc,
            flags=tuple(flags or ()),
        )


def packed(sample: MeterSample) -> dict[str, Any]:
    """A meter value as it is kept beside a stop."""
    return {
        "occurred_at": sample.occurred_at.isoformat(),
        "samples": list(sample.samples),
        "flags": list(sample.flags),
    }


def _unpacked(kept: dict[str, Any]) -> MeterSample:
    occurred_at = datetime.fromisoformat(kept["occurred_at"])
    return metering.from_v16(kept["samples"], occurred_at=occurred_at)
