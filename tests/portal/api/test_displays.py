"""Messages on displays, tariffs and settlements below a station."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from rest_framework.test import APIClient

from core import clock
from core.access import Actor
from stations.models import ChargingStation, DisplayMessage, Settlement, StationTariff
from stations.services import numbers
from tests import factories
from tests.portal.api.conftest import results

PATHS = ["display-messages", "tariffs", "settlements"]


@pytest.fixture
def station(alice: Actor) -> ChargingStation:
    station, _ = factories.make_station(alice)
    now = clock.now()
    texts = [{"text": "Hello", "language": "en", "format": "utf8"}]
    DisplayMessage.objects.create(
        station=station, number=7, priority="in_front", texts=texts, status="installed", created_at=now
    )
    StationTariff.objects.create(
        station=station,
        kind="driver",
        tariff_id="DAY",
        tariff={"currency": "EUR"},
        token_values=["04A1B2C3D4"],
        status="installed",
        told_at=now,
    )
    Settlement.objects.create(
        station=station,
        psp_ref="psp-1",
        status="settled",
        amount=Decimal("12.34"),
        settled_at=now,
        received_at=now,
    )
    return station


def test_what_a_station_shows_keeps_and_settled_is_listed(api: APIClient, station: ChargingStation) -> None:
    message, tariff, settlement = (
        results(api.get(f"/api/v1/stations/{station.pk}/{path}/"))[0] for path in PATHS
    )

    assert (message["ocpp_message_id"], message["texts"][0]["text"]) == (7, "Hello")
    assert (tariff["tariff"], tariff["tokens"]) == ({"currency": "EUR"}, ["04A1B2C3D4"])
    assert (settlement["psp_ref"], settlement["amount"]) == ("psp-1", "12.34")


def test_tokens_of_tariffs_are_shortened_for_those_who_may_not_see_drivers(
    station: ChargingStation, api_with: Callable[..., APIClient]
) -> None:
    (tariff,) = results(api_with("stations:read").get(f"/api/v1/stations/{station.pk}/tariffs/"))

    assert tariff["tokens"] == ["…C3D4"]


@pytest.mark.parametrize("path", PATHS)
def test_a_stranger_finds_no_such_station(stranger: APIClient, station: ChargingStation, path: str) -> None:
    assert stranger.get(f"/api/v1/stations/{station.pk}/{path}/").status_code == 404


def test_a_new_message_takes_no_number_that_the_station_uses_itself(
    api: APIClient, station: ChargingStation
) -> None:
    last = next(one for one in iter(numbers.next_request_id, None) if one > 10)  # its own messages are below
    for number in range(last + 1, last + 4):
        DisplayMessage.objects.create(
            station=station, number=number, priority="in_front", status="installed", created_at=clock.now()
        )
    body = {"command": "set_display_message", "texts": [{"text": "Hi"}], "priority": "in_front"}

    sent = api.post(f"/api/v1/stations/{station.pk}/commands/", body, format="json")

    assert sent.status_code == 202
    made = DisplayMessage.objects.get(station=station, status="failed")
    assert made.number > last + 3


def test_a_message_is_sent_by_its_body(api: APIClient, station: ChargingStation) -> None:
    body = {
        "command": "set_display_message",
        "texts": [{"text": "Hi", "language": "en"}],
        "priority": "in_front",
    }
    sent = api.post(f"/api/v1/stations/{station.pk}/commands/", body, format="json")
    odd = api.post(f"/api/v1/stations/{station.pk}/commands/", {**body, "texts": []}, format="json")

    assert (sent.status_code, sent.json()["status"], odd.status_code) == (202, "failed", 400)
    (failed,) = results(api.get(f"/api/v1/stations/{station.pk}/display-messages/", {"status": "failed"}))
    assert failed["texts"] == [{"text": "Hi", "language": "en", "format": "utf8"}]
