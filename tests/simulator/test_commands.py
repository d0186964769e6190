"""Commands of a CSMS: every answer is checked against the official schemas."""

import asyncio

import pytest

from portal.simulator import SimulatedStation
from tests.simulator.csms import FakeCsms, Json

every_version = pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
both_two = pytest.mark.parametrize("version", ["2.0.1", "2.1"])

TOKEN = {"idToken": "ALICE", "type": "ISO14443"}


def period(limit: float) -> list[Json]:
    return [{"startPeriod": 0, "limit": limit}]


def profile(version: str, purpose: str, limit: float, unit: str = "W") -> Json:
    schedule: Json = {"chargingRateUnit": unit, "chargingSchedulePeriod": period(limit)}
    shared = {"stackLevel": 0, "chargingProfilePurpose": purpose, "chargingProfileKind": "Relative"}
    if version == "1.6":
        return {**shared, "chargingProfileId": 7, "chargingSchedule": schedule}
    return {**shared, "id": 7, "chargingSchedule": [{"id": 1, **schedule}]}


def start_command(version: str) -> tuple[str, Json]:
    if version == "1.6":
        return "RemoteStartTransaction", {"idTag": "ALICE", "connectorId": 1}
    return "RequestStartTransaction", {"idToken": TOKEN, "remoteStartId": 42, "evseId": 1}


def stop_command(version: str, transaction_id: object) -> tuple[str, Json]:
    name = "RemoteStopTransaction" if version == "1.6" else "RequestStopTransaction"
    return name, {"transactionId": transaction_id}


@every_version
async def test_a_remote_start_and_stop_make_a_session(version):
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        await station.boot()
        accepted = await csms.command("CP1", *start_command(version))
        await csms.eventually(lambda: station.transactions() and station.transactions()[0].state_told)
        transaction = station.transactions()[0]
        await station.charge(1, minutes=10)
        stopped = await csms.command("CP1", *stop_command(version, transaction.id))
        await csms.eventually(lambda: not station.transactions() and not len(station.queue))

    assert accepted[2] == stopped[2] == {"status": "Accepted"}
    assert transaction.energy_wh > 1_500
    assert csms.invalid == []
    last = csms.of("StopTransaction") or csms.of("TransactionEvent")
    assert last[-1].get("reason") or last[-1]["transactionInfo"]["stoppedReason"] == "Remote"


@every_version
async def test_a_remote_start_of_a_busy_outlet_and_a_stop_of_a_stranger_are_rejected(version):
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        await station.boot()
        await station.start(1)
        busy = await csms.command("CP1", *start_command(version))
        stranger = await csms.command("CP1", *stop_command(version, 77 if version == "1.6" else "77"))

    assert busy[2] == stranger[2] == {"status": "Rejected"}


@both_two
async def test_the_remote_start_id_comes_back_in_the_first_event(version):
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        await station.boot()
        await csms.command("CP1", *start_command(version))
        await csms.eventually(lambda: csms.of("TransactionEvent"))

    first = csms.of("TransactionEvent")[0]
    assert first["transactionInfo"]["remoteStartId"] == 42
    assert first["triggerReason"] == "RemoteStart"


@every_version
async def test_a_command_unknown_to_the_version_is_not_implemented_and_one_not_served_not_supported(version):
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        await station.boot()
        unknown = await csms.command("CP1", "MakeCoffee", {})
        of_21 = await csms.command("CP1", "GetDERControl", {"requestId": 1})

    assert unknown[0] == of_21[0] == 4
    assert unknown[2] == "NotImplemented"
    assert of_21[2] == ("NotSupported" if version == "2.1" else "NotImplemented")


@every_version
async def test_a_reset_ends_the_session_and_boots_again(version):
    hard = {"type": "Hard" if version == "1.6" else "Immediate"}
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        station.habits.reboot_s = 0.01
        await station.boot()
        transaction = await station.start(1)
        answer = await csms.command("CP1", "Reset", hard)
        await csms.eventually(lambda: len(csms.of("BootNotification")) == 2)

    assert answer[2] == {"status": "Accepted"}
    assert not transaction.is_open
    assert csms.invalid == []


@both_two
async def test_a_reset_on_idle_waits_for_the_session_to_end(version):
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        station.habits.reboot_s = 0.01
        await station.boot()
        await station.start(1)
        answer = await csms.command("CP1", "Reset", {"type": "OnIdle"})
        await asyncio.sleep(0.05)
        assert len(csms.of("BootNotification")) == 1
        await station.stop(1)
        await csms.eventually(lambda: len(csms.of("BootNotification")) == 2)

    assert answer[2] == {"status": "Scheduled"}


@every_version
async def test_an_inoperative_outlet_is_unavailable_after_its_session(version):
    change = (
        {"connectorId": 1, "type": "Inoperative"}
        if version == "1.6"
        else {"operationalStatus": "Inoperative", "evse": {"id": 1}}
    )
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        await station.boot()
        await station.start(1)
        busy = await csms.command("CP1", "ChangeAvailability", change)
        await station.stop(1)
        idle = await csms.command("CP1", "ChangeAvailability", change)

    assert (busy[2]["status"], idle[2]["status"]) == ("Scheduled", "Accepted")
    assert '"Unavailable"' in str(csms.texts)
    assert csms.invalid == []


