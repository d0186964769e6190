"""Readings and what follows from them: COPY into the history, live figures of EVSEs and transactions."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.db import connection

from stations.domain import metering
from stations.domain.events import MeterSample
from stations.domain.metering import SampleFlag
from stations.services import readings
from stations.services.batches.copying import copy
from stations.services.batches.items import Connected
from stations.services.frames import NULL, array, escaped
from stations.services.transactions import figures

COPY = (
    "COPY stations_meterreading (station_id, evse_id, transaction_id, occurred_at, received_at, digest, context,"
    " flags, samples, energy_wh, power_w, current_l1_a, current_l2_a, current_l3_a, voltage_l1_v, voltage_l2_v,"
    " voltage_l3_v, soc_percent, temperature_c, offered_power_w, offered_current_a) FROM STDIN"
)

Place = tuple[UUID, int]


class Measured(NamedTuple):
    """Meter values of one EVSE. ``live`` is false for what only changes history (P156)."""

    station: Connected
    evse_id: int
    samples: Sequence[MeterSample]
    received_at: datetime
    transaction_id: UUID | None
    by_context: bool
    live: bool = True


class Figures(NamedTuple):
    """An EVSE's figures that changed, for whoever watches."""

    evse_pk: UUID
    station: Connected
    power_w: Decimal | None
    energy_wh: Decimal | None
    soc_percent: Decimal | None
    at: datetime


def write(measured: Sequence[Measured], *, carefully: bool) -> None:
    """Add the readings to the history; ``carefully`` where some may be there already."""
    keyed = [(key, one, sample) for one in measured for sample in one.samples for key in (_key(one, sample),)]
    if carefully:
        known = _known({key for key, _, _ in keyed})
        keyed = list({key: (key, one, sample) for key, one, sample in keyed if key not in known}.values())
    if keyed:
        copy(COPY, [_row(key, one, sample) for key, one, sample in keyed])
    for one in measured:
        if any(SampleFlag.SIGNED in sample.flags for sample in one.samples):
            readings.store_signed(
                one.station.station_id, one.evse_id, one.samples, transaction_id=one.transaction_id
            )


def merge(measured: Iterable[Measured]) -> None:
    """Let the readings change the figures of their transactions."""
    by_transaction: dict[UUID, list[Measured]] = {}
    for one in measured:
        if one.transaction_id is not None:
            by_transaction.setdefault(one.transaction_id, []).append(one)
    figures.merge(
        [
            (
                transaction_id,
                figures.Candidates(
                    (sample for one in several for sample in one.samples),
                    contexts_count=several[0].by_context,
                ),
                several[0].station.max_power_w,
            )
            for transaction_id, several in by_transaction.items()
        ]
    )


def show(measured: Iterable[Measured]) -> list[Figures]:
    """Let the newest readings become the EVSEs' live figures; answers with those that did."""
    newest: dict[Place, tuple[datetime, Connected, dict[str, Decimal]]] = {}
    for one in measured:
        if one.live and one.evse_id > 0:
            for sample in one.samples:
                _overlay(newest, one, sample)
    return _write_live(newest) if newest else []


def _overlay(newest: dict[Place, Any], one: Measured, sample: MeterSample) -> None:
    values = {
        name: value
        for name in ("power_w", "energy_wh", "soc_percent")
        if (value := getattr(sample, name)) is not None
    }
    if not values:
        return
    place = (one.station.station_id, one.evse_id)
    at, _, before = newest.get(place, (sample.occurred_at, one.station, {}))
    late = sample.occurred_at < at
    merged = {**values, **before} if late else {**before, **values}
    newest[place] = (max(at, sample.occurred_at), one.station, merged)


def _write_live(newest: Mapping[Place, tuple[datetime, Connected, dict[str, Decimal]]]) -> list[Figures]:
    rows = [
        (*place, at, values.get("power_w"), values.get("energy_wh"), values.get("soc_percent"))
        for place, (at, _, values) in sorted(newest.items(), key=lambda entry: entry[0])
    ]
    with connection.cursor() as cursor:
        cursor.execute(_LIVE, [list(column) for column in zip(*rows, strict=True)])
        changed = cursor.fetchall()
    return [
        Figures(evse_pk, newest[(station_id, evse_id)][1], power_w, energy_wh, soc_percent, at)
        for evse_pk, station_id, evse_id, power_w, energy_wh, soc_percent, at in changed
    ]


_LIVE = """
UPDATE stations_evse e SET
    power_w = coalesce(v.power_w, e.power_w), energy_wh = coalesce(v.energy_wh, e.energy_wh),
    soc_percent = coalesce(v.soc_percent, e.soc_percent), measured_at = v.at
FROM unnest(%s::uuid[], %s::int[], %s::timestamptz[], %s::numeric[], %s::numeric[], %s::numeric[])
     AS v(station_id, evse_id, at, power_w, energy_wh, soc_percent)
WHERE e.station_id = v.station_id AND e.evse_id = v.evse_id AND (e.measured_at IS NULL OR e.measured_at <= v.at)
RETURNING e.id, e.station_id, e.evse_id, e.power_w, e.energy_wh, e.soc_percent, e.measured_at
"""

_KNOWN = """
SELECT r.station_id, r.evse_id, r.occurred_at, r.digest
FROM unnest(%s::uuid[], %s::int[], %s::timestamptz[], %s::bigint[]) AS v(station_id, evse_id, occurred_at, digest)
JOIN stations_meterreading r USING (station_id, evse_id, occurred_at, digest)
"""

Key = tuple[UUID, int, datetime, int]


def _key(one: Measured, sample: MeterSample) -> Key:
    return (one.station.station_id, one.evse_id, sample.occurred_at, metering.digest(sample.samples))


def _known(keys: set[Key]) -> set[Key]:
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN, [list(column) for column in zip(*keys, strict=True)] or [[], [], [], []])
        return {(row[0], row[1], row[2], row[3]) for row in cursor.fetchall()}


def _row(key: Key, one: Measured, sample: MeterSample) -> str:
    figures_text = "\t".join(
        NULL if value is None else str(value)
        for value in (
            sample.energy_wh,
            sample.power_w,
            sample.current_l1_a,
            sample.current_l2_a,
            sample.current_l3_a,
            sample.voltage_l1_v,
            sample.voltage_l2_v,
            sample.voltage_l3_v,
            sample.soc_percent,
            sample.temperature_c,
            sample.offered_power_w,
            sample.offered_current_a,
        )
    )
    samples = escaped(orjson.dumps(sample.samples, default=_number).decode())
    return (
        f"{key[0]}\t{key[1]}\t{one.transaction_id or NULL}\t{key[2]}\t{one.received_at}\t{key[3]}\t"
        f"{escaped(sample.context)}\t{array(sample.flags) if sample.flags else NULL}\t{samples}\t{figures_text}\n"
    )


def _number(value: Any) -> orjson.Fragment:
    """Decimals keep the digits that were sent."""
    return orjson.Fragment(str(value).encode())
