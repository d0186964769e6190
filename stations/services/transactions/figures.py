"""The one rule by which meter values become a transaction's figures, whatever their order (M-03).

Every figure is the least or greatest of its candidates, so applying a value twice, late or out of order
changes nothing:

* ``meter_start``: what the message or the context ``Transaction.Begin`` says (exact), else the earliest register;
* ``meter_last``: what the stop or the context ``Transaction.End`` says (exact), else the latest register;
* ``energy_wh``: their difference, never below zero (P150);
* power and state of charge: the latest (power only while running), its maximum, and the earliest charge.

Only registers of the outlet count (P170): one of the car's inlet, the cable or the body is another counter, so a
session that has no other stays without energy and is flagged. A 1.6 transaction has its registers from start and
stop, so there contexts are not looked at. Single messages and the group commit both merge with :func:`merge`;
its statement locks rows by id.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from stations.domain.events import MeterSample
from stations.domain.metering import BEGIN, END, MAX_REGISTER_WH, SampleFlag
from stations.domain.words import Flag

UNRATED_W = 400_000
ZERO_START_LIMIT_WH = 500_000

Register = tuple[bool, datetime, Decimal]
Figure = tuple[datetime, Decimal]


class Candidates:
    """What some meter values offer to one transaction: for each figure the best of them."""

    __slots__ = (
        "elsewhere",
        "first",
        "last",
        "power",
        "power_max",
        "seen_at",
        "soc_first",
        "soc_last",
        "unplaced",
    )

    def __init__(self, samples: Iterable[MeterSample] = (), *, contexts_count: bool) -> None:
        self.first: Register | None = None
        self.last: Register | None = None
        self.power: Figure | None = None
        self.power_max: Decimal | None = None
        self.soc_first: Figure | None = None
        self.soc_last: Figure | None = None
        self.seen_at: datetime | None = None
        self.unplaced = self.elsewhere = False
        for sample in samples:
            self._add(sample, contexts_count)

    def stopped(self, at: datetime, register_wh: Decimal) -> "Candidates":
        """The register that a 1.6 stop names, which no sample overrides."""
        self.last = (True, at, register_wh)
        return self

    def _add(self, sample: MeterSample, contexts_count: bool) -> None:
        at = sample.occurred_at
        if self.seen_at is None or at > self.seen_at:
            self.seen_at = at
        if SampleFlag.OTHER_LOCATION in sample.flags:
            self.elsewhere = True
        elif sample.energy_wh is not None:
            begins = contexts_count and sample.context == BEGIN
            ends = contexts_count and sample.context == END
            first, last = (not begins, at, sample.energy_wh), (ends, at, sample.energy_wh)
            self.first = first if self.first is None else min(self.first, first)
            self.last = last if self.last is None else max(self.last, last)
        if sample.power_w is not None:
            power = (at, sample.power_w)
            self.power = power if self.power is None else max(self.power, power)
            self.power_max = max(self.power_max or sample.power_w, sample.power_w)
        if sample.soc_percent is not None:
            soc = (at, sample.soc_percent)
            self.soc_first = soc if self.soc_first is None else min(self.soc_first, soc)
            self.soc_last = soc if self.soc_last is None else max(self.soc_last, soc)
        if Flag.CLOCK_IMPLAUSIBLE in sample.flags:
            self.unplaced = True


@dataclass(frozen=True, slots=True)
class Merged:
    """The figures of a transaction after the merge."""

    transaction_id: UUID
    values: dict[str, Any]


RETURNED = (
    "meter_start_wh",
    "meter_start_at",
    "meter_start_exact",
    "meter_last_wh",
    "meter_last_at",
    "meter_stop_exact",
    "energy_wh",
    "power_w",
    "power_at",
    "power_max_w",
    "soc_start_percent",
    "soc_start_at",
    "soc_percent",
    "soc_at",
    "measured_at",
    "last_event_at",
    "flags",
)

_TAKES_START = """(s.first_wh IS NOT NULL AND t.number IS NULL AND (t.meter_start_wh IS NULL OR
    ROW(s.first_late, s.first_at, s.first_wh) < ROW(NOT t.meter_start_exact, t.meter_start_at, t.meter_start_wh)))"""
_TAKES_LAST = """(s.last_wh IS NOT NULL AND (t.meter_last_wh IS NULL OR
    ROW(s.last_exact, s.last_at, s.last_wh) > ROW(t.meter_stop_exact, t.meter_last_at, t.meter_last_wh)))"""
_START_WH = f"(CASE WHEN {_TAKES_START} THEN s.first_wh ELSE t.meter_start_wh END)"
_START_AT = f"(CASE WHEN {_TAKES_START} THEN s.first_at ELSE t.meter_start_at END)"
_LAST_WH = f"(CASE WHEN {_TAKES_LAST} THEN s.last_wh ELSE t.meter_last_wh END)"
_LAST_AT = f"(CASE WHEN {_TAKES_LAST} THEN s.last_at ELSE t.meter_last_at END)"
_TAKES_POWER = """(s.power_w IS NOT NULL AND (t.power_at IS NULL OR
    ROW(s.power_at, s.power_w) >= ROW(t.power_at, coalesce(t.power_w, s.power_w))))"""
_TAKES_SOC_START = """(s.soc_first IS NOT NULL AND (t.soc_start_at IS NULL OR
    ROW(s.soc_first_at, s.soc_first) < ROW(t.soc_start_at, t.soc_start_percent)))"""
_TAKES_SOC = """(s.soc_last IS NOT NULL AND (t.soc_at IS NULL OR
    ROW(s.soc_last_at, s.soc_last) > ROW(t.soc_at, t.soc_percent)))"""
_ELAPSED_S = f"greatest(0, extract(epoch FROM {_LAST_AT} - {_START_AT})) + 60"
_JUMPS = f"""coalesce({_LAST_WH} - {_START_WH} > s.rated_w * 1.1 * ({_ELAPSED_S}) / 3600 + 100
    OR ({_START_WH} = 0 AND {_LAST_WH} > {ZERO_START_LIMIT_WH}), false)"""


def _flag(flag: Flag, condition: str) -> str:
    return f"(CASE WHEN {condition} THEN ARRAY['{flag.value}']::varchar[] ELSE '{{}}' END)"


_NO_OUTLET = f"""({_LAST_WH} IS NULL AND
    (s.elsewhere OR '{Flag.OTHER_LOCATION.value}' = ANY(t.flags)))"""
_OURS = ", ".join(f"'{flag.value}'" for flag in (Flag.METER_BACKWARDS, Flag.METER_JUMP, Flag.OTHER_LOCATION))
FLAGS = f"""array(SELECT flag FROM unnest(t.flags) WITH ORDINALITY AS kept(flag, place)
        WHERE flag NOT IN ({_OURS}) AND NOT (s.unplaced AND flag = '{Flag.CLOCK_IMPLAUSIBLE.value}') ORDER BY place)
    || {_flag(Flag.METER_BACKWARDS, f"{_LAST_WH} < {_START_WH}")}
    || {_flag(Flag.METER_JUMP, _JUMPS)}
    || {_flag(Flag.OTHER_LOCATION, _NO_OUTLET)}
    || {_flag(Flag.CLOCK_IMPLAUSIBLE, "s.unplaced")}"""

ASSIGNMENTS = f"""
    meter_start_wh = {_START_WH},
    meter_start_at = {_START_AT},
    meter_start_exact = CASE WHEN {_TAKES_START} THEN NOT s.first_late ELSE t.meter_start_exact END,
    meter_last_wh = {_LAST_WH},
    meter_last_at = {_LAST_AT},
    meter_stop_exact = CASE WHEN {_TAKES_LAST} THEN s.last_exact ELSE t.meter_stop_exact END,
    energy_wh = CASE WHEN {_LAST_WH} < {_START_WH} THEN 0
        WHEN {_LAST_WH} - {_START_WH} > {MAX_REGISTER_WH} THEN {MAX_REGISTER_WH}
        ELSE {_LAST_WH} - {_START_WH} END,
    power_w = CASE WHEN t.status <> 'active' THEN NULL WHEN {_TAKES_POWER} THEN s.power_w ELSE t.power_w END,
    power_at = CASE WHEN {_TAKES_POWER} THEN s.power_at ELSE t.power_at END,
    power_max_w = greatest(t.power_max_w, s.power_max_w),
    soc_start_percent = CASE WHEN {_TAKES_SOC_START} THEN s.soc_first ELSE t.soc_start_percent END,
    soc_start_at = CASE WHEN {_TAKES_SOC_START} THEN s.soc_first_at ELSE t.soc_start_at END,
    soc_percent = CASE WHEN {_TAKES_SOC} THEN s.soc_last ELSE t.soc_percent END,
    soc_at = CASE WHEN {_TAKES_SOC} THEN s.soc_last_at ELSE t.soc_at END,
    measured_at = greatest(t.measured_at, s.seen_at)"""
SOURCE_TYPES = (
    "uuid", "int", "bool", "timestamptz", "numeric", "bool", "timestamptz", "numeric", "timestamptz", "numeric",
    "numeric", "timestamptz", "numeric", "timestamptz", "numeric", "timestamptz", "bool",
    "bool",
)  # fmt: skip
SOURCE_NAMES = """id, rated_w, first_late, first_at, first_wh, last_exact, last_at, last_wh, power_at, power_w,
    power_max_w, soc_first_at, soc_first, soc_last_at, soc_last, seen_at, unplaced, elsewhere"""
_SOURCE = ", ".join(f"%s::{kind}[]" for kind in SOURCE_TYPES)

_LOCK = "SELECT 1 FROM stations_transaction WHERE id = ANY(%s::uuid[]) ORDER BY id FOR NO KEY UPDATE"
_MERGE = f"""
UPDATE stations_transaction t SET {ASSIGNMENTS},
    last_event_at = greatest(t.last_event_at, s.seen_at),
    flags = {FLAGS}
