"""``sites`` of tokens, drivers and groups, and the charging policy: set, read, and not by strangers."""

import pytest
from django.test import Client
from rest_framework.test import APIClient

from core.access import Actor, Role
from core.models import AuditEntry, Organization
from stations.models import Site, SitePermission
from stations.services import access, sites
from tests import factories
from tests.portal.api.conftest import results

KINDS = ["tokens", "drivers", "groups", "driver-groups"]
BODIES = {"tokens": {"value": "04AA", "type": "ISO14443"}}
POLICY = "/api/v1/charging-policy/"


@pytest.fixture
def site(alice: Actor) -> Site:
    return sites.create({"name": "Harbour", "time_zone": "UTC"}, by=alice)


@pytest.mark.parametrize("kind", KINDS)
def test_sites_are_set_kept_replaced_and_taken_away(api: APIClient, site: Site, kind: str) -> None:
    body = BODIES.get(kind, {"name": "One"})
    url = api.post(f"/api/v1/{kind}/", {**body, "sites": [str(site.pk)]})["Location"]

    read = api.get(url).json()
    assert read["sites"] == [str(site.pk)]
    assert results(api.get(f"/api/v1/{kind}/"))[0]["sites"] == [str(site.pk)]
    assert api.put(url, read).json() == read
    assert api.patch(url, {}).json()["sites"] == [str(site.pk)]
    assert api.put(url, body).json()["sites"] == []
    assert not SitePermission.objects.exists()
    limited = [one.changes["sites"] for one in AuditEntry.objects.filter(action__endswith=".limited")]
    assert sorted(limited) == sorted([[[], ["Harbour"]], [["Harbour"], []]])


@pytest.mark.parametrize("kind", KINDS)
def test_the_site_of_a_stranger_is_unknown_and_nothing_is_made(
    stranger: APIClient, site: Site, kind: str
) -> None:
    body = {**BODIES.get(kind, {"name": "One"}), "sites": [str(site.pk)]}

    assert stranger.post(f"/api/v1/{kind}/", body).status_code == 400
    assert results(stranger.get(f"/api/v1/{kind}/")) == []


def test_lists_cost_the_same_however_many_rows(
    api: APIClient, alice: Actor, site: Site, django_assert_max_num_queries
) -> None:
    for _ in range(30):
        factories.make_token(alice, driver=factories.make_driver(alice))
    for kind in KINDS:
        with django_assert_max_num_queries(12):
            api.get(f"/api/v1/{kind}/")


def test_who_is_limited_to_sites_limits_nobody(organization: Organization, alice: Actor, site: Site) -> None:
    token = factories.make_token(alice)
    dan = factories.make_member(organization, Role.SUPPORT, "dan")
    access.limit_member(dan, ["Harbour"], by=alice)
    client = Client()
    client.force_login(dan.user)
    client.defaults["HTTP_X_ORGANIZATION"] = organization.slug
    url = f"/api/v1/tokens/{token.pk}/"
    sent = {"content_type": "application/json", "headers": {"If-Match": "*"}}

    assert client.patch(url, {"sites": [str(site.pk)]}, **sent).status_code == 403
    assert not SitePermission.objects.exists()


def test_the_policy_is_read_and_changed(api: APIClient, stranger: APIClient) -> None:
    assert api.get(POLICY).json() == {"sessions_at_once": 1, "any_card": False}
    assert api.patch(POLICY, {"sessions_at_once": 3}).json() == {"sessions_at_once": 3, "any_card": False}
    assert api.patch(POLICY, {"any_card": True}).json() == {"sessions_at_once": 3, "any_card": True}
    assert stranger.get(POLICY).json() == {"sessions_at_once": 1, "any_card": False}
    assert [api.patch(POLICY, {"sessions_at_once": wrong}).status_code for wrong in (-1, 1001, None)] == [
        400
    ] * 3
    entries = AuditEntry.objects.filter(action="charging_policy.changed").order_by("id")
    assert [one.changes for one in entries] == [
        {"sessions_at_once": ["1", "3"]},
        {"any_card": ["False", "True"]},
    ]


def test_a_token_that_expires_before_it_is_valid_is_refused(api: APIClient) -> None:
    body = {"value": "04AA", "type": "ISO14443", "valid_from": "2030-02-01T00:00:00Z"}
    answer = api.post("/api/v1/tokens/", {**body, "expires_at": "2030-01-01T00:00:00Z"})
    kept = api.post("/api/v1/tokens/", {**body, "expires_at": "2031-01-01T00:00:00Z"}).json()

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/expires_at")
    assert (kept["status"], kept["valid_from"]) == ("invalid", "2030-02-01T00:00:00Z")


def test_a_free_station_is_set_by_the_api(api: APIClient, alice: Actor) -> None:
    station, _ = factories.make_station(alice)
    url = f"/api/v1/stations/{station.pk}/"
    changed = api.patch(url, {"free_vend": True, "free_evses": [2]}).json()

    assert (changed["free_vend"], changed["free_evses"]) == (True, [2])
    assert api.patch(url, {"free_evses": [0]}).status_code == 400
