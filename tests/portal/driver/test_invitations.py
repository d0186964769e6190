"""An operator invites, a mail goes out, its link makes the account once (dashboard 4.11, driver 3.2, W-11, W-12)."""

import re
from collections.abc import Callable
from datetime import timedelta
from smtplib import SMTPServerDisconnected
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test import Client

from core import clock
from core.access import Actor, Role
from core.models import AuditEntry, Mail, Organization, User
from core.services import mails
from drivers.models import Driver, DriverInvitation
from drivers.services import drivers
from tests import factories
from tests.portal.driver.conftest import text_of

PASSWORD = "a quite different battery"
OVER = "not valid any more"


@pytest.fixture
def anna(actor: Actor) -> Driver:
    email = f"{factories.unique('anna')}@example.org"
    return factories.make_driver(actor, "Anna Blum", email=email, language="de")


@pytest.fixture
def desk(organization: Organization) -> Client:
    """The operator's browser."""
    client = Client()
    client.force_login(factories.make_member(organization).user)
    return client


def page_of(driver: Driver) -> str:
    return f"/o/{driver.organization.slug}/drivers/{driver.pk}/"


def invite(desk: Client, driver: Driver, act: str = "invite") -> Any:
    return desk.post(f"{page_of(driver)}invitation/", {"act": act}, follow=True)


def link_to(driver: Driver) -> str:
    """The link of the last mail, as a path."""
    mails.send_due()
    last = [one for one in mail.outbox if one.to == [driver.email]][-1]
    found = re.search(r"http://127\.0\.0\.1:8000(/invitation/\S+)", str(last.body))
    assert found
    return found[1]


def choose(link: str, password: str = PASSWORD, again: str = PASSWORD) -> tuple[Client, Any]:
    phone = Client()
    return phone, phone.post(link, {"password": password, "again": again})


def test_411_an_invited_driver_chooses_a_password_by_the_mailed_link_and_is_signed_in(
    desk: Client, anna: Driver
) -> None:
    page = text_of(invite(desk, anna))
    link = link_to(anna)
    looked = Client().get(link)
    phone, made = choose(link)
    anna.refresh_from_db()
    acts = AuditEntry.objects.filter(object_id=str(anna.pk)).order_by("id").values_list("action", "actor")

    assert "The invitation is on its way by mail." in page
    assert mail.outbox[-1].subject == f"{anna.organization.name}: Ihr Zugang zum Laden"
    assert "Hallo Anna Blum" in mail.outbox[-1].body
    assert looked.status_code == 200
    assert looked["Referrer-Policy"] == "no-referrer"
    assert "no-store" in looked["Cache-Control"]
    assert made["Location"] == "/me/"
    assert phone.get("/me/").status_code == 200
    assert anna.user is not None
    assert (anna.user.email, anna.user.name) == (anna.email, "Anna Blum")
    assert list(acts)[-1] == ("driver.invitation_accepted", f"driver:{anna.pk}")
    assert anna.email in text_of(desk.get(page_of(anna)))
    assert "Signs in as" in text_of(desk.get(page_of(anna)))


def test_411_a_link_works_once_and_nothing_of_it_is_kept(desk: Client, anna: Driver) -> None:
    invite(desk, anna)
    link = link_to(anna)
    secret = link.rpartition("/")[2]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT m::text FROM core_mail m UNION ALL SELECT i::text FROM drivers_driverinvitation i"
        )
        kept = " ".join(row[0] for row in cursor.fetchall())
    choose(link)
    _, again = choose(link, "another password entirely", "another password entirely")

    assert secret not in kept
    assert Mail.objects.get(about=DriverInvitation.objects.get(driver=anna).pk).sealed == ""
    assert again.status_code == 404
    assert OVER in text_of(again)
    assert Client().login(email=anna.email, password=PASSWORD)


@pytest.mark.parametrize("way", ["late", "invited again", "withdrawn", "other address", "ended", "wrong"])
def test_411_a_link_that_is_over_makes_no_account(desk: Client, anna: Driver, actor: Actor, way: str) -> None:
    invite(desk, anna)
    link = link_to(anna)
    days = 7.01 if way == "late" else 0.01
    if way == "withdrawn":
        invite(desk, anna, "withdraw")
    elif way == "other address":
        drivers.update(anna, {"email": "other@example.org"}, by=actor)
    elif way == "ended":
        drivers.retire(anna, by=actor)
    elif way == "wrong":
        link = link[:-4] + "aaaa"
    with time_machine.travel(clock.now() + timedelta(days=days)):
        if way == "invited again":
            desk.force_login(factories.make_member(anna.organization).user)
            invite(desk, anna)
        _, answer = choose(link)

    assert answer.status_code == 404
    assert OVER in text_of(answer)
    assert not User.objects.filter(email=anna.email).exists()


