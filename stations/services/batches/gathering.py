"""The facts of a batch by their kind, stored in the order in which rows are locked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from stations import live
from stations.domain.events import (
    ConnectorStatusReported,
    MeterSample,
    ReadingsReported,
    TransactionEventReported,
)
from stations.services import availability
from stations.services import transactions as single
from stations.services.batches import readings, transactions
from stations.services.batches.items import Connected, Item
from stations.services.batches.readings import Measured
from stations.services.batches.transactions import Change, Known, Reference, Reported, Shown


class Told(NamedTuple):
    """An EVSE's live figures with what an announcement needs to know of its station."""

    station: Connected
    shown: Shown


@dataclass(slots=True)
class Facts:
    """A batch, sorted."""

    readings: list[tuple[Connected, ReadingsReported]] = field(default_factory=list)
    states: list[availability.Report] = field(default_factory=list)
    events: list[Reported] = field(default_factory=list)
    stations: dict[UUID, Connected] = field(default_factory=dict)

    @classmethod
    def of(cls, items: Sequence[Item]) -> "Facts":
        facts = cls()
        for item in items:
            facts.stations[item.station.station_id] = item.station
            for fact in item.facts:
                facts._add(item.station, fact)
        return facts

    def references(self) -> list[Reference]:
        """Every transaction that the batch speaks of. The main meter (EVSE 0) belongs to none (P176)."""
        named = [(s.station_id, r.reference) for s, r in self.readings if r.reference and r.evse_id > 0]
        return named + [(station.station_id, event.reference) for station, event in self.events]

    def _add(self, station: Connected, fact: object) -> None:
        if isinstance(fact, ReadingsReported):
            self.readings.append((station, fact))
        elif isinstance(fact, ConnectorStatusReported):
            self.states.append((station, fact))
        elif isinstance(fact, TransactionEventReported):
            self.events.append((station, fact))


def store(items: Sequence[Item], *, carefully: bool) -> list[Told]:
    """Write the facts; answers with the live figures that changed. Inside a database transaction."""
    facts = Facts.of(items)
    known = transactions.take(facts.references())
    measured, changes = _from_readings(facts, known)
    odd = _add_events(facts, known, measured, changes)
    shown = transactions.apply(changes) + readings.show_idle(measured)
    if facts.states:
        availability.store(facts.states)
    if measured:
        readings.write(measured, carefully=carefully)
    for station, event in odd:
        single.apply_event(station, event)
    for change in changes.values():
        if change.changes_state:
            _announce(change)
    return [Told(facts.stations[one.station_id], one) for one in shown]


def _from_readings(facts: Facts, known: dict[Reference, Known]) -> tuple[list[Measured], dict[UUID, Change]]:
    measured: list[Measured] = []
    changes: dict[UUID, Change] = {}
    for station, fact in facts.readings:
        found = known.get((station.station_id, fact.reference)) if fact.evse_id > 0 else None
        if found is not None:
            _change(changes, found, station).samples.extend(fact.samples)
        measured.append(
            Measured(station, fact.evse_id, fact.samples, fact.received_at, found.id if found else None)
        )
    return measured, changes


def _add_events(
    facts: Facts, known: dict[Reference, Known], measured: list[Measured], changes: dict[UUID, Change]
) -> list[Reported]:
    """Store plain events and add what they measured; answers with those for which this is not the way."""
    plain: list[tuple[Known, Reported]] = []
    odd: list[Reported] = []
    for reported in facts.events:
        station, event = reported
        found = known.get((station.station_id, event.reference))
        if found is not None:
            transactions.remember_cost(station, event, found)
        if found is not None and transactions.is_plain(station, event, found):
            plain.append((found, reported))
        else:
            odd.append(reported)
    taken, repeated = transactions.add_events(plain)
    for found, (station, event) in taken:
        change = _change(changes, found, station)
        change.events.append(event)
        change.samples.extend(event.samples)
        if event.samples:
            measured.append(_measured(station, found, event.samples, event))
    return odd + repeated


def _measured(
    station: Connected, known: Known, samples: Sequence[MeterSample], event: TransactionEventReported
) -> Measured:
    return Measured(station, known.evse_id or 0, samples, event.stamp.received_at, known.id)


def _change(changes: dict[UUID, Change], known: Known, station: Connected) -> Change:
    if known.id not in changes:
        changes[known.id] = Change(known, station)
    return changes[known.id]


def _announce(change: Change) -> None:
    """A state that changed is worth a look at the page; figures are told by themselves."""
    station = change.station
    for kind, key in (("transaction", change.known.id), ("station", station.station_id)):
        live.announce_on_commit(
            kind, station.organization_id, key, site_id=station.site_id, station_id=station.station_id
        )
