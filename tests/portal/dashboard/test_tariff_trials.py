"""What a tariff would change: past sessions priced by a draft, the week as a grid, versions side by side."""

import html
import re
import shlex
from collections.abc import Callable
from datetime import date, time
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from core.access import Actor, Role
from core.models import Membership, Organization
from stations.models import ChargingStation, SessionCost
from stations.services import access, sites
from tariffs import publishing
from tariffs.models import Tariff
from tariffs.week import bands_of
from tests import factories
from tests.factories.sessions import begin, end
from tests.portal.api.conftest import client_with
from tests.stations.ocpp.charging import priced
from tests.tariffs.building import component, document, element, tariff

DEARER = element(component("ENERGY", "0.90", "19"))


def text_of(answer: object) -> str:
    plain = re.sub(r"<[^>]*>", " ", answer.content.decode())  # type: ignore[attr-defined]
    return " ".join(plain.split())


@pytest.fixture
def followed(actor: Actor, station: ChargingStation) -> Tariff:
    """A tariff of 0.50 in force, by which two sessions of 10 kWh were charged, and a draft of 0.90."""
    first = priced(actor)
    for evse_id in (1, 2):
        end(begin(station, token=f"04A{evse_id}", evse_id=evse_id), 10_000)
    publishing.edit(first.tariff, document(DEARER, id=first.tariff.ocpi_id), by=actor)
    return first.tariff


def test_past_sessions_are_priced_by_the_draft_and_nothing_is_stored(
    browser: Client, home: str, followed: Tariff, organization: Organization
) -> None:
    shown = text_of(browser.get(f"{home}tariffs/{followed.pk}/trial/"))
    costs = SessionCost.objects.filter(transaction__organization=organization)

    assert "Charged 11.90 € By this version 21.42 € Change +80.0 % Dearer by more than 20 % 2" in shown
    assert "2 sessions have both prices." in shown
    assert shown.count("5.95 € 10.71 € 4.76 €") == 2
    assert [cost.incl_vat for cost in costs] == [Decimal("5.9500")] * 2


def called(page: str, organization: Organization) -> Any:
    """What the API answers to the call that a page offers."""
    [call] = re.findall(r'value="(curl [^"]*)"', page)
    words = shlex.split(html.unescape(call))
    client = client_with(factories.make_key(organization, "tariffs:read", "transactions:read"))
    path = urlsplit(words[3]).path
    return client.generic("POST", path, words[-1], content_type="application/json").json()


def test_d17_the_page_offers_the_call_that_tells_the_same(
    browser: Client, home: str, followed: Tariff, organization: Organization
) -> None:
    page = browser.get(f"{home}tariffs/{followed.pk}/trial/").content.decode()
    told = called(page, organization)

    assert (told["was"], told["would_be"], told["change_percent"]) == ("11.90", "21.42", "80.0")


def test_the_version_the_days_and_the_site_are_chosen(
    browser: Client, home: str, followed: Tariff, actor: Actor
) -> None:
    elsewhere = sites.create({"name": "Elsewhere", "time_zone": "UTC"}, by=actor)
    url = f"{home}tariffs/{followed.pk}/trial/"
    same = text_of(browser.get(f"{url}?version=1"))
    other_site = text_of(browser.get(f"{url}?site={elsewhere.pk}"))
    long_ago = text_of(browser.get(f"{url}?since=2020-01-01&until=2020-02-01"))
    backwards = browser.get(f"{url}?since=2020-02-01&until=2020-01-01")
    beyond = browser.get(f"{url}?since=9999-06-01&until=9999-12-31")

    assert "Charged 11.90 € By this version 11.90 € Change 0.0 %" in same
    assert "No session ended in this time" in other_site
    assert "No session ended in this time" in long_ago
    assert backwards.status_code == 422
    assert "The end comes after the beginning" in text_of(backwards)
    assert beyond.status_code == 422
    assert "A day in the years 2000 to 2999" in text_of(beyond)


