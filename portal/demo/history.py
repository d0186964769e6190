"""Two weeks of charging before the demo begins, made by the physics of the simulator, exact to the Wh."""

import hashlib
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from django.db import connection
from django.db.transaction import atomic

from core import clock
from core.ids import uuid7
from core.services import outbox
from drivers.models import IdToken
from portal.demo import costs
from portal.demo.places import DRIVERS, DemoStation
from portal.simulator.outlet import Outlet, Reading
from portal.simulator.outlet import Transaction as Visit
from portal.simulator.scenarios import random_vehicle
from portal.simulator.v2x import sampled_values
from stations.domain import metering
from stations.models import (
    ChargingStation,
    ConnectorState,
    Evse,
    MeterReading,
    Transaction,
    TransactionEvent,
)
from stations.services import readings

DAYS = 14
BEFORE_NOW = timedelta(minutes=20)
ON_ITS_WAY = timedelta(milliseconds=180)
STEP = {"AC": timedelta(minutes=10), "DC": timedelta(minutes=2)}
STAY_MINUTES = {"AC": (40, 420), "DC": (14, 55)}
GAP = timedelta(minutes=25)
READING_COLUMNS = (
    "station_id",
    "transaction_id",
    "evse_id",
    "occurred_at",
    "received_at",
    "digest",
    "context",
    "samples",
    *readings.FIGURES,
)
HOURS = (0, 0, 0, 0, 0, 1, 3, 6, 8, 7, 5, 5, 6, 5, 4, 5, 7, 9, 8, 6, 4, 3, 2, 1)
WEEKEND = 0.7
TOLD = {
    "Started": ("Authorized", "Charging"),
    "Updated": ("ChargingStateChanged", "SuspendedEV"),
    "Ended": ("StopAuthorized", "Idle"),
}
"""What an event says: why it was sent, and what the session does."""


@dataclass(slots=True)
class Told:
    """One past session: where, who, and what the meter said. ``numbered``: of 1.6, where the number is ours."""

    station: ChargingStation
    evse: Evse
    visit: Visit
    readings: list[Reading]
    numbered: bool


@dataclass(slots=True)
class Rows:
    """What is inserted in one piece."""

    transactions: list[Transaction] = field(default_factory=list)
    events: list[TransactionEvent] = field(default_factory=list)
    states: list[ConnectorState] = field(default_factory=list)
    readings: list[tuple[object, ...]] = field(default_factory=list)

    def add(self, told: Told, token: IdToken | None) -> None:
        transaction = _transaction(told, token)
        self.transactions.append(transaction)
        last = transaction.last_seq_no or 1
        self.events.append(_event(transaction, 0, "Started", at=transaction.started_at))
        self.events.append(_event(transaction, last, "Ended", at=transaction.last_event_at))
        paused = _paused_at(told.readings)
        if told.numbered:
            self.states += _states(transaction, paused)
        elif paused:
            self.events.append(_event(transaction, last - 1, "Updated", at=paused))
        self.readings += [
            _reading(told, transaction, reading, place) for place, reading in enumerate(told.readings)
        ]


def write(stations: dict[str, ChargingStation], plans: Sequence[DemoStation]) -> int:
    """Sessions of the last fourteen days for stations that have none; answers with their number."""
    tokens = {one.value: one for one in IdToken.objects.live().filter(value__in=DRIVERS)}
    past = [told for plan in plans for told in _past_of(stations[plan.identity], plan)]
    rows = Rows()
    past.sort(key=lambda one: one.visit.started_at)
    _name_drivers(past)
    for told in past:
        rows.add(told, tokens.get(told.visit.token))
    with atomic():
        outbox.keep_silent()  # these sessions are long over
        Transaction.objects.bulk_create(rows.transactions, batch_size=500)
        TransactionEvent.objects.bulk_create(rows.events, batch_size=1000)
        ConnectorState.objects.bulk_create(rows.states, batch_size=1000)
        if rows.transactions:
            costs.freeze(rows.transactions, rows.transactions[0].station.organization)
        _copy(rows.readings)
    return len(rows.transactions)


