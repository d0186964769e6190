"""Invitations of drivers, and a person's data taken out or forgotten, by REST (W-29, B-67)."""

import io
import json
import zipfile
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from rest_framework.test import APIClient

from billing.models import DocumentType, Invoice, InvoiceKind
from billing.services import accounts
from billing.services.payments import wallets
from core import clock
from core.access import Actor, Role
from core.models import AuditEntry, Organization
from drivers.models import Driver, IdToken
from drivers.services import erasing, tokens
from stations.models import ChargingStation, Reservation, ReservationCost
from stations.services import stations
from tests import factories
from tests.factories import sessions
from tests.portal.api.conftest import results
from tests.portal.dashboard.conftest import proven
from tests.stations.ocpp.charging import priced


@pytest.fixture
def frida(alice: Actor) -> Driver:
    return factories.make_driver(alice, "Frida Abend", email="frida@example.org")


@pytest.fixture
def url(frida: Driver) -> str:
    return f"/api/v1/drivers/{frida.pk}/"


def unpacked(answer: Any) -> dict[str, bytes]:
    content = b"".join(answer.streaming_content)
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return {name: file.read(name) for name in file.namelist()}


# -- invitations ----------------------------------------------------------------------------------------------


def test_a_driver_is_invited_and_the_link_withdrawn(api: APIClient, url: str) -> None:
    before = api.get(f"{url}invitation/").json()
    made = api.post(f"{url}invitation/")
    again = api.post(f"{url}invitation/")
    gone = api.delete(f"{url}invitation/")
    after = api.get(f"{url}invitation/").json()

    assert (before["state"], before["mail"]) == ("none", None)
    assert made.status_code == 201, made.content
    assert (made.json()["state"], made.json()["email"]) == ("open", "frida@example.org")
    assert again.status_code == 409
    assert (gone.status_code, after["state"]) == (204, "withdrawn")
    assert AuditEntry.objects.filter(action="driver.invited").count() == 1


def test_an_invitation_runs_out(api: APIClient, url: str) -> None:
    expires_at = api.post(f"{url}invitation/").json()["expires_at"]
    with time_machine.travel(clock.now() + timedelta(days=7, minutes=1)):
        shown = api.get(f"{url}invitation/").json()

    assert (shown["state"], shown["expires_at"]) == ("expired", expires_at)


def test_a_driver_without_an_address_is_not_invited(api: APIClient, alice: Actor) -> None:
    driver = factories.make_driver(alice)

    assert api.post(f"/api/v1/drivers/{driver.pk}/invitation/").status_code == 400


# -- taking data out ------------------------------------------------------------------------------------------


@pytest.fixture
def money(alice: Actor, frida: Driver) -> None:
    account = accounts.of_driver(frida)
    wallets.open_(account, by=alice)


def test_all_that_is_kept_is_taken_out_and_noted(
    api: APIClient, url: str, alice: Actor, frida: Driver, money: None
) -> None:
    token = factories.make_token(alice, "04AABB", driver=frida)
    tokens.block(token, reason="Loud", by=alice)
    answer = api.post(f"{url}export/")
    files = unpacked(answer)
    data = json.loads(files["data.json"])

    assert answer["Content-Type"] == "application/zip"
    assert data["driver"]["name"] == "Frida Abend"
    assert [(one["value"], one["blocked_reason"]) for one in data["tokens"]] == [("04AABB", "Loud")]
    assert data["wallets"][0]["balance"] == "0.0000"
    assert set(files) == {"data.json", "sessions.csv"}
    assert AuditEntry.objects.get(action="driver.exported").object_id == str(frida.pk)


def test_who_may_not_see_invoices_takes_no_money_out(
    api_with: Callable[..., APIClient], url: str, money: None
) -> None:
    data = json.loads(unpacked(api_with("drivers:write").post(f"{url}export/"))["data.json"])

    assert data["driver"]["name"] == "Frida Abend"
    assert not {"wallets", "invoices"} & data.keys()


def test_reservations_and_prices_are_taken_out_and_prices_by_who_may_see_them_only(
    api: APIClient, api_with: Callable[..., APIClient], url: str, alice: Actor, frida: Driver
) -> None:
    station = priced_station(alice)
    token, foreign = (
        factories.make_token(alice, driver=one) for one in (frida, factories.make_driver(alice, "Gerd"))
    )
    session = sessions.end(sessions.begin(station, token=token.value), 2000)
    mine, _other = (reserve(station, one, number) for number, one in enumerate((token, foreign)))
    price = {"currency": "EUR", "payable": {"incl_vat": "2.86"}}
    ReservationCost.objects.create(
        reservation=mine, state="final", since=clock.now(), started_at=mine.created_at, ended_at=mine.expires_at,
        currency="EUR", excl_vat="2.40", incl_vat="2.86", answer=price, computed_at=clock.now(),
    )  # fmt: skip
    with_money, without = (unpacked(one.post(f"{url}export/")) for one in (api, api_with("drivers:write")))
    told, bare = (json.loads(one["data.json"]) for one in (with_money, without))
    [kept] = told["reservations"]

    assert (kept["id"], kept["token"], kept["status"], kept["price"]) == (
        str(mine.pk), token.value, "expired", price,
    )  # fmt: skip
    assert told["sessions"][0]["price"]["payable"]["incl_vat"] == "1.19"
    assert with_money["sessions.csv"].decode().splitlines()[1].endswith(",1.19,EUR")
    assert [one["id"] for one in (*bare["sessions"], *bare["reservations"])] == [
        str(session.pk),
        str(mine.pk),
    ]
    for text in (without["data.json"], without["sessions.csv"]):
        assert not {word for word in ("price", "payable", "EUR", "incl_vat") if word in text.decode()}


