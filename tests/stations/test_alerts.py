"""Alerts and registration as people handle them: through the API, for what a charger has reported."""

import pytest
from rest_framework.test import APIClient

from core.access import Actor
from core.models import AuditEntry, Organization
from stations.models import Alert, ChargingStation
from tests.factories import make_actor, make_key, make_organization, make_station
from tests.running import Server
from tests.stations.ocpp.knocking import Charger, next_address
from tests.waiting import eventually
from tests.wire.golden import wire


@pytest.fixture
def alice(committed: None) -> Actor:
    return make_actor(make_organization())


@pytest.fixture
def charger(live: Server, alice: Actor) -> Charger:
    station, password = make_station(alice)
    return Charger(live.ocpp_url, station, password, next_address())


def client_of(actor: Actor, *scopes: str) -> APIClient:
    client = APIClient()
    secret = make_key(Organization.objects.get(pk=actor.organization_id), *scopes)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


@pytest.fixture
def fault(charger: Charger) -> Alert:
    """What a faulted connector has raised."""
    with charger.dial("2.0.1") as socket:
        socket.boot()
        socket.call("StatusNotification", wire("v201/StatusNotification.faulted"))
    return Alert.objects.get(station=charger.station)


def test_an_alert_is_acknowledged_once_and_the_first_name_stays(alice: Actor, fault: Alert) -> None:
    first = client_of(alice).post(f"/api/v1/alerts/{fault.pk}/ack/")
    again = client_of(alice).post(f"/api/v1/alerts/{fault.pk}/ack/")

    assert first.status_code == again.status_code == 200
    assert first.json()["acknowledged_by"].startswith("key:")
    assert again.json()["acknowledged_by"] == first.json()["acknowledged_by"]
    assert again.json()["cleared_at"] is None
    assert AuditEntry.objects.filter(action="alert.acknowledged", object_id=str(fault.pk)).count() == 1


def test_a_strangers_alert_does_not_exist(fault: Alert) -> None:
    charlie = make_actor(make_organization(), name="charlie")

    answer = client_of(charlie).post(f"/api/v1/alerts/{fault.pk}/ack/")

    assert answer.status_code == 404
    fault.refresh_from_db()
    assert fault.acknowledged_at is None


def test_a_key_that_may_only_read_alerts_acknowledges_none(alice: Actor, fault: Alert) -> None:
    answer = client_of(alice, "alerts:read").post(f"/api/v1/alerts/{fault.pk}/ack/")

    assert answer.status_code == 403
    fault.refresh_from_db()
    assert fault.acknowledged_at is None


def test_a_fault_that_comes_back_is_a_new_alert(charger: Charger, fault: Alert) -> None:
    with charger.dial("2.0.1") as socket:
        for status, minute in (("Available", 1), ("Faulted", 2)):
            at = f"2025-03-01T10:0{minute}:00Z"
            changed = wire("v201/StatusNotification.available", connectorStatus=status, timestamp=at)
            socket.call("StatusNotification", changed)

    fault.refresh_from_db()
    assert fault.cleared_at is not None
    again = Alert.objects.get(station=charger.station, cleared_at=None)
    assert (again.kind, again.subject) == (fault.kind, fault.subject)


def test_a_station_that_is_turned_away_loses_its_socket_and_is_told_at_its_next_boot(
    alice: Actor, charger: Charger
) -> None:
    api = client_of(alice)
    url = f"/api/v1/stations/{charger.station.pk}/"
    with charger.dial("2.0.1") as socket:
        socket.boot()
        answer = api.patch(
            url, {"registration": "rejected"}, format="json", HTTP_IF_MATCH=api.get(url)["ETag"]
        )
        eventually(lambda: socket.socket.protocol.close_rcvd)
    with charger.dial("2.0.1") as socket:
        told = socket.boot()

    assert answer.status_code == 200
    assert told["status"] == "Rejected"
    entry = AuditEntry.objects.get(action="station.registration_decided", object_id=str(charger.station.pk))
    assert entry.changes == {"registration": ["accepted", "rejected"]}


def test_a_stranger_decides_about_no_station(charger: Charger) -> None:
    charlie = make_actor(make_organization(), name="charlie")

    answer = client_of(charlie).patch(
        f"/api/v1/stations/{charger.station.pk}/", {"registration": "rejected"}, format="json"
    )

    assert answer.status_code == 404
    assert ChargingStation.objects.get(pk=charger.station.pk).registration == "accepted"