def _name_drivers(past: Sequence[Told]) -> None:
    """Give each session a driver who is not charging elsewhere at that time."""
    chance = random.Random("drivers")
    busy_until = dict.fromkeys(DRIVERS, datetime.min.replace(tzinfo=UTC))
    for told in past:
        free = [token for token, until in busy_until.items() if until < told.visit.started_at]
        told.visit.token = chance.choice(free or list(DRIVERS))
        busy_until[told.visit.token] = told.readings[-1].at


def _past_of(station: ChargingStation, plan: DemoStation) -> Iterator[Told]:
    if station.transactions.exists():
        return
    chance = random.Random(plan.identity)
    zone = ZoneInfo(station.site.time_zone)
    evses = {evse.evse_id: evse for evse in station.evses.all()}
    for outlet in plan.hardware.build(chance.randrange(200_000, 6_000_000)):
        for visit, shown in _sessions(outlet, plan, zone, chance):
            yield Told(station, evses[outlet.number], visit, shown, numbered=plan.version == "1.6")


def _sessions(
    outlet: Outlet, plan: DemoStation, zone: ZoneInfo, chance: random.Random
) -> Iterator[tuple[Visit, list[Reading]]]:
    free_from = datetime.min.replace(tzinfo=UTC)
    for arrival in _arrivals(plan.cars_a_day, zone, chance):
        if arrival < free_from:
            continue
        visit, shown = _session(outlet, arrival, chance)
        if shown[-1].at > clock.now() - BEFORE_NOW:
            return
        free_from = shown[-1].at + GAP
        yield visit, shown


def _arrivals(cars_a_day: float, zone: ZoneInfo, chance: random.Random) -> list[datetime]:
    today = clock.now().astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    found: list[datetime] = []
    for back in range(DAYS, -1, -1):
        day = today - timedelta(days=back)
        busy = cars_a_day * (WEEKEND if day.weekday() >= 5 else 1.0)
        for hour in chance.choices(range(24), weights=HOURS, k=_count(busy, chance)):
            moment = day.replace(hour=hour, minute=chance.randrange(60), second=chance.randrange(60))
            found.append(moment.astimezone(UTC))
    return sorted(found)


def _count(mean: float, chance: random.Random) -> int:
    """A Poisson number (Knuth)."""
    limit, product, number = math.exp(-mean), chance.random(), 0
    while product > limit:
        product *= chance.random()
        number += 1
    return number


def _session(outlet: Outlet, arrival: datetime, chance: random.Random) -> tuple[Visit, list[Reading]]:
    outlet.vehicle = random_vehicle(chance, outlet)
    begin = outlet.reading(arrival)
    visit = Visit(outlet, "", arrival, begin.energy_wh, begin=begin)
    outlet.transaction = visit
    end = arrival + timedelta(seconds=round(60 * chance.uniform(*STAY_MINUTES[outlet.kind])))
    shown = [begin, *_during(outlet, arrival, end)]
    outlet.switch_off(end)
    last = outlet.reading(end)
    visit.stopped_at, visit.meter_stop_wh = end, last.energy_wh
    outlet.transaction = outlet.vehicle = None
    return visit, [*shown, last]


def _during(outlet: Outlet, arrival: datetime, end: datetime) -> Iterator[Reading]:
    moment = arrival + STEP[outlet.kind]
    while moment < end:
        yield outlet.reading(moment)
        moment += STEP[outlet.kind]


def _reading(told: Told, transaction: Transaction, reading: Reading, place: int) -> tuple[object, ...]:
    """The columns of ``READING_COLUMNS``."""
    last = len(told.readings) - 1
    context = {0: metering.BEGIN, last: metering.END}.get(place, metering.DEFAULT_CONTEXT)
    sample = metering.from_v2x(sampled_values(reading, context), occurred_at=reading.at)
    return (
        told.station.pk,
        transaction.pk,
        told.evse.evse_id,
        sample.occurred_at,
        sample.occurred_at + ON_ITS_WAY,
        metering.digest(sample.samples),
        sample.context,
        orjson.dumps(sample.samples).decode(),
        *(getattr(sample, name) for name in readings.FIGURES),
    )


