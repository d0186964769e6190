"""Stations that a driver finds: by name, by distance, as favourites; with state and price."""

import re
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core.access import Actor
from core.models import AuditEntry
from drivers.models import Driver
from stations.models import ChargingStation, Favourite, Site
from stations.services import site_permissions, sites, stations
from tests import factories
from tests.stations.ocpp.charging import priced
from tests.tariffs.building import component, element

URL = "/me/stations/"
PLACES = {
    "Harbour": ("53.5437", "9.9929"),
    "Museum": ("52.5012", "13.4745"),
    "Market": ("48.1613", "11.5862"),
}


@pytest.fixture
def places(actor: Actor) -> dict[str, ChargingStation]:
    """A station of one outlet at each of three sites."""
    return {name: make(actor, name, latitude=at[0], longitude=at[1]) for name, at in PLACES.items()}


def make(actor: Actor, name: str, **of_site: object) -> ChargingStation:
    values = {name: Decimal(value) if isinstance(value, str) else value for name, value in of_site.items()}
    site = sites.create(
        {"name": name, "time_zone": "Europe/Berlin", "city": f"{name} town", **values}, by=actor
    )
    station, _ = factories.make_station(actor, site=site, name=f"{name} 1")
    stations.add_evse(station, 1)
    return station


def names(answer: object) -> list[str]:
    found: list[str] = re.findall(r'<h2 id="s-[^>]*>([^<]*)</h2>', answer.content.decode())  # type: ignore[attr-defined]
    return found


def test_stations_are_listed_by_site_with_state_and_price(
    phone: Client, actor: Actor, places: dict[str, ChargingStation]
) -> None:
    priced(actor)
    answer = phone.get(URL)
    shown = answer.content.decode()

    assert names(answer) == ["Harbour 1", "Market 1", "Museum 1"]
    assert shown.count("Energy: 0.595 € per kWh incl. 19 % VAT.") == 3
    assert f"/c/{places['Market'].evses.get().code}" in shown


def test_the_price_is_that_of_the_drivers_contract(
    phone: Client, actor: Actor, dora: Driver, places: dict[str, ChargingStation]
) -> None:
    priced(actor)
    priced(actor, element(component("ENERGY", "0.20")), place=dora)
    shown = phone.get(URL).content.decode()

    assert shown.count("Energy: 0.20 € per kWh") == 3
    assert "0.595" not in shown


def test_every_price_of_a_station_is_told_whole_with_the_outlets_that_have_it(
    phone: Client, actor: Actor, places: dict[str, ChargingStation]
) -> None:
    priced(actor)
    second = stations.add_evse(places["Market"], 2)
    priced(actor, element(component("ENERGY", "0.40", "19"), component("FLAT", "1", "19")), place=second)
    shown = phone.get(URL, {"q": "market"}).content.decode()

    assert "<b>Outlet 1:</b> Energy: 0.595 € per kWh" in shown
    assert "<b>Outlet 2:</b> Energy: 0.476 € per kWh" in shown
    assert "1.19 €" in shown
    assert "Outlet" not in re.findall(r"<p>[^<]*Energy[^<]*</p>", phone.get(URL).content.decode())[0]


def test_the_list_asks_as_little_for_many_stations_as_for_one(
    phone: Client, actor: Actor, places: dict[str, ChargingStation]
) -> None:
    priced(actor)
    phone.get(URL)
    with CaptureQueriesContext(connection) as of_one:
        phone.get(URL, {"q": "market"})
    for number in range(2, 5):
        stations.add_evse(places["Museum"], number)
    with CaptureQueriesContext(connection) as of_all:
        phone.get(URL)

    assert len(of_all) == len(of_one)


@pytest.mark.parametrize("words", ["museum", "Museum town", "MUSEUM 1"])
def test_a_station_is_found_by_what_it_is_called(
    phone: Client, places: dict[str, ChargingStation], words: str
) -> None:
    assert names(phone.get(URL, {"q": words})) == ["Museum 1"]


