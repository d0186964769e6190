"""Every scenario by name, against a CSMS that looks at each frame."""

import asyncio
import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from portal.simulator import FlowingClock, scenarios
from portal.simulator.fleet import (
    Fleet,
    FleetPlan,
    edge_headers,
    make_members,
    numbered_tokens,
    source_address,
)
from portal.simulator.outlet import Lost
from portal.simulator.scenarios import SCENARIOS
from tests.simulator.csms import FakeCsms

SPEED = 600
HONEST = (
    "charge",
    "pause",
    "fault",
    "emergency-stop",
    "power-loss",
    "offline",
    "flapping",
    "half-open",
    "slow-answers",
    "mute",
    "wrong-clock",
)


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    for name in ("FLAPPING_S", "HALF_OPEN_S", "DARK_S"):
        monkeypatch.setattr(scenarios, name, 0.2)


def plan(csms: FakeCsms, scenario: str, *, version: str = "mixed", count: int = 3) -> FleetPlan:
    members = make_members(count, version=version, prefix="SIM", password=lambda identity: "secret")
    return FleetPlan(
        csms.url,
        members,
        SCENARIOS[scenario],
        tokens=numbered_tokens(members),
        clock=FlowingClock(speed=SPEED),
        spread_s=0.05,
        first_within_s=0.05,
        idle_s=(1, 2),
        stay_minutes=(5, 10),
        keep=5_000,
    )


@contextlib.asynccontextmanager
async def performance(csms: FakeCsms, scenario: str, *, version: str = "mixed", count: int = 3):
    fleet = Fleet(plan(csms, scenario, version=version, count=count))
    for station in fleet.stations:
        station.habits.reconnect_first_s = 0.05
    work = asyncio.create_task(fleet.run())
    try:
        yield fleet
    finally:
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work


def ends(csms: FakeCsms) -> int:
    events = [one for one in csms.of("TransactionEvent") if one["eventType"] == "Ended"]
    return len(csms.of("StopTransaction")) + len(events)


@pytest.mark.parametrize("scenario", HONEST)
async def test_sessions_come_to_an_end_in_valid_frames(scenario):
    async with FakeCsms() as csms, performance(csms, scenario) as fleet:
        await csms.eventually(lambda: ends(csms) >= 3, seconds=20)

    assert csms.invalid == []
    told = [one for station in fleet.stations for one in station.journal.transactions if not one.is_open]
    assert told
    assert all(one.energy_wh >= 0 for one in told)


async def test_the_journals_hold_exactly_what_the_csms_was_told():
    async with FakeCsms() as csms, performance(csms, "power-loss", version="1.6") as fleet:
        await csms.eventually(lambda: ends(csms) >= 3, seconds=20)

    delivered = {(stop["transactionId"], stop["meterStop"]) for stop in csms.of("StopTransaction")}
    physical = {
        (one.id, one.meter_stop_wh)
        for station in fleet.stations
        for one in station.journal.transactions
        if not one.is_open
    }
    assert delivered <= physical


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
async def test_what_ran_when_the_simulator_was_killed_ends_as_power_loss_with_its_last_register(version):
    began = datetime.now(UTC) - timedelta(minutes=10)
    number = 4711 if version == "1.6" else "tx-1"
    lost = Lost(1, number, "ALICE", began, began + timedelta(minutes=5), meter_start_wh=1_000, seq_no=9)
    async with FakeCsms() as csms:
        chosen = plan(csms, "idle", version=version, count=1)
        chosen.members = [replace(chosen.members[0], registers_wh={1: 1_500}, lost=(lost,))]
        work = asyncio.create_task(Fleet(chosen).run())
        await csms.eventually(lambda: ends(csms) and states(csms)[-1] == "Available")
        work.cancel()
        await asyncio.wait([work])

    assert csms.invalid == []
    assert states(csms) == (["Finishing", "Available"] if version == "1.6" else ["Occupied", "Available"])
    if version == "1.6":
        (stop,) = csms.of("StopTransaction")
        assert (stop["transactionId"], stop["meterStop"], stop["reason"]) == (4711, 1_500, "PowerLoss")
    else:
        (event,) = csms.of("TransactionEvent")
        assert (event["seqNo"], event["offline"]) == (9, True)


def states(csms: FakeCsms) -> list[str]:
    return [one.get("status") or one["connectorStatus"] for one in csms.of("StatusNotification")] or [""]


async def test_duplicates_are_sent_twice_with_one_message_id():
    async with FakeCsms() as csms, performance(csms, "duplicates", count=1):
        await csms.eventually(lambda: ends(csms) >= 2, seconds=20)

    calls = [frame for frame in map(orjson.loads, csms.texts) if frame[0] == 2]
    assert all(first == second for first, second in zip(calls[0::2], calls[1::2], strict=False))


