"""The price on a session's page and in the lists, line by line (dashboard 4.9, D-20)."""

from decimal import Decimal

import pytest
from django.test import Client

from core import clock
from core.access import Actor
from core.models import User
from stations.domain.events import StationCostTold
from stations.models import ChargingStation, SessionCost
from stations.services import cost_comparison, session_costs, sites
from tests.factories import sessions
from tests.stations.ocpp.charging import priced
from tests.tariffs.building import component, element

TWO = element(component("ENERGY", "0.50", "19")), element(component("FLAT", "1.00", "7"))


@pytest.fixture
def page_of(home: str) -> str:
    return f"{home}sessions/"


def text_of(answer: object) -> str:
    return " ".join(answer.content.decode().split())  # type: ignore[attr-defined]


def test_d20_the_page_shows_each_line_and_the_total_of_the_ledger(
    browser: Client, actor: Actor, station: ChargingStation, page_of: str
) -> None:
    version = priced(actor, *TWO)
    session = sessions.end(sessions.begin(station), 12_345)
    shown = text_of(browser.get(f"{page_of}{session.pk}/"))

    assert SessionCost.objects.get(pk=session.pk).answer["payable"]["incl_vat"] == "8.42"
    for words in ("12.345 kWh", "0.50 €/kWh", "6.1725 €", "7.3453 €", "1.07 €", "8.42 €", "at all times",
                  "To pay, rounded once", f"{version.tariff} · version 1 · Organization"):  # fmt: skip
        assert words in shown, words


def test_the_price_is_told_in_german(
    browser: Client, actor: Actor, station: ChargingStation, page_of: str
) -> None:
    priced(actor)
    session = sessions.end(sessions.begin(station), 12_345)
    User.objects.filter(email__startswith="alice").update(language="de")
    shown = text_of(browser.get(f"{page_of}{session.pk}/", headers={"Accept-Language": "de"}))

    for words in ("12,345 kWh", "0,50 €/kWh", "7,35 €", "jederzeit", "Zu zahlen, einmal gerundet"):
        assert words in shown, words


def test_a_running_price_is_read_again_alone(
    browser: Client, actor: Actor, station: ChargingStation, page_of: str
) -> None:
    priced(actor)
    session = sessions.begin(station)
    before = text_of(browser.get(f"{page_of}{session.pk}/"))
    sessions.read(session, "2000")
    fragment = text_of(browser.get(f"{page_of}{session.pk}/?part=price", headers={"HX-Request": "true"}))

    assert "The price is known with the first reading." in before
    assert fragment.startswith('<section class="card" id="price"')
    assert "1.19 €" in fragment
    assert "So far, rounded once" in fragment


def test_what_cannot_be_priced_says_why_and_is_found_in_the_list(
    browser: Client, actor: Actor, station: ChargingStation, page_of: str
) -> None:
    priced(actor, place=sites.create({"name": "Elsewhere", "time_zone": "UTC"}, by=actor))
    session = sessions.end(sessions.begin(station), 1000)
    shown = text_of(browser.get(f"{page_of}{session.pk}/"))
    listed = text_of(browser.get(f"{page_of}?cost=review"))
    tab = text_of(browser.get(f"{page_of.removesuffix('sessions/')}stations/{station.pk}/transactions/"))

    assert "No tariff held at its start. It has no price and waits for a decision since" in shown
    assert str(session.pk) in listed
    assert "needs review" in listed
    assert "needs review" in tab


def test_the_lists_show_the_cost(
    browser: Client, actor: Actor, station: ChargingStation, page_of: str
) -> None:
    priced(actor)
    sessions.end(sessions.begin(station), 2000)

    assert "1.19 €" in text_of(browser.get(page_of))
    assert "1.19 €" not in text_of(browser.get(f"{page_of}?cost=review"))


def test_where_nothing_is_priced_the_page_speaks_of_no_price(
    browser: Client, station: ChargingStation, page_of: str
) -> None:
    session = sessions.end(sessions.begin(station), 2000)

    assert 'id="price"' not in text_of(browser.get(f"{page_of}{session.pk}/"))


def test_a_strangers_price_does_not_exist(
    charlie: Client, actor: Actor, station: ChargingStation, page_of: str
) -> None:
    priced(actor)
    session = sessions.end(sessions.begin(station), 2000)

    assert charlie.get(f"{page_of}{session.pk}/?part=price").status_code == 404


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (StationCostTold(currency="EUR", incl_vat=Decimal("8.42")), "The station computed 8.42 EUR."),
        (
            StationCostTold(currency="EUR", incl_vat=Decimal("9.00")),
            "The station computed 9 EUR. Our price is billed;",
        ),
        (
            StationCostTold(currency="EUR", failed=True, reason="no clock"),
            "could not compute the cost (no clock).",
        ),
    ],
)
def test_t49_what_the_station_computed_stands_below_our_price(
    browser: Client, actor: Actor, station: ChargingStation, page_of: str, told: StationCostTold, words: str
) -> None:
    priced(actor, *TWO)
    session = sessions.end(sessions.begin(station), 12_345)
    before = text_of(browser.get(f"{page_of}{session.pk}/"))
    cost_comparison.note(session.pk, told, at=clock.now())
    session_costs.price(session.pk, now=clock.now())

    assert words in text_of(browser.get(f"{page_of}{session.pk}/"))
    assert "The station computed" not in before
