"""What sessions cost, through the API: amounts, lines, and those that wait for a person (T-44, T-54)."""

from decimal import Decimal

import pytest
from rest_framework.test import APIClient

from core import clock
from core.access import Actor
from stations.domain.events import StationCostTold
from stations.models import ChargingStation
from stations.services import cost_comparison, session_costs, sites, stations
from tests import factories
from tests.factories import sessions
from tests.portal.api.conftest import results
from tests.stations.ocpp.charging import priced
from tests.tariffs.building import component, element

TWO = element(component("ENERGY", "0.50", "19")), element(component("FLAT", "1.00", "7"))


@pytest.fixture
def station(alice: Actor) -> ChargingStation:
    station, _ = factories.make_station(alice)
    stations.add_evse(station, 1)
    return station


def test_t44_a_session_tells_its_cost_and_the_lines_that_add_up_to_it(
    api: APIClient, alice: Actor, station: ChargingStation
) -> None:
    version = priced(alice, *TWO)
    session = sessions.end(sessions.begin(station), 12_345)
    shown = api.get(f"/api/v1/transactions/{session.pk}/").json()
    lines = shown["price_lines"]

    # 6.1725 x 1.19 = 7.345275 -> 7.35 and 1.00 x 1.07 = 1.07
    assert shown["cost"] == {"excl_vat": "7.18", "incl_vat": "8.42", "currency": "EUR", "final": True}
    assert (shown["tariff"], shown["tariff_version"], shown["cost_review"]) == (
        str(version.tariff_id),
        1,
        None,
    )
    assert [
        (line["dimension"], line["billed"], line["price"], line["vat"]) for line in lines if line["price"]
    ] == [
        ("ENERGY", "12.345", "0.5", "19"),
        ("FLAT", "1", "1", "7"),
    ]
    assert sum(Decimal(line["excl_vat"]) for line in lines) == Decimal("7.1725")
    assert lines[0]["why"] == "at all times"


def test_the_words_of_the_lines_are_in_the_readers_language(
    api: APIClient, alice: Actor, station: ChargingStation
) -> None:
    priced(alice)
    session = sessions.end(sessions.begin(station), 1000)
    shown = api.get(f"/api/v1/transactions/{session.pk}/", headers={"Accept-Language": "de"}).json()

    assert shown["price_lines"][0]["why"] == "jederzeit"


def test_a_running_session_has_a_cost_that_is_not_final(
    api: APIClient, alice: Actor, station: ChargingStation
) -> None:
    priced(alice)
    session = sessions.begin(station)
    (before,) = results(api.get("/api/v1/transactions/"))
    sessions.read(session, "2000")
    (after,) = results(api.get("/api/v1/transactions/"))

    assert before["cost"] is None
    assert after["cost"] == {"excl_vat": "1.00", "incl_vat": "1.19", "currency": "EUR", "final": False}


def test_what_could_not_be_priced_is_found_with_its_cause(
    api: APIClient, alice: Actor, station: ChargingStation
) -> None:
    priced(alice, place=sites.create({"name": "Elsewhere", "time_zone": "UTC"}, by=alice))
    session = sessions.end(sessions.begin(station), 1000)
    (found,) = results(api.get("/api/v1/transactions/?cost_needs_review=true"))

    assert found["id"] == str(session.pk)
    assert (found["cost"], found["cost_review"]["cause"]) == (None, "no_tariff")
    assert "no_tariff" in found["flags"]
    assert results(api.get("/api/v1/transactions/?cost_needs_review=false")) == []


def test_a_table_of_sessions_has_their_costs(api: APIClient, alice: Actor, station: ChargingStation) -> None:
    priced(alice)
    sessions.end(sessions.begin(station), 1000)
    answer = api.get("/api/v1/transactions/", headers={"Accept": "text/csv"})
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]

    assert "cost" in text.splitlines()[0]
    assert '""incl_vat"":""0.60""' in text


def test_a_strangers_session_and_its_cost_do_not_exist(
    stranger: APIClient, alice: Actor, station: ChargingStation
) -> None:
    priced(alice)
    session = sessions.end(sessions.begin(station), 1000)

    assert stranger.get(f"/api/v1/transactions/{session.pk}/").status_code == 404
    assert results(stranger.get("/api/v1/transactions/")) == []


def test_t49_a_session_tells_what_its_station_computed_and_a_stranger_does_not_see_it(
    api: APIClient, stranger: APIClient, alice: Actor, station: ChargingStation
) -> None:
    priced(alice, *TWO)
    session = sessions.end(sessions.begin(station), 12_345)
    path = f"/api/v1/transactions/{session.pk}/"
    before = api.get(path).json()["station_cost"]
    cost_comparison.note(
        session.pk, StationCostTold(currency="EUR", incl_vat=Decimal("9.00")), at=clock.now()
    )
    session_costs.price(session.pk, now=clock.now())
    told = api.get(path).json()

    assert before is None
    assert (told["station_cost"]["incl_vat"], told["station_cost"]["excl_vat"]) == ("9.0000", None)
    assert (told["station_cost"]["differs"], told["cost"]["incl_vat"]) == (True, "8.42")
    assert stranger.get(path).status_code == 404
