"""Pages: where a token, a driver or a group may charge; how many sessions at once; who charges free."""

import pytest
from django.test import Client

from core.access import Actor, Role
from core.models import AuditEntry, Membership, Organization
from drivers.models import ChargingPolicy, IdToken, TokenGroup
from drivers.services import drivers, tokens
from stations.models import ChargingStation, Site, SitePermission
from stations.services import access, sites
from tests import factories


@pytest.fixture
def site(actor: Actor) -> Site:
    return sites.create({"name": "Harbour", "time_zone": "UTC"}, by=actor)


@pytest.fixture
def pages(actor: Actor) -> list[str]:
    """Of one of each kind that can be limited."""
    return [
        f"tokens/{factories.make_token(actor).pk}/",
        f"drivers/{factories.make_driver(actor).pk}/",
        f"token-groups/{tokens.create_group(name='Cards', by=actor).pk}/",
        f"driver-groups/{drivers.create_group(name='Staff', by=actor).pk}/",
    ]


def test_sites_are_chosen_and_taken_away(browser: Client, home: str, pages: list[str], site: Site) -> None:
    for page in pages:
        browser.post(f"{home}{page}sites/", {"sites": [str(site.pk)]})
        shown = browser.get(home + page).content.decode()
        assert f'value="{site.pk}" checked' in shown, page
        assert "At these sites alone." in shown
    assert SitePermission.objects.count() == 4
    for page in pages:
        browser.post(f"{home}{page}sites/")
        assert "Everywhere, as long as no site is chosen." in browser.get(home + page).content.decode()
    assert SitePermission.objects.count() == 0
    assert AuditEntry.objects.filter(action__endswith=".limited").count() == 8


def test_a_stranger_limits_nothing(charlie: Client, home: str, pages: list[str], site: Site) -> None:
    own = charlie.get("/")["Location"]
    for page in pages:
        for place in (home, own):
            assert charlie.post(f"{place}{page}sites/", {"sites": [str(site.pk)]}).status_code == 404
    assert SitePermission.objects.count() == 0


def test_who_is_limited_to_a_site_limits_nobody(
    organization: Organization, actor: Actor, home: str, pages: list[str], site: Site, browser_of
) -> None:
    dan: Membership = factories.make_member(organization, Role.SUPPORT, "dan")
    access.limit_member(dan, ["Harbour"], by=actor)
    client = browser_of(dan)
    for page in pages:
        assert client.post(f"{home}{page}sites/", {"sites": [str(site.pk)]}).status_code == 403
    assert client.post(f"{home}token-groups/policy/", {"sessions_at_once": "5"}).status_code in (403, 422)
    assert SitePermission.objects.count() == ChargingPolicy.objects.count() == 0


def test_a_token_group_is_made_changed_and_ended(browser: Client, home: str, actor: Actor) -> None:
    browser.post(f"{home}token-groups/", {"name": "Cards", "token": "FLEET1", "sessions_at_once": "3"})
    group = TokenGroup.objects.get()
    token = factories.make_token(actor, group=group)
    browser.post(f"{home}token-groups/{group.pk}/", {"name": "Vans", "master_pass": "on"})
    group.refresh_from_db()
    was = (group.name, group.token, group.master_pass, group.sessions_at_once)
    listed = browser.get(f"{home}token-groups/").content.decode()
    browser.post(f"{home}token-groups/{group.pk}/", {"act": "retire"})
    token.refresh_from_db()

    assert was == ("Vans", "", True, None)
    assert "Vans" in listed
    assert "Master pass" in listed
    assert token.group is None


def test_the_default_of_sessions_at_once_is_set(
    browser: Client, home: str, organization: Organization
) -> None:
    browser.post(f"{home}token-groups/policy/", {"sessions_at_once": "4"})
    refused = browser.post(f"{home}token-groups/policy/", {"sessions_at_once": "-1"})

    assert ChargingPolicy.objects.get(organization=organization).sessions_at_once == 4
    assert refused.status_code == 422
    assert 'value="4"' in browser.get(f"{home}token-groups/").content.decode()


def test_dates_and_sessions_of_a_token_are_set_on_its_page(
    browser: Client, home: str, token: IdToken
) -> None:
    address = f"{home}tokens/{token.pk}/"
    values = {"valid_from": "2031-01-01T00:00:00", "expires_at": "2032-01-01T00:00:00"}
    browser.post(address, {**values, "sessions_at_once": "2"})
    refused = browser.post(address, {**values, "expires_at": "2030-01-01T00:00:00"})
    token.refresh_from_db()

    assert (token.valid_from.year, token.expires_at.year, token.sessions_at_once) == (2030, 2031, 2)
    assert refused.status_code == 422
    assert "expires after it begins" in refused.content.decode()


def test_a_station_or_an_outlet_is_made_free_on_its_settings(
    browser: Client, home: str, station: ChargingStation
) -> None:
    address = f"{home}stations/{station.pk}/settings/"
    values = {"name": "Yard 1", "site": str(station.site_id), "security_profile": "1", "enabled": "on"}
    browser.post(address, {**values, "free_vend": "on", "free_evses": "2, 1,2"})
    refused = browser.post(address, {**values, "free_evses": "two"})
    station.refresh_from_db()

    assert (station.free_vend, station.free_evses) == (True, [1, 2])
    assert refused.status_code == 422
    assert 'value="1, 2"' in browser.get(address).content.decode()
