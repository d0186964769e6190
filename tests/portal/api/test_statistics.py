"""``/statistics/``: figures of the fleet by day, site and station."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from core import clock
from core.access import Actor
from core.models import ApiKey, AuditEntry, Organization
from stations.models import ChargingStation, Connection, CostState, Evse, SessionCost, Site, Transaction
from stations.services import access, sites, stations
from tests import factories
from tests.portal.api.conftest import client_with, results

URL = "/api/v1/statistics/"
DAY = datetime(2026, 11, 2, tzinfo=UTC)
DAYS = {"first_day": "2026-11-02", "last_day": "2026-11-04"}
HOUR = timedelta(hours=1)


@pytest.fixture
def organization(db: None) -> Organization:
    organization = factories.make_organization()
    Organization.objects.filter(pk=organization.pk).update(time_zone="UTC")
    return organization


def make_station(alice: Actor, site: Site | None = None) -> ChargingStation:
    """With two EVSEs, there since long before."""
    station, _ = factories.make_station(alice)
    Evse.objects.filter(station=station).delete()
    for number in (1, 2):
        stations.add_evse(station, number)
    ChargingStation.objects.filter(pk=station.pk).update(
        created_at=DAY - timedelta(days=9), site=site or station.site
    )
    station.refresh_from_db()
    return station


def charge(
    station: ChargingStation, begin: datetime, end: datetime, *, wh: int, cost: str = ""
) -> Transaction:
    session = Transaction.objects.create(
        organization_id=station.organization_id, site=station.site, station=station, status="ended",
        evse=station.evses.get(evse_id=1), reference=factories.unique("s"), energy_wh=wh, started_at=begin,
        ended_at=end, last_event_at=end,
    )  # fmt: skip
    if cost:
        SessionCost.objects.create(
            transaction=session, state=CostState.FINAL, since=end, currency="EUR", excl_vat=Decimal(cost),
            incl_vat=Decimal(cost) * 2, computed_at=end,
        )  # fmt: skip
    return session


def connect(station: ChargingStation, begin: datetime, end: datetime | None) -> None:
    outcome = Connection.Outcome.CLOSED if end else Connection.Outcome.OPEN
    Connection.objects.create(
        organization_id=station.organization_id, station=station, identity=station.identity,
        outcome=outcome, opened_at=begin, closed_at=end,
    )  # fmt: skip


@pytest.fixture
def station(alice: Actor) -> ChargingStation:
    """Two sessions on the first day, one of them over midnight; connected for a day and a half, with an overlap."""
    station = make_station(alice)
    charge(station, DAY + 10 * HOUR, DAY + 12 * HOUR, wh=20_000, cost="5.1")
    charge(station, DAY + 22 * HOUR, DAY + 28 * HOUR, wh=1500, cost="1.25")
    charge(station, DAY - 9 * HOUR, DAY - 8 * HOUR, wh=7)
    connect(station, DAY - 24 * HOUR, DAY + 14 * HOUR)
    connect(station, DAY + 12 * HOUR, DAY + 36 * HOUR)
    return station


def test_days_tell_sessions_energy_revenue_utilization_and_uptime(
    api: APIClient, station: ChargingStation
) -> None:
    first, second, third = results(api.get(URL, DAYS))

    assert first == {
        "first_day": "2026-11-02", "last_day": "2026-11-02", "site": None, "station": None, "sessions": 2,
        "energy_wh": 21_500, "occupied_s": 4 * 3600, "utilization_percent": 8.33, "uptime_percent": 100,
        "revenue": [{"currency": "EUR", "sessions": 2, "excl_vat": "6.35", "incl_vat": "12.70"}],
    }  # fmt: skip
    assert (second["sessions"], second["occupied_s"], second["uptime_percent"]) == (0, 4 * 3600, 50)
    assert (third["sessions"], third["energy_wh"], third["revenue"], third["uptime_percent"]) == (0, 0, [], 0)


def test_stations_and_sites_are_told_apart_and_together(
    api: APIClient, alice: Actor, station: ChargingStation
) -> None:
    depot = sites.create({"name": "Depot", "time_zone": "UTC"}, by=alice)
    other = make_station(alice, depot)
    charge(other, DAY + HOUR, DAY + 2 * HOUR, wh=300)

    by_station = {row["station"]: row for row in results(api.get(URL, {**DAYS, "by": "station"}))}
    by_site = {row["site"]: row for row in results(api.get(URL, {**DAYS, "by": "site"}))}
    together = results(api.get(URL, {**DAYS, "by": "day"}))

    assert {key: row["energy_wh"] for key, row in by_station.items()} == {
        str(station.pk): 21_500,
        str(other.pk): 300,
    }
    assert by_station[str(other.pk)]["last_day"] == "2026-11-04"
    assert {key: row["sessions"] for key, row in by_site.items()} == {
        str(station.site_id): 2,
        str(depot.pk): 1,
    }
    assert [row["sessions"] for row in together] == [3, 0, 0]
    assert [row["sessions"] for row in results(api.get(URL, {**DAYS, "site": str(depot.pk)}))] == [1, 0, 0]


def test_pages_go_on_where_they_ended_in_both_directions(
    api: APIClient, alice: Actor, station: ChargingStation
) -> None:
    make_station(alice)
    asked = {**DAYS, "by": "day,station", "limit": "4"}
    whole = results(api.get(URL, {**asked, "limit": "100"}))
    first = api.get(URL, asked).json()
    second = api.get(first["next"]).json()
    back = api.get(second["previous"]).json()
    turned = api.get(URL, {**asked, "ordering": "-first_day"}).json()

    assert len(whole) == 6
    assert first["results"] + second["results"] == whole
    assert (first["previous"], second["next"]) == (None, None)
    assert back["results"] == first["results"]
    assert turned["results"] + api.get(turned["next"]).json()["results"] == whole[::-1]


def test_the_table_has_all_rows_and_is_noted(api: APIClient, station: ChargingStation) -> None:
    answer = api.get(URL, DAYS, headers={"Accept": "text/csv"})
    lines = b"".join(answer.streaming_content).decode().splitlines()

    assert lines[0].startswith("first_day,last_day,site,station,sessions,energy_wh,revenue")
    assert [line.split(",")[0] for line in lines[1:]] == ["2026-11-02", "2026-11-03", "2026-11-04"]
    assert AuditEntry.objects.filter(action="list.exported", reason=URL).count() == 1


def test_what_still_runs_counts_until_now_and_a_retired_station_until_it_was(
    api: APIClient, alice: Actor
) -> None:
    now = clock.now()
    running, gone = make_station(alice), make_station(alice)
    session = charge(running, now - HOUR, now, wh=1)
    Transaction.objects.filter(pk=session.pk).update(status="active", ended_at=None)
    connect(running, now - 12 * HOUR, None)
    ChargingStation.objects.filter(pk=gone.pk).update(retired_at=DAY)

    days = {"first_day": (now - timedelta(days=1)).date().isoformat(), "by": "station"}
    rows = {row["station"]: row for row in results(api.get(URL, days))}

    assert 3600 <= rows[str(running.pk)]["occupied_s"] < 3660
    assert 0 < rows[str(running.pk)]["uptime_percent"] < 100
    assert rows[str(gone.pk)]["uptime_percent"] is None


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"first_day": "02.11.2026"}, "/first_day"),
        ({"first_day": "2026-11-03", "last_day": "2026-11-02"}, "/last_day"),
        ({"first_day": "2024-11-03", "last_day": "2026-11-02"}, "/last_day"),
        ({"last_day": "0001-01-01"}, "/first_day"),
        ({"by": "hour"}, "/by"),
        ({"cursor": "x"}, "/cursor"),
    ],
)
def test_what_is_not_understood_is_named(api: APIClient, asked: dict[str, str], pointer: str) -> None:
    answer = api.get(URL, asked)

    assert answer.status_code == 400
    assert [one["pointer"] for one in answer.json()["errors"]] == [pointer]


def test_a_stranger_and_who_lacks_the_scope_see_nothing_of_it(
    stranger: APIClient, api_with: Callable[..., APIClient], station: ChargingStation
) -> None:
    theirs = results(stranger.get(URL, {**DAYS, "station": str(station.pk)}))

    assert [(row["sessions"], row["uptime_percent"]) for row in theirs] == [(0, None)] * 3
    assert results(stranger.get(URL, {**DAYS, "by": "station"})) == []
    assert api_with("statistics:read").get(URL, DAYS).status_code == 200
    assert api_with("transactions:read").get(URL, DAYS).status_code == 403


def test_a_key_limited_to_a_site_counts_that_site_alone(
    organization: Organization, alice: Actor, station: ChargingStation
) -> None:
    """Also not what was charged elsewhere before the station came there."""
    depot = sites.create({"name": "Depot", "time_zone": "UTC"}, by=alice)
    moved = make_station(alice)
    charge(moved, DAY + HOUR, DAY + 2 * HOUR, wh=300)
    ChargingStation.objects.filter(pk=moved.pk).update(site=depot)
    charge(ChargingStation.objects.get(pk=moved.pk), DAY + 3 * HOUR, DAY + 4 * HOUR, wh=40)
    secret = factories.make_key(organization)
    key: Any = ApiKey.objects.get(organization=organization, prefix=secret.split("_")[1])
    access.limit_key(key, ["Depot"], by=alice)

    rows = results(client_with(secret).get(URL, {**DAYS, "by": "site"}))

    assert [(row["site"], row["sessions"], row["energy_wh"]) for row in rows] == [(str(depot.pk), 1, 40)]
