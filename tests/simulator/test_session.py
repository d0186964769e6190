"""A session as it should be, in all three versions; every frame is checked against the official schemas."""

from datetime import datetime

import pytest

from portal.simulator import Hardware, SimulatedStation, StopReason, Vehicle
from tests.simulator.csms import FakeCsms, Json

VERSIONS = ("1.6", "2.0.1", "2.1")
every_version = pytest.mark.parametrize("version", VERSIONS)
both_two = pytest.mark.parametrize("version", VERSIONS[1:])


def register(meter_value: Json) -> float:
    """The energy register of one meter value, of any version."""
    samples = meter_value["sampledValue"]
    return float(next(one["value"] for one in samples if one["measurand"] == "Energy.Active.Import.Register"))


def registers(csms: FakeCsms) -> list[float]:
    values = [value for _, payload in csms.calls for value in payload.get("meterValue", [])]
    return [register(value) for value in values]


@every_version
async def test_twenty_minutes_of_charging_are_reported_exactly(version):
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", "secret", version=version) as station:
        await station.boot()
        await station.plug_in(1, Vehicle(max_power_w=11_000))
        assert await station.authorize("ALICE")
        transaction = await station.start(1, "ALICE")
        await station.charge(1, minutes=20)
        await station.stop(1)
        await station.unplug(1)

    assert csms.invalid == []
    assert 3_500 < transaction.energy_wh < 3_667
    shown = registers(csms)
    assert shown == sorted(shown)
    assert len(shown) >= 20
    assert all(value == int(value) for value in shown)
    assert transaction.meter_stop_wh - transaction.meter_start_wh == transaction.energy_wh


async def test_a_session_of_16_tells_states_start_samples_and_stop():
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version="1.6") as station:
        await station.boot()
        transaction = await station.start(1, "ALICE")
        await station.charge(1, minutes=3)
        await station.stop(1)
        await station.unplug(1)

    stop = csms.of("StopTransaction")[0]
    assert [one["status"] for one in csms.of("StatusNotification")] == [
        "Available",
        "Preparing",
        "Charging",
        "Finishing",
        "Available",
    ]
    assert stop["transactionId"] == transaction.id
    assert stop["meterStop"] - csms.of("StartTransaction")[0]["meterStart"] == transaction.energy_wh
    assert [value["sampledValue"][0]["context"] for value in stop["transactionData"]] == [
        "Transaction.Begin",
        "Transaction.End",
    ]
    assert len(csms.of("MeterValues")) == 3


@both_two
async def test_a_session_of_2x_is_one_sequence_of_events(version):
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        await station.boot()
        await station.start(1, "ALICE")
        await station.charge(1, minutes=3)
        await station.stop(1)

    events = csms.of("TransactionEvent")
    assert [event["seqNo"] for event in events] == list(range(len(events)))
    assert [event["eventType"] for event in events] == ["Started", *["Updated"] * (len(events) - 2), "Ended"]
    assert {event["transactionInfo"]["transactionId"] for event in events} != {None}
    assert [event for event in events if "evse" in event] == [events[0]]
    assert events[-1]["transactionInfo"]["stoppedReason"] == "Local"
    assert not any(event.get("offline") for event in events)


@both_two
async def test_a_transaction_of_2x_may_start_with_the_cable_and_get_its_token_later(version):
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        station.habits.starts_on_cable = True
        await station.boot()
        await station.plug_in(1)
        waiting = station.outlet(1).transaction
        await station.charge(1, minutes=5)
        assert waiting is not None
        assert waiting.energy_wh == 0
        await station.start(1, "ALICE")
        await station.charge(1, minutes=5)
        await station.stop(1)

    assert csms.invalid == []
    events = csms.of("TransactionEvent")
    assert events[0]["triggerReason"] == "CablePluggedIn"
    assert "idToken" not in events[0]
    assert [one["idToken"]["idToken"] for one in events if one["triggerReason"] == "Authorized"] == ["ALICE"]
    assert waiting.energy_wh > 0


