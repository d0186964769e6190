"""Simulated chargers at the real door: what their journals say is what the database holds (H-04)."""

import asyncio
from collections.abc import Callable
from uuid import uuid4

import pytest
from django.db import connection

from core.access import system
from core.services import accounts
from portal.demo.registering import actor, register_station, register_tokens, station_password
from portal.simulator import FlowingClock, HandshakeRefused, SimulatedStation, StopReason, scenarios
from portal.simulator.fleet import Fleet, FleetPlan, make_members, numbered_tokens
from portal.simulator.scenarios import SCENARIOS
from stations.domain.intents import ClearChargingProfile, Intent, SetChargingProfile
from stations.models import ChargingStation, Command, Transaction
from stations.services import commands
from tests import waiting

every_version = pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])


@pytest.fixture
def prefix(live):
    """An organization of its own with drivers' tokens; stations are registered under this prefix."""
    name = f"fleet-{uuid4().hex[:8]}"
    organization = accounts.create_organization(name, name=name, by=system("test"))
    by = actor(organization, "test")
    members = make_members(6, version="mixed", prefix=f"{name}-", password=station_password)
    register_tokens(numbered_tokens(members), by=by)
    for member in members:
        register_station(member.identity, {}, by=by)
    return f"{name}-"


def stored(identity: str) -> list[Transaction]:
    return list(Transaction.objects.filter(station__identity=identity).order_by("started_at"))


@every_version
def test_a_session_is_stored_exact_to_the_watt_hour(live, prefix, version):
    identity = f"{prefix}0001"

    async def story():
        password = station_password(identity)
        async with SimulatedStation(live.ocpp_url, identity, password, version=version) as station:
            await station.boot()
            assert await station.authorize()
            transaction = await station.start()
            await station.charge(minutes=20)
            await station.stop()
            return transaction, station.journal

    transaction, journal = asyncio.run(story())
    (row,) = stored(identity)
    assert row.status == "ended"
    assert row.energy_wh == transaction.energy_wh > 3_000
    assert row.meter_start_wh == transaction.meter_start_wh
    assert all(exchange.outcome == "answered" for exchange in journal.exchanges)


@every_version
def test_a_session_told_after_an_offline_time_is_stored_exactly(live, prefix, version):
    identity = f"{prefix}0002"

    async def story():
        password = station_password(identity)
        async with SimulatedStation(live.ocpp_url, identity, password, version=version) as station:
            await station.boot()
            station.drop()
            offline = await station.start()
            await station.charge(minutes=15)
            await station.stop()
            await station.reconnect()
            online = await station.start()
            await station.charge(minutes=5)
            await station.stop(online, StopReason.EMERGENCY_STOP)
            return [offline.energy_wh, online.energy_wh]

    told = asyncio.run(story())
    assert [row.energy_wh for row in stored(identity)] == told


def test_a_wrong_password_is_refused_with_its_reason(live, prefix):
    async def story():
        await SimulatedStation(live.ocpp_url, f"{prefix}0001", "wrong" * 5).connect()

    with pytest.raises(HandshakeRefused, match="401"):
        asyncio.run(story())


@pytest.mark.parametrize("scenario", ["charge", "power-loss", "offline", "duplicates", "flapping"])
def test_what_the_journals_hold_is_what_the_database_holds(live, prefix, scenario, monkeypatch):
    for name in ("FLAPPING_S", "DARK_S"):
        monkeypatch.setattr(scenarios, name, 0.5)
    members = make_members(6, version="mixed", prefix=prefix, password=station_password)
    plan = FleetPlan(
        live.ocpp_url,
        members,
        SCENARIOS[scenario],
        tokens=numbered_tokens(members),
        clock=FlowingClock(speed=600),
        spread_s=0.3,
        first_within_s=0.3,
        idle_s=(1, 60),
        stay_minutes=(5, 15),
        keep=100_000,
    )

    async def story():
        fleet = Fleet(plan)
        for station in fleet.stations:
            station.habits.reconnect_first_s = 0.2
        work = asyncio.create_task(fleet.run())
        await eventually(lambda: over(fleet) >= 8)
        work.cancel()
        await asyncio.wait([work])
        return fleet

    fleet = asyncio.run(story())
    for station in fleet.stations:
        compare(station)
    ended = [row for station in fleet.stations for row in stored(station.identity) if row.status == "ended"]
    assert len(ended) >= 8


