"""Handshake, registration, offline times and the retry rules."""

from datetime import timedelta
from http import HTTPStatus

import pytest

from portal.simulator import (
    CallRefused,
    HandshakeRefused,
    Hardware,
    SimulatedStation,
    StopReason,
    Unreachable,
)
from tests.simulator.csms import FakeCsms

every_version = pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])


async def test_a_wrong_password_is_refused_with_status_and_reason():
    async with FakeCsms(passwords={"CP1": b"right"}) as csms:
        with pytest.raises(HandshakeRefused, match="401 unknown station or wrong password"):
            await SimulatedStation(csms.url, "CP1", "wrong").connect()


async def test_a_raw_key_of_16_and_an_identity_with_reserved_characters_are_sent_as_they_are():
    key = bytes([0, 255, 58, 10, 13, 7]) * 3
    async with FakeCsms(passwords={"NORTH%7C7": key}) as csms:
        with pytest.raises(HandshakeRefused):
            await SimulatedStation(csms.url, "NORTH|7", key).connect()
        assert csms.headers[0]["Authorization"].startswith("Basic Tk9SVEh8Nzo")


async def test_no_csms_at_the_address_is_said_so():
    async with FakeCsms() as csms:
        url = csms.url
    with pytest.raises(Unreachable):
        await SimulatedStation(url, "CP1").connect()


@every_version
async def test_a_pending_boot_is_repeated_after_its_interval(version):
    words = iter(["Pending", "Rejected", "Accepted"])
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        csms.answers["BootNotification"] = lambda _: {
            "currentTime": "2026-05-01T10:00:00Z",
            "interval": 0.01,
            "status": next(words),
        }
        await station.boot_until_accepted()

    assert len(csms.of("BootNotification")) == 3
    assert csms.actions()[:3] == ["BootNotification"] * 3
    assert station.registered


@every_version
async def test_a_session_while_offline_is_told_afterwards_with_its_own_times(version):
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        await station.boot()
        station.drop()
        transaction = await station.start(1, "ALICE")
        await station.charge(1, minutes=20)
        await station.stop(1)
        assert not csms.of("StartTransaction") + csms.of("TransactionEvent")
        station.clock.advance(timedelta(minutes=30))
        await station.reconnect()

    assert csms.invalid == []
    assert len(csms.of("BootNotification")) == 1
    assert transaction.energy_wh > 6_000
    if version == "1.6":
        assert csms.of("StopTransaction")[0]["transactionId"] == transaction.id
        assert len(csms.of("MeterValues")) == 20
    else:
        events = csms.of("TransactionEvent")
        assert all(event["offline"] for event in events)
        assert [event["seqNo"] for event in events] == list(range(len(events)))


@every_version
async def test_a_refused_transaction_message_is_repeated_as_often_as_configured(version):
    refusals = iter([("InternalError", ""), ("InternalError", "")])
    action = "StartTransaction" if version == "1.6" else "TransactionEvent"
    accepted = {"idTokenInfo": {"status": "Accepted"}}
    if version == "1.6":
        accepted = {"transactionId": 9, "idTagInfo": {"status": "Accepted"}}
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        csms.answers[action] = lambda event: next(refusals, accepted if "Updated" not in str(event) else {})
        station.habits.retry_interval_s = 0.01
        await station.boot()
        transaction = await station.start(1, "ALICE")

    first = csms.of(action)[:3]
    assert first[0] == first[1] == first[2]
    assert transaction.accepted
    assert station.queue.given_up == 0


async def test_a_message_refused_too_often_is_given_up_and_the_next_one_goes_out():
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1") as station:
        csms.answers["StartTransaction"] = ("InternalError", "")
        station.habits.retry_interval_s = 0.01
        await station.boot()
        await station.start(1, "ALICE")
        await station.stop(1)

    assert len(csms.of("StartTransaction")) == 3
    assert station.queue.given_up == 1
    assert csms.of("StopTransaction")[0]["transactionId"] == -1