def test_its_days_are_filled_in_whatever_the_language(browser: Client, home: str, followed: Tariff) -> None:
    browser.post(f"{home}preferences/", {"language": "de"})
    page = browser.get(f"{home}tariffs/{followed.pk}/trial/").content.decode()

    assert len(re.findall(r'type="date" name="\w+" value="\d{4}-\d\d-\d\d"', page)) == 2
    assert "Um mehr als 20 % teurer" in page


def test_a_session_that_cannot_be_priced_by_it_says_why(
    browser: Client, home: str, actor: Actor, station: ChargingStation
) -> None:
    first = priced(actor)
    end(begin(station), 10_000)
    by_power = element(component("ENERGY", "0.90"), min_power=Decimal(50))
    publishing.edit(first.tariff, document(by_power, id=first.tariff.ocpi_id), by=actor)
    shown = text_of(browser.get(f"{home}tariffs/{first.tariff_id}/trial/"))

    assert "1 could not be priced." in shown
    assert "The tariff depends on power, and no reading tells it." in shown


def test_a_member_of_one_site_tries_the_sessions_of_that_site_only(
    browser_of: Callable[[Membership], Client],
    home: str,
    followed: Tariff,
    organization: Organization,
    actor: Actor,
) -> None:
    sites.create({"name": "Elsewhere", "time_zone": "UTC"}, by=actor)
    member = factories.make_member(organization, Role.VIEWER, "dan")
    access.limit_member(member, ["Elsewhere"], by=actor)
    shown = text_of(browser_of(member).get(f"{home}tariffs/{followed.pk}/trial/"))

    assert "No session ended in this time" in shown


def test_two_versions_stand_side_by_side_with_the_lines_that_differ(
    browser: Client, home: str, followed: Tariff
) -> None:
    page = browser.get(f"{home}tariffs/{followed.pk}/compare/")
    same = browser.get(f"{home}tariffs/{followed.pk}/compare/?old=1&new=1").content.decode()
    shown = text_of(page)

    assert "Version 1 against 2" in shown
    assert "Energy: 0.595 € per kWh incl. 19 % VAT." in shown
    assert "Energy: 1.071 € per kWh incl. 19 % VAT." in shown
    assert page.content.decode().count('class="gone"') == page.content.decode().count('class="added"') == 1
    assert 'class="gone"' not in same


def test_a_stranger_sees_no_trial_and_no_comparison(charlie: Client, home: str, followed: Tariff) -> None:
    own = charlie.get("/")["Location"]
    for place in (home, own):
        for page in ("trial", "compare"):
            assert charlie.get(f"{place}tariffs/{followed.pk}/{page}/").status_code == 404


def test_a_tariff_by_the_hour_is_shown_as_a_week(browser: Client, home: str, actor: Actor) -> None:
    night = element(component("ENERGY", "0.20"), start_time="22:00", end_time="06:00")
    weekend = element(component("ENERGY", "0.30"), day_of_week=["SATURDAY", "SUNDAY"])
    draft = publishing.create(document(night, weekend, element(component("ENERGY", "0.40"))), by=actor)
    shown = text_of(browser.get(f"{home}tariffs/{draft.tariff_id}/"))
    flat = publishing.create(document(element(component("ENERGY", "0.40")), id="FLAT"), by=actor)

    assert "From Mon Tue Wed Thu Fri Sat Sun" in shown
    assert f"06:00 {'0.40 € ' * 5}0.30 € 0.30 € 22:00 {'0.20 € ' * 7}".strip() in shown
    assert "From Mon Tue" not in text_of(browser.get(f"{home}tariffs/{flat.tariff_id}/"))


def test_bands_with_the_same_prices_are_one() -> None:
    first = element(component("ENERGY", "0.20"), start_time="08:00", end_time="12:00")
    second = element(component("ENERGY", "0.20"), start_time="12:00", end_time="18:00")
    bands = bands_of(tariff(first, second), ZoneInfo("Europe/Berlin"), date(2026, 3, 2))

    assert [(band.start, band.end) for band in bands] == [
        (time(0), time(8)), (time(8), time(18)), (time(18), time(0))
    ]  # fmt: skip
    assert [band.prices[0].kwh for band in bands] == [None, Decimal("0.2"), None]