def _copy(rows: Sequence[tuple[object, ...]]) -> None:
    statement = f"COPY {MeterReading._meta.db_table} ({', '.join(READING_COLUMNS)}) FROM STDIN"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def _transaction(told: Told, token: IdToken | None) -> Transaction:
    station, begun, ended = told.station, told.readings[0].at, told.readings[-1].at
    number = _next_number() if told.numbered else None
    return Transaction(
        id=_id_at(begun),
        organization_id=station.organization_id,
        site_id=station.site_id,
        station=station,
        evse=told.evse,
        connector_id=told.evse.evse_id if number else 1,
        reference=str(number) if number else str(uuid7()),
        number=number,
        token_value=told.visit.token,
        token_type="ISO14443",
        token=token,
        driver_id=token.driver_id if token else None,
        authorization="Accepted",
        status="ended",
        stopped_reason="Local",
        started_at=begun,
        start_received_at=begun + ON_ITS_WAY,
        ended_at=ended,
        end_received_at=ended + ON_ITS_WAY,
        last_event_at=ended,
        first_seq_no=0,
        last_seq_no=1 if number else len(told.readings) - 1,
        event_count=2 if number else len(told.readings),
        **_figures(told.visit, told.readings),
    )


def _figures(visit: Visit, shown: Sequence[Reading]) -> dict[str, Any]:
    begun, ended = shown[0].at, shown[-1].at
    socs = [Decimal(str(one.soc_percent)) for one in shown if one.soc_percent is not None]
    return {
        "meter_start_wh": visit.meter_start_wh,
        "meter_start_at": begun,
        "meter_start_exact": True,
        "meter_last_wh": visit.meter_stop_wh,
        "meter_last_at": ended,
        "meter_stop_exact": True,
        "energy_wh": visit.energy_wh,
        "power_at": ended,
        "power_max_w": max(one.power_w for one in shown),
        "soc_start_percent": socs[0] if socs else None,
        "soc_start_at": begun if socs else None,
        "soc_percent": socs[-1] if socs else None,
        "soc_at": ended if socs else None,
        "measured_at": ended,
    }


def _event(transaction: Transaction, seq_no: int, kind: str, *, at: datetime) -> TransactionEvent:
    trigger, state = TOLD[kind]
    digest = hashlib.blake2b(f"{transaction.pk} {kind}".encode(), digest_size=16).digest()
    return TransactionEvent(
        transaction=transaction,
        seq_no=seq_no,
        kind=kind,
        trigger_reason=trigger,
        charging_state=state,
        occurred_at=at,
        received_at=at + ON_ITS_WAY,
        digest=digest,
    )


def _states(transaction: Transaction, paused: datetime | None) -> Iterator[ConnectorState]:
    """What a connector of 1.6 said meanwhile; 2.x sessions say it themselves."""
    told = [("Charging", transaction.started_at), ("Available", transaction.last_event_at)]
    for status, at in (*told, *([("SuspendedEV", paused)] if paused else [])):
        number = transaction.connector_id or 1
        yield ConnectorState(evse=transaction.evse, connector_id=number, status=status, at=at)


def _paused_at(shown: Sequence[Reading]) -> datetime | None:
    """Since when the car took nothing until the end; the first and the last reading are those of the start and end."""
    since = None
    for reading in shown[1:-1]:
        since = None if reading.power_w else since or reading.at
    return since


def _id_at(instant: datetime) -> UUID:
    """A UUIDv7 as it would have been made then, since lists are in the order of ids."""
    milliseconds = int(instant.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | uuid7().int & (1 << 80) - 1)


def _next_number() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT stations_next_transaction_number()")
        return int(cursor.fetchone()[0])
