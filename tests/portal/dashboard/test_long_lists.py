"""Lists longer than a page: every row can be reached, by key, with the same few queries on each page."""

import re
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core.access import Role
from core.models import ApiKey, Membership, Organization, User, Webhook
from drivers.models import Driver, DriverGroup, TokenGroup
from stations.models import ChargingStation, Site, Transaction
from tariffs.models import Tariff, TariffVersion
from tests import factories
from tests.factories import sessions

COUNT = 505  # what was cut at 500 before
ID = "[0-9a-f-]{36}"
Values = Callable[[int], dict[str, Any]]

# Two rows share each name where that is allowed, so that a page ends between equals.
LISTS: dict[str, tuple[str, Any, Values]] = {
    "sites/": (f"/sites/({ID})/", Site, lambda row: {"name": f"Row {row // 2:03}"}),
    "token-groups/": (f"/token-groups/({ID})/", TokenGroup, lambda row: {"name": f"Row {row:03}"}),
    "drivers/groups/": (f"/driver-groups/({ID})/", DriverGroup, lambda row: {"name": f"Row {row:03}"}),
    "drivers/": (f"/drivers/({ID})/", Driver, lambda row: {"name": f"Row {row // 2:03}"}),
    "tariffs/": (
        f"/tariffs/({ID})/",
        Tariff,
        lambda row: {
            "name": f"Row {row // 2:03}",
            "country_code": "DE",
            "party_id": "CHY",
            "ocpi_id": f"R{row}",
        },
    ),
    "developer/webhooks/": (
        f"/developer/webhooks/({ID})/",
        Webhook,
        lambda row: {"url": f"https://hooks.example.org/{row}", "sealed_secret": "x"},
    ),
    "developer/": (
        f'id="revoke-({ID})"',
        ApiKey,
        lambda row: {
            "name": f"Row {row}",
            "prefix": factories.unique("")[-12:],
            "digest": b"x",
            "scopes": [],
        },
    ),
}


@pytest.fixture
def organization(db: None) -> Organization:
    return factories.make_organization(demo=True)


@pytest.fixture
def browser(organization: Organization) -> Client:
    client = Client()
    client.force_login(factories.make_member(organization, Role.ADMIN, "alice").user)
    return client


def pages(client: Client, address: str) -> Iterator[tuple[str, int]]:
    """The text of each page in turn and how many queries it took, by the link to the next one."""
    query = ""
    client.get(address)  # what is remembered for the next request
    for _ in range(30):
        with CaptureQueriesContext(connection) as seen:
            answer = client.get(address + query)
        assert answer.status_code == 200
        text = answer.content.decode()
        yield text, len(seen)
        found = re.search(r'href="(\?[^"]*(?:before|last)=[^"]*)"', text)
        if found is None:
            return
        query = unescape(found[1])
    raise AssertionError("the pages do not end")


@pytest.mark.parametrize("path", LISTS)
def test_the_501st_row_of_a_list_can_be_reached(
    browser: Client, organization: Organization, path: str
) -> None:
    pattern, model, values = LISTS[path]
    made = model.objects.bulk_create(model(organization=organization, **values(row)) for row in range(COUNT))
    if model is Tariff:
        TariffVersion.objects.bulk_create(TariffVersion(tariff=row, number=1, document="{}") for row in made)
    stranger = model.objects.create(organization=factories.make_organization(), **values(COUNT))

    seen = list(pages(browser, f"/o/{organization.slug}/{path}"))
    shown = [set(re.findall(pattern, text)) for text, _queries in seen]
    mine = {str(row.pk) for row in made}

    assert set().union(*shown) >= mine
    assert sum(len(page & mine) for page in shown) == COUNT  # none twice
    assert str(stranger.pk) not in set().union(*shown)
    assert max(queries for _text, queries in seen) - min(queries for _text, queries in seen) <= 1


def test_the_501st_person_can_be_reached(browser: Client, organization: Organization) -> None:
    users = User.objects.bulk_create(
        User(email=f"row{row:03}@{organization.slug}.test") for row in range(COUNT)
    )
    Membership.objects.bulk_create(
        Membership(user=user, organization=organization, role=Role.VIEWER) for user in users
    )

    seen = list(pages(browser, f"/o/{organization.slug}/users/"))

    found = [one for text, _queries in seen for one in re.findall(f'id="remove-({ID})"', text)]
    assert len(found) == len(set(found)) == COUNT + 1
    assert max(queries for _text, queries in seen) - min(queries for _text, queries in seen) <= 1


@pytest.mark.parametrize("query", ["?last=x", "?last=1&after=A"])
def test_a_page_that_was_not_made_here_is_refused(
    browser: Client, organization: Organization, query: str
) -> None:
    assert browser.get(f"/o/{organization.slug}/sites/{query}").status_code in {400, 404}


def test_a_site_tells_its_own_stations_on_whatever_page(browser: Client, organization: Organization) -> None:
    alice = factories.make_actor(organization)
    site = Site.objects.create(organization=organization, name="Depot")
    for _ in range(3):
        station, _password = factories.make_station(alice)
        ChargingStation.objects.filter(pk=station.pk).update(site=site)

    ((text, _queries),) = pages(browser, f"/o/{organization.slug}/sites/")

    assert f'?site={site.pk}">0 / 3<' in text


def test_no_session_of_a_driver_is_counted_or_skipped_over(organization: Organization) -> None:
    alice = factories.make_actor(organization)
    station, _password = factories.make_station(alice)
    user = factories.make_member(organization, Role.VIEWER, "dora").user
    driver = factories.make_driver(alice)
    Driver.objects.filter(pk=driver.pk).update(user=user)
    one = sessions.end(sessions.begin(station), 1000)
    template = {
        field.attname: getattr(one, field.attname)
        for field in Transaction._meta.concrete_fields
        if field.attname not in {"id", "number", "reference", "driver_id", "start_digest"}
    }
    made = Transaction.objects.bulk_create(
        Transaction(
            **template,
            driver_id=driver.pk,
            number=900_000 + row,
            reference=f"L{row}",
        )
        for row in range(120)
    )
    client = Client()
    client.force_login(user)

    seen = list(pages(client, "/me/"))

    found = [pk for text, _queries in seen for pk in re.findall(f"/me/sessions/({ID})/", text)]
    assert sorted(found) == sorted(str(row.pk) for row in made)  # all begin at one instant: none twice
    with CaptureQueriesContext(connection) as queries:
        client.get(f"/me/?before={found[49]}")
    assert not [query["sql"] for query in queries if "OFFSET" in query["sql"]]
