"""Readings: COPY into the history, and the live figures of EVSEs that no transaction accounts for."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from stations.domain import metering
from stations.domain.events import MeterSample
from stations.domain.metering import SampleFlag
from stations.services import readings
from stations.services.batches.columns import columns_of, id_text, run
from stations.services.batches.copying import copy
from stations.services.batches.items import Connected
from stations.services.batches.transactions import Shown
from stations.services.frames import NULL, array, escaped

COPY = (
    "COPY stations_meterreading (station_id, evse_id, transaction_id, occurred_at, received_at, digest, context,"
    " flags, samples, energy_wh, power_w, current_l1_a, current_l2_a, current_l3_a, voltage_l1_v, voltage_l2_v,"
    " voltage_l3_v, soc_percent, temperature_c, offered_power_w, offered_current_a) FROM STDIN"
)

Place = tuple[UUID, int]


class Measured(NamedTuple):
    """Meter values of one EVSE, or of the main meter (0)."""

    station: Connected
    evse_id: int
    samples: Sequence[MeterSample]
    received_at: datetime
    transaction_id: UUID | None


def write(measured: Sequence[Measured], *, carefully: bool) -> None:
    """Add the readings to the history; ``carefully`` where some may be there already."""
    found = [_found(one, sample) for one in measured for sample in one.samples]
    if carefully:
        known = _known({each.key for each in found})
        found = list({each.key: each for each in found if each.key not in known}.values())
    if found:
        copy(COPY, [_row(*each) for each in found])
    for one in measured:
        if any(SampleFlag.SIGNED in sample.flags for sample in one.samples):
            readings.store_signed(
                one.station.station_id, one.evse_id, one.samples, transaction_id=one.transaction_id
            )


def show_idle(measured: Iterable[Measured]) -> list[Shown]:
    """Let the newest power and state of charge that belong to no transaction become the EVSEs' live figures."""
    newest: dict[Place, tuple[datetime, Decimal | None, Decimal | None]] = {}
    for one in measured:
        if one.transaction_id is None and one.evse_id > 0:
            for sample in one.samples:
                _overlay(newest, (one.station.station_id, one.evse_id), sample)
    if not newest:
        return []
    rows = run(_LIVE, columns_of([(*place, *newest[place]) for place in sorted(newest)]))
    return [Shown(*row) for row in rows]


def _overlay(
    newest: dict[Place, tuple[datetime, Decimal | None, Decimal | None]], place: Place, sample: MeterSample
) -> None:
    power_w, soc_percent, at = sample.power_w, sample.soc_percent, sample.occurred_at
    if power_w is None and soc_percent is None:
        return
    before = newest.get(place)
    if before is None:
        newest[place] = (at, power_w, soc_percent)
    elif at >= before[0]:
        newest[place] = (at, _first(power_w, before[1]), _first(soc_percent, before[2]))
    else:
        newest[place] = (before[0], _first(before[1], power_w), _first(before[2], soc_percent))


def _first(value: Decimal | None, otherwise: Decimal | None) -> Decimal | None:
    return otherwise if value is None else value


_LIVE = """
UPDATE stations_evse e SET
    power_w = coalesce(v.power_w, e.power_w), soc_percent = coalesce(v.soc_percent, e.soc_percent),
    measured_at = v.at
FROM unnest(%s::uuid[], %s::int[], %s::timestamptz[], %s::numeric[], %s::numeric[])
     AS v(station_id, evse_id, at, power_w, soc_percent)
WHERE e.station_id = v.station_id AND e.evse_id = v.evse_id AND (e.measured_at IS NULL OR e.measured_at <= v.at)
RETURNING e.id, e.station_id, e.power_w::text, e.energy_wh::text, e.soc_percent::text, e.measured_at::text
"""

_KNOWN = """
SELECT v.station_id, v.evse_id, v.occurred_at, v.digest
FROM unnest(%s::uuid[], %s::int[], %s::timestamptz[], %s::bigint[]) AS v(station_id, evse_id, occurred_at, digest)
JOIN stations_meterreading r USING (station_id, evse_id, occurred_at, digest)
"""

Key = tuple[UUID, int, datetime, int]


class Found(NamedTuple):
    """A meter value, what it is known by, and its sampled values as text, which the key is made from."""

    key: Key
    text: bytes
    one: Measured
    sample: MeterSample


def _found(one: Measured, sample: MeterSample) -> Found:
    text = metering.packed(sample.samples)
    key = (one.station.station_id, one.evse_id, sample.occurred_at, metering.digest_of(text))
    return Found(key, text, one, sample)


def _known(keys: set[Key]) -> set[Key]:
    if not keys:
        return set()
    return {(row[0], row[1], row[2], row[3]) for row in run(_KNOWN, columns_of(keys))}


def _row(key: Key, text: bytes, one: Measured, sample: MeterSample) -> str:
    figures_text = "\t".join([NULL if value is None else str(value) for value in sample.figures])
    samples = escaped(text.decode())
    return (
        f"{id_text(key[0])}\t{key[1]}\t{id_text(one.transaction_id) if one.transaction_id else NULL}\t"
        f"{key[2].isoformat()}\t{one.received_at.isoformat()}\t{key[3]}\t"
        f"{escaped(sample.context)}\t{array(sample.flags) if sample.flags else NULL}\t{samples}\t{figures_text}\n"
    )
