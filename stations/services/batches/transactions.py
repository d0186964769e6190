"""What a batch adds to running transactions: 2.x events that only report, and figures from readings.

An event takes this way when its transaction runs, has its start, is shown by its EVSE, and nothing about the
event is odd. Every other one, and every repeated number, goes to ``transactions.apply_event``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from stations.domain.events import MeterSample, TransactionEventReported
from stations.domain.station import cost_key
from stations.domain.words import Flag, Registration, TransactionStatus
from stations.services.batches.columns import columns_of, quoted, run
from stations.services.batches.items import Connected
from stations.services.transactions import figures, log
from stations.services.transactions.figures import Candidates
from stations.services.transactions.reported import digest_of

Reference = tuple[UUID, str]
Reported = tuple[Connected, TransactionEventReported]


class Known(NamedTuple):
    """A transaction as the batch needs it."""

    id: UUID
    evse_id: int | None
    runs: bool
    has_start: bool
    numbered: bool
    shown: bool
    charging_state: str
    connector_id: int | None = None
    cost: Decimal | None = None


class Shown(NamedTuple):
    """An EVSE's figures as its transaction has them now."""

    evse_pk: UUID
    station_id: UUID
    power_w: str | None
    energy_wh: str | None
    soc_percent: str | None
    at: str


@dataclass(slots=True)
class Change:
    """What a batch says of one transaction."""

    known: Known
    station: Connected
    samples: list[MeterSample] = field(default_factory=list)
    events: list[TransactionEventReported] = field(default_factory=list)

    @property
    def changes_state(self) -> bool:
        return any(
            event.charging_state and event.charging_state != self.known.charging_state
            for event in self.events
        )


def take(references: Iterable[Reference]) -> dict[Reference, Known]:
    """The transactions of those references that have one."""
    asked = sorted(set(references))
    if not asked:
        return {}
    rows = run(_TAKE, columns_of([(station_id, quoted(name)) for station_id, name in asked]))
    return {
        (station_id, name): Known(
            key,
            evse_id,
            status == TransactionStatus.ACTIVE,
            has_start,
            numbered,
            shown,
            state,
            connector_id,
            cost,
        )
        for station_id, name, key, evse_id, status, has_start, numbered, shown, state, connector_id, cost in rows
    }


def is_plain(station: Connected, event: TransactionEventReported, known: Known | None) -> bool:
    """Whether the event only adds to a transaction that runs in order."""
    return (
        known is not None
        and station.registration == Registration.ACCEPTED
        and known.runs
        and known.has_start
        and known.evse_id is not None
        and known.shown
        and event.kind == log.UPDATED
        and event.token is None
        and event.evse_id in (None, known.evse_id)
        and event.connector_id in (None, known.connector_id)
        and event.remote_start_id is None
        and event.reservation_id is None
        and not event.offline
        and not event.repairs
        and not event.stamp.flags
        and 0 <= event.seq_no < log.RENUMBERED
    )


def remember_cost(station: Connected, event: TransactionEventReported, known: Known) -> None:
    """What the session costs so far, as it was stored last: the answer to the event tells it (T-46)."""
    if known.cost is None:
        station.memory.pop(cost_key(event.reference), None)
    else:
        station.memory[cost_key(event.reference)] = known.cost


def add_events(
    plain: Sequence[tuple[Known, Reported]],
) -> tuple[list[tuple[Known, Reported]], list[Reported]]:
    """Store events that are not there yet; answers with those stored, and with the others."""
    if not plain:
        return [], []
    stored = set(run(_ADD_EVENTS, columns_of([_event_row(known, event) for known, (_, event) in plain])))
    taken: list[tuple[Known, Reported]] = []
    others: list[Reported] = []
    for known, reported in plain:
        key = (known.id, reported[1].seq_no)
        if key in stored:
            stored.discard(key)
            taken.append((known, reported))
        else:
            others.append(reported)
    return taken, others


def apply(changes: Mapping[UUID, Change]) -> list[Shown]:
    """Merge everything into the transactions, and into the EVSEs that show them."""
    if not changes:
        return []
    rows = [_row(changes[key]) for key in sorted(changes)]
    return [Shown(*row) for row in run(_APPLY, columns_of(rows))]


def _event_row(known: Known, event: TransactionEventReported) -> tuple[object, ...]:
    return (
        known.id,
        event.seq_no,
        quoted(event.trigger_reason[:40]),
        quoted(event.charging_state[:20]),
        event.stamp.occurred_at,
        event.stamp.received_at,
        quoted(event.stamp.as_sent),
        quoted("\\x" + digest_of(event).hex()),
    )