def priced_station(alice: Actor) -> ChargingStation:
    priced(alice)
    station, _ = factories.make_station(alice)
    stations.add_evse(station, 1)
    return station


def reserve(station: ChargingStation, token: IdToken, number: int) -> Reservation:
    end = clock.now()
    return Reservation.objects.create(
        station=station, number=number, token=token, token_value=token.value, token_type=token.type,
        status="expired", created_at=end - timedelta(hours=1), created_by="Alice", expires_at=end, ended_at=end,
    )  # fmt: skip


def test_the_page_takes_out_the_same_after_the_password(
    organization: Organization, frida: Driver, alice: Actor
) -> None:
    Organization.objects.filter(pk=organization.pk).update(demo=True)
    member = factories.make_member(organization, Role.ADMIN, "anna")
    sam = factories.make_member(organization, Role.VIEWER, "sam")
    path = f"/o/{organization.slug}/drivers/{frida.pk}/export/"
    browser, viewer = Client(), Client()
    browser.force_login(member.user)
    viewer.force_login(sam.user)
    first = browser.post(path)
    second = proven(browser).post(path)

    assert first.status_code == 302
    assert "reauthenticate" in first["Location"]
    assert json.loads(unpacked(second)["data.json"])["driver"]["name"] == "Frida Abend"
    assert viewer.post(path).status_code == 403
    assert browser.get(path).status_code == 405


# -- forgetting -----------------------------------------------------------------------------------------------


def test_a_person_is_forgotten_once_the_name_is_given(api: APIClient, url: str, frida: Driver) -> None:
    before = api.get(f"{url}erasure/").json()
    wrong = api.post(f"{url}erasure/", {"confirm": "Frida"})
    frida.refresh_from_db()
    name = frida.name
    done = api.post(f"{url}erasure/", {"confirm": "Frida Abend"})
    again = api.post(f"{url}erasure/", {"confirm": "whatever"})
    frida.refresh_from_db()

    assert before == {"request": None, "obstacles": []}
    assert (wrong.status_code, name) == (400, "Frida Abend")
    assert done.status_code == 202, done.content
    assert (done.json()["state"], done.json()["driver"]) == ("running", str(frida.pk))
    assert again.json() == done.json()
    assert "Frida" not in frida.name
    assert [one["driver"] for one in results(api.get("/api/v1/drivers/erasures/?state=running"))] == [
        str(frida.pk)
    ]


def test_what_was_asked_for_and_what_stands_in_the_way_is_told(
    api: APIClient, url: str, frida: Driver, alice: Actor
) -> None:
    erasing.ask(frida, by=alice)
    Invoice.objects.create(
        organization=frida.organization, account=accounts.of_driver(frida), kind=InvoiceKind.COLLECTIVE,
        document_type=DocumentType.INVOICE, period="2026-10", currency="EUR", basis="gross",
    )  # fmt: skip
    looked, refused = api.get(f"{url}erasure/").json(), api.post(f"{url}erasure/", {"confirm": frida.name})
    frida.refresh_from_db()

    assert looked["request"]["state"] == "asked"
    assert looked["obstacles"] == ["An invoice is a draft. Issue it or discard it first."]
    assert refused.status_code == 409
    assert frida.name == "Frida Abend"


def test_strangers_and_keys_without_the_scope_reach_nothing(
    stranger: APIClient, api_with: Callable[..., APIClient], url: str, frida: Driver
) -> None:
    reader, body = api_with("drivers:read"), {"confirm": "Frida Abend"}
    for path in ("invitation/", "export/", "erasure/"):
        assert stranger.post(url + path, body).status_code == 404, path
        assert reader.post(url + path, body).status_code == 403, path
    assert stranger.get(f"{url}invitation/").status_code == 404
    assert stranger.get(f"{url}erasure/").status_code == 404
    assert results(stranger.get("/api/v1/drivers/erasures/")) == []
    assert api_with("tokens:read").get("/api/v1/drivers/erasures/").status_code == 403
    frida.refresh_from_db()
    assert (frida.name, frida.invitations.count()) == ("Frida Abend", 0)
