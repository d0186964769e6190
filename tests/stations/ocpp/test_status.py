"""P190 to P198: what connectors, EVSEs and stations say of themselves."""

from datetime import timedelta
from typing import Any

import pytest

from core import clock
from core.access import Actor
from stations.domain import intents
from stations.domain.words import Flag, TransactionStatus
from stations.models import Alert, Command, Connector, Evse, Transaction, Variable
from tests.factories import make_token
from tests.stations.ocpp.asking import VERSIONS, VERSIONS_2X, ask, now, with_effect
from tests.stations.ocpp.knocking import Charger
from tests.waiting import eventually
from tests.wire.client import CallError, WireStation
from tests.wire.golden import wire


def tell(socket: WireStation, status: str, evse_id: int = 1, at: str | None = None, **more: Any) -> None:
    """StatusNotification in the words of the socket's version."""
    if socket.version == "1.6":
        payload = {"connectorId": evse_id, "errorCode": "NoError", "status": status, **more}
        answer = socket.call("StatusNotification", {**payload, **({"timestamp": at} if at else {})})
    else:
        payload = wire("v201/StatusNotification.available", connectorStatus=status, evseId=evse_id)
        answer = socket.call("StatusNotification", {**payload, "timestamp": at or now(), **more})
    assert answer == {}


def connectors(charger: Charger) -> dict[tuple[int, int], str]:
    rows = Connector.objects.filter(evse__station=charger.station)
    return {(row.evse.evse_id, row.connector_id): row.status for row in rows.select_related("evse")}


def open_alerts(charger: Charger) -> list[tuple[str, str]]:
    rows = Alert.objects.filter(station=charger.station, cleared_at=None)
    return sorted(rows.values_list("kind", "subject"))


@pytest.mark.parametrize("status", ["Available", "Unavailable", "Faulted", "Charging"])
def test_p190_connector_0_of_16_speaks_for_the_station_and_odd_words_are_flagged(
    charger: Charger, status: str
) -> None:
    with charger.dial("1.6") as socket:
        socket.boot()
        tell(socket, status, evse_id=0)

    whole = Variable.objects.get(station=charger.station, component="ChargingStation")
    assert (whole.variable, whole.value) == ("AvailabilityState", status)
    assert connectors(charger) == {}
    expected = {"Faulted": [("station_faulted", "")], "Charging": [("unusual_status", "")]}
    assert open_alerts(charger) == expected.get(status, [])


def test_p191_a_status_without_a_time_takes_the_receipt_time(charger: Charger) -> None:
    before = clock.now()
    with charger.dial("1.6") as socket:
        socket.boot()
        tell(socket, "Preparing")

    connector = Connector.objects.get(evse__station=charger.station)
    assert connector.status_at is not None
    assert before <= connector.status_at <= clock.now()