def _row(change: Change) -> tuple[object, ...]:
    known, events = change.known, change.events
    offered = Candidates(change.samples, contexts_count=not known.numbered)
    numbers = [event.seq_no for event in events]
    said = [(e.stamp.occurred_at, e.seq_no, e.charging_state) for e in events if e.charging_state]
    state_at, state_number, state = max(said) if said else (None, None, None)
    return (
        *figures.row(known.id, offered, change.station.max_power_w),
        max((event.stamp.occurred_at for event in events), default=None),
        len(events),
        min(numbers, default=None),
        max(numbers, default=None),
        state_at,
        state_number,
        None if state is None else quoted(state[:20]),
    )


_TAKE = """
SELECT t.station_id, t.reference, t.id, e.evse_id, t.status, t.start_received_at IS NOT NULL,
       t.number IS NOT NULL, e.active_id IS NOT DISTINCT FROM t.id, t.charging_state, t.connector_id, c.incl_vat
FROM unnest(%s::uuid[], %s::text[]) AS v(station_id, reference)
JOIN stations_transaction t USING (station_id, reference)
LEFT JOIN stations_evse e ON e.id = t.evse_id
LEFT JOIN stations_sessioncost c ON c.transaction_id = t.id AND c.state = 'running' AND (c.incl_vat > 0 OR c.is_free)
"""

_ADD_EVENTS = """
INSERT INTO stations_transactionevent AS e (transaction_id, seq_no, kind, trigger_reason, charging_state, offline,
                                            occurred_at, received_at, sent_time, digest, answer, repairs)
SELECT v.transaction_id, v.seq_no, 'Updated', v.trigger_reason, v.charging_state, false, v.occurred_at,
       v.received_at, v.sent_time, v.digest, '{}', '{}'
FROM unnest(%s::uuid[], %s::int[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::text[],
            %s::bytea[])
     AS v(transaction_id, seq_no, trigger_reason, charging_state, occurred_at, received_at, sent_time, digest)
ON CONFLICT (transaction_id, seq_no) DO NOTHING
RETURNING e.transaction_id, e.seq_no
"""

_TYPES = (*figures.SOURCE_TYPES, "timestamptz", "int", "int", "int", "timestamptz", "int", "text")
_SOURCE = ", ".join(f"%s::{kind}[]" for kind in _TYPES)
_MISSING = f"""(least(t.first_seq_no, s.first_number) = 0
    AND greatest(t.last_seq_no, s.last_number) BETWEEN t.event_count + s.events AND {log.RENUMBERED - 1})"""
_NEW_STATE = """(s.state IS NOT NULL AND t.status <> 'ended' AND (t.charging_state_at IS NULL OR
    ROW(s.state_at, s.state_number) >= ROW(t.charging_state_at, coalesce(t.charging_state_seq_no, 0))))"""
_APPLY = f"""
WITH applied AS (UPDATE stations_transaction t SET {figures.ASSIGNMENTS},
    last_event_at = greatest(t.last_event_at, s.seen_at, s.event_at),
    event_count = t.event_count + s.events,
    first_seq_no = least(t.first_seq_no, s.first_number),
    last_seq_no = greatest(t.last_seq_no, s.last_number),
    charging_state = CASE WHEN {_NEW_STATE} THEN s.state ELSE t.charging_state END,
    charging_state_at = CASE WHEN {_NEW_STATE} THEN s.state_at ELSE t.charging_state_at END,
    charging_state_seq_no = CASE WHEN {_NEW_STATE} THEN s.state_number ELSE t.charging_state_seq_no END,
    flags = CASE WHEN s.events = 0 THEN {figures.FLAGS}
        ELSE array_remove({figures.FLAGS}, '{Flag.MISSING_EVENTS.value}')
            || CASE WHEN {_MISSING} THEN ARRAY['{Flag.MISSING_EVENTS.value}']::varchar[] ELSE '{{}}' END END
FROM unnest({_SOURCE})
     AS s({figures.SOURCE_NAMES}, event_at, events, first_number, last_number, state_at, state_number, state)
WHERE t.id = s.id
RETURNING t.id, t.evse_id, t.station_id, t.power_w, t.energy_wh, t.soc_percent, t.measured_at)
UPDATE stations_evse e SET power_w = a.power_w, energy_wh = a.energy_wh, soc_percent = a.soc_percent,
    measured_at = a.measured_at
FROM applied a WHERE e.id = a.evse_id AND e.active_id = a.id
RETURNING e.id, a.station_id, e.power_w::text, e.energy_wh::text, e.soc_percent::text, e.measured_at::text
"""