def over(fleet: Fleet) -> int:
    """Ends that the portal has acknowledged."""
    journals = [station.journal for station in fleet.stations]
    stops = [one for journal in journals for one in journal.acknowledged("StopTransaction")]
    events = [one.payload for journal in journals for one in journal.acknowledged("TransactionEvent")]
    return len(stops) + sum(one["eventType"] == "Ended" for one in events)


async def eventually(condition: Callable[[], bool], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def compare(station: SimulatedStation) -> None:
    """Every answer is backed by a row, every row by something that the station did."""
    rows = {row.reference: row for row in stored(station.identity)}
    physical = list(station.journal.transactions)
    acknowledged = acknowledged_starts(station)
    assert acknowledged <= set(rows)
    assert len(rows) <= len(physical)
    for one in physical:
        row = rows.get(str(one.id))
        if row is not None and row.status == "ended":
            assert row.energy_wh == one.energy_wh
            assert row.meter_start_wh == one.meter_start_wh


def acknowledged_starts(station: SimulatedStation) -> set[str]:
    numbers = {str(one.answer["transactionId"]) for one in station.journal.acknowledged("StartTransaction")}
    events = [one.payload for one in station.journal.acknowledged("TransactionEvent")]
    return numbers | {str(one["transactionInfo"]["transactionId"]) for one in events}


@every_version
def test_a_limit_set_in_the_portal_holds_at_the_charger_until_it_is_cleared(live, prefix, version):
    identity = f"{prefix}0001"

    async def story():
        password = station_password(identity)
        endpoint = {"version": version, "clock": FlowingClock()}
        async with SimulatedStation(live.ocpp_url, identity, password, **endpoint) as station:
            await station.boot()
            await station.start()
            limited = await asyncio.to_thread(carried_out, identity, LIMIT)
            limit_w = station.outlet(1).limit_w
            cleared = await asyncio.to_thread(carried_out, identity, ClearChargingProfile(evse_id=1))
            return limited, limit_w, cleared, station.outlet(1).limit_w

    limited, limit_w, cleared, afterwards = asyncio.run(story())
    assert (limited.status, limited.effect) == ("accepted", "seen")
    assert limit_w == 4_140
    assert (cleared.status, cleared.effect) == ("accepted", "seen")
    assert afterwards is None


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_needs_of_a_simulated_car_are_followed_by_its_profile(live, prefix, version):
    identity = f"{prefix}0002"

    async def story():
        password = station_password(identity)
        endpoint = {"version": version, "clock": FlowingClock()}
        async with SimulatedStation(live.ocpp_url, identity, password, **endpoint) as station:
            station.habits.tells_needs = True
            await station.boot()
            await station.start()
            await eventually(lambda: bool(station.profiles.all()), 10)
            return station.profiles.all()

    (profile,) = asyncio.run(story())
    (row,) = stored(identity)
    assert profile.purpose == "TxProfile"
    assert profile.transaction_id == row.reference
    assert row.charging_plan.requested_wh > 0


def carried_out(identity: str, intent: Intent) -> Command:
    """The command, once it has ended and its effect was seen or given up; either can be the first."""
    station = ChargingStation.objects.get(identity=identity)
    command = commands.issue(station, intent, by=system("test"))

    def seen() -> bool:
        command.refresh_from_db()
        effect = bool(command.effect) or command.status in ("rejected", "failed")
        return effect and command.settled_at is not None

    try:
        waiting.eventually(seen, what=f"the effect of {command.command}")
    finally:
        connection.close()
    return command


LIMIT = SetChargingProfile(
    evse_id=1,
    charging_profile={
        "purpose": "tx_default_profile",
        "kind": "absolute",
        "schedules": [
            {
                "rate_unit": "A",
                "start_schedule": "2026-01-01T00:00:00Z",
                "periods": [{"start_s": 0, "limit": 6, "number_phases": 3}],
            }
        ],
    },
)