@pytest.mark.parametrize("version", VERSIONS)
def test_p191_an_older_status_does_not_override_a_newer_one(charger: Charger, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        tell(socket, "Unavailable", at="2025-03-01T10:00:00Z")
        tell(socket, "Available", at="2025-03-01T09:00:00Z")

    assert connectors(charger) == {(1, 1): "Unavailable"}


@pytest.mark.parametrize("version", VERSIONS)
def test_p191_a_clock_that_was_ahead_does_not_bar_the_next_status(charger: Charger, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        tell(socket, "Unavailable", at=clock.to_wire(clock.now() + timedelta(hours=20)))
        tell(socket, "Available", at=now())

    assert connectors(charger) == {(1, 1): "Available"}


@pytest.mark.parametrize("version", VERSIONS)
def test_p192_a_status_of_an_unknown_connector_creates_it_with_a_public_code(
    charger: Charger, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        tell(socket, "Available", evse_id=1)
        tell(socket, "Faulted", evse_id=2)

    assert connectors(charger) == {(1, 1): "Available", (2, 1): "Faulted"}
    codes = list(Evse.objects.filter(station=charger.station).values_list("code", flat=True))
    assert len(set(codes)) == 2
    assert all(charger.station.identity not in code for code in codes)


@pytest.mark.parametrize("version", VERSIONS)
def test_p192_connectors_beyond_the_limit_are_answered_but_not_made(charger: Charger, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        for evse_id in range(1, 68):
            tell(socket, "Available", evse_id=evse_id)

    assert len(connectors(charger)) == 64
    assert open_alerts(charger) == [("too_many_connectors", "")]


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize(("evse_id", "connector_id"), [(0, 0), (1, 0), (0, 1)])
def test_p193_evse_0_and_connector_0_are_answered_and_become_no_connector(
    charger: Charger, version: str, evse_id: int, connector_id: int
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        tell(socket, "Unavailable", evse_id=evse_id, connectorId=connector_id)

    assert connectors(charger) == {}
    whole = Variable.objects.get(station=charger.station, variable="AvailabilityState")
    assert whole.value == "Unavailable"


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p193_a_number_that_no_station_counts_to_is_refused(charger: Charger, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        for evse_id in (-1, 2**31, 10**18):
            with pytest.raises(CallError) as refused:
                tell(socket, "Available", evse_id=evse_id)
            assert refused.value.code == "PropertyConstraintViolation"
        tell(socket, "Available")

    assert connectors(charger) == {(1, 1): "Available"}


@pytest.mark.parametrize("version", VERSIONS)
def test_p194_available_during_a_session_flags_it_and_asks_the_station(
    charger: Charger, alice: Actor, version: str
) -> None:
    token = make_token(alice)
    with charger.dial(version) as socket:
        socket.boot()
        if version == "1.6":
            socket.call(
                "StartTransaction",
                {"connectorId": 1, "idTag": token.value, "meterStart": 0, "timestamp": now()},
            )
        else:
            shown = {"idToken": token.value, "type": token.type}
            payload = wire("v201/TransactionEvent.started", timestamp=now(), idToken=shown)
            socket.call("TransactionEvent", payload)
        tell(socket, "Available")
        question = socket.next_call()
        socket.reply(question, {"status": "Accepted"})
        tell(socket, "Available")

    transaction = Transaction.objects.get(station=charger.station)
    assert transaction.status == TransactionStatus.ACTIVE
    assert Flag.AVAILABLE_DURING_SESSION in transaction.flags
    assert question[2] == "TriggerMessage"
    assert question[3]["requestedMessage"] == ("MeterValues" if version == "1.6" else "TransactionEvent")
    assert Command.objects.filter(station=charger.station).count() == 1


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize(("minutes", "flagged"), [(0, False), (30, True)])
def test_p194_a_session_that_ends_as_the_car_leaves_contradicts_nothing(
    charger: Charger, minutes: int, flagged: bool, version: str
) -> None:
    began = clock.now() - timedelta(hours=1)
    left = clock.now() - timedelta(minutes=30)
    over = clock.to_wire(left + timedelta(minutes=minutes, seconds=2))
    with charger.dial(version) as socket:
        socket.boot()
        socket.call("TransactionEvent", wire("v201/TransactionEvent.started", timestamp=clock.to_wire(began)))
        tell(socket, "Available", at=clock.to_wire(left))
        socket.call("TransactionEvent", wire("v201/TransactionEvent.ended", timestamp=over))

    transaction = Transaction.objects.get(station=charger.station)
    assert transaction.status == TransactionStatus.ENDED
    assert (Flag.AVAILABLE_DURING_SESSION in transaction.flags) is flagged


def test_p194_the_free_connector_beside_the_one_in_use_contradicts_nothing(charger: Charger) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        socket.call("TransactionEvent", wire("v201/TransactionEvent.started", timestamp=now()))
        tell(socket, "Available", connectorId=2)

    assert Flag.AVAILABLE_DURING_SESSION not in Transaction.objects.get(station=charger.station).flags


def test_p195_contradicting_error_codes_are_kept_as_sent(charger: Charger) -> None:
    with charger.dial("1.6") as socket:
        socket.boot()
        tell(socket, "Faulted", evse_id=1)
        tell(socket, "Available", evse_id=2, vendorErrorCode="0x17", vendorId="com.example", info="fan slow")

    first, second = Connector.objects.filter(evse__station=charger.station).order_by("evse__evse_id")
    assert (first.status, first.error_code) == ("Faulted", "NoError")
    assert (second.status, second.error_code) == ("Available", "NoError")
    assert (second.vendor_error_code, second.vendor_id, second.info) == ("0x17", "com.example", "fan slow")


@pytest.mark.parametrize("version", VERSIONS)
def test_p195_a_fault_is_an_alert_until_the_connector_works_again(charger: Charger, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        tell(socket, "Faulted")
        tell(socket, "Faulted")
        during = open_alerts(charger)
        count = Alert.objects.get(station=charger.station).count
        tell(socket, "Available")

    assert during == [("connector_faulted", "1/1")]
    assert count == 1
    assert open_alerts(charger) == []


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p196_availability_by_event_and_by_status_are_one_state(charger: Charger, version: str) -> None:
    event = wire("v21/NotifyEvent.connector_occupied")
    if version == "2.0.1":
        del event["eventData"][0]["severity"]
    event["eventData"][0]["timestamp"] = "2025-03-01T10:00:00Z"

    with charger.dial(version) as socket:
        socket.boot()
        assert socket.call("NotifyEvent", event) == {}
        by_event = connectors(charger)
        tell(socket, "Available", at="2025-03-01T10:01:00Z")
        by_status = connectors(charger)
        socket.call("NotifyEvent", event)

    assert by_event == {(1, 1): "Occupied"}
    assert by_status == connectors(charger) == {(1, 1): "Available"}


@pytest.mark.parametrize("version", VERSIONS)
def test_p197_a_scheduled_change_of_availability_waits_for_the_later_status(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        tell(socket, "Charging" if version == "1.6" else "Occupied")
        _, command = ask(
            charger,
            socket,
            alice,
            intents.ChangeAvailability(operational_status="inoperative", evse_id=1),
            {"status": "Scheduled"},
        )
        pending = (command.status, command.effect, command.effect_until)
        tell(socket, "Unavailable")

    assert pending[:2] == ("accepted", "")
    assert pending[2] is not None
    assert pending[2] > clock.now() + timedelta(hours=1)
    assert with_effect(command).effect == "seen"


@pytest.mark.parametrize("version", VERSIONS)
def test_p198_the_burst_after_a_reconnect_changes_nothing(charger: Charger, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        tell(socket, "Faulted", at="2025-03-01T10:00:00Z")
        tell(socket, "Available", evse_id=2, at="2025-03-01T10:00:00Z")
    before = list(Connector.objects.filter(evse__station=charger.station).order_by("pk").values())
    alerts = list(Alert.objects.filter(station=charger.station).values())

    with charger.dial(version) as socket:
        for _ in range(3):
            tell(socket, "Faulted")
            tell(socket, "Available", evse_id=2)

    assert list(Connector.objects.filter(evse__station=charger.station).order_by("pk").values()) == before
    assert list(Alert.objects.filter(station=charger.station).values()) == alerts


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_a_lock_failure_is_an_alert_until_it_is_cleared(charger: Charger, version: str) -> None:
    failure = wire("v201/NotifyEvent.lock_failure")
    cleared = wire("v201/NotifyEvent.lock_failure")
    cleared["eventData"][0] |= {"cleared": True, "actualValue": "false"}

    with charger.dial(version) as socket:
        socket.boot()
        assert socket.call("NotifyEvent", failure) == {}
        socket.call("NotifyEvent", failure)
        alert = Alert.objects.get(station=charger.station)
        socket.call("NotifyEvent", cleared)

    assert (alert.kind, alert.subject) == ("station_event", "ConnectorPlugRetentionLock Problem 1/1")
    assert "LOCK-7" in alert.detail
    assert alert.count == 1
    assert eventually(lambda: open_alerts(charger) == [])
    problem = Variable.objects.get(station=charger.station, component="ConnectorPlugRetentionLock")
    assert problem.value == "false"
