"""What stands beside the dashboard: the way home, metrics, error pages, logs' request ids, the admin's door."""

import json
import logging
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client, RequestFactory

from core import clock
from core.models import Membership, User
from portal import root
from portal.logs import StructuredFormatter
from tests import factories


def test_home_leads_to_ones_place(browser: Client, home: str, db: None) -> None:
    assert browser.get("/")["Location"] == home
    assert Client().get("/")["Location"] == "/accounts/login/"


def test_who_belongs_nowhere_is_told_whom_to_ask(db: None) -> None:
    client = Client()
    client.force_login(User.objects.create_user(f"{factories.unique('eve')}@example.org", "x" * 12))
    answer = client.get("/")

    assert answer.status_code == 403
    assert b"Ask an administrator" in answer.content


@pytest.mark.parametrize(
    ("token", "said", "status"),
    [("", "", 404), ("", "Bearer ", 404), ("s3cret", "", 401), ("s3cret", "Bearer wrong", 401)],
)
def test_metrics_are_closed_without_the_token(
    db: None, settings: Any, token: str, said: str, status: int
) -> None:
    settings.METRICS_TOKEN = token
    assert Client().get("/metrics", headers={"Authorization": said}).status_code == status


def test_metrics_open_with_the_token(db: None, settings: Any) -> None:
    settings.METRICS_TOKEN = "s3cret"
    answer = Client().get("/metrics", headers={"Authorization": "Bearer s3cret"})

    assert answer.status_code == 200
    assert b"# HELP" in answer.content


def test_an_offered_request_id_is_kept_only_where_it_is_harmless(db: None) -> None:
    assert (
        Client().get("/healthz", headers={"X-Request-Id": "edge-12345678"})["X-Request-Id"] == "edge-12345678"
    )
    made = Client().get("/healthz", headers={"X-Request-Id": 'x" injected'})["X-Request-Id"]
    assert "injected" not in made


def test_the_error_page_needs_no_database_and_tells_nothing_of_the_inside() -> None:
    request = RequestFactory().get("/")
    request.request_id = "req-1"
    answer = root.server_error(request)

    assert answer.status_code == 500
    assert b"req-1" in answer.content
    assert b"Traceback" not in answer.content


def test_a_page_that_is_not_there_says_so_in_our_look(db: None) -> None:
    answer = Client().get("/nowhere/")

    assert answer.status_code == 404
    assert b"There is nothing here" in answer.content


def test_the_admin_pages_need_staff_with_a_second_factor(alice: Membership) -> None:
    client = Client()
    client.force_login(alice.user)
    assert client.get("/admin/").status_code == 302

    boss = User.objects.create_superuser(f"{factories.unique('boss')}@example.org", "x" * 12)
    client.force_login(boss)
    assert client.get("/admin/").status_code == 302


def test_a_log_line_is_one_line_whatever_is_in_it() -> None:
    record = logging.makeLogRecord({"msg": "a\nb", "levelno": 20, "levelname": "INFO", "station": "CP\r\n1"})
    line = StructuredFormatter().format(record)

    assert "\n" not in line
    assert json.loads(line)["station"] == "CP\r\n1"


def test_w34_security_txt_names_a_contact_and_holds_for_less_than_a_year() -> None:
    answer = Client().get("/.well-known/security.txt")
    fields = dict(line.split(": ", 1) for line in answer.content.decode().splitlines())

    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert set(fields) == {"Contact", "Expires", "Preferred-Languages", "Canonical"}
    assert timedelta(days=30) < datetime.fromisoformat(fields["Expires"]) - clock.now() < timedelta(days=365)
    assert fields["Canonical"].endswith("/.well-known/security.txt")
