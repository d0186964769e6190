"""``/reservations/``: made, renewed and cancelled by command."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from core import clock
from core.access import Actor
from stations.models import ChargingStation, Presence, Reservation
from tests import factories
from tests.portal.api.conftest import results

URL = "/api/v1/reservations/"


@pytest.fixture
def station(alice: Actor) -> ChargingStation:
    station, _ = factories.make_station(alice)
    Presence.objects.filter(pk=station.pk).update(
        connected=True, gateway="elsewhere", epoch=1, ocpp_version="2.0.1"
    )
    return station


def body(station: ChargingStation, /, **changes: Any) -> dict[str, Any]:
    expires = (clock.now() + timedelta(hours=1)).isoformat()
    token = {"value": "04A1B2C3D4", "type": "ISO14443"}
    return {"station": str(station.pk), "token": token, "expires_at": expires, **changes}


def test_a_reservation_is_asked_for_and_listed(api: APIClient, station: ChargingStation) -> None:
    made = api.post(URL, body(station))
    listed = results(api.get(URL, {"station": str(station.pk), "status": "requested"}))
    none = results(api.get(URL, {"status": "active"}))

    assert made.status_code == 202
    assert made.json()["status"] == "requested"
    assert made.json()["token"] == {"value": "04A1B2C3D4", "type": "ISO14443"}
    assert api.get(made["Location"]).json() == made.json()
    assert listed == [made.json()]
    assert none == []


def test_the_same_key_reserves_once(api: APIClient, station: ChargingStation) -> None:
    sent = body(station)
    answers = [api.post(URL, sent, HTTP_IDEMPOTENCY_KEY="once").json() for _ in range(2)]

    assert answers[0] == answers[1]
    assert Reservation.objects.filter(station=station).count() == 1


def test_a_reservation_is_renewed_and_cancelled_by_commands(api: APIClient, station: ChargingStation) -> None:
    made = api.post(URL, body(station)).json()
    later = (clock.now() + timedelta(hours=2)).isoformat()
    renewed = api.patch(f"{URL}{made['id']}/", {"expires_at": later})
    cancelled = api.delete(f"{URL}{made['id']}/")
    sent = results(api.get(f"/api/v1/stations/{station.pk}/commands/"))

    assert (renewed.status_code, cancelled.status_code) == (202, 202)
    assert [command["command"] for command in sent] == ["cancel_reservation", "reserve_now", "reserve_now"]
    assert {command["parameters"]["number"] for command in sent} == {made["ocpp_reservation_id"]}


def test_what_is_over_is_not_cancelled_again(api: APIClient, station: ChargingStation) -> None:
    made = api.post(URL, body(station)).json()
    Reservation.objects.update(status="expired", ended_at=clock.now())

    assert api.delete(f"{URL}{made['id']}/").status_code == 409
    assert api.patch(f"{URL}{made['id']}/", {"expires_at": body(station)["expires_at"]}).status_code == 409


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"expires_at": "2001-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "soon"}, "/expires_at"),
        ({"token": {"value": "1", "type": "Odd"}}, "/token/type"),
        ({"evse_id": 0}, "/evse_id"),
        ({"evse_id": 2**40}, "/evse_id"),
        ({"station": "0192f3a4-5b6c-7d8e-9f01-23456789abcd"}, "/station"),
        ({"until": "18:00"}, "/until"),
    ],
)
def test_a_wrong_field_is_named(
    api: APIClient, station: ChargingStation, changes: dict[str, Any], pointer: str
) -> None:
    answer = api.post(URL, body(station, **changes))

    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert not Reservation.objects.filter(station=station).exists()


def test_a_stranger_sees_and_changes_nothing(
    api: APIClient, stranger: APIClient, station: ChargingStation
) -> None:
    made = api.post(URL, body(station)).json()
    path = f"{URL}{made['id']}/"

    assert results(stranger.get(URL)) == []
    assert stranger.get(path).status_code == 404
    assert stranger.patch(path, {"expires_at": made["expires_at"]}).status_code == 404
    assert stranger.delete(path).status_code == 404
    assert stranger.post(URL, body(station)).status_code == 400
    assert Reservation.objects.get(station=station).status == "requested"


def test_each_way_needs_its_scope(
    api: APIClient, api_with: Callable[..., APIClient], station: ChargingStation
) -> None:
    reader, other = api_with("reservations:read"), api_with("stations:read")

    assert reader.get(URL).status_code == 200
    assert reader.post(URL, body(station)).status_code == 403
    assert other.get(URL).status_code == 403
