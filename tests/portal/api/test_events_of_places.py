"""Sites, groups and reservations are told like stations: once, in order, without what their readers may not see."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from core import clock
from core.access import Actor
from core.models import ApiKey, Organization
from core.services import outbox
from stations.domain.words import CommandStatus
from stations.models import ChargingStation, Command, Presence, Reservation
from stations.services import access, commands, reservations
from tests import factories
from tests.portal.api.conftest import client_with, results
from tests.portal.api.test_event_data import complaints

EVENTS = "/api/v1/events/"
JSON = {"Accept": "application/json"}
CARD = "04A1B2C3D4"


def told(client: APIClient, about: str) -> list[dict[str, Any]]:
    outbox.relay(patiently=True)
    events = results(client.get(EVENTS, {"limit": 500}, headers=JSON))
    return [event for event in events if event["type"].startswith(f"{about}.")]


def types(client: APIClient, about: str) -> list[str]:
    return [event["type"].partition(".")[2] for event in told(client, about)]


def made(client: APIClient, path: str, body: dict[str, Any]) -> str:
    answer = client.post(path, body)
    assert answer.status_code == 201, answer.content
    return str(answer["Location"])


def test_a_site_is_told_from_its_making_to_its_end(api: APIClient, stranger: APIClient) -> None:
    place = made(
        api,
        "/api/v1/sites/",
        {"name": "Yard", "time_zone": "UTC", "latitude": "53.540000", "longitude": "9.98"},
    )
    api.patch(place, {"city": "Hamburg"})
    api.patch(place, {"city": "Hamburg"})
    api.delete(place)

    events = told(api, "site")
    assert [event["type"] for event in events] == ["site.created", "site.changed", "site.retired"]
    assert [event["data"]["city"] for event in events] == ["", "Hamburg", "Hamburg"]
    assert [event["data"]["latitude"] for event in events] == ["53.540000"] * 3
    assert events[2]["data"]["retired_at"] is not None
    assert [complaints(event) for event in events] == [[]] * 3
    assert told(stranger, "site") == []


def test_who_is_limited_to_a_site_hears_of_no_other(
    api: APIClient, organization: Organization, alice: Actor
) -> None:
    for name in ("North", "South"):
        made(api, "/api/v1/sites/", {"name": name, "time_zone": "UTC"})
    limited = client_with(factories.make_key(organization))
    access.limit_key(ApiKey.objects.filter(organization=organization).latest("id"), ["North"], by=alice)

    assert [event["data"]["name"] for event in told(limited, "site")] == ["North"]


def test_a_group_is_told_without_its_token(api: APIClient, stranger: APIClient) -> None:
    place = made(api, "/api/v1/groups/", {"name": "Fleet", "token": "FLEET1"})
    api.patch(place, {"master_pass": True})
    api.delete(place)

    events = told(api, "group")
    assert [event["type"] for event in events] == ["group.created", "group.changed", "group.retired"]
    assert [event["data"]["master_pass"] for event in events] == [False, True, True]
    assert "FLEET1" not in str(events)
    assert [complaints(event) for event in events] == [[]] * 3
    assert told(stranger, "group") == []


@pytest.mark.parametrize(
    ("about", "scope"),
    [("site", "sites:read"), ("group", "groups:read"), ("reservation", "reservations:read")],
)
def test_each_needs_the_scope_of_its_own_resource(
    api: APIClient, api_with: Callable[..., APIClient], station: ChargingStation, about: str, scope: str
) -> None:
    made(api, "/api/v1/groups/", {"name": "Fleet"})
    reserve(api, station)

    assert told(api_with("events:read", "stations:read"), about) == []
    assert types(api_with("events:read", scope), about) == ["created"]


@pytest.fixture
def station(alice: Actor) -> ChargingStation:
    station, _ = factories.make_station(alice)
    Presence.objects.filter(pk=station.pk).update(
        connected=True, gateway="elsewhere", epoch=1, ocpp_version="2.0.1"
    )
    return station


def reserve(client: APIClient, station: ChargingStation) -> Reservation:
    expires = (clock.now() + timedelta(hours=1)).isoformat()
    body = {
        "station": str(station.pk),
        "token": {"value": CARD, "type": "ISO14443"},
        "expires_at": expires,
    }
    answer = client.post("/api/v1/reservations/", body)
    assert answer.status_code == 202, answer.content
    return Reservation.objects.get(pk=answer.json()["id"])


def answered(station: ChargingStation, word: str) -> None:
    """The station answers what it was asked last."""
    asked = Command.objects.filter(station=station, status="pending").latest("id")
    assert commands.claim(asked.pk, epoch=1)
    accepted = word == "Accepted"
    status = CommandStatus.ACCEPTED if accepted else CommandStatus.REJECTED
    commands.settle(asked.pk, status, response={"status": word})


def test_a_reservation_is_told_as_it_is_kept_prolonged_and_given_up(
    api: APIClient, stranger: APIClient, station: ChargingStation
) -> None:
    kept = reserve(api, station)
    answered(station, "Accepted")
    later = (clock.now() + timedelta(hours=2)).isoformat()
    api.patch(f"/api/v1/reservations/{kept.pk}/", {"expires_at": later})
    answered(station, "Accepted")
    api.delete(f"/api/v1/reservations/{kept.pk}/")
    answered(station, "Accepted")

    events = told(api, "reservation")
    assert [event["type"] for event in events] == [
        "reservation.created",
        "reservation.accepted",
        "reservation.changed",
        "reservation.cancelled",
    ]
    assert [event["data"]["status"] for event in events] == ["requested", "active", "active", "cancelled"]
    assert events[1]["data"]["expires_at"] < events[2]["data"]["expires_at"]
    assert {event["data"]["id"] for event in events} == {str(kept.pk)}
    assert [complaints(event) for event in events] == [[]] * 4
    assert CARD not in str(events)
    assert "Cancelled by" not in str(events)
    assert told(stranger, "reservation") == []


def test_a_reservation_that_is_refused_is_told_with_the_word_of_the_station(
    api: APIClient, station: ChargingStation
) -> None:
    reserve(api, station)
    answered(station, "Occupied")

    assert types(api, "reservation") == ["created", "refused"]
    assert told(api, "reservation")[1]["data"]["detail"] == "Occupied"


def test_a_reservation_whose_time_is_over_is_told_once(api: APIClient, station: ChargingStation) -> None:
    reserve(api, station)
    answered(station, "Accepted")
    for _ in range(2):
        reservations.expire(clock.now() + timedelta(hours=2))

    assert types(api, "reservation") == ["created", "accepted", "expired"]


def test_a_key_without_the_scope_makes_no_webhook_of_it(api_with: Callable[..., APIClient]) -> None:
    body = {"url": "https://93.184.216.34/hook", "types": ["reservation.used"]}
    writer = ("webhooks:write", "webhooks:read")

    assert api_with(*writer, "sites:read").post("/api/v1/webhooks/", body).status_code in (400, 403)
    assert api_with(*writer, "reservations:read").post("/api/v1/webhooks/", body).status_code == 201
