"""Storing meter values: one row each, known by its content, so that a repeated message adds nothing (M-02)."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from stations.domain import metering
from stations.domain.events import Json, MeterSample
from stations.models import MeterReading, SignedMeterData

FIGURES = (
    "energy_wh",
    "power_w",
    "current_l1_a",
    "current_l2_a",
    "current_l3_a",
    "voltage_l1_v",
    "voltage_l2_v",
    "voltage_l3_v",
    "soc_percent",
    "temperature_c",
    "offered_power_w",
    "offered_current_a",
)


def store(
    station_id: UUID,
    evse_id: int,
    samples: Iterable[MeterSample],
    *,
    received_at: datetime,
    transaction_id: UUID | None = None,
) -> None:
    """Add the meter values that are not there yet, with the signed ones in their own table."""
    taken = list(samples)
    rows = [_reading(station_id, evse_id, sample, received_at, transaction_id) for sample in taken]
    MeterReading.objects.bulk_create(rows, ignore_conflicts=True, batch_size=500)
    store_signed(station_id, evse_id, taken, transaction_id=transaction_id)


def store_signed(
    station_id: UUID, evse_id: int, samples: Iterable[MeterSample], *, transaction_id: UUID | None = None
) -> None:
    """Add the signed values among the samples byte for byte (P174); nothing where none is signed."""
    rows = [
        _signed(station_id, evse_id, sample, value, context, transaction_id)
        for sample in samples
        if metering.SampleFlag.SIGNED in sample.flags
        for value, context in metering.signed_values(sample.samples)
    ]
    if rows:
        SignedMeterData.objects.bulk_create(rows, ignore_conflicts=True)


def _reading(
    station_id: UUID, evse_id: int, sample: MeterSample, received_at: datetime, transaction_id: UUID | None
) -> MeterReading:
    return MeterReading(
        station_id=station_id,
        evse_id=evse_id,
        transaction_id=transaction_id,
        occurred_at=sample.occurred_at,
        received_at=received_at,
        digest=metering.digest(sample.samples),
        context=sample.context,
        flags=list(sample.flags) or None,
        samples=list(sample.samples),
        **{name: getattr(sample, name) for name in FIGURES},
    )


def _signed(
    station_id: UUID,
    evse_id: int,
    sample: MeterSample,
    value: Json,
    context: str,
    transaction_id: UUID | None,
) -> SignedMeterData:
    data = str(value.get("signedMeterData", ""))
    return SignedMeterData(
        station_id=station_id,
        transaction_id=transaction_id,
        evse_id=evse_id,
        occurred_at=sample.occurred_at,
        context=context[: metering.CONTEXT_MAX],
        data=data,
        encoding=str(value.get("encodingMethod") or "")[:50],
        signing_method=str(value.get("signingMethod") or "")[:50],
        public_key=str(value.get("publicKey") or ""),
        digest=hashlib.blake2b(data.encode(), digest_size=32).digest(),
    )