def test_a_station_is_found_by_its_code_and_nothing_by_nonsense(
    phone: Client, places: dict[str, ChargingStation]
) -> None:
    code = places["Market"].evses.get().code
    nothing = phone.get(URL, {"q": "nowhere at all"})

    assert names(phone.get(URL, {"q": code[:-2].lower()})) == ["Market 1"]
    assert names(nothing) == []
    assert "Nothing has that name." in nothing.content.decode()


def test_what_is_near_comes_first_and_tells_how_far_it_is(
    phone: Client, actor: Actor, places: dict[str, ChargingStation]
) -> None:
    far = make(actor, "Aachen")
    phone.post(f"{URL}{far.pk}/favourite/")
    answer = phone.get(URL, {"at": "52.520,13.405"})

    assert names(answer) == ["Museum 1", "Harbour 1", "Market 1", "Aachen 1"]
    assert "5.1 km" in answer.content.decode()


@pytest.mark.parametrize("at", ["", "here", "1,2,3", "91,0", "0,181", "nan,1", "1e999,1", "52.5"])
def test_what_is_no_place_on_earth_is_passed_over(
    phone: Client, places: dict[str, ChargingStation], at: str
) -> None:
    answer = phone.get(URL, {"at": at})

    assert (answer.status_code, names(answer)) == (200, ["Harbour 1", "Market 1", "Museum 1"])


def test_a_favourite_comes_first_until_it_is_none(
    phone: Client, dora: Driver, places: dict[str, ChargingStation]
) -> None:
    url = f"{URL}{places['Museum'].pk}/favourite/"
    for _ in range(2):
        back = phone.post(url, {"back": f"{URL}?q=1"})
    marked = names(phone.get(URL))
    count = Favourite.objects.filter(driver=dora).count()
    phone.post(url, {"off": "1", "back": "https://elsewhere.example/"})

    assert (back.status_code, back["Location"]) == (302, f"{URL}?q=1")
    assert (marked, count) == (["Museum 1", "Harbour 1", "Market 1"], 1)
    told = AuditEntry.objects.filter(action__startswith="favourite.").order_by("pk")
    assert [(one.action, one.actor, one.object_id) for one in told] == [
        ("favourite.added", f"driver:{dora.pk}", str(dora.pk)),
        ("favourite.removed", f"driver:{dora.pk}", str(dora.pk)),
    ]
    assert names(phone.get(URL)) == ["Harbour 1", "Market 1", "Museum 1"]


def test_where_to_go_back_to_is_never_elsewhere(phone: Client, places: dict[str, ChargingStation]) -> None:
    answer = phone.post(
        f"{URL}{places['Museum'].pk}/favourite/", {"back": "//elsewhere.example/me/stations/"}
    )

    assert answer["Location"] == URL


def test_a_site_that_is_not_public_is_shown_to_who_is_named_for_it(
    phone: Client, actor: Actor, dora: Driver, places: dict[str, ChargingStation]
) -> None:
    yard: Site = make(actor, "Yard", public=False).site
    before = names(phone.get(URL))
    site_permissions.limit(dora, [yard], by=actor)

    assert "Yard 1" not in before
    assert "Yard 1" in names(phone.get(URL))


def test_stations_of_other_operators_or_retired_ones_are_not_there(
    actor: Actor, places: dict[str, ChargingStation], phone: Client, charlie: Client
) -> None:
    stations.retire(places["Harbour"], by=actor)
    marked = charlie.post(f"{URL}{places['Museum'].pk}/favourite/")

    assert names(charlie.get(URL)) == []
    assert marked.status_code == 404
    assert not Favourite.objects.filter(station=places["Museum"]).exists()
    assert names(phone.get(URL)) == ["Market 1", "Museum 1"]


def test_nobody_else_looks_for_stations(places: dict[str, ChargingStation]) -> None:
    assert Client().get(URL)["Location"].startswith("/accounts/login/")
    assert Client().post(f"{URL}{places['Museum'].pk}/favourite/").status_code == 302
    assert not Favourite.objects.filter(station=places["Museum"]).exists()
