"""Lists take the same few queries however many rows they show, and count no sessions, messages or readings."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver
from zeal.errors import NPlusOneError

from core import clock
from core.access import Role
from core.models import Organization, Webhook
from portal import session_search
from portal.api.resource import ListResource
from portal.api.statistics import StatisticsList
from portal.dashboard import stations
from stations.models import ChargingStation, RawFrame, Transaction
from stations.services import sites
from stations.services.access import actor_of_member
from tests import factories
from tests.factories import sessions

MOST_QUERIES = 8
GROWING = ("stations_transaction", "stations_rawframe", "stations_meterreading", "stations_command")
PAGES = ("stations/", "sessions/", "sessions/?status=ended", "sessions/?q=CP")
LISTS = ("stations/", "transactions/", "commands/")
OTHER_PAGES = (
    "", "sites/", "drivers/", "drivers/groups/", "tokens/", "token-groups/", "tariffs/", "alerts/", "users/",
    "quirks/", "authorizations/", "sessions/repair/",
)  # fmt: skip
OTHER_LISTS = (
    "sites/", "drivers/", "driver-groups/", "tokens/", "groups/", "tariffs/", "alerts/", "webhooks/", "quirks/",
    "authorizations/", "reservations/", "local-lists/", "certificates/", "data-transfer-rules/",
    "charging-profiles/", "events/", "statistics/?by=day,station",
)  # fmt: skip


PARENTS: dict[str, type[Model]] = {
    "v1/stations/": ChargingStation,
    "v1/webhooks/": Webhook,
    "v1/transactions/": Transaction,
}


@pytest.fixture
def organization(db: None) -> Organization:
    return factories.make_organization(demo=True)


@pytest.fixture
def browser(organization: Organization) -> Client:
    client = Client()
    client.force_login(factories.make_member(organization, Role.ADMIN, "alice").user)
    return client


@pytest.fixture
def api(organization: Organization) -> Client:
    key = factories.make_key(organization)
    return Client(headers={"Authorization": f"Bearer {key}", "Accept": "application/json"})


def add_rows(organization: Organization, count: int) -> ChargingStation:
    """Stations with a finished session and a message each."""
    alice = actor_of_member(factories.make_member(organization, Role.ADMIN, "adder"))
    for _ in range(count):
        station, _ = factories.make_station(alice)
        sessions.end(sessions.begin(station), 1000)
        RawFrame.objects.create(
            at=clock.now(), station=station, epoch=1, direction="in", message_id="x", action="Heartbeat",
            size_bytes=2, verdict="ok", text="[]",
        )  # fmt: skip
    return station


def add_people(organization: Organization, count: int) -> None:
    """Sites, drivers with tokens, and members."""
    alice = actor_of_member(factories.make_member(organization, Role.ADMIN, "adder"))
    for _ in range(count):
        sites.create({"name": factories.unique("Depot"), "time_zone": "Europe/Berlin"}, by=alice)
        factories.make_token(alice, driver=factories.make_driver(alice))
        factories.make_member(organization, Role.VIEWER, factories.unique("bob"))


def queries_of(client: Client, address: str) -> list[str]:
    assert client.get(address).status_code == 200  # what is remembered for the next request
    with CaptureQueriesContext(connection) as seen:
        assert client.get(address).status_code == 200
    return [
        query["sql"] for query in seen.captured_queries if not query["sql"].startswith(("SAVE", "RELEASE"))
    ]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_many_rows_takes_the_queries_of_one_row(
    browser: Client, organization: Organization, page: str
) -> None:
    address = f"/o/{organization.slug}/{page}"
    add_rows(organization, 1)
    few = queries_of(browser, address)
    add_rows(organization, 7)
    many = queries_of(browser, address)

    assert len(many) == len(few) <= MOST_QUERIES
    assert not [sql for sql in many if counts_all(sql)]


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_the_api_takes_the_queries_of_one_row(
    api: Client, organization: Organization, name: str
) -> None:
    add_rows(organization, 1)
    few = queries_of(api, f"/api/v1/{name}")
    add_rows(organization, 7)
    many = queries_of(api, f"/api/v1/{name}")

    assert len(many) == len(few) <= MOST_QUERIES
    assert not [sql for sql in many if counts_all(sql)]


@pytest.mark.parametrize("page", OTHER_PAGES)
def test_no_page_reads_its_rows_one_by_one(browser: Client, organization: Organization, page: str) -> None:
    add_rows(organization, 3)
    add_people(organization, 3)

    queries_of(browser, f"/o/{organization.slug}/{page}")


@pytest.mark.parametrize("name", OTHER_LISTS)
def test_no_list_of_the_api_reads_its_rows_one_by_one(
    api: Client, organization: Organization, name: str
) -> None:
    add_rows(organization, 3)
    add_people(organization, 3)

    queries_of(api, f"/api/v1/{name}")


def test_zeal_is_awake(browser: Client, organization: Organization, monkeypatch: Any) -> None:
    """What would load the site of each station by itself ends in an error here."""
    add_rows(organization, 2)
    plain = ChargingStation.objects.all
    monkeypatch.setattr(stations, "_rows", lambda rows: plain().filter(organization=organization))

    with pytest.raises(NPlusOneError):
        browser.get(f"/o/{organization.slug}/stations/")


def test_messages_and_readings_are_listed_without_being_counted(
    api: Client, organization: Organization
) -> None:
    station = add_rows(organization, 1)
    seen = queries_of(api, f"/api/v1/stations/{station.pk}/messages/")

    assert not [sql for sql in seen if counts_all(sql)]
    assert any("LIMIT" in sql and "stations_rawframe" in sql for sql in seen)


def counts_all(sql: str) -> bool:
    """Whether rows of a table that grows are counted, other than the few that run."""
    counted = re.findall(r'COUNT\([^)]*\)[^()]* FROM "(\w+)"', sql, re.IGNORECASE)
    return any(name in GROWING for name in counted) and "'active'" not in sql and "%s" not in sql


def ordered_lists() -> Iterator[str]:
    """Every list of the API, in each of its orders; those below a station, a webhook or a session as well."""
    for pattern in get_resolver("portal.api.urls").url_patterns:
        view, route = getattr(pattern.callback, "view_class", object), str(pattern.pattern)
        parent = route.partition("<")[0]
        if not issubclass(view, ListResource) or view is StatisticsList:  # which reads no list
            continue
        if route.count("<") > 1 or (parent != route and parent not in PARENTS):
            continue
        yield route
        yield from (f"{route}?ordering={sign}{field}" for field in view.ordering_fields for sign in ("", "-"))


@pytest.mark.parametrize("name", list(ordered_lists()))
def test_a_list_in_any_of_its_orders_is_read_in_order_and_never_sorted(
    api: Client, organization: Organization, name: str
) -> None:
    """By an index, where sorting is the last thing that the planner may do."""
    add_rows(organization, 2)
    add_people(organization, 2)
    path = f"/api/{name}".replace("<uuid:pk>", str(parent_of(name, organization)))
    pages = [sql for sql in queries_of(api, path) if "LIMIT 51" in sql]
    with connection.cursor() as cursor:
        cursor.execute(
            "SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off"
        )
        plans = [explained(cursor, sql) for sql in pages]

    assert plans
    sorting = [line for plan in plans for line in plan if re.match(r"\s*(-> +)?Sort +\(", line)]
    assert sorting == [], plans  # an incremental one sorts what is equal in the first field alone


def test_the_search_of_sessions_finds_stations_and_tokens_by_index_the_newest_first(
    api: Client, organization: Organization
) -> None:
    add_rows(organization, 2)
    add_people(organization, 2)
    asked = [
        sql
        for sql in queries_of(api, "/api/v1/transactions/?search=a")
        if f"LIMIT {session_search.FOUND_AT_MOST}" in sql
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            "SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off"
        )
        plans = ["\n".join(explained(cursor, sql)) for sql in asked]

    assert len(plans) == 2
    assert all("Index Scan Backward using" in plan and "Sort" not in plan for plan in plans), plans


def parent_of(name: str, organization: Organization) -> UUID | None:
    """An object of the kind that the list is below of."""
    kind = PARENTS.get(name.partition("<")[0])
    if kind is None:
        return None
    if kind is Webhook:
        return Webhook.objects.create(organization=organization, url="https://93.184.216.34/hook").pk
    found: UUID = kind._default_manager.filter(organization=organization).latest("id").pk
    return found


def explained(cursor: Any, sql: str) -> list[str]:
    cursor.execute(f"EXPLAIN {sql}")
    return [row[0] for row in cursor.fetchall()]
