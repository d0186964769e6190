"""The tab Local list: how the list stands, what it holds, what can be sent, who may."""

from collections.abc import Callable

import pytest
from django.test import Client

from core import clock
from core.access import Actor, Role
from core.models import Membership, Organization
from drivers.models import TokenGroup
from drivers.services import tokens
from stations.domain.local_lists import Entry, Shape
from stations.models import ChargingStation, Command, LocalList
from stations.services.local_lists import holding
from tests import factories

HTMX = {"HX-Request": "true"}


@pytest.fixture
def page(home: str, station: ChargingStation) -> str:
    return f"{home}stations/{station.pk}/local-list/"


@pytest.fixture
def fleet(actor: Actor) -> TokenGroup:
    return tokens.create_group(name="Fleet", token="FLEET1", by=actor)


@pytest.fixture
def taken(station: ChargingStation, actor: Actor, fleet: TokenGroup) -> LocalList:
    """A list of one token that the station took."""
    factories.make_token(actor, "04A1B2C3D4", group=fleet)
    row = holding.row_of(station.pk)
    holding.sending(station.pk, "full", Shape())
    (number,) = holding.number_messages(station.pk, 1)
    entry = Entry(value="04A1B2C3D4", type="ISO14443", status="accepted", group_value="FLEET1")
    holding.took(station.pk, number, full=True, placed=[entry], removed=[], at=clock.now())
    return row


def read(browser: Client, path: str, **headers: str) -> str:
    answer = browser.get(path, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def test_an_empty_tab_says_what_a_list_is_for(browser: Client, page: str) -> None:
    text = read(browser, page)

    assert "No list yet" in text
    assert "Send the whole list" in text
    assert "Give it up" not in text


def test_a_list_is_shown_with_its_entries_and_how_it_stands(
    browser: Client, page: str, station: ChargingStation, taken: LocalList, actor: Actor
) -> None:
    current = read(browser, page)
    factories.make_token(actor, "OTHER")
    outdated = read(browser, page)
    holding.version_told(station.pk, 77, clock.now())
    drifted = read(browser, page)

    assert "Up to date" in current
    assert "04A1B2C3D4" in current
    assert "FLEET1" in current
    assert "Out of date" in outdated
    assert "1 → 2" in outdated
    assert "Another list" in drifted
    assert "77" in drifted
    assert "somebody else changed its list" in drifted


@pytest.mark.parametrize(("word", "shown"), [("Failed", "Refused"), ("NotSupported", "Not supported")])
def test_what_the_station_refused_is_told_with_its_word(
    browser: Client, page: str, station: ChargingStation, taken: LocalList, word: str, shown: str
) -> None:
    LocalList.objects.update(began_full=True)
    holding.refused(station.pk, word, clock.now())
    text = read(browser, page)

    assert shown in text
    assert (f"<q>{word}</q>" in text) == (word == "Failed")


def test_the_fragment_equals_the_part_of_the_page(browser: Client, page: str, taken: LocalList) -> None:
    fragment = read(browser, page, **HTMX)

    assert fragment.strip().startswith('<div class="stack" id="local-list"')
    assert "<html" not in fragment
    assert fragment.strip() in read(browser, page)


@pytest.mark.parametrize(
    ("button", "command", "parameters"),
    [
        ("changes", "send_local_list", {"mode": "differential"}),
        ("whole", "send_local_list", {"mode": "full"}),
        ("version", "get_local_list_version", {}),
    ],
)
def test_each_button_sends_its_command(
    browser: Client,
    page: str,
    station: ChargingStation,
    button: str,
    command: str,
    parameters: dict[str, str],
) -> None:
    text = browser.post(f"{page}send/", {"button": button}, headers=HTMX).content.decode()
    sent = Command.objects.get(station=station)

    assert (sent.command, sent.parameters) == (command, parameters)
    assert str(sent.pk) in text


def test_how_a_list_is_kept_is_saved_and_given_up(
    browser: Client, page: str, station: ChargingStation, fleet: TokenGroup
) -> None:
    browser.post(f"{page}keep/", {"automatic": "on", "groups": [str(fleet.pk)]})
    kept = LocalList.objects.get(station=station)
    chosen = list(kept.groups.all())
    browser.post(f"{page}keep/", {"withdraw": "1"})
    given_up = LocalList.objects.get(station=station)

    assert (kept.automatic, chosen) == (True, [fleet])
    assert (given_up.automatic, given_up.withdrawn) == (False, True)
    assert Command.objects.get(station=station).if_offline == "wait"
    assert "given up" in read(browser, page)


def test_bad_input_changes_nothing(browser: Client, page: str, station: ChargingStation) -> None:
    foreign = tokens.create_group(
        name="Foreign", by=factories.make_actor(factories.make_organization(), name="charlie")
    )
    answers = [
        browser.post(f"{page}send/", {"button": "erase"}).status_code,
        browser.post(f"{page}keep/", {"automatic": "on", "groups": ["x"]}).status_code,
        browser.post(f"{page}keep/", {"automatic": "on", "groups": [str(foreign.pk)]}).status_code,
    ]

    assert answers == [422, 422, 404]
    assert not Command.objects.filter(station=station).exists()
    assert not LocalList.objects.filter(station=station, automatic=True).exists()


def test_who_may_not_sees_no_token_and_sends_nothing(
    viewer: Client, charlie: Client, page: str, taken: LocalList
) -> None:
    text = read(viewer, page)

    assert "04A1B2C3D4" not in text
    assert "…C3D4" in text
    assert "Send the whole list" not in text
    assert viewer.post(f"{page}send/", {"button": "whole"}).status_code == 403
    assert viewer.post(f"{page}keep/", {"automatic": "on"}).status_code == 403
    assert charlie.get(page).status_code == 404
    assert charlie.post(f"{page}send/", {"button": "whole"}).status_code == 404
    assert charlie.post(f"{page}keep/", {"withdraw": "1"}).status_code == 404
    assert not Command.objects.filter(station=taken.station).exists()
    assert LocalList.objects.get(pk=taken.pk).withdrawn is False


def test_a_technician_may_and_a_supporter_may_not(
    organization: Organization, browser_of: Callable[[Membership], Client], page: str
) -> None:
    bob = browser_of(factories.make_member(organization, Role.TECHNICIAN, "bob"))
    sally = browser_of(factories.make_member(organization, Role.SUPPORT, "sally"))

    assert bob.post(f"{page}keep/", {"automatic": "on"}).status_code == 302
    assert sally.post(f"{page}send/", {"button": "whole"}).status_code == 403
    assert sally.post(f"{page}send/", {"button": "version"}).status_code == 403


def test_the_tokens_tell_which_stations_have_them_on_their_list(
    browser: Client, home: str, actor: Actor, taken: LocalList
) -> None:
    factories.make_token(actor, "NOWHERE")
    text = read(browser, f"{home}tokens/")
    on_list, nowhere = (text.split(value)[1].split("</tr>")[0] for value in ("04A1B2C3D4", "NOWHERE"))

    assert "Yard 1" in on_list
    assert "Yard 1" not in nowhere


def test_the_tab_is_told_in_german(browser: Client, home: str, page: str, taken: LocalList) -> None:
    browser.post(f"{home}preferences/", {"language": "de"})
    text = read(browser, page)

    assert "Lokale Liste" in text
    assert "Aktuell" in text
    assert "Up to date" not in text
    assert "Send the whole list" not in text
