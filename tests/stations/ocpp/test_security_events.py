"""P242: security events, stored once."""

import pytest

from stations.models import Alert, SecurityEvent
from tests.stations.ocpp.asking import VERSIONS, VERSIONS_2X
from tests.stations.ocpp.knocking import Charger
from tests.wire.client import CallError
from tests.wire.golden import wire

ACTION = "SecurityEventNotification"
TAMPERED = "v201/SecurityEventNotification.tampered"


@pytest.mark.parametrize("version", VERSIONS)
def test_p242_a_repeated_security_event_is_stored_once_and_alerts_once(
    charger: Charger, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        answers = [socket.call(ACTION, wire(TAMPERED)) for _ in range(3)]
        socket.call(ACTION, wire(TAMPERED, techInfo="Door contact closed"))

    assert answers == [{}] * 3
    events = SecurityEvent.objects.filter(station=charger.station)
    assert sorted(events.values_list("tech_info", flat=True)) == [
        "Door contact closed",
        "Door contact opened",
    ]
    assert all(event.critical for event in events)
    alert = Alert.objects.get(station=charger.station)
    assert (alert.kind, alert.subject, alert.severity) == (
        "security_event",
        "TamperDetectionActivated",
        "critical",
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_p242_an_event_of_any_type_is_stored_and_everyday_ones_alert_nobody(
    charger: Charger, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        socket.call(ACTION, wire(TAMPERED, type="StartupOfTheDevice", techInfo=None))
        socket.call(ACTION, wire(TAMPERED, type="AcmeFanStolen", techInfo=None))

    events = SecurityEvent.objects.filter(station=charger.station)
    assert dict(events.values_list("type", "critical")) == {
        "StartupOfTheDevice": True,
        "AcmeFanStolen": False,
    }
    assert not Alert.objects.filter(station=charger.station).exists()


def test_p242_a_burst_with_a_dead_clock_is_known_by_the_times_as_sent(charger: Charger) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        for _ in range(3):
            for second in range(20):
                at = f"1970-01-01T00:00:{second:02}Z"
                assert socket.call(ACTION, wire(TAMPERED, type="InvalidMessages", timestamp=at)) == {}

    assert SecurityEvent.objects.filter(station=charger.station).count() == 20


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p242_before_acceptance_a_2x_station_gets_a_security_error(charger: Charger, version: str) -> None:
    charger.set(registration="pending")
    with charger.dial(version) as socket:
        socket.boot()
        with pytest.raises(CallError) as refused:
            socket.call(ACTION, wire(TAMPERED))

    assert refused.value.code == "SecurityError"
    assert not SecurityEvent.objects.filter(station=charger.station).exists()


def test_p242_before_acceptance_a_16_station_is_answered_and_its_event_stored(charger: Charger) -> None:
    charger.set(registration="pending")
    with charger.dial("1.6") as socket:
        socket.boot()
        assert socket.call(ACTION, wire(TAMPERED)) == {}

    assert SecurityEvent.objects.get(station=charger.station).type == "TamperDetectionActivated"


@pytest.mark.parametrize(
    ("version", "type_"),
    [
        ("1.6", "InvalidChargePointCertificate"),
        ("1.6", "InvalidCentralSystemCertificate"),
        ("2.0.1", "InvalidChargingStationCertificate"),
        ("2.1", "InvalidCsmsCertificate"),
    ],
)
def test_tc_077_and_078_a_bad_certificate_that_a_station_reports_alerts(
    charger: Charger, version: str, type_: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        assert socket.call(ACTION, wire(TAMPERED, type=type_)) == {}

    alert = Alert.objects.get(station=charger.station)
    assert (alert.subject, alert.severity) == (type_, "warning")
