"""Signing in over HTTP: limits, second factors, links by mail, and what the audit tells of it (W-10 to W-13, W-27)."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.conf import settings
from django.core import mail
from django.test import Client

from core import clock
from core.models import AuditEntry, Membership, User
from portal.accounts import BEGAN, LONGEST_SESSION, SEEN
from tests import factories
from tests.running import ROOT

LOGIN = "/accounts/login/"
NEW = "a quite different battery"


@pytest.fixture
def alice(db: None) -> Membership:
    return factories.make_member(factories.make_organization(demo=True))


@pytest.fixture
def early_in_the_code() -> Iterator[None]:
    """At the beginning of the half minute for which a code of an app counts."""
    begin = datetime.fromtimestamp((int(time.time()) // 30 + 1) * 30, UTC)
    with time_machine.travel(begin):
        yield


@pytest.fixture
def client(alice: Membership) -> Client:
    return Client(REMOTE_ADDR=f"198.51.100.{time.time_ns() % 250}")


def sign_in(client: Client, email: str, password: str = factories.PASSWORD, **more: str) -> Any:
    return client.post(LOGIN, {"login": email, "password": password, **more})


def acts_of(user: User) -> list[str]:
    rows = AuditEntry.objects.filter(object_id=str(user.pk)).order_by("id")
    return [one.action for one in rows if one.action.split(".")[0] != "member"]


def reset_link(client: Client, email: str, **headers: str) -> str:
    client.post("/accounts/password/reset/", {"email": email}, headers=headers)
    found = re.search(r"https?://\S+/password/reset/key/\S+", str(mail.outbox[-1].body))
    assert found
    return found[0]


def choose(client: Client, link: str) -> Any:
    """Follow the link and set a new password."""
    path = "/" + link.split("/", 3)[3]
    page = client.get(path, follow=True)
    return client.post(page.request["PATH_INFO"], {"password1": NEW, "password2": NEW})


def totp_code(secret: str) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


def with_app(client: Client) -> str:
    """Set up an authenticator app; its seed."""
    page = client.get("/accounts/2fa/totp/activate/")
    secret = str(page.context["form"].secret)
    client.post("/accounts/2fa/totp/activate/", {"code": totp_code(secret)})
    return secret


def test_w27_signing_in_and_out_and_a_wrong_password_are_audited(client: Client, alice: Membership) -> None:
    sign_in(client, alice.user.email, "wrong")
    sign_in(client, alice.user.email)
    client.post("/accounts/logout/")

    assert acts_of(alice.user) == ["sign_in.refused", "sign_in.succeeded", "sign_out"]
    entry = AuditEntry.objects.get(action="sign_in.succeeded", object_id=str(alice.user.pk))
    assert entry.actor == f"user:{alice.user.email}"
    assert entry.organization == alice.organization
    assert entry.address.startswith("198.51.100.")
    assert entry.request_id


def test_w27_the_organization_reads_who_signed_in(client: Client, alice: Membership) -> None:
    sign_in(client, alice.user.email, "wrong")
    sign_in(client, alice.user.email)
    page = client.get(f"/o/{alice.organization.slug}/audit/").content.decode()

    assert "sign_in.succeeded" in page
    assert "sign_in.refused" in page
    assert alice.user.email in page


def test_w27_a_try_for_an_unknown_account_is_a_row_of_the_platform_alone(
    client: Client, alice: Membership
) -> None:
    email = f"{factories.unique('nobody')}@example.org"
    sign_in(client, email, "hunter22-secret")

    entry = AuditEntry.objects.get(action="sign_in.refused", object_label=email)
    assert entry.organization is None
    assert "hunter22" not in str(entry.__dict__)


def test_w11_guessing_is_slowed_down_and_the_account_is_not_locked_for_good(
    client: Client, alice: Membership
) -> None:
    for _ in range(5):
        sign_in(client, alice.user.email, "wrong")

    assert sign_in(client, alice.user.email).status_code == 200
    assert "_auth_user_id" not in client.session
    with time_machine.travel(clock.now() + timedelta(minutes=6)):
        assert sign_in(client, alice.user.email).status_code == 302


def test_w11_a_link_by_mail_works_once(client: Client, alice: Membership) -> None:
    link = reset_link(client, alice.user.email)
    choose(client, link)
    alice.user.refresh_from_db()
    assert alice.user.check_password(NEW)

    again = Client().get("/" + link.split("/", 3)[3], follow=True)

    assert b"password1" not in again.content
    assert "password.reset" in acts_of(alice.user)


def test_w11_a_link_by_mail_ends_after_an_hour(client: Client, alice: Membership) -> None:
    link = reset_link(client, alice.user.email)
    with time_machine.travel(clock.now() + timedelta(minutes=61)):
        page = Client().get("/" + link.split("/", 3)[3], follow=True)

    assert b"password1" not in page.content
    assert settings.PASSWORD_RESET_TIMEOUT <= 3600


def test_w12_a_link_by_mail_names_the_configured_address_whatever_the_host(
    client: Client, alice: Membership
) -> None:
    link = reset_link(client, alice.user.email, Host="localhost")

    assert link.startswith(f"{settings.PUBLIC_URL}/accounts/")


def test_w12_an_unknown_host_is_refused(client: Client) -> None:
    assert client.get(LOGIN, headers={"Host": "evil.example"}).status_code == 400


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x"]
)
def test_w13_nobody_is_sent_elsewhere(client: Client, alice: Membership, target: str) -> None:
    home = f"/o/{alice.organization.slug}/"
    answers = [sign_in(client, alice.user.email, next=target)]
    answers.append(client.post("/accounts/reauthenticate/", {"password": factories.PASSWORD, "next": target}))
    answers.append(client.post(f"{home}preferences/", {"theme": "dark", "next": target}))
    answers.append(client.post("/accounts/logout/", {"next": target}))

    assert [one.status_code for one in answers] == [302] * 4
    assert [
        one["Location"] for one in answers if "evil" in one["Location"] or "javascript" in one["Location"]
    ] == []


def test_w10_a_session_ends_after_twelve_hours_however_busy(client: Client, alice: Membership) -> None:
    sign_in(client, alice.user.email)
    home = f"/o/{alice.organization.slug}/"
    assert client.get(home).status_code == 200
    session = client.session
    session[BEGAN] = (clock.now() - LONGEST_SESSION - timedelta(seconds=5)).timestamp()
    session.save()

    assert client.get(home)["Location"].startswith(LOGIN)
    assert AuditEntry.objects.get(action="sign_out", object_id=str(alice.user.pk)).reason == "12 h"


def test_w10_account_pages_end_an_idle_session_too(client: Client, alice: Membership) -> None:
    sign_in(client, alice.user.email)
    client.get("/accounts/2fa/")
    session = client.session
    session[SEEN] = (clock.now() - timedelta(minutes=31)).timestamp()
    session.save()

    assert client.get("/accounts/2fa/")["Location"].startswith(LOGIN)


def test_w10_the_session_gets_a_new_name_at_sign_in_and_none_of_the_old_ones_counts(
    client: Client, alice: Membership
) -> None:
    client.get(LOGIN)
    before = client.session.session_key
    sign_in(client, alice.user.email)
    kept = client.cookies["sessionid"].value
    client.post("/accounts/logout/")
    client.cookies["sessionid"] = kept

    assert kept != before
    assert client.get(f"/o/{alice.organization.slug}/").status_code == 302


def test_w10_changing_the_password_ends_other_sessions_and_is_audited(
    client: Client, alice: Membership
) -> None:
    other = Client()
    other.force_login(alice.user)
    sign_in(client, alice.user.email)
    form = {"oldpassword": factories.PASSWORD, "password1": NEW, "password2": NEW}
    client.post("/accounts/password/change/", form)

    assert other.get(f"/o/{alice.organization.slug}/").status_code == 302
    assert "password.changed" in acts_of(alice.user)


def test_w10_cookies_over_https_are_bound_to_the_host() -> None:
    names = (
        "SESSION_COOKIE_NAME,CSRF_COOKIE_NAME,SESSION_COOKIE_SECURE,CSRF_COOKIE_SECURE,CSRF_COOKIE_HTTPONLY"
    )
    code = (
        "from django.conf import settings as s;"
        f"print([getattr(s, name) for name in {names.split(',')}], s.SESSION_COOKIE_AGE, s.MESSAGE_STORAGE)"
    )
    environment = {
        "DJANGO_SETTINGS_MODULE": "portal.settings.test",
        "PUBLIC_URL": "https://portal.example.org",
    }
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )

    assert "['__Host-sessionid', '__Host-csrftoken', True, True, True] 43200" in ran.stdout
    assert "SessionStorage" in ran.stdout


@pytest.mark.usefixtures("early_in_the_code")
def test_w11_a_second_factor_is_asked_for_and_no_code_counts_twice(
    client: Client, alice: Membership, django_capture_on_commit_callbacks: Any
) -> None:
    sign_in(client, alice.user.email)
    with django_capture_on_commit_callbacks(execute=True):
        secret = with_app(client)
    client.post("/accounts/logout/")
    code = totp_code(secret)

    assert sign_in(client, alice.user.email)["Location"].startswith("/accounts/2fa/authenticate/")
    assert client.get(f"/o/{alice.organization.slug}/").status_code == 302
    client.post("/accounts/2fa/authenticate/", {"code": code})
    assert "_auth_user_id" in client.session
    client.post("/accounts/logout/")
    sign_in(client, alice.user.email)
    client.post("/accounts/2fa/authenticate/", {"code": code})
    assert "_auth_user_id" not in client.session

    assert [act for act in acts_of(alice.user) if act.startswith("second_factor")] == [
        "second_factor.added",
        "second_factor.added",
        "second_factor.used",
        "second_factor.refused",
    ]


def test_w11_the_second_factor_has_five_tries(client: Client, alice: Membership) -> None:
    sign_in(client, alice.user.email)
    secret = with_app(client)
    client.post("/accounts/logout/")
    sign_in(client, alice.user.email)
    for _ in range(5):
        client.post("/accounts/2fa/authenticate/", {"code": "000000"})
    with time_machine.travel(clock.now() + timedelta(seconds=31)):
        client.post("/accounts/2fa/authenticate/", {"code": totp_code(secret)})

    assert "_auth_user_id" not in client.session


def test_removing_the_second_factor_is_audited(client: Client, alice: Membership) -> None:
    sign_in(client, alice.user.email)
    with_app(client)
    client.post("/accounts/2fa/totp/deactivate/")

    assert not Authenticator.objects.filter(user=alice.user, type=Authenticator.Type.TOTP).exists()
    assert "second_factor.removed" in acts_of(alice.user)


def test_the_seed_of_a_second_factor_is_not_in_the_database(client: Client, alice: Membership) -> None:
    sign_in(client, alice.user.email)
    secret = with_app(client)

    assert secret not in str(
        list(Authenticator.objects.filter(user=alice.user).values_list("data", flat=True))
    )


def test_who_is_asked_for_the_password_again_can_give_it(client: Client, alice: Membership) -> None:
    sign_in(client, alice.user.email)
    answer = client.post("/accounts/reauthenticate/", {"password": factories.PASSWORD, "next": "/"})
    refused = client.post("/accounts/reauthenticate/", {"password": "wrong", "next": "/"})

    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert refused.status_code == 200


def test_w27_looking_at_recovery_codes_is_audited(client: Client, alice: Membership) -> None:
    sign_in(client, alice.user.email)
    with_app(client)
    assert client.get("/accounts/2fa/recovery-codes/").status_code == 200

    assert acts_of(alice.user)[-1] == "recovery_codes.viewed"


def test_w27_an_export_is_audited_with_its_filters(alice: Membership) -> None:
    key = factories.make_key(alice.organization)
    headers = {"Authorization": f"Bearer {key}", "Accept": "text/csv"}
    Client().get("/api/v1/stations/?vendor=Acme", headers=headers)

    entry = AuditEntry.objects.get(action="list.exported", organization=alice.organization)
    assert entry.changes == {"vendor": [None, "Acme"]}
    assert entry.reason == "/api/v1/stations/"
    assert entry.actor.startswith("key:")
