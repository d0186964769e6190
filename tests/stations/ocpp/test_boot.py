"""P100 to P108: boots and registration."""

from datetime import timedelta
from typing import Any

import pytest

from core import clock
from core.access import Actor
from stations.domain import intents
from stations.domain.words import Flag, Registration, TransactionStatus
from stations.models import Alert, ChargingStation, Command, Connector, SecurityEvent, Transaction
from stations.services import provisioning, transactions
from tests.factories import make_station, make_token
from tests.running import Server
from tests.stations.ocpp.asking import VERSIONS, VERSIONS_2X, ask, ended, issue, now
from tests.stations.ocpp.knocking import Charger, next_address
from tests.waiting import eventually
from tests.wire.client import CallError, WireStation
from tests.wire.golden import wire


def station_of(charger: Charger) -> ChargingStation:
    return ChargingStation.objects.get(pk=charger.station.pk)


def start_16(socket: WireStation, token: str, **changes: Any) -> dict[str, Any]:
    start = {"connectorId": 1, "idTag": token, "meterStart": 1000, "timestamp": "2025-03-01T10:00:00Z"}
    return socket.call("StartTransaction", {**start, **changes})


@pytest.mark.parametrize("version", VERSIONS)
def test_p100_a_boot_is_told_the_time_in_utc_and_an_interval_above_zero(
    charger: Charger, version: str
) -> None:
    with charger.dial(version) as socket:
        answer = socket.boot()

    assert answer["status"] == "Accepted"
    assert answer["currentTime"].endswith("Z")
    assert 270 <= answer["interval"] <= 330


def test_p100_intervals_are_spread_over_the_stations(live: Server, alice: Actor) -> None:
    intervals = set()
    for _ in range(6):
        station, password = make_station(alice)
        with Charger(live.ocpp_url, station, password, next_address()).dial("2.0.1") as socket:
            intervals.add(socket.boot()["interval"])

    assert len(intervals) > 1


def test_p100_the_interval_of_a_station_follows_its_own_setting(charger: Charger) -> None:
    charger.set(heartbeat_interval_s=60)

    with charger.dial("2.0.1") as socket:
        assert 54 <= socket.boot()["interval"] <= 66


def test_p101_a_repeated_boot_updates_identity_and_creates_nothing_twice(charger: Charger) -> None:
    with charger.dial("2.0.1") as socket:
        first = socket.call("BootNotification", wire("v201/BootNotification.powerup"))
        socket.call("TransactionEvent", wire("v201/TransactionEvent.started"))
        payload = wire("v201/BootNotification.powerup")
        payload["chargingStation"]["firmwareVersion"] = "3.2.0"
        again = socket.call("BootNotification", payload)

    station = station_of(charger)
    assert again["interval"] == first["interval"]
    assert station.firmware_version == "3.2.0"
    assert (station.vendor, station.model) == ("Voltwerk", "Duo 22")
    assert (station.serial_number, station.iccid) == ("VW-000123", "8931080012345678901")
    assert (station.boot_version, station.boot_reason) == ("2.0.1", "PowerUp")
    assert ChargingStation.objects.filter(identity=station.identity).count() == 1
    assert Transaction.objects.get(station=station).status == TransactionStatus.ACTIVE


