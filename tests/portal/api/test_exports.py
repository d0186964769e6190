"""Long tables as CSV: whole, in order, by pieces that hold nothing in the database, and so many at once."""

import csv
import io
from typing import Any

import pytest
from django.core.signals import request_finished
from django.db import close_old_connections, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from core.access import Actor
from core.models import AuditEntry
from portal import downloads
from stations.models import ChargingStation, Site
from stations.services import access
from tests import factories
from tests.portal.api.test_bad_input import problem

SITES = "/api/v1/sites/"
CSV = {"Accept": "text/csv", "Accept-Language": "en"}
COUNT = 123


@pytest.fixture
def sites(alice: Actor) -> list[str]:
    """More than two pieces of them; several share a name, so that a piece ends between equals."""
    made = Site.objects.bulk_create(
        Site(organization_id=alice.home, name=f"Row {row // 7:03}") for row in range(COUNT)
    )
    return [str(row.pk) for row in made]


def cut_off(answer: Any) -> None:
    """As a server does whose client went away; the connection of the test stays."""
    request_finished.disconnect(close_old_connections)
    try:
        answer.close()
    finally:
        request_finished.connect(close_old_connections)


def ids(answer: Any) -> list[str]:
    text = b"".join(answer.streaming_content).decode()
    return [row["id"] for row in csv.DictReader(io.StringIO(text))]


@pytest.mark.parametrize("ordering", ["name", "-name"])
def test_a_table_longer_than_a_piece_has_each_row_once_and_in_order(
    api: APIClient, sites: list[str], ordering: str
) -> None:
    Site.objects.create(organization=factories.make_organization(), name="Row 001")
    key = ordering.lstrip("-")
    wanted = sorted(sites, reverse=ordering.startswith("-"))
    if key == "name":
        names = {str(row.pk): row.name for row in Site.objects.filter(pk__in=sites)}
        wanted = sorted(sites, key=lambda pk: (names[pk], pk), reverse=ordering.startswith("-"))

    with CaptureQueriesContext(connection) as seen:
        found = ids(api.get(SITES, {"ordering": ordering}, headers=CSV))

    assert found == wanted
    assert not [
        one["sql"] for one in seen.captured_queries if "CURSOR" in one["sql"] or "OFFSET" in one["sql"]
    ]


def test_so_many_exports_of_one_key_run_at_once_and_the_next_begins_when_one_ends(
    api: APIClient, sites: list[str], stranger: APIClient
) -> None:
    running = [api.get(SITES, headers=CSV) for _ in range(3)]
    asked = AuditEntry.objects.filter(action="list.exported").count()

    refused = api.get(SITES, headers=CSV)

    problem(refused, 429)
    assert int(refused["Retry-After"]) > 0
    assert AuditEntry.objects.filter(action="list.exported").count() == asked
    assert ids(stranger.get(SITES, headers=CSV)) == []
    cut_off(running.pop())  # before its first row
    assert sorted(ids(api.get(SITES, headers=CSV))) == sorted(sites)
    for one in running:
        cut_off(one)
    assert downloads.under_way._counts.total() == 0


def test_a_person_whose_downloads_run_is_told_so(db: None) -> None:
    membership = factories.make_member(factories.make_organization(demo=True))
    station: ChargingStation = factories.make_station(access.actor_of_member(membership))[0]
    client = Client()
    client.force_login(membership.user)
    address = f"/o/{station.organization.slug}/stations/{station.pk}/messages/export/"
    running = [client.get(address) for _ in range(3)]

    refused = client.get(address)

    assert [one.status_code for one in running] == [200] * 3
    assert refused.status_code == 429
    assert "downloads" in refused.content.decode()
    assert "Retry-After" in refused
    for one in running:
        cut_off(one)
    assert client.get(address).status_code == 200