FROM unnest({_SOURCE}) AS s({SOURCE_NAMES})
WHERE t.id = s.id
RETURNING t.id, {", ".join(f"t.{name}" for name in RETURNED)}
"""


def merge(offers: Sequence[tuple[UUID, Candidates, int | None]]) -> list[Merged]:
    """Merge what was measured into each transaction; one entry per transaction (id, candidates, rated watts).

    Run inside a database transaction. Answers with the figures as they are now.
    """
    if not offers:
        return []
    columns = list(zip(*(row(*offer) for offer in offers), strict=True))
    with connection.cursor() as cursor:
        if len(offers) > 1:
            cursor.execute(_LOCK, [list(columns[0])])
        cursor.execute(_MERGE, [list(column) for column in columns])
        rows = cursor.fetchall()
    return [Merged(row[0], dict(zip(RETURNED, row[1:], strict=True))) for row in rows]


def row(transaction_id: UUID, offered: Candidates, rated_w: int | None) -> tuple[Any, ...]:
    """What is offered to one transaction, in the order of ``SOURCE_NAMES``."""
    return (
        transaction_id,
        rated_w or UNRATED_W,
        *(offered.first or (None, None, None)),
        *(offered.last or (None, None, None)),
        *(offered.power or (None, None)),
        offered.power_max,
        *(offered.soc_first or (None, None)),
        *(offered.soc_last or (None, None)),
        offered.seen_at,
        offered.unplaced,
        offered.elsewhere,
    )
