"""The authorization log by page and API: found, explained, adopted; nothing for strangers."""

from collections.abc import Callable

import pytest
from django.test import Client

from core.access import Actor, Role
from core.models import Membership, Organization
from drivers.models import IdToken
from drivers.services import drivers
from stations.domain.events import TokenShown
from stations.domain.station import StationRef
from stations.models import AuthorizationAnswer, ChargingStation
from stations.services import access, authorization, sites
from tests import factories


@pytest.fixture
def token(actor: Actor) -> IdToken:
    """Of a blocked driver."""
    driver = factories.make_driver(actor, "Frida Abend")
    drivers.block(driver, reason="Unpaid", by=actor)
    return factories.make_token(actor, "04AABBCC", label="Pool car", driver=driver)


@pytest.fixture
def shown(station: ChargingStation, token: IdToken) -> None:
    side = StationRef(station_id=station.pk, organization_id=station.organization_id, site_id=station.site_id)
    for value in (token.value, "UNKNOWN77"):
        authorization.for_authorize(side, TokenShown(value=value))


@pytest.fixture
def page(browser: Client, home: str, shown: None) -> Callable[[str], str]:
    return lambda query="": browser.get(f"{home}authorizations/{query}").content.decode()


def test_the_page_says_why_a_card_was_refused(page: Callable[[str], str]) -> None:
    text = page("")

    assert "The driver of the token is blocked." in text
    assert "This token is not known here." in text
    assert "Frida Abend" in text
    assert "Pool car" in text


def test_the_page_says_it_in_german(browser: Client, home: str, page: Callable[[str], str]) -> None:
    browser.post(f"{home}preferences/", {"language": "de"})

    assert "Der Fahrer des Tokens ist gesperrt." in page("")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?q=unknown77", ["UNKNOWN77"]),
        ("?q=frida", ["Pool car"]),
        ("?outcome=accepted", []),
        ("?outcome=refused", ["UNKNOWN77", "Pool car"]),
        ("?asked=start", []),
        ("?asked=authorize", ["UNKNOWN77", "Pool car"]),
        ("?station=yard", ["UNKNOWN77", "Pool car"]),
        ("?station=elsewhere", []),
    ],
)
def test_the_page_is_filtered(page: Callable[[str], str], query: str, found: list[str]) -> None:
    text = page(query).split("<tbody>")[-1]

    assert [name for name in ("UNKNOWN77", "Pool car") if name in text] == found


def test_the_pages_of_token_and_driver_show_their_answers(
    browser: Client, home: str, token: IdToken, shown: None
) -> None:
    for path in (f"tokens/{token.pk}/", f"drivers/{token.driver_id}/"):
        text = browser.get(home + path).content.decode()
        assert "The driver of the token is blocked." in text
        assert "UNKNOWN77" not in text


def test_an_unknown_token_is_made_known_in_one_step(
    browser: Client, home: str, page: Callable[[str], str], organization: Organization
) -> None:
    assert page("?q=unknown77").count('name="value" value="UNKNOWN77"') == 1
    browser.post(f"{home}tokens/", {"value": "UNKNOWN77", "type": "ISO14443"})

    assert IdToken.objects.filter(organization=organization, value="UNKNOWN77").exists()


def test_who_may_not_see_drivers_does_not_see_the_log(
    organization: Organization, home: str, shown: None, browser_of: Callable[[Membership], Client]
) -> None:
    bob = browser_of(factories.make_member(organization, Role.TECHNICIAN, "bob"))
    answer = bob.get("/api/v1/authorizations/", headers={"X-Organization": organization.slug})

    assert bob.get(f"{home}authorizations/").status_code == 403
    assert answer.status_code == 403


def test_who_is_limited_to_another_site_finds_nothing(
    organization: Organization,
    actor: Actor,
    home: str,
    shown: None,
    browser_of: Callable[[Membership], Client],
) -> None:
    sites.create({"name": "Elsewhere", "time_zone": "UTC"}, by=actor)
    dan = factories.make_member(organization, Role.SUPPORT, "dan")
    access.limit_member(dan, ["Elsewhere"], by=actor)
    client = browser_of(dan)

    assert "UNKNOWN77" not in client.get(f"{home}authorizations/").content.decode()
    listed = client.get("/api/v1/authorizations/", headers={"X-Organization": organization.slug})
    assert listed.json()["results"] == []


def test_the_api_lists_and_filters(
    browser: Client, organization: Organization, station: ChargingStation, token: IdToken, shown: None
) -> None:
    def ask(query: str = "") -> list[dict[str, object]]:
        headers = {"X-Organization": organization.slug}
        found: list[dict[str, object]] = browser.get(
            f"/api/v1/authorizations/{query}", headers=headers
        ).json()["results"]
        return found

    newest, oldest = ask()
    assert (newest["value"], newest["rule"], newest["token"]) == ("UNKNOWN77", "unknown", None)
    assert (oldest["verdict"], oldest["driver"]) == ("blocked", str(token.driver_id))
    assert [one["value"] for one in ask(f"?driver={token.driver_id}")] == ["04AABBCC"]
    assert [one["value"] for one in ask("?value=unknown77")] == ["UNKNOWN77"]
    assert ask("?accepted=true") == []
    assert len(ask(f"?accepted=false&station={station.pk}&verdict=unknown")) == 1


def test_a_stranger_finds_nothing(charlie: Client, home: str, shown: None, station: ChargingStation) -> None:
    own = charlie.get("/")["Location"]

    assert charlie.get(f"{home}authorizations/").status_code == 404
    assert "UNKNOWN77" not in charlie.get(f"{own}authorizations/").content.decode()
    slug = own.strip("/").split("/")[-1]
    listed = charlie.get("/api/v1/authorizations/", headers={"X-Organization": slug})
    assert listed.json()["results"] == []
    assert AuthorizationAnswer.objects.filter(station=station).count() == 2
