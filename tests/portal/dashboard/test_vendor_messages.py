"""The tab Messages: a vendor's message is sent, and what the station answered shows below."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from core import clock
from core.access import Role
from core.models import Membership, Organization
from stations.models import ChargingStation, Command, Presence
from tests import factories

HTMX = {"HX-Request": "true"}
TEXT = {"vendor_id": "com.example", "message_id": "SetLight", "data": '{"colour": "green"}'}


@pytest.fixture
def page(home: str, station: ChargingStation) -> str:
    Presence.objects.filter(station=station).update(connected=True, ocpp_version="2.1", epoch=1)
    return f"{home}stations/{station.pk}/messages/"


def press(client: Client, page: str, values: dict[str, str]) -> Any:
    return client.post(f"{page}send/", values, headers=HTMX)


def said(station: ChargingStation) -> list[tuple[str, Any]]:
    return list(Command.objects.filter(station=station).order_by("id").values_list("command", "parameters"))


def test_data_is_sent_as_the_text_that_it_is_or_as_json(
    browser: Client, page: str, station: ChargingStation
) -> None:
    for values in (TEXT, {**TEXT, "data_is": "json"}, {"vendor_id": " com.example "}):
        answer = press(browser, page, values)
        assert (answer.status_code, 'id="sent"' in answer.content.decode()) == (200, True)

    names = {"vendor_id": "com.example", "message_id": "SetLight"}
    assert said(station) == [
        ("data_transfer", {**names, "data": '{"colour": "green"}'}),
        ("data_transfer", {**names, "data": {"colour": "green"}}),
        ("data_transfer", {"vendor_id": "com.example", "message_id": ""}),
    ]


def test_the_answer_shows_with_its_data_and_without_markup(
    browser: Client, page: str, station: ChargingStation
) -> None:
    press(browser, page, TEXT)
    response = {"status": "Rejected", "data": "<script>alert(1)</script>"}
    Command.objects.filter(station=station).update(
        status="rejected", settled_at=clock.now(), response=response
    )
    whole = browser.get(page).content.decode()
    part = browser.get(f"{page}?part=sent", headers=HTMX).content.decode()

    for text in (whole, part):
        assert "&lt;script&gt;alert(1)" in text
        assert "<script>alert" not in text
        assert "com.example · SetLight" in text
    assert 'id="results"' not in part


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"vendor_id": " "}, "Name the vendor"),
        ({"vendor_id": "v" * 256}, "Name the vendor"),
        ({"message_id": "m" * 51}, "at most 50 characters"),
        ({"data": "{colour", "data_is": "json"}, "The data is not JSON"),
        ({"data": "", "data_is": "json"}, "The data is not JSON"),
        ({"data": '"\\u0000"', "data_is": "json"}, "NUL"),
    ],
)
def test_what_cannot_be_sent_is_told_beside_the_form(
    browser: Client, page: str, station: ChargingStation, values: dict[str, str], why: str
) -> None:
    answer = press(browser, page, {**TEXT, **values})

    assert answer.status_code == 422
    assert "data-refusal" in answer.content.decode()
    assert why in answer.content.decode()
    assert said(station) == []


def test_only_experts_send_and_see_what_was_sent(
    browser_of: Callable[[Membership], Client],
    organization: Organization,
    viewer: Client,
    charlie: Client,
    page: str,
    station: ChargingStation,
) -> None:
    bob = browser_of(factories.make_member(organization, Role.TECHNICIAN, "bob"))
    for client, status in ((bob, 403), (viewer, 403), (charlie, 404)):
        assert press(client, page, TEXT).status_code == status
        assert client.get(f"{page}?part=sent", headers=HTMX).status_code == status

    assert bob.get(page).status_code == 200
    assert "messages/send/" not in bob.get(page).content.decode()
    assert said(station) == []
