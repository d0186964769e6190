"""Queries per page do not grow with the rows, and stay within the budget (dashboard section 11)."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core.access import Actor
from stations.models import ChargingStation
from stations.services import stations
from tests import factories

FRAGMENT, LIST, TAB, OVERVIEW = 4, 8, 12, 12


def queries(client: Client, path: str, **headers: str) -> int:
    client.get(path, headers=headers)  # the first one notes the activity of the person
    with CaptureQueriesContext(
        connection,
    ) as seen:
        assert client.get(path, headers=headers).status_code == 200
    return len([query for query in seen if "SAVEPOINT" not in query["sql"]])


@pytest.fixture
def many(actor: Actor, station: ChargingStation) -> list[ChargingStation]:
    made = [factories.make_station(actor)[0] for _ in range(12)]
    for one in made:
        stations.add_evse(one, 1)
        stations.add_evse(one, 2)
    return made


@pytest.mark.parametrize(
    "path",
    [
        "stations/",
        "sessions/",
        "sessions/repair/",
        "alerts/",
        "sites/",
        "quirks/",
        "tokens/",
        "users/",
        "developer/",
        "developer/webhooks/",
        "audit/",
    ],
)
def test_a_list_needs_few_queries(browser: Client, home: str, many: list[ChargingStation], path: str) -> None:
    assert queries(browser, home + path) <= LIST


@pytest.mark.parametrize(
    "tab",
    [
        "",
        "charging/",
        "commands/",
        "transactions/",
        "variables/",
        "monitoring/",
        "display/",
        "firmware/",
        "security/",
        "local-list/",
        "reservations/",
        "grid/",
        "messages/",
        "connect/",
        "settings/",
    ],
)
def test_a_tab_of_a_station_needs_few_queries(
    browser: Client, home: str, station: ChargingStation, tab: str
) -> None:
    for number in range(1, 4):
        stations.add_evse(station, number)

    assert queries(browser, f"{home}stations/{station.pk}/{tab}") <= TAB


def test_the_overview_needs_few_queries(browser: Client, home: str, many: list[ChargingStation]) -> None:
    assert queries(browser, home) <= OVERVIEW


def test_a_row_needs_few_queries(browser: Client, home: str, station: ChargingStation) -> None:
    assert queries(browser, f"{home}stations/{station.pk}/row/", **{"HX-Request": "true"}) <= FRAGMENT
