"""Who may enter what: every route names its permission, strangers find nothing, roles are kept."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import URLPattern

from core import clock
from core.access import Permission, Role
from core.models import Membership, Organization
from portal.accounts import IDLE_LIMIT, SEEN
from portal.dashboard.urls import urlpatterns
from stations.domain import intents
from stations.models import ChargingStation, Command, Transaction
from stations.services import access, commands, stations
from tests import factories

UUIDS, NUMBERS = re.compile(r"<uuid:\w+>"), re.compile(r"<int:\w+>")


def routes() -> Iterator[URLPattern]:
    yield from urlpatterns


def addresses(home: str, pk: object) -> Iterator[str]:
    for route in routes():
        path = UUIDS.sub(str(pk), str(route.pattern))
        yield home + NUMBERS.sub("1", path)


def test_every_route_names_its_permission() -> None:
    assert [route.name for route in routes() if not isinstance(route.callback.permission, Permission)] == []


def test_nobody_enters_without_signing_in(home: str, station: ChargingStation) -> None:
    for address in addresses(home, station.pk):
        answer = Client().get(address)
        assert answer.status_code in (302, 401, 405), address
        if answer.status_code == 302:
            assert answer["Location"].startswith("/accounts/login/?next=")


def test_a_stranger_finds_nothing_whatever_is_asked(
    charlie: Client, home: str, station: ChargingStation
) -> None:
    for address in addresses(home, station.pk):
        for answer in (charlie.get(address), charlie.post(address)):
            assert answer.status_code in (404, 401, 405), address
            assert station.identity.encode() not in answer.content
    assert not Command.objects.filter(station=station).exists()


def test_an_object_of_another_organization_is_not_found_under_ones_own_address(
    charlie: Client, station: ChargingStation
) -> None:
    own = charlie.get("/")["Location"]
    for path in ("", "commands/", "messages/", "connect/", "settings/", "evses/1/", "evses/1/plot/"):
        assert charlie.get(f"{own}stations/{station.pk}/{path}").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "stations/new/",
        "users/",
        "developer/",
        "audit/",
        "tokens/",
        "drivers/",
        "sites/new/",
        "stations/{}/messages/",
    ],
)
def test_a_viewer_reads_which_permission_is_missing(
    viewer: Client, home: str, station: ChargingStation, path: str
) -> None:
    answer = viewer.get(home + path.format(station.pk))

    assert answer.status_code == 403
    assert re.search(
        r"(stations\.edit|org\.|audit\.view|drivers\.view|messages\.view)", answer.content.decode()
    )


@pytest.mark.parametrize("act", ["start/", "stop/", "unlock/"])
def test_a_viewer_cannot_command(viewer: Client, home: str, station: ChargingStation, act: str) -> None:
    answer = viewer.post(f"{home}stations/{station.pk}/evses/1/{act}")

    assert answer.status_code == 403
    assert not Command.objects.filter(station=station).exists()


def test_a_viewer_is_not_offered_what_is_not_allowed(
    viewer: Client, home: str, station: ChargingStation
) -> None:
    page = viewer.get(f"{home}stations/{station.pk}/").content.decode()

    assert "Start charging" not in page
    assert "Audit log" not in page
    assert "Add station" not in viewer.get(home).content.decode()


def test_a_technician_does_not_see_whose_token_it_is(
    organization: Organization, station: ChargingStation, browser_of, home: str
) -> None:
    bob = browser_of(factories.make_member(organization, Role.TECHNICIAN, "bob"))
    Transaction.objects.create(
        organization=organization,
        site=station.site,
        station=station,
        reference="1",
        token_value="04A2B6C8DA",
        started_at=clock.now(),
        last_event_at=clock.now(),
    )
    page = bob.get(f"{home}sessions/").content.decode()

    assert "…C8DA" in page
    assert "04A2B6C8DA" not in page


def test_a_member_limited_to_a_site_sees_only_its_stations(
    organization: Organization, actor, alice: Membership, station: ChargingStation, browser_of, home: str
) -> None:
    from stations.services import sites

    there = sites.create({"name": "There", "time_zone": "Europe/Berlin"}, by=actor)
    other, _ = stations.create({"identity": factories.unique("THERE"), "site": there}, by=actor)
    member = factories.make_member(organization, Role.VIEWER, "dan")
    access.limit_member(member, ["There"], by=actor)
    dan = browser_of(member)
    page = dan.get(f"{home}stations/").content.decode()

    assert other.identity in page
    assert station.identity not in page
    assert dan.get(f"{home}stations/{station.pk}/").status_code == 404


def test_staff_without_a_second_factor_are_led_to_set_it_up(db: None, browser_of) -> None:
    organization = factories.make_organization()
    answer = browser_of(factories.make_member(organization)).get(f"/o/{organization.slug}/")

    assert (answer.status_code, answer["Location"]) == (302, "/accounts/2fa/")


def test_half_an_hour_without_activity_signs_out(browser: Client, home: str) -> None:
    assert browser.get(home).status_code == 200
    session = browser.session
    session[SEEN] = (clock.now() - IDLE_LIMIT - timedelta(seconds=5)).timestamp()
    session.save()

    assert browser.get(home)["Location"].startswith("/accounts/login/")
    assert browser.get(home, headers={"HX-Request": "true"}).status_code == 401


def test_what_a_page_fetches_by_itself_is_no_activity(browser: Client, home: str) -> None:
    browser.get(home)
    session = browser.session
    session[SEEN] = then = (clock.now() - timedelta(minutes=10)).timestamp()
    session.save()
    browser.get(f"{home}?part=tiles", headers={"HX-Request": "true", "X-Live": "1"})

    assert browser.session[SEEN] == then


def test_a_password_that_was_changed_ends_the_session(browser: Client, home: str, alice: Membership) -> None:
    alice.user.set_password("another horse, another battery")
    alice.user.save()

    assert browser.get(home).status_code == 302


def test_a_deactivated_person_is_out_at_once(browser: Client, home: str, alice: Membership) -> None:
    alice.user.is_active = False
    alice.user.save()

    assert browser.get(home).status_code == 302


def test_nobody_can_sign_up(db: None) -> None:
    assert b"password1" not in Client().get("/accounts/signup/").content


def test_unknown_accounts_and_wrong_passwords_read_the_same(alice: Membership) -> None:
    def said(email: str) -> str:
        answer = Client().post("/accounts/login/", {"login": email, "password": "wrong"})
        text = re.sub(r'value="[^"]*"', "", answer.content.decode())
        return re.sub(r"Request <span.*?</span>", "", text)

    assert said(alice.user.email) == said("nobody@example.org")


def test_a_refused_wish_is_told_in_place_of_the_fragment(
    browser: Client, home: str, station: ChargingStation
) -> None:
    answer = browser.post(f"{home}stations/{station.pk}/evses/1/stop/", headers={"HX-Request": "true"})

    assert answer.status_code == 409
    assert b'role="alert"' in answer.content
    assert b"<html" not in answer.content


def test_a_soft_restart_is_all_that_support_may_do(
    organization: Organization, station: ChargingStation, browser_of, home: str
) -> None:
    sam = factories.make_member(organization, Role.SUPPORT, "sam")
    commands.issue(station, intents.ResetStation(kind="on_idle"), by=access.actor_of_member(sam))
    page = browser_of(sam).get(f"{home}stations/{station.pk}/commands/").content.decode()

    assert "When idle…" in page
    assert "Now…" not in page
