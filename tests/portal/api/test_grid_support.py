"""Controls for the grid and swapped batteries of a station."""

import pytest
from rest_framework.test import APIClient

from core import clock
from core.access import Actor
from stations.models import BatterySwap, ChargingStation, DerControl
from tests import factories
from tests.portal.api.conftest import results


@pytest.fixture
def station(alice: Actor) -> ChargingStation:
    station, _ = factories.make_station(alice)
    DerControl.objects.create(
        station=station,
        control_id="one",
        control_type="FreqDroop",
        settings={"priority": 1},
        told_at=clock.now(),
    )
    battery = {"evseId": 3, "serialNumber": "BAT-7", "soC": 96.5, "soH": 91.0}
    BatterySwap.objects.create(
        station=station,
        request_id=7,
        kind="BatteryOut",
        token_value="04A1B2C3D4",
        token_type="ISO14443",
        batteries=[battery],
        digest=b"1",
        received_at=clock.now(),
    )
    return station


def test_controls_and_swaps_are_listed(api: APIClient, station: ChargingStation) -> None:
    (control,) = results(api.get(f"/api/v1/stations/{station.pk}/grid-controls/"))
    (swap,) = results(api.get(f"/api/v1/stations/{station.pk}/battery-swaps/", {"kind": "BatteryOut"}))

    assert (control["control_id"], control["settings"]) == ("one", {"priority": 1})
    assert swap["token"] == {"value": "04A1B2C3D4", "type": "ISO14443"}
    assert swap["batteries"][0]["soc_percent"] == 96.5


def test_tokens_are_shortened_for_those_who_may_not_see_drivers(
    station: ChargingStation, api_with: object
) -> None:
    reader = api_with("stations:read")  # type: ignore[operator]
    (swap,) = results(reader.get(f"/api/v1/stations/{station.pk}/battery-swaps/"))

    assert swap["token"]["value"] == "…C3D4"


@pytest.mark.parametrize("path", ["grid-controls", "battery-swaps"])
def test_a_stranger_finds_no_such_station(stranger: APIClient, station: ChargingStation, path: str) -> None:
    assert stranger.get(f"/api/v1/stations/{station.pk}/{path}/").status_code == 404
