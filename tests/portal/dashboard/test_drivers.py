"""The pages of drivers: added, given tokens, blocked, ended; seen by those who may."""

from collections.abc import Callable

import pytest
from django.test import Client

from core import clock
from core.access import Actor, Role
from core.models import AuditEntry, Organization
from drivers.models import Driver, DriverGroup, IdToken
from stations.models import ChargingStation, Transaction
from stations.services import site_permissions
from tests import factories


@pytest.fixture
def driver(actor: Actor) -> Driver:
    return factories.make_driver(actor, "Frida Abend", email="frida@example.org")


@pytest.fixture
def session(organization: Organization, station: ChargingStation, driver: Driver) -> Transaction:
    return Transaction.objects.create(
        organization=organization,
        site=station.site,
        station=station,
        reference="4711",
        token_value="04A2B6C8DA",
        driver=driver,
        started_at=clock.now(),
        last_event_at=clock.now(),
    )


def test_a_driver_is_added_and_given_a_token(browser: Client, home: str, organization: Organization) -> None:
    made = browser.post(f"{home}drivers/", {"name": "Emil", "reference": "K-1", "language": "de"})
    driver = Driver.objects.get(organization=organization)
    browser.post(f"{made['Location']}tokens/", {"value": "04AABB", "type": "ISO14443", "label": "Card"})
    page = browser.get(made["Location"]).content.decode()

    assert (driver.name, driver.reference, driver.language) == ("Emil", "K-1", "de")
    assert IdToken.objects.get(organization=organization).driver == driver
    assert "…AABB" in page
    assert "04AABB" not in page
    assert "Emil" in browser.get(f"{home}drivers/?q=k-1").content.decode()
    assert "Emil" not in browser.get(f"{home}drivers/?q=nobody").content.decode()


def test_a_known_token_without_a_driver_is_handed_out_and_taken_away(
    browser: Client, home: str, driver: Driver, token: IdToken
) -> None:
    address = f"{home}drivers/{driver.pk}/tokens/"
    browser.post(address, {"value": token.value.lower(), "type": token.type})
    token.refresh_from_db()
    had = token.driver
    browser.post(address, {"take": str(token.pk)})
    token.refresh_from_db()

    assert (had, token.driver, token.label) == (driver, None, "Pool car")
    assert IdToken.objects.filter(organization=token.organization).count() == 1


def test_the_token_of_another_driver_is_not_taken_over(
    browser: Client, home: str, driver: Driver, actor: Actor
) -> None:
    theirs = factories.make_token(actor, driver=factories.make_driver(actor))
    answer = browser.post(f"{home}drivers/{driver.pk}/tokens/", {"value": theirs.value, "type": theirs.type})
    theirs.refresh_from_db()

    assert answer.status_code == 422
    assert "Another driver has this token" in answer.content.decode()
    assert theirs.driver != driver


def test_a_driver_is_changed_and_a_refused_form_keeps_what_was_typed(
    browser: Client, home: str, driver: Driver, actor: Actor
) -> None:
    factories.make_driver(actor, reference="K-9")
    address = f"{home}drivers/{driver.pk}/"
    refused = browser.post(address, {"name": "Frida M.", "reference": "k-9"})
    browser.post(address, {"name": "Frida Morgen", "reference": "K-10"})
    driver.refresh_from_db()

    assert refused.status_code == 422
    assert 'value="Frida M."' in refused.content.decode()
    assert (driver.name, driver.reference) == ("Frida Morgen", "K-10")


def test_a_block_names_its_reason_and_reaches_the_tokens(
    browser: Client, home: str, driver: Driver, actor: Actor
) -> None:
    token = factories.make_token(actor, driver=driver, label="Card of Frida")
    browser.post(f"{home}drivers/{driver.pk}/status/", {"act": "block", "reason": "Invoice 7 is open"})
    page = browser.get(f"{home}tokens/{token.pk}/").content.decode()

    assert "The driver of this token is blocked" in page
    assert "Invoice 7 is open" in page
    assert AuditEntry.objects.get(action="driver.blocked").reason == "Invoice 7 is open"
    browser.post(f"{home}drivers/{driver.pk}/status/", {"act": "unblock"})
    assert "so it is refused" not in browser.get(f"{home}tokens/{token.pk}/").content.decode()


def test_an_ended_driver_is_gone_with_the_tokens(
    browser: Client, home: str, driver: Driver, actor: Actor
) -> None:
    token = factories.make_token(actor, driver=driver)
    browser.post(f"{home}drivers/{driver.pk}/status/", {"act": "retire"})

    assert browser.get(f"{home}drivers/{driver.pk}/").status_code == 404
    assert browser.get(f"{home}tokens/{token.pk}/").status_code == 404


def test_the_sessions_of_a_driver_are_on_the_page_and_the_driver_on_that_of_the_session(
    browser: Client, home: str, driver: Driver, session: Transaction
) -> None:
    assert str(session.pk) in browser.get(f"{home}drivers/{driver.pk}/").content.decode()
    assert "Frida Abend" in browser.get(f"{home}sessions/{session.pk}/").content.decode()
    assert str(driver.pk) in browser.get(f"{home}search/?q=frida").content.decode()


def test_who_may_not_see_drivers_finds_the_name_nowhere(
    organization: Organization,
    home: str,
    driver: Driver,
    session: Transaction,
    browser_of: Callable[..., Client],
) -> None:
    bob = browser_of(factories.make_member(organization, Role.TECHNICIAN, "bob"))
    headers = {"X-Organization": organization.slug}
    shown = bob.get(f"/api/v1/transactions/{session.pk}/", headers=headers).json()
    asked = bob.get(f"/api/v1/transactions/?driver={driver.pk}", headers=headers).json()

    assert bob.get(f"{home}drivers/").status_code == 403
    assert bob.get(f"{home}drivers/{driver.pk}/").status_code == 403
    for path in (f"sessions/{session.pk}/", "sessions/", "search/?q=frida"):
        assert "Frida" not in bob.get(home + path).content.decode()
    assert (shown["driver"], asked["results"]) == (None, [])


