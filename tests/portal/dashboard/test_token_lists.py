"""Which stations have a token on their local list, and telling them what changed (dashboard 4.11)."""

import pytest
from django.test import Client

from core import clock
from core.access import Actor, Role
from core.models import Organization
from drivers.models import IdToken
from stations.models import ChargingStation, Command, LocalList, LocalListEntry, Presence
from stations.services.local_lists import managing
from tests import factories


@pytest.fixture
def other(actor: Actor) -> ChargingStation:
    made, _ = factories.make_station(actor, name="Yard 2")
    return made


@pytest.fixture
def held(station: ChargingStation, other: ChargingStation, token: IdToken, actor: Actor) -> LocalList:
    """Yard 1 has the token, Yard 2 keeps a list without it."""
    row = managing.keep(station, automatic=True, groups=[], by=actor)
    managing.keep(other, automatic=True, groups=[], by=actor)
    LocalListEntry.objects.create(local_list=row, value=token.value.lower(), type="", status="blocked")
    return row


@pytest.fixture
def card(browser: Client, home: str, token: IdToken) -> str:
    return f"{home}tokens/{token.pk}/"


def text(client: Client, address: str) -> str:
    return client.get(address).content.decode().split('id="lists-title"')[1].split("</section>")[0]


def connect(station: ChargingStation) -> None:
    Presence.objects.filter(station=station).update(
        connected=True, ocpp_version="2.0.1", last_seen_at=clock.now()
    )


def test_the_page_says_who_has_the_token_and_who_keeps_a_list_without_it(
    browser: Client, home: str, card: str, held: LocalList, station: ChargingStation, other: ChargingStation
) -> None:
    shown = text(browser, card)
    first, second = shown.split("</li>")[:2]

    assert f"{home}stations/{station.pk}/local-list/" in first
    assert "Blocked" in first
    assert "not connected" in first
    assert f"{home}stations/{other.pk}/local-list/" in second
    assert "keeps a list without it" in second


def test_on_nobodys_list_nothing_is_offered(browser: Client, card: str) -> None:
    shown = text(browser, card)

    assert "On no station" in shown
    assert "<form" not in shown


def test_the_changes_are_sent_and_who_cannot_be_told_is_named(
    browser: Client, card: str, held: LocalList, station: ChargingStation, other: ChargingStation
) -> None:
    connect(station)
    answer = browser.post(f"{card}lists/", follow=True)
    page = answer.content.decode()

    assert "on their way to 1 stations" in page
    assert "Yard 2 (not connected" in page
    assert [one.command for one in Command.objects.filter(station=station)] == ["send_local_list"]
    assert not Command.objects.filter(station=other).exists()


def test_only_who_may_change_lists_sends_them(
    organization: Organization,
    card: str,
    held: LocalList,
    station: ChargingStation,
    charlie: Client,
    browser_of,
) -> None:
    connect(station)
    sam = browser_of(factories.make_member(organization, Role.SUPPORT, "sam"))
    bob = browser_of(factories.make_member(organization, Role.TECHNICIAN, "bob"))
    answers = [one.post(f"{card}lists/").status_code for one in (sam, bob, charlie)]

    assert answers == [403, 403, 404]
    assert "<form" not in text(sam, card)
    assert not Command.objects.filter(station=station).exists()


def test_lists_are_found_by_a_token_that_they_hold(
    organization: Organization, held: LocalList, token: IdToken
) -> None:
    def found(*scopes: str) -> tuple[int, list[str]]:
        key = Client(headers={"Authorization": f"Bearer {factories.make_key(organization, *scopes)}"})
        answer = key.get(f"/api/v1/local-lists/?token={token.value}")
        return answer.status_code, [one["id"] for one in answer.json().get("results", [])]

    assert found("*") == (200, [str(held.pk)])
    assert found("local-lists:read") == (403, [])