def test_411_looking_at_the_link_or_a_bad_password_uses_nothing_up(desk: Client, anna: Driver) -> None:
    invite(desk, anna)
    link = link_to(anna)
    _, short = choose(link, "short", "short")
    _, other = choose(link, PASSWORD, "something else")
    Client().head(link)

    assert (short.status_code, other.status_code) == (422, 422)
    assert "too short" in text_of(short)
    assert "The two passwords are not the same." in text_of(other)
    assert not User.objects.filter(email=anna.email).exists()
    assert choose(link)[1].status_code == 302


def test_411_an_account_that_exists_is_never_taken_over_but_accepts_by_signing_in(
    desk: Client, anna: Driver, phone_of: Callable[[Driver], Client]
) -> None:
    had = User.objects.create_user(anna.email, "x" * 12)
    invite(desk, anna)
    link = link_to(anna)
    unknown, refused = choose(link)
    had.refresh_from_db()
    stranger = Client()
    stranger.force_login(User.objects.create_user(f"{factories.unique('bob')}@example.org", "x" * 12))
    theirs = stranger.post(link)
    own = Client()
    own.force_login(had)
    shown = text_of(own.get(link))
    accepted = own.post(link)
    anna.refresh_from_db()

    assert refused["Location"].startswith("/accounts/login/?next=%2Finvitation%2F")
    assert unknown.get("/me/").status_code == 302
    assert had.check_password("x" * 12)
    assert (theirs.status_code, "another e-mail address" in text_of(theirs)) == (409, True)
    assert "Accept" in shown
    assert (accepted["Location"], anna.user) == ("/me/", had)


def test_411_who_has_no_address_or_an_account_or_was_just_invited_is_not_invited(
    desk: Client, anna: Driver, dora: Driver, actor: Actor
) -> None:
    nameless = factories.make_driver(actor, "Emil")
    invite(desk, anna)
    said = [text_of(invite(desk, one)) for one in (nameless, dora, anna)]

    assert "Give the driver an e-mail address first." in said[0]
    assert "The driver has an account already." in said[1]
    assert "Wait a minute" in said[2]
    assert DriverInvitation.objects.count() == Mail.objects.count() == 1


def test_411_a_stranger_and_a_viewer_invite_nobody(anna: Driver, organization: Organization) -> None:
    viewer, charlie = Client(), Client()
    viewer.force_login(factories.make_member(organization, Role.VIEWER).user)
    charlie.force_login(factories.make_member(factories.make_organization(demo=True)).user)
    url = f"{page_of(anna)}invitation/"
    foreign = url.replace(organization.slug, str(charlie.get("/")["Location"]).split("/")[2])

    assert viewer.post(url).status_code == 403
    assert (charlie.post(url).status_code, charlie.post(foreign).status_code) == (404, 404)
    assert not DriverInvitation.objects.exists()
    assert not Mail.objects.exists()


def test_f25_an_invitation_waits_for_the_mail_server_and_says_so(
    desk: Client, anna: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away:
        def __init__(self, **_: Any) -> None: ...

        def send_messages(self, _: Any) -> int:
            raise SMTPServerDisconnected("away")

    invite(desk, anna)
    with monkeypatch.context() as patched:
        patched.setattr("django.core.mail.backends.locmem.EmailBackend", Away)
        mails.send_due()
        told = text_of(desk.get(page_of(anna)))
        mails.send_due()
    tries = Mail.objects.get().tries
    with time_machine.travel(clock.now() + timedelta(minutes=3)):
        link = link_to(anna)
    cache.clear()

    assert "it is tried again" in told
    assert tries == 1
    assert choose(link)[1].status_code == 302


def test_f25_a_mail_that_never_leaves_is_given_up_and_its_text_forgotten(
    desk: Client, anna: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> int:
        raise OSError("no route")

    invite(desk, anna)
    monkeypatch.setattr("django.core.mail.EmailMessage.send", away)
    for day in range(1, mails.TRIES + 1):
        with time_machine.travel(clock.now() + timedelta(days=day)):
            mails.send_due()
    row = Mail.objects.get()

    assert (row.state, row.sealed, row.reason) == ("failed", "", "OSError")
    assert "could not be sent" in text_of(desk.get(page_of(anna)))
