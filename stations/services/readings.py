"""Storing meter values: one row each, known by its content, so that a repeated message adds nothing (M-02)."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from stations.domain import metering
from stations.domain.events import Json, MeterSample
from stations.models import SignedMeterData

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
    if not taken:
        return
    rows = [_row(sample) for sample in taken]
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT,
            [
                station_id,
                evse_id,
                transaction_id,
                received_at,
                *(list(column) for column in zip(*rows, strict=True)),
            ],
        )
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


def _row(sample: MeterSample) -> tuple[Any, ...]:
    return (
        sample.occurred_at,
        metering.digest(sample.samples),
        sample.context,
        ",".join(sample.flags) or None,
        metering.packed(sample.samples).decode(),
        *(getattr(sample, name) for name in FIGURES),
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


_INSERT = f"""
INSERT INTO stations_meterreading (
    station_id, evse_id, transaction_id, received_at, occurred_at, digest, context, flags, samples,
    {", ".join(FIGURES)})
SELECT %s::uuid, %s::int, %s::uuid, %s::timestamptz, r.occurred_at, r.digest, r.context,
       string_to_array(r.flags, ','), r.samples::jsonb, {", ".join(f"r.{name}" for name in FIGURES)}
FROM unnest(%s::timestamptz[], %s::bigint[], %s::text[], %s::text[], %s::text[]{", %s::numeric[]" * len(FIGURES)})
     AS r(occurred_at, digest, context, flags, samples, {", ".join(FIGURES)})
ON CONFLICT DO NOTHING
"""