@every_version
async def test_a_triggered_message_follows_its_answer(version):
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        await station.boot()
        for wanted in ("Heartbeat", "MeterValues", "StatusNotification"):
            answer = await csms.command("CP1", "TriggerMessage", {"requestedMessage": wanted})
            assert answer[2] == {"status": "Accepted"}
        refused = await csms.command("CP1", "TriggerMessage", {"requestedMessage": "WeatherNotification"})
        await csms.eventually(lambda: csms.of("MeterValues") and csms.of("Heartbeat"))
        await asyncio.sleep(0.05)

    assert refused[2] == {"status": "NotImplemented"}
    assert csms.invalid == []


async def test_configuration_is_read_changed_and_kept():
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1") as station:
        await station.boot()
        change = {"key": "MeterValueSampleInterval", "value": "15"}
        accepted = await csms.command("CP1", "ChangeConfiguration", change)
        wanted = {"key": ["MeterValueSampleInterval", "NoSuchKey"]}
        some = await csms.command("CP1", "GetConfiguration", wanted)
        every = await csms.command("CP1", "GetConfiguration", {})
        locked = {"key": "NumberOfConnectors", "value": "9"}
        rejected = await csms.command("CP1", "ChangeConfiguration", locked)
        unknown = await csms.command("CP1", "ChangeConfiguration", {"key": "NoSuchKey", "value": "1"})

    assert accepted[2] == {"status": "Accepted"}
    assert station.habits.sample_s == 15
    assert some[2]["configurationKey"] == [{**change, "readonly": False}]
    assert some[2]["unknownKey"] == ["NoSuchKey"]
    assert len(every[2]["configurationKey"]) > 25
    assert rejected[2] == {"status": "Rejected"}
    assert unknown[2] == {"status": "NotSupported"}
    assert csms.invalid == []


@both_two
async def test_variables_are_read_changed_and_reported_in_parts(version):
    interval = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}
    secret = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
    unknown = {"component": {"name": "Toaster"}, "variable": {"name": "Slots"}}
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        await station.boot()
        wanted = {"setVariableData": [{**interval, "attributeValue": "900"}]}
        written = await csms.command("CP1", "SetVariables", wanted)
        read = await csms.command("CP1", "GetVariables", {"getVariableData": [interval, secret, unknown]})
        await csms.command("CP1", "GetBaseReport", {"requestId": 9, "reportBase": "FullInventory"})
        await csms.eventually(lambda: any(not part["tbc"] for part in csms.of("NotifyReport")))

    parts = csms.of("NotifyReport")
    assert written[2]["setVariableResult"][0]["attributeStatus"] == "Accepted"
    results = read[2]["getVariableResult"]
    assert results[0]["attributeValue"] == "900"
    assert [one["attributeStatus"] for one in results] == ["Accepted", "Rejected", "UnknownComponent"]
    assert [part["seqNo"] for part in parts] == list(range(len(parts)))
    assert [part["tbc"] for part in parts] == [True] * (len(parts) - 1) + [False]
    assert len(parts) > 1
    assert csms.invalid == []


@every_version
async def test_a_charging_profile_limits_the_power(version):
    name = "csChargingProfiles" if version == "1.6" else "chargingProfile"
    place = "connectorId" if version == "1.6" else "evseId"
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        await station.boot()
        await station.start(1)
        limit = {place: 1, name: profile(version, "TxProfile", 10.0, unit="A")}
        accepted = await csms.command("CP1", "SetChargingProfile", limit)
        await station.charge(1, minutes=5)
        limited = station.outlet(1).power_w
        await csms.command("CP1", "SetChargingProfile", {place: 1, name: profile(version, "TxProfile", 0)})
        await csms.eventually(lambda: station.outlet(1).limit_w == 0)
        await station.charge(1, minutes=5)
        stopped = station.outlet(1).power_w
        schedule = await csms.command("CP1", "GetCompositeSchedule", {place: 1, "duration": 600})
        await csms.command("CP1", "ClearChargingProfile", {})
        await station.charge(1, minutes=5)

    assert accepted[2] == {"status": "Accepted"}
    assert (limited, stopped, station.outlet(1).power_w) == (6_900, 0, 22_000)
    assert "SuspendedEVSE" in str(csms.texts)
    assert schedule[2]["status"] == "Accepted"
    assert csms.invalid == []


@every_version
async def test_the_remaining_commands_are_answered_in_their_schema(version):
    one_six = version == "1.6"
    entry = {"idTag": "BOB", "idTagInfo": {"status": "Accepted"}}
    if not one_six:
        entry = {"idToken": TOKEN, "idTokenInfo": {"status": "Accepted"}}
    number = "listVersion" if one_six else "versionNumber"
    unlock = {"connectorId": 1} if one_six else {"evseId": 1, "connectorId": 1}
    update = {number: 3, "updateType": "Full", "localAuthorizationList": [entry]}
    old = {number: 2, "updateType": "Differential"}
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        await station.boot()
        answers = [
            await csms.command("CP1", "ClearCache", {}),
            await csms.command("CP1", "SendLocalList", update),
            await csms.command("CP1", "SendLocalList", old),
            await csms.command("CP1", "GetLocalListVersion", {}),
            await csms.command("CP1", "DataTransfer", {"vendorId": "nobody"}),
            await csms.command("CP1", "UnlockConnector", unlock),
        ]
        if not one_six:
            answers.append(await csms.command("CP1", "GetTransactionStatus", {}))
        await asyncio.sleep(0.05)

    words = [answer[2].get("status") for answer in answers]
    assert words[:6] == ["Accepted", "Accepted", "VersionMismatch", None, "UnknownVendorId", "Unlocked"]
    assert answers[3][2] == {number: 3}
    assert csms.invalid == []