def test_who_may_see_drivers_finds_sessions_by_them(
    browser: Client, organization: Organization, driver: Driver, session: Transaction
) -> None:
    headers = {"X-Organization": organization.slug}
    found = browser.get(f"/api/v1/transactions/?driver={driver.pk}", headers=headers).json()["results"]

    assert [(one["id"], one["driver"]) for one in found] == [(str(session.pk), str(driver.pk))]


def test_groups_are_made_renamed_and_ended(browser: Client, home: str, driver: Driver) -> None:
    browser.post(f"{home}drivers/groups/", {"name": "Tenants"})
    group = DriverGroup.objects.get(organization=driver.organization)
    browser.post(f"{home}drivers/{driver.pk}/", {"name": driver.name, "group": str(group.pk)})
    browser.post(f"{home}driver-groups/{group.pk}/", {"act": "rename", "name": "Staff"})
    listed = browser.get(f"{home}drivers/?group={group.pk}").content.decode()
    browser.post(f"{home}driver-groups/{group.pk}/", {"act": "retire"})
    driver.refresh_from_db()

    assert "Frida Abend" in listed
    assert "Staff" in listed
    assert driver.group is None
    assert "Staff" not in browser.get(f"{home}drivers/groups/").content.decode()


@pytest.mark.parametrize("what", ["", "status/", "tokens/"])
def test_a_stranger_writes_nothing(charlie: Client, home: str, driver: Driver, what: str) -> None:
    own = charlie.get("/")["Location"]
    for place in (home, own):
        answer = charlie.post(f"{place}drivers/{driver.pk}/{what}", {"name": "Mine", "act": "block"})
        assert answer.status_code == 404
    driver.refresh_from_db()

    assert (driver.name, driver.status) == ("Frida Abend", "active")


def test_a_token_is_changed_on_its_page_to_the_second(browser: Client, home: str, token: IdToken) -> None:
    address = f"{home}tokens/{token.pk}/"
    browser.post(address, {"label": "Van 7", "expires_at": "2031-01-01T12:00:05"})
    token.refresh_from_db()
    was = token.expires_at
    browser.post(address, {"label": "Van 8", "expires_at": "2031-01-01T12:00:05"})
    token.refresh_from_db()

    assert (token.label, token.expires_at) == ("Van 8", was)
    assert AuditEntry.objects.filter(action="token.changed").latest("id").changes == {"label": ["…", "…"]}


@pytest.fixture
def lost(actor: Actor, station: ChargingStation, driver: Driver) -> IdToken:
    """A card of Frida's that may charge at one site."""
    token = factories.make_token(actor, "04AA", label="Card", driver=driver, sessions_at_once=2)
    site_permissions.limit(token, [station.site], by=actor)
    return token


def test_a_lost_token_is_blocked_and_its_successor_has_what_was_granted(
    browser: Client, home: str, lost: IdToken, station: ChargingStation
) -> None:
    answer = browser.post(f"{home}tokens/{lost.pk}/status/", {"act": "lost", "value": "04BB"})
    new = IdToken.objects.get(value="04BB")
    lost.refresh_from_db()

    assert answer["Location"].endswith(f"tokens/{new.pk}/")
    assert (lost.status, new.status) == ("blocked", "accepted")
    assert (new.label, new.driver, new.sessions_at_once) == ("Card", lost.driver, 2)
    assert site_permissions.sites_of(new) == [station.site]
    assert AuditEntry.objects.get(action="token.replaced").changes == {"by": [None, str(new.pk)]}


def test_a_lost_token_without_successor_is_blocked(browser: Client, home: str, lost: IdToken) -> None:
    browser.post(f"{home}tokens/{lost.pk}/status/", {"act": "lost"})
    lost.refresh_from_db()

    assert lost.status == "blocked"
    assert AuditEntry.objects.get(action="token.blocked").reason == "Reported lost."
    assert IdToken.objects.filter(organization=lost.organization).count() == 1


def test_a_token_is_not_replaced_by_a_known_one_and_stays_as_it_is(
    browser: Client, organization: Organization, lost: IdToken, actor: Actor
) -> None:
    factories.make_token(actor, "04CC")
    url = f"/api/v1/tokens/{lost.pk}/replace/"
    sent = {"content_type": "application/json", "headers": {"X-Organization": organization.slug}}
    refused = browser.post(url, {"value": "04cc"}, **sent)
    lost.refresh_from_db()
    still = lost.status
    made = browser.post(url, {"value": "04DD"}, **sent)

    assert (refused.status_code, still) == (409, "accepted")
    assert (made.status_code, made.json()["driver"]) == (201, str(lost.driver_id))


def test_a_stranger_replaces_nothing(charlie: Client, home: str, lost: IdToken) -> None:
    own = charlie.get("/")["Location"]
    body = {"act": "lost", "value": "04EE"}
    answers = [charlie.post(f"{place}tokens/{lost.pk}/status/", body) for place in (home, own)]
    slug = own.strip("/").split("/")[-1]
    sent = {"content_type": "application/json", "headers": {"X-Organization": slug}}
    answers.append(charlie.post(f"/api/v1/tokens/{lost.pk}/replace/", {"value": "04EE"}, **sent))
    lost.refresh_from_db()

    assert [one.status_code for one in answers] == [404, 404, 404]
    assert (lost.status, IdToken.objects.filter(value="04EE").exists()) == ("accepted", False)
