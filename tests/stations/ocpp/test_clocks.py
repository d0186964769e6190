"""P109 to P113: times as stations write them, heartbeats, drift."""

import time
from datetime import timedelta
from typing import Any

import pytest

from core import clock
from core.access import Actor
from stations.domain.words import Flag, TransactionStatus
from stations.models import Connector, Presence, Transaction
from tests.factories import make_token
from tests.stations.ocpp.asking import VERSIONS, VERSIONS_2X
from tests.stations.ocpp.knocking import Charger
from tests.waiting import eventually
from tests.wire.client import CallError, WireStation
from tests.wire.golden import wire


def start_16(socket: WireStation, token: str, **changes: Any) -> dict[str, Any]:
    start = {"connectorId": 1, "idTag": token, "meterStart": 1000, "timestamp": "2025-03-01T10:00:00Z"}
    return socket.call("StartTransaction", {**start, **changes})


TIMES = [
    ("2025-03-01T10:00:00Z", 0),
    ("2025-03-01T11:00:00+01:00", 0),
    ("2025-03-01t10:00:00z", 0),
    ("2025-03-01T10:00:00.5Z", 500_000),
    ("2025-03-01T10:00:00.123456789Z", 123_456),
    ("2025-03-01T10:00:00", 0),
]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("text", "microsecond"), TIMES)
def test_p109_times_are_read_in_every_form_that_stations_write(
    charger: Charger, version: str, text: str, microsecond: int
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        if version == "1.6":
            status = {"connectorId": 1, "errorCode": "NoError", "status": "Available", "timestamp": text}
        else:
            status = wire("v201/StatusNotification.available", timestamp=text)
        assert socket.call("StatusNotification", status) == {}

    at = Connector.objects.get(evse__station=charger.station).status_at
    assert at is not None
    assert at.isoformat() == f"2025-03-01T10:00:00{f'.{microsecond:06}' if microsecond else ''}+00:00"


def test_p109_a_time_without_zone_is_read_as_utc_and_flagged(charger: Charger) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        socket.call(
            "TransactionEvent", wire("v201/TransactionEvent.started", timestamp="2025-03-01T10:00:00")
        )

    transaction = Transaction.objects.get(station=charger.station)
    assert transaction.started_at.isoformat() == "2025-03-01T10:00:00+00:00"
    assert Flag.TIME_WITHOUT_ZONE in transaction.flags


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize("text", ["1970-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "0000-00-00T00:00:00Z"])
def test_p110_absurd_years_are_kept_as_sent_and_replaced_by_the_receipt_time(
    charger: Charger, version: str, text: str
) -> None:
    before = clock.now()
    with charger.dial(version) as socket:
        socket.boot()
        socket.call("TransactionEvent", wire("v201/TransactionEvent.started", timestamp=text))

    transaction = Transaction.objects.get(station=charger.station)
    assert before <= transaction.started_at <= clock.now()
    assert Flag.CLOCK_IMPLAUSIBLE in transaction.flags
    assert transaction.events.get().sent_time == text


def test_p111_an_unreadable_time_in_a_key_field_is_a_type_error(charger: Charger, alice: Actor) -> None:
    with charger.dial("1.6") as socket:
        socket.boot()
        with pytest.raises(CallError) as refused:
            start_16(socket, make_token(alice).value, timestamp="yesterday")

    assert refused.value.code == "TypeConstraintViolation"
    assert not Transaction.objects.filter(station=charger.station).exists()


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p111_an_unreadable_time_is_a_type_error_on_2x_too(charger: Charger, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        with pytest.raises(CallError) as refused:
            socket.call(
                "StatusNotification", wire("v201/StatusNotification.available", timestamp="yesterday")
            )

    assert refused.value.code == "TypeConstraintViolation"


@pytest.mark.parametrize("version", VERSIONS)
def test_p111_elsewhere_a_lenient_station_gets_the_receipt_time(charger: Charger, version: str) -> None:
    charger.set(lenient=True)
    before = clock.now()
    status: dict[str, Any] = wire("v201/StatusNotification.available", timestamp="yesterday")
    if version == "1.6":
        status = {"connectorId": 1, "errorCode": "NoError", "status": "Available", "timestamp": "yesterday"}

    with charger.dial(version) as socket:
        socket.boot()
        assert socket.call("StatusNotification", status) == {}

    at = Connector.objects.get(evse__station=charger.station).status_at
    assert at is not None
    assert before - timedelta(seconds=1) <= at <= clock.now()


@pytest.mark.parametrize("version", VERSIONS)
def test_p112_a_heartbeat_is_told_the_time_at_once(charger: Charger, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        began = clock.now()
        answer = socket.call("Heartbeat", {})

    assert (clock.now() - began).total_seconds() < 1
    assert answer["currentTime"].endswith("Z")


@pytest.mark.parametrize("version", VERSIONS)
def test_p112_the_drift_of_a_clock_is_measured_from_message_times(charger: Charger, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()

        def drift_s() -> int:
            ahead = clock.to_wire(clock.now() + timedelta(seconds=90))
            if version == "1.6":
                status = {"connectorId": 1, "errorCode": "NoError", "status": "Available", "timestamp": ahead}
            else:
                status = wire("v201/StatusNotification.available", timestamp=ahead)
            socket.call("StatusNotification", status)
            time.sleep(0.5)
            drift_ms = Presence.objects.get(station=charger.station).clock_drift_ms
            return round((drift_ms or 0) / 1000)

        # Signs of life are written every 5 s, each with the drift seen before.
        assert eventually(drift_s, within_s=15) in (89, 90)


def test_p113_a_negative_duration_is_flagged_and_never_counted(charger: Charger) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        socket.call("TransactionEvent", wire("v201/TransactionEvent.started"))
        answer = socket.call(
            "TransactionEvent", wire("v201/TransactionEvent.ended", timestamp="2025-03-01T09:00:00Z")
        )

    transaction = Transaction.objects.get(station=charger.station)
    assert answer == {}
    assert transaction.status == TransactionStatus.ENDED
    assert Flag.NEGATIVE_DURATION in transaction.flags
    assert transaction.energy_wh is not None
    assert transaction.energy_wh >= 0