async def test_shuffled_events_arrive_out_of_order_but_complete():
    async with FakeCsms() as csms, performance(csms, "shuffled", version="2.0.1", count=1):
        await csms.eventually(lambda: ends(csms) >= 2, seconds=20)

    first = csms.of("TransactionEvent")[0]["transactionInfo"]["transactionId"]
    numbers = [
        event["seqNo"]
        for event in csms.of("TransactionEvent")
        if event["transactionInfo"]["transactionId"] == first
    ]
    assert numbers != sorted(numbers)
    assert sorted(numbers) == list(range(len(numbers)))


async def test_wrong_case_integer_ids_kilowatt_hours_and_malformed_frames_are_what_they_say():
    async with FakeCsms() as csms, performance(csms, "wrong-case"):
        await csms.eventually(lambda: ends(csms), seconds=20)
    assert csms.invalid

    async with FakeCsms() as csms, performance(csms, "integer-ids"):
        await csms.eventually(lambda: ends(csms), seconds=20)
    assert csms.invalid == []
    assert all(isinstance(orjson.loads(text)[1], int) for text in csms.texts)

    async with FakeCsms() as csms, performance(csms, "kilowatt-hours"):
        await csms.eventually(lambda: ends(csms), seconds=20)
    assert csms.invalid == []
    assert "kWh" in str(csms.texts)
    assert '"Wh"' not in str(csms.texts)

    async with FakeCsms() as csms, performance(csms, "malformed", count=1):
        await csms.eventually(lambda: "not json" in csms.texts and csms.of("Heartbeat"))


async def test_a_flood_is_fast_and_a_no_show_never_begins():
    async with FakeCsms() as csms, performance(csms, "flood", count=1):
        await csms.eventually(lambda: len(csms.of("Heartbeat")) > 100)

    async with FakeCsms() as csms, performance(csms, "no-show", version="1.6", count=1):
        await csms.eventually(lambda: csms.of("StatusNotification"))
        answer = await csms.command("SIM", "RemoteStartTransaction", {"idTag": "ALICE"})
        await asyncio.sleep(0.1)
    assert answer[2] == {"status": "Accepted"}
    assert csms.of("StartTransaction") == []


async def test_a_mute_station_never_answers_a_command():
    async with FakeCsms() as csms, performance(csms, "mute", version="1.6", count=1):
        await csms.eventually(lambda: csms.of("StatusNotification"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(csms.command("SIM", "ClearCache", {}), 0.3)


async def test_a_fleet_counts_itself_and_a_remote_start_in_it_charges_by_itself():
    async with FakeCsms() as csms, performance(csms, "idle", version="1.6") as fleet:
        await csms.eventually(lambda: fleet.report().online == 3)
        await csms.eventually(lambda: len(csms.of("StatusNotification")) >= 3)
        await csms.command("SIM0001", "RemoteStartTransaction", {"idTag": "ALICE", "connectorId": 1})
        await csms.eventually(lambda: csms.of("MeterValues"))
        report = fleet.report()
        fleet.stations[0].outlet(1).vehicle.soc = 0.99
        await csms.eventually(lambda: csms.of("StopTransaction"), seconds=30)

    assert (report.stations, report.sessions) == (3, 1)
    assert report.power_w > 0
    assert csms.of("StopTransaction")[0]["reason"] == "Other"


async def test_a_refused_fleet_says_why_and_gives_up():
    async with FakeCsms(passwords={}) as csms:
        fleet = Fleet(plan(csms, "charge"))
        await asyncio.wait_for(fleet.run(), 5)

    assert fleet.refusals == {"401 unknown station or wrong password": 3}


async def test_nobody_charges_at_two_places_at_once():
    async with FakeCsms() as csms:
        chosen = plan(csms, "charge")
        chosen.tokens = ("ALICE",)
        work = asyncio.create_task(Fleet(chosen).run())
        await csms.eventually(lambda: ends(csms) >= 3, seconds=20)
        work.cancel()
        await asyncio.wait([work])

    running = 0
    for action, payload in csms.calls:
        running += action == "StartTransaction" or payload.get("eventType") == "Started"
        running -= action == "StopTransaction" or payload.get("eventType") == "Ended"
        assert running in {0, 1}


def test_each_station_has_an_address_of_its_own_against_loopback_only():
    url = "ws://127.0.0.1:8000/ocpp"
    addresses = {source_address(url, place) for place in range(100_000)}

    assert len(addresses) == 100_000
    assert source_address("ws://localhost:8000/ocpp", 0) == "127.10.0.1"
    assert source_address("wss://csms.example.com/ocpp", 0) is None


async def test_the_headers_of_the_edge_go_with_the_handshake():
    async with FakeCsms() as csms:
        chosen = plan(csms, "idle", count=1)
        chosen.edge_secret = "edge"
        fleet = Fleet(chosen)
        await fleet.stations[0].connect()
        await fleet.stations[0].close()

    sent = csms.headers[0]
    assert {name: sent[name] for name in edge_headers("", "")} == edge_headers("edge", "127.10.0.1")
