"""Smart charging of simulated 2.x stations: every message is checked against the official schemas."""

import pytest

from portal.simulator import SimulatedStation
from tests.simulator.csms import FakeCsms, Json
from tests.simulator.test_commands import both_two, profile


def dynamic(**changes: object) -> Json:
    period = {"startPeriod": 0, "limit": 7000, "v2xSignalWattCurve": [{"signal": 1, "power": 500}]}
    schedule = {"id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": [period]}
    return {
        "id": 41,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Dynamic",
        "chargingSchedule": [schedule],
        **changes,
    }


@both_two
async def test_profiles_are_reported_place_by_place(version):
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        await station.boot()
        for evse_id, purpose in ((0, "ChargingStationMaxProfile"), (1, "TxDefaultProfile")):
            sent = {**profile(version, purpose, 11_000.0), "id": 7 + evse_id}
            await csms.command("CP1", "SetChargingProfile", {"evseId": evse_id, "chargingProfile": sent})
        wanted = {"requestId": 3, "chargingProfile": {"chargingLimitSource": ["CSO"]}}
        answer = await csms.command("CP1", "GetChargingProfiles", wanted)
        await csms.eventually(lambda: len(csms.of("ReportChargingProfiles")) == 2)
        nothing = await csms.command("CP1", "GetChargingProfiles", {**wanted, "evseId": 2})

    first, last = csms.of("ReportChargingProfiles")
    assert answer[2] == {"status": "Accepted"}
    assert nothing[2] == {"status": "NoProfiles"}
    assert (first["evseId"], first.get("tbc", False)) == (0, True)
    assert (last["evseId"], last.get("tbc", False)) == (1, False)
    assert last["chargingProfile"][0]["id"] == 8
    assert csms.invalid == []


async def test_a_dynamic_profile_takes_new_figures():
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version="2.1") as station:
        await station.boot()
        update = {"chargingProfileId": 41, "scheduleUpdate": {"limit": 4000}}
        without = await csms.command("CP1", "UpdateDynamicSchedule", update)
        await csms.command("CP1", "SetChargingProfile", {"evseId": 1, "chargingProfile": dynamic()})
        taken = await csms.command("CP1", "UpdateDynamicSchedule", update)
        composite = await csms.command("CP1", "GetCompositeSchedule", {"evseId": 1, "duration": 60})

    assert without[2] == {"status": "Rejected"}
    assert taken[2] == {"status": "Accepted"}
    assert composite[2]["schedule"]["chargingSchedulePeriod"][0]["limit"] == 4000
    assert csms.invalid == []


async def test_priority_charging_needs_a_profile_for_it_and_is_told_of():
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version="2.1") as station:
        await station.boot()
        transaction = await station.start(1)
        wish = {"transactionId": transaction.id, "activate": True}
        without = await csms.command("CP1", "UsePriorityCharging", wish)
        sent = dynamic(chargingProfilePurpose="PriorityCharging", chargingProfileKind="Relative")
        await csms.command("CP1", "SetChargingProfile", {"evseId": 1, "chargingProfile": sent})
        taken = await csms.command("CP1", "UsePriorityCharging", wish)
        await csms.eventually(lambda: csms.of("NotifyPriorityCharging"))
        stranger = await csms.command("CP1", "UsePriorityCharging", {**wish, "transactionId": "77"})

    assert [one[2]["status"] for one in (without, taken, stranger)] == ["NoProfile", "Accepted", "Rejected"]
    assert csms.of("NotifyPriorityCharging") == [{"transactionId": transaction.id, "activated": True}]
    assert csms.invalid == []


async def test_transfers_and_signals_are_taken_where_they_mean_something():
    signal = {"timestamp": "2026-01-01T00:00:00Z", "signal": 1}
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version="2.1") as station:
        await station.boot()
        transaction = await station.start(1)
        allowed = {"transactionId": transaction.id, "allowedEnergyTransfer": ["DC_BPT"]}
        transfers = await csms.command("CP1", "NotifyAllowedEnergyTransfer", allowed)
        without = await csms.command("CP1", "AFRRSignal", signal)
        await csms.command("CP1", "SetChargingProfile", {"evseId": 1, "chargingProfile": dynamic()})
        taken = await csms.command("CP1", "AFRRSignal", signal)

    assert [one[2]["status"] for one in (transfers, without, taken)] == ["Accepted", "Rejected", "Accepted"]
    assert csms.invalid == []


async def test_a_201_station_does_not_know_what_21_added():
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version="2.0.1") as station:
        await station.boot()
        answer = await csms.command("CP1", "AFRRSignal", {"timestamp": "2026-01-01T00:00:00Z", "signal": 1})

    assert (answer[0], answer[2]) == (4, "NotImplemented")


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
async def test_needs_of_the_car_are_told_when_its_session_began(version):
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        station.habits.tells_needs = True
        csms.answers["NotifyEVChargingNeeds"] = {"status": "Accepted"}
        await station.boot()
        await station.start(1)
        await csms.eventually(lambda: version == "1.6" or csms.of("NotifyEVChargingNeeds"))

    told = csms.of("NotifyEVChargingNeeds")
    assert len(told) == (0 if version == "1.6" else 1)
    for needs in told:
        assert needs["chargingNeeds"]["requestedEnergyTransfer"] == "AC_three_phase"
        assert needs["chargingNeeds"]["acChargingParameters"]["energyAmount"] > 0
    assert csms.invalid == []