async def test_version_21_tells_availability_by_event_and_201_by_status():
    for version, action in (("2.0.1", "StatusNotification"), ("2.1", "NotifyEvent")):
        async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
            await station.boot()
            await station.plug_in(1)
        assert len(csms.of(action)) == 2
        assert csms.invalid == []


@every_version
async def test_fast_charging_ramps_up_and_tapers_with_the_state_of_charge(version):
    rapid = Hardware(kind="DC", watts=60_000)
    async with (
        FakeCsms() as csms,
        SimulatedStation(csms.url, "CP1", version=version, hardware=rapid) as station,
    ):
        await station.boot()
        await station.plug_in(1, Vehicle(capacity_wh=50_000, soc=0.5, max_power_w=55_000))
        await station.start(1, "ALICE")
        await station.charge(1)
        full = station.outlet(1).vehicle
        await station.stop(1, StopReason.EV_FULL)

    assert csms.invalid == []
    power = [_measured(payload, "Power.Active.Import") for payload in _updates(csms)]
    soc = [_measured(payload, "SoC") for payload in _updates(csms)]
    assert max(power) == 55_000
    assert power[-1] < 15_000
    assert soc == sorted(soc)
    assert full is not None
    assert full.is_full


@every_version
async def test_a_paused_car_keeps_its_transaction(version):
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        await station.boot()
        transaction = await station.start(1, "ALICE")
        await station.charge(1, minutes=5)
        await station.pause(1)
        before = transaction.energy_wh
        await station.charge(1, minutes=5)
        assert transaction.energy_wh == before
        await station.pause(1, paused=False)
        await station.charge(1, minutes=5)
        assert transaction.is_open

    assert csms.invalid == []
    assert transaction.energy_wh > before
    told = str(csms.texts)
    assert "SuspendedEV" in told


@every_version
async def test_a_refused_token_ends_the_transaction_at_once(version):
    refused = {"status": "Blocked"}
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        csms.answers["StartTransaction"] = {"transactionId": 5, "idTagInfo": refused}
        csms.answers["TransactionEvent"] = lambda event: (
            {"idTokenInfo": refused} if "idToken" in event else {}
        )
        await station.boot()
        transaction = await station.start(1, "MALLORY")

    assert transaction.accepted is False
    assert transaction.stop_reason is StopReason.REFUSED
    assert transaction.energy_wh == 0
    assert csms.invalid == []


@every_version
async def test_the_journal_knows_each_exchange_and_each_transaction(version):
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        csms.answers["Heartbeat"] = ("InternalError", "not today")
        await station.boot()
        await station.start(1, "ALICE")
        await station.stop(1)
        with pytest.raises(Exception, match="not today"):
            await station.heartbeat()

    journal = station.journal
    assert [one.action for one in journal.exchanges] == csms.actions()
    assert journal.of("Heartbeat")[0].error_code == "InternalError"
    assert len(journal.acknowledged("BootNotification")) == 1
    assert len(journal.transactions) == 1


async def test_timestamps_are_simulated_time_and_lie_in_the_past():
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1") as station:
        await station.boot()
        await station.start(1)
        await station.charge(1, minutes=30)
        await station.stop(1)

    start = datetime.fromisoformat(csms.of("StartTransaction")[0]["timestamp"])
    stop = datetime.fromisoformat(csms.of("StopTransaction")[0]["timestamp"])
    assert 1_800 <= (stop - start).total_seconds() < 1_810
    assert stop < datetime.now(stop.tzinfo)


def _updates(csms: FakeCsms) -> list[Json]:
    events = [one for one in csms.of("TransactionEvent") if one["triggerReason"] == "MeterValuePeriodic"]
    return csms.of("MeterValues") or events


def _measured(payload: Json, measurand: str) -> float:
    samples = payload["meterValue"][0]["sampledValue"]
    return float(next(one["value"] for one in samples if one["measurand"] == measurand))