def test_p102_a_pending_16_station_may_be_configured_but_not_started(charger: Charger, alice: Actor) -> None:
    charger.set(registration="pending")

    with charger.dial("1.6") as socket:
        assert socket.boot()["status"] == "Pending"
        call, read = ask(
            charger,
            socket,
            alice,
            intents.GetVariables(items=(intents.VariableItem(variable="HeartbeatInterval"),)),
            {"configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "300"}]},
        )
        start = ended(issue(charger, alice, intents.RequestStartTransaction(token_value="T1", evse_id=None)))
        socket.call("Heartbeat", {})

    assert call[2] == "GetConfiguration"
    assert read.status == "accepted"
    assert start.status == "failed"
    assert start.error["code"] == "not_accepted"
    assert not socket.calls


@pytest.mark.parametrize("version", VERSIONS)
def test_p102_a_rejected_station_is_told_so_and_nothing_is_said_to_it(
    charger: Charger, alice: Actor, version: str
) -> None:
    charger.set(registration="rejected")

    with charger.dial(version) as socket:
        answer = socket.boot()
        command = ended(issue(charger, alice, intents.TriggerMessage(message="heartbeat")))

    assert answer["status"] == "Rejected"
    assert answer["interval"] > 0
    assert command.status == "failed"
    assert not socket.calls


def test_p103_a_16_station_not_yet_accepted_starts_nothing_but_loses_nothing(
    charger: Charger, alice: Actor
) -> None:
    charger.set(registration="pending")
    token = make_token(alice)

    with charger.dial("1.6") as socket:
        socket.boot()
        authorized = socket.call("Authorize", {"idTag": token.value})
        started = start_16(socket, token.value)
        stopped = socket.call(
            "StopTransaction",
            {
                "transactionId": started["transactionId"],
                "meterStop": 1500,
                "timestamp": "2025-03-01T11:00:00Z",
            },
        )

    assert authorized["idTagInfo"]["status"] == "Invalid"
    assert started["idTagInfo"]["status"] == "Invalid"
    assert started["transactionId"] > 0
    assert "idTagInfo" not in stopped or stopped["idTagInfo"]["status"] == "Invalid"
    transaction = Transaction.objects.get(number=started["transactionId"])
    assert transaction.energy_wh == 500
    assert Flag.BEFORE_ACCEPTANCE in transaction.flags


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize("registration", ["pending", "rejected"])
def test_p104_a_2x_station_not_yet_accepted_gets_a_security_error_and_stores_nothing(
    charger: Charger, version: str, registration: str
) -> None:
    charger.set(registration=registration)

    with charger.dial(version) as socket:
        socket.boot()
        codes = []
        for action, payload in (
            ("StatusNotification", wire("v201/StatusNotification.available")),
            ("SecurityEventNotification", wire("v201/SecurityEventNotification.tampered")),
            ("TransactionEvent", wire("v201/TransactionEvent.started")),
            ("Heartbeat", {}),
        ):
            with pytest.raises(CallError) as refused:
                socket.call(action, payload)
            codes.append(refused.value.code)

    assert codes == ["SecurityError"] * 4
    assert not Connector.objects.filter(evse__station=charger.station).exclude(status="").exists()
    assert not SecurityEvent.objects.filter(station=charger.station).exists()
    assert not Transaction.objects.filter(station=charger.station).exists()


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p105_what_was_asked_of_a_pending_2x_station_is_served(
    charger: Charger, alice: Actor, version: str
) -> None:
    charger.set(registration="pending")

    with charger.dial(version) as socket:
        socket.boot()
        call, trigger = ask(
            charger,
            socket,
            alice,
            intents.TriggerMessage(message="status_notification", evse_id=1),
            {"status": "Accepted"},
        )
        status = socket.call("StatusNotification", wire("v201/StatusNotification.available"))
        report_call, report = ask(
            charger, socket, alice, intents.GetBaseReport(kind="full_inventory"), {"status": "Accepted"}
        )
        part = wire("v201/NotifyReport.last_part", requestId=report_call[3]["requestId"], seqNo=0)
        reported = socket.call("NotifyReport", part)

    assert call[3] == {"requestedMessage": "StatusNotification", "evse": {"id": 1, "connectorId": 1}}
    assert (trigger.status, report.status) == ("accepted", "accepted")
    assert status == reported == {}
    assert charger.station.variables.filter(component="EVSE", variable="Power").count() == 2


@pytest.mark.parametrize("version", VERSIONS)
def test_p106_a_station_made_as_pending_waits_for_the_operator_who_makes_it_boot_again(
    live: Server, alice: Actor, version: str
) -> None:
    station, password = make_station(alice, registration="pending")
    charger = Charger(live.ocpp_url, station, password, next_address())

    with charger.dial(version) as socket:
        first = socket.boot()
        waiting = Alert.objects.get(station=station, kind="registration_pending")
        provisioning.decide(station_of(charger), Registration.ACCEPTED, by=alice)
        call = socket.next_call()
        socket.reply(call, {"status": "Accepted"})
        second = socket.boot()

    assert first["status"] == "Pending"
    assert 0 < first["interval"] <= 66
    assert waiting.cleared_at is None
    assert call[2:] == ["TriggerMessage", {"requestedMessage": "BootNotification"}]
    assert second["status"] == "Accepted"
    waiting.refresh_from_db()
    assert waiting.cleared_at is not None
    command = Command.objects.get(station=station, command="trigger_message")
    assert eventually(lambda: Command.objects.get(pk=command.pk).effect) == "seen"


def test_p106_a_station_made_with_credentials_is_accepted_at_its_first_boot(charger: Charger) -> None:
    with charger.dial("2.1") as socket:
        assert socket.boot()["status"] == "Accepted"

    assert station_of(charger).booted_at is not None


def test_p107_a_boot_closes_no_16_session_until_the_grace_is_over(charger: Charger, alice: Actor) -> None:
    token = make_token(alice)

    with charger.dial("1.6") as socket:
        socket.boot()
        number = start_16(socket, token.value, timestamp=now())["transactionId"]
        socket.boot()
        after_boot = Transaction.objects.get(number=number).status
        stopped = socket.call(
            "StopTransaction", {"transactionId": number, "meterStop": 3000, "timestamp": now()}
        )
        other = start_16(socket, token.value, timestamp=now(), meterStart=3000)["transactionId"]
        socket.boot()

    transactions.orphan_overdue(clock.now() + timedelta(hours=23))
    within_grace = Transaction.objects.get(number=other).status
    transactions.orphan_overdue(clock.now() + timedelta(hours=25))

    assert after_boot == TransactionStatus.ACTIVE
    assert stopped == {}
    assert Transaction.objects.get(number=number).energy_wh == 2000
    assert within_grace == TransactionStatus.ACTIVE
    assert Transaction.objects.get(number=other).status == TransactionStatus.ORPHANED


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p108_after_a_boot_a_station_may_count_its_events_anew(charger: Charger, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        socket.call("TransactionEvent", wire("v201/TransactionEvent.started"))
        socket.call("TransactionEvent", wire("v201/TransactionEvent.updated"))
        socket.boot()
        socket.call("TransactionEvent", wire("v201/TransactionEvent.ended", seqNo=0))

    transaction = Transaction.objects.get(station=charger.station)
    assert transaction.events.count() == 3
    assert transaction.status == TransactionStatus.ENDED
    assert transaction.energy_wh == 1200
    assert not transaction.conflicts.exists()


@pytest.mark.parametrize("version", VERSIONS)
def test_p108_a_boot_that_was_asked_for_is_no_restart(charger: Charger, alice: Actor, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        booted_at = station_of(charger).booted_at
        ask(
            charger,
            socket,
            alice,
            intents.TriggerMessage(message="boot_notification"),
            {"status": "Accepted"},
        )
        socket.boot()

    assert station_of(charger).booted_at == booted_at