async def test_an_unanswered_message_is_repeated_after_the_time_out():
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1") as station:
        await station.boot()
        silence = iter([None])
        start = {"transactionId": 9, "idTagInfo": {"status": "Accepted"}}
        csms.answers["StartTransaction"] = lambda _: next(silence, start)
        station.habits.call_timeout_s = 0.1
        station.habits.retry_interval_s = 0.01
        transaction = await station.start(1, "ALICE")

    assert len(csms.of("StartTransaction")) == 2
    assert transaction.id == 9


@every_version
async def test_a_station_comes_back_by_itself_when_the_csms_restarts(version):
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        station.habits.keep_online = True
        station.habits.reconnect_first_s = 0.05
        await station.boot()
        transaction = await station.start(1, "ALICE")
        await csms.shut()
        await csms.eventually(lambda: not station.online)
        await station.charge(1, minutes=5)
        await station.stop(1)
        await csms.open()
        await csms.eventually(lambda: station.online and not len(station.queue))

    assert csms.invalid == []
    ends = csms.of("StopTransaction") + [
        one for one in csms.of("TransactionEvent") if one["eventType"] == "Ended"
    ]
    assert len(ends) == 1
    assert transaction.energy_wh > 0


async def test_a_busy_csms_decides_when_the_station_comes_back():
    async with FakeCsms(refusal=HTTPStatus.SERVICE_UNAVAILABLE) as csms:
        station = SimulatedStation(csms.url, "CP1")
        with pytest.raises(HandshakeRefused) as refusal:
            await station.connect()
    assert refusal.value.status == 503


@every_version
async def test_a_power_failure_ends_the_session_and_is_told_after_the_boot(version):
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        await station.boot()
        transaction = await station.start(1, "ALICE")
        await station.charge(1, minutes=5)
        await station.lose_power()
        told = len(csms.of("StopTransaction"))
        await station.restore_power()

    assert told == 0
    assert transaction.stop_reason is StopReason.POWER_LOSS
    boots = [place for place, action in enumerate(csms.actions()) if action == "BootNotification"]
    assert len(boots) == 2
    ended = csms.of("StopTransaction") or csms.of("TransactionEvent")[-1:]
    assert "PowerLoss" in str(ended)
    assert csms.invalid == []


@every_version
async def test_a_fault_and_the_red_button_end_sessions(version):
    async with FakeCsms() as csms:
        double = Hardware(outlets=2)
        async with SimulatedStation(csms.url, "CP1", version=version, hardware=double) as station:
            await station.boot()
            first = await station.start(1, "ALICE")
            second = await station.start(2, "BOB")
            await station.fail(1)
            assert second.is_open
            await station.emergency_stop()
            await station.recover(1)

    assert first.stop_reason is StopReason.FAULT
    assert second.stop_reason is StopReason.EMERGENCY_STOP
    assert "Faulted" in str(csms.texts)
    assert csms.invalid == []


async def test_a_heartbeat_follows_the_interval_of_the_boot():
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1") as station:
        boot = {"currentTime": "2026-05-01T10:00:00Z", "interval": 0.05, "status": "Accepted"}
        csms.answers["BootNotification"] = boot
        await station.boot()
        await csms.eventually(lambda: len(csms.of("Heartbeat")) >= 3)


async def test_a_changed_authorization_key_is_used_from_the_next_connection_on():
    old, new = b"sixteen bytes!!!", bytes(range(20))
    async with FakeCsms(passwords={"CP1": old}) as csms, SimulatedStation(csms.url, "CP1", old) as station:
        await station.boot()
        change = {"key": "AuthorizationKey", "value": new.hex()}
        await csms.command("CP1", "ChangeConfiguration", change)
        csms.passwords = {"CP1": new}
        await station.disconnect()
        await station.reconnect()
        assert station.online


async def test_a_refused_call_raises_its_code():
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1") as station:
        csms.answers["DataTransfer"] = ("NotSupported", "no")
        with pytest.raises(CallRefused) as refusal:
            await station.call("DataTransfer", {"vendorId": "x"})
    assert refusal.value.code == "NotSupported"
