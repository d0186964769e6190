"""Lists that grow go on by key: every row is reached, each once, whatever is added meanwhile."""

import re
from collections.abc import Callable

import pytest
from django.test import Client

from core.access import Actor, Role
from core.models import Organization
from drivers.services import drivers, tokens
from portal.dashboard.pages import PAGE_SIZE
from stations.services import sites
from tariffs import publishing
from tests import factories
from tests.tariffs.building import component, element

OLDER = re.compile(r'href="\?([^"]+)">(?:Older|.*?Older)')
MANY = PAGE_SIZE + 3


def make_site(actor: Actor, name: str) -> None:
    sites.create({"name": name, "time_zone": "UTC"}, by=actor)


def make_group(actor: Actor, name: str) -> None:
    drivers.create_group(name=name, by=actor)


def make_token_group(actor: Actor, name: str) -> None:
    tokens.create_group(name=name, by=actor)


def make_tariff(actor: Actor, name: str) -> None:
    document = {
        "id": name.replace(" ", ""),
        "currency": "EUR",
        "elements": [element(component("ENERGY", "0.4"))],
    }
    publishing.create(document, by=actor, name=name)


def make_driver(actor: Actor, name: str) -> None:
    factories.make_driver(actor, name)


@pytest.mark.parametrize(
    ("path", "make"),
    [
        ("sites/", make_site),
        ("drivers/groups/", make_group),
        ("token-groups/", make_token_group),
        ("tariffs/", make_tariff),
        ("drivers/", make_driver),
    ],
)
def test_every_row_of_a_long_list_is_reached_once(
    browser: Client, home: str, actor: Actor, path: str, make: Callable[[Actor, str], None]
) -> None:
    names = [f"Row {number:03d}" for number in range(MANY)]
    for name in names:
        make(actor, name)
    first = browser.get(f"{home}{path}").content.decode()
    older = OLDER.search(first)
    assert older is not None
    second = browser.get(f"{home}{path}?{older[1].replace('&amp;', '&')}").content.decode()

    told = [{name for name in names if f"{name}<" in page} for page in (first, second)]
    assert told[0] | told[1] == set(names)
    assert not told[0] & told[1]
    assert OLDER.search(second) is None


def test_every_member_is_reached(browser: Client, home: str, organization: Organization) -> None:
    for number in range(MANY):
        factories.make_member(organization, Role.VIEWER, f"row{number:03d}")
    first = browser.get(f"{home}users/").content.decode()
    older = OLDER.search(first)
    assert older is not None
    second = browser.get(f"{home}users/?{older[1].replace('&amp;', '&')}").content.decode()

    seen = [set(re.findall(r"row\d{3}(?=[^<>\"]*<)", page)) for page in (first, second)]
    assert len(seen[0] | seen[1]) == MANY
    assert not seen[0] & seen[1]


def test_a_key_that_is_none_is_refused_with_the_way_back(browser: Client, home: str) -> None:
    answer = browser.get(f"{home}sites/?after=x&last=nothing")

    assert answer.status_code == 400
    assert "This page of the list does not exist." in answer.content.decode()
