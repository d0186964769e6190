"""What every resource has in common: parameters, replacing, waiting, tables, ids (spec of the API, Manners)."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import connections, transaction
from django.test import Client
from rest_framework.test import APIClient

from core import clock
from core.access import Actor, Role
from core.models import AuditEntry, Organization
from drivers.models import IdToken
from stations.domain.words import CommandStatus
from stations.models import Alert, ChargingStation, Command, Presence, RawFrame, Site
from stations.services import access
from tests import factories
from tests.portal.api.conftest import client_with, results
from tests.portal.api.test_bad_input import JSON, problem
from tests.portal.api.test_resources import make_transaction

SITE = {"name": "Harbour", "time_zone": "Europe/Berlin"}


@pytest.fixture
def station(alice: Actor) -> ChargingStation:
    return factories.make_station(alice)[0]


def field_error(answer: Any, pointer: str) -> str:
    """What is said of the field or parameter; it is the only one that is complained of."""
    errors = problem(answer, 400)["errors"]
    assert [error["pointer"] for error in errors] == [pointer]
    detail: str = errors[0]["detail"]
    return detail


# -- parameters of lists ---------------------------------------------------------------------------------------


def test_an_unknown_filter_is_refused_with_the_known_ones(api: APIClient, station: ChargingStation) -> None:
    told = field_error(api.get("/api/v1/stations/", {"colour": "red"}), "/colour")

    assert "identity" in told
    assert "status" in told
    assert "ordering" in told


@pytest.mark.parametrize(
    ("path", "name", "value", "allowed"),
    [
        ("stations", "connected", "maybe", "true, false"),
        ("stations", "status", "sleeping", "charging"),
        ("stations", "registration", "perhaps", "pending"),
        ("stations", "site", "here", "UUID"),
        ("sites", "public", "yes", "true, false"),
        ("transactions", "evse_id", "1.5", "whole number"),
        ("transactions", "started_after", "yesterday", "2026-"),
        ("commands", "status", "done", "timed_out"),
        ("alerts", "open", "ja", "true, false"),
        ("stations", "ordering", "colour", "identity"),
        ("groups", "ordering", "token", "id"),
    ],
)
def test_a_value_that_no_filter_knows_is_refused_with_what_is_allowed(
    api: APIClient, path: str, name: str, value: str, allowed: str
) -> None:
    assert allowed in field_error(api.get(f"/api/v1/{path}/", {name: value}), f"/{name}")


@pytest.mark.parametrize("value", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_beyond_the_calendar_is_refused(api: APIClient, value: str) -> None:
    field_error(api.get("/api/v1/transactions/", {"started_after": value}), "/started_after")


def test_a_filter_is_given_once_and_with_a_value(api: APIClient) -> None:
    field_error(api.get("/api/v1/sites/?name=A&name=B"), "/name")
    field_error(api.get("/api/v1/sites/?name="), "/name")


def test_lists_without_filters_refuse_parameters_too(api: APIClient, station: ChargingStation) -> None:
    field_error(api.get(f"/api/v1/stations/{station.pk}/streams/", {"x": "1"}), "/x")


def test_stations_are_found_by_name(api: APIClient, alice: Actor) -> None:
    wanted, _ = factories.make_station(alice, name="Left")
    factories.make_station(alice, name="Right")

    assert [row["id"] for row in results(api.get("/api/v1/stations/?name=Left"))] == [str(wanted.pk)]


def test_tokens_groups_and_sessions_are_searched(api: APIClient, alice: Actor) -> None:
    token = factories.make_token(alice, "04A2B3C4D5E6F7", label="Van 7")
    factories.make_token(alice)
    group = api.post("/api/v1/groups/", {"name": "Vans"}).json()
    api.post("/api/v1/groups/", {"name": "Cars"})

    assert [row["id"] for row in results(api.get("/api/v1/tokens/?search=van"))] == [str(token.pk)]
    assert [row["id"] for row in results(api.get("/api/v1/groups/?search=van"))] == [group["id"]]
    assert results(api.get("/api/v1/transactions/?search=van")) == []


# -- tables ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["stations", "sites", "tokens", "groups", "transactions", "commands", "alerts"]
)
def test_a_table_without_rows_has_its_head(api: APIClient, path: str) -> None:
    answer = api.get(f"/api/v1/{path}/", headers={"Accept": "text/csv"})
    rows = list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode())))

    assert answer.status_code == 200
    assert len(rows) == 1
    assert "id" in rows[0]
    assert "password" not in rows[0]


def test_the_head_of_an_empty_table_is_that_of_a_full_one(api: APIClient) -> None:
    def head() -> bytes:
        answer = api.get("/api/v1/sites/", headers={"Accept": "text/csv"})
        return b"".join(answer.streaming_content).splitlines()[0]

    empty = head()
    api.post("/api/v1/sites/", SITE)

    assert head() == empty


# -- replacing -------------------------------------------------------------------------------------------------


def test_what_was_read_of_a_station_can_be_put_back(api: APIClient, station: ChargingStation) -> None:
    url = f"/api/v1/stations/{station.pk}/"
    api.patch(url, {"name": "Left", "tags": ["north"], "max_power_w": 22000})
    read = api.get(url)

    put = api.put(url, read.json(), headers={"If-Match": read["ETag"]})

    assert put.status_code == 200, put.content
    changing = {"updated_at"}
    assert {k: v for k, v in put.json().items() if k not in changing} == {
        k: v for k, v in read.json().items() if k not in changing
    }


def test_a_replaced_station_keeps_nothing_that_was_not_given(
    api: APIClient, station: ChargingStation
) -> None:
    url = f"/api/v1/stations/{station.pk}/"
    api.patch(url, {"name": "Left", "tags": ["north"], "max_power_w": 22000, "enabled": False})

    put = api.put(url, {"identity": station.identity})

    assert put.status_code == 200, put.content
    shown = put.json()
    assert (shown["name"], shown["tags"], shown["max_power_w"], shown["enabled"]) == ("", [], None, True)
    assert shown["site"] == str(station.site_id)
    assert shown["security_profile"] == station.security_profile


def test_a_station_is_replaced_as_a_whole_or_not_at_all(api: APIClient, station: ChargingStation) -> None:
    url = f"/api/v1/stations/{station.pk}/"

    assert field_error(api.put(url, {"name": "Left"}), "/identity")
    field_error(api.put(url, {"identity": station.identity, "colour": "red"}), "/colour")
    field_error(api.put(url, {"identity": "another"}), "/identity")
    field_error(api.put(url, {"identity": station.identity, "id": str(station.site_id)}), "/id")
    field_error(api.patch(url, {"connected": True}), "/connected")
    station.refresh_from_db()
    assert station.name == ""


def test_a_replaced_site_keeps_nothing_that_was_not_given(api: APIClient) -> None:
    made = api.post("/api/v1/sites/", {**SITE, "city": "Hamburg", "public": False, "latitude": "53.5"})
    url = made["Location"]

    assert api.put(url, api.get(url).json()).json()["city"] == "Hamburg"
    field_error(api.put(url, {"name": "Harbour"}), "/time_zone")
    shown = api.put(url, SITE).json()
    assert (shown["city"], shown["public"], shown["latitude"]) == ("", True, None)


def test_a_replaced_token_keeps_nothing_that_was_not_given(api: APIClient, alice: Actor) -> None:
    token = factories.make_token(alice, label="Van 7", expires_at=clock.now())
    url = f"/api/v1/tokens/{token.pk}/"

    read = api.get(url).json()
    assert read["status"] == "expired"
    assert api.put(url, read).json() == read
    token.refresh_from_db()
    assert token.status == "accepted"
    field_error(api.put(url, {"value": token.value}), "/type")
    shown = api.put(url, {"value": token.value, "type": token.type}).json()
    assert (shown["label"], shown["expires_at"], shown["status"]) == ("", None, "accepted")


def test_a_reservation_may_be_put_back_with_another_end_only(
    api: APIClient, station: ChargingStation
) -> None:
    Presence.objects.filter(pk=station.pk).update(
        connected=True, gateway="elsewhere", epoch=1, ocpp_version="2.0.1"
    )
    ends = [(clock.now() + timedelta(hours=hours)).isoformat() for hours in (1, 2)]
    body = {"station": str(station.pk), "token": {"value": "A1"}, "expires_at": ends[0]}
    url = api.post("/api/v1/reservations/", body)["Location"]
    read = api.get(url).json()

    field_error(api.put(url, {**read, "expires_at": ends[1], "evse_id": 7}), "/evse_id")
    field_error(api.put(url, {"station": read["station"]}), "/expires_at")
    assert api.put(url, {**read, "expires_at": ends[1]}).status_code == 202


# -- bodies ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ('{"name": "A", "time_zone": "Europe/Berlin", "name": "B"}', "/name"),
        ('{"time_zone": "Europe/Berlin", "name": {"a": [1, {"b": 1, "b": 2}]}}', "/name/a/1/b"),
        ('{"name": "A", "time_zone": "Europe/Berlin", "na\\u006de": "B"}', "/name"),
    ],
)
def test_a_name_that_stands_twice_in_a_body_is_refused(
    api: APIClient, organization: Organization, body: str, pointer: str
) -> None:
    told = field_error(api.post("/api/v1/sites/", body, content_type=JSON), pointer)

    assert "twice" in told
    assert not Site.objects.filter(organization=organization).exists()


def test_huge_numbers_of_a_body_are_no_accident(api: APIClient) -> None:
    body = '{"name": "A", "time_zone": "Europe/Berlin", "latitude": %s}' % ("9" * 5000)

    problem(api.post("/api/v1/sites/", body, content_type=JSON), 400)


@pytest.mark.parametrize("country", ["XX", "ZZZ", "EU", "UK", "D", "GERM"])
def test_a_country_is_one_of_iso_3166(api: APIClient, country: str) -> None:
    field_error(api.post("/api/v1/sites/", {**SITE, "country": country}), "/country")


@pytest.mark.parametrize(
    ("given", "kept"), [("IS", "IS"), ("ISL", "IS"), ("jpn", "JP"), ("xk", None), ("", "")]
)
def test_a_country_is_taken_in_two_or_three_letters_and_given_in_two(
    api: APIClient, given: str, kept: str | None
) -> None:
    answer = api.post("/api/v1/sites/", {**SITE, "country": given})

    assert answer.json().get("country") == kept


# -- the organization ------------------------------------------------------------------------------------------


def test_the_organization_is_changed_with_a_trace(
    api: APIClient, stranger: APIClient, organization: Organization
) -> None:
    before = stranger.get("/api/v1/organization/").json()

    answer = api.patch("/api/v1/organization/", {"name": "Harbour Power", "time_zone": "Europe/London"})

    assert answer.status_code == 200
    assert (answer.json()["name"], answer.json()["time_zone"]) == ("Harbour Power", "Europe/London")
    assert answer.json()["slug"] == organization.slug
    entry = AuditEntry.objects.get(action="organization.changed", organization=organization)
    assert entry.changes["name"] == [organization.name, "Harbour Power"]
    assert stranger.get("/api/v1/organization/").json() == before


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"currency": "XYZ"}, "/currency"),
        ({"time_zone": "Mars/Olympus"}, "/time_zone"),
        ({"slug": "other"}, "/slug"),
        ({"demo": True}, "/demo"),
    ],
)
def test_what_an_organization_cannot_be_is_refused(
    api: APIClient, organization: Organization, body: dict[str, Any], pointer: str
) -> None:
    field_error(api.patch("/api/v1/organization/", body), pointer)
    organization.refresh_from_db()
    assert organization.name.startswith("Operator")


def test_the_organization_is_changed_by_those_who_may(api_with: Any, organization: Organization) -> None:
    for scopes in (["organization:read"], ["stations:write", "organization:read"]):
        problem(api_with(*scopes).patch("/api/v1/organization/", {"name": "Mine"}), 403)
    person = factories.make_member(organization, Role.TECHNICIAN, "bob")
    browser = APIClient()
    browser.force_login(person.user)
    assert browser.patch("/api/v1/organization/", {"name": "Mine"}).status_code == 403
    organization.refresh_from_db()
    assert organization.name != "Mine"


def test_a_lost_race_on_the_organization_is_412(api: APIClient) -> None:
    tag = api.get("/api/v1/organization/")["ETag"]
    api.patch("/api/v1/organization/", {"name": "First"}, headers={"If-Match": tag})

    problem(api.patch("/api/v1/organization/", {"name": "Second"}, headers={"If-Match": tag}), 412)


# -- commands and messages -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (CommandStatus.CANCELLED, "cancelled already"),
        (CommandStatus.EXPIRED, "ran out"),
        (CommandStatus.FAILED, "failed"),
        (CommandStatus.NOT_SUPPORTED, "never sent"),
        (CommandStatus.SENT, "was sent"),
        (CommandStatus.ACCEPTED, "answered"),
        (CommandStatus.REJECTED, "answered"),
        (CommandStatus.TIMED_OUT, "was sent"),
    ],
)
def test_a_command_that_cannot_be_taken_back_says_why(
    api: APIClient, station: ChargingStation, status: CommandStatus, said: str
) -> None:
    url = f"/api/v1/stations/{station.pk}/commands/"
    made = api.post(url, {"command": "reset", "kind": "on_idle", "if_offline": "wait"})
    settled = None if status is CommandStatus.SENT else clock.now()
    sent = clock.now() if status.value in ("sent", "accepted", "rejected", "timed_out") else None
    Command.objects.filter(pk=made.json()["id"]).update(status=status.value, settled_at=settled, sent_at=sent)

    told = problem(api.delete(made["Location"]), 409)["detail"]

    assert said in told
    assert ("sent already" in told) is False
    assert Command.objects.get(pk=made.json()["id"]).status == status.value


def test_ids_of_messages_are_uuids_in_the_order_of_time(api: APIClient, station: ChargingStation) -> None:
    at = clock.now()
    for number in range(3):
        RawFrame.objects.create(
            at=at, station=station, epoch=1, direction="in", type=2, message_id=str(number), action="Heartbeat",
            size_bytes=2, verdict="ok", text="[]",
        )  # fmt: skip

    rows = results(api.get(f"/api/v1/stations/{station.pk}/messages/"))
    ids = [UUID(row["id"]) for row in rows]

    assert {one.version for one in ids} == {7}
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 3
    assert [row["id"] for row in results(api.get(f"/api/v1/stations/{station.pk}/messages/"))] == [
        row["id"] for row in rows
    ]


def test_tokens_in_messages_are_shortened_without_the_scope_that_shows_them(
    api: APIClient, api_with: Callable[..., APIClient], station: ChargingStation
) -> None:
    RawFrame.objects.create(
        at=clock.now(), station=station, epoch=1, direction="in", type=2, message_id="1", action="Authorize",
        size_bytes=2, verdict="ok", text='[2,"1","Authorize",{"idTag":"04A1B2C3"}]',
    )  # fmt: skip
    path = f"/api/v1/stations/{station.pk}/messages/"
    frames = [results(one.get(path))[0]["frame"] for one in (api, api_with("messages:read"))]

    assert frames == ['[2,"1","Authorize",{"idTag":"04A1B2C3"}]', '[2,"1","Authorize",{"idTag":"…B2C3"}]']


# -- rows that somebody else holds ------------------------------------------------------------------------------


@contextmanager
def held(statement: str, pk: UUID) -> Iterator[None]:
    parameters = connections["default"].get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    with psycopg.connect(**{name: parameters[name] for name in names if name in parameters}) as other:
        assert other.execute(statement, [pk]).rowcount == 1
        yield
        other.rollback()


@pytest.mark.parametrize(
    ("table", "path"), [("stations_chargingstation", "stations"), ("stations_site", "sites")]
)
def test_a_change_of_a_row_that_somebody_holds_is_told_to_come_again(
    committed: None, settings: Any, table: str, path: str
) -> None:
    settings.LOCK_TIMEOUT_S = 0.2
    organization = factories.make_organization()
    station, _ = factories.make_station(factories.make_actor(organization))
    pk = station.pk if path == "stations" else station.site_id
    client = client_with(factories.make_key(organization))

    with held(f"SELECT 1 FROM {table} WHERE id = %s FOR UPDATE", pk):
        answer = client.patch(f"/api/v1/{path}/{pk}/", {"name": "Left"})
    again = client.patch(f"/api/v1/{path}/{pk}/", {"name": "Left"})

    told = problem(answer, 503)
    assert int(answer["Retry-After"]) >= 1
    assert "again" in told["detail"]
    assert again.status_code == 200
    assert json.loads(again.content)["name"] == "Left"


def test_an_open_transaction_is_not_left_behind_by_a_refused_wait(committed: None, settings: Any) -> None:
    settings.LOCK_TIMEOUT_S = 0.2
    organization = factories.make_organization()
    token = factories.make_token(factories.make_actor(organization))
    client = client_with(factories.make_key(organization))

    with held("SELECT 1 FROM drivers_idtoken WHERE id = %s FOR UPDATE", token.pk):
        problem(client.patch(f"/api/v1/tokens/{token.pk}/", {"status": "blocked"}), 503)

    assert not transaction.get_connection().in_atomic_block
    assert IdToken.objects.get(pk=token.pk).status == "accepted"


def test_a_session_that_somebody_holds_is_closed_a_moment_later(committed: None, settings: Any) -> None:
    settings.LOCK_TIMEOUT_S = 0.2
    organization = factories.make_organization()
    session = make_transaction(factories.make_actor(organization))
    client = client_with(factories.make_key(organization))
    url = f"/api/v1/transactions/{session.pk}/repair/"
    body = {"decision": "last_reading", "reason": "The charger burnt down."}

    with held("SELECT 1 FROM stations_transaction WHERE id = %s FOR UPDATE", session.pk):
        answer = client.post(url, body, HTTP_IDEMPOTENCY_KEY="once")
    again = client.post(url, body, HTTP_IDEMPOTENCY_KEY="once")

    problem(answer, 503)
    assert int(answer["Retry-After"]) >= 1
    assert (again.status_code, again.json()["status"]) == (200, "ended")


def test_a_page_says_so_too_when_somebody_holds_the_session(committed: None, settings: Any) -> None:
    settings.LOCK_TIMEOUT_S = 0.2
    organization = factories.make_organization(demo=True)
    member = factories.make_member(organization)
    session = make_transaction(access.actor_of_member(member))
    browser = Client()
    browser.force_login(member.user)
    url = f"/o/{organization.slug}/sessions/{session.pk}/repair/decide/"
    form = {"decision": "last_reading", "reason": "The charger burnt down."}

    with held("SELECT 1 FROM stations_transaction WHERE id = %s FOR UPDATE", session.pk):
        answer = browser.post(url, form)
    session.refresh_from_db()

    assert (answer.status_code, session.status) == (503, "active")
    assert int(answer["Retry-After"]) >= 1
    assert b"Nothing was changed" in answer.content


# -- who may close sessions --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (Role.ADMIN, True),
        (Role.BILLING, True),
        (Role.SUPPORT, False),
        (Role.TECHNICIAN, False),
        (Role.VIEWER, False),
    ],
)
@pytest.mark.parametrize("door", ["api", "page"])
def test_sessions_are_closed_by_those_who_correct_them(
    db: None, door: str, role: Role, allowed: bool
) -> None:
    organization = factories.make_organization(demo=True)
    session = make_transaction(factories.make_actor(organization))
    browser = APIClient()
    browser.force_login(factories.make_member(organization, role, "bob").user)
    body = {"decision": "last_reading", "reason": "The charger burnt down."}

    if door == "api":
        answer = browser.post(f"/api/v1/transactions/{session.pk}/repair/", body)
    else:
        url = f"/o/{organization.slug}/sessions/{session.pk}/repair/decide/"
        answer = browser.post(url, body, format="multipart")
    session.refresh_from_db()

    assert answer.status_code in ((200, 302) if allowed else (403,))
    assert session.status == ("ended" if allowed else "active")


# -- reading again -----------------------------------------------------------------------------------------------


def test_what_did_not_change_is_not_sent_again(
    api: APIClient, alice: Actor, station: ChargingStation
) -> None:
    command = api.post(f"/api/v1/stations/{station.pk}/commands/", {"command": "reset", "kind": "on_idle"})
    alert = Alert.objects.create(
        organization_id=alice.home,
        station=station,
        kind="offline",
        severity="warning",
        raised_at=clock.now(),
        last_at=clock.now(),
    )
    quirk = api.post("/api/v1/quirks/", {"vendor": "Acme", "reason": "Does not answer pings."})
    group = api.post("/api/v1/groups/", {"name": "Vans"})
    addresses = [command["Location"], f"/api/v1/alerts/{alert.pk}/", quirk["Location"], group["Location"]]

    for address in (*addresses, "/api/v1/organization/", f"/api/v1/sites/{station.site_id}/"):
        tag = api.get(address)["ETag"]
        assert api.get(address, headers={"If-None-Match": tag}).status_code == 304, address
        assert api.get(address, headers={"If-None-Match": '"other"'}).status_code == 200, address


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("local-lists", {"automatic": False}),
        ("data-transfer-rules", {"use": "answer", "vendor_id": "com.acme", "answer_data": "OK"}),
        ("groups", {"name": "Vans", "token": "FLEET1"}),
        ("sites", {**SITE, "latitude": "53.544", "country": "DEU"}),
        ("tokens", {"value": "A1", "type": "Central", "label": "Van 7"}),
    ],
)
def test_what_was_read_can_be_put_back(
    api: APIClient, station: ChargingStation, path: str, body: dict[str, Any]
) -> None:
    extra = {"station": str(station.pk)} if path == "local-lists" else {}
    url = api.post(f"/api/v1/{path}/", {**body, **extra})["Location"]
    read = api.get(url).json()

    put = api.put(url, read)

    assert put.status_code == 200, put.content
    assert {name for name, value in put.json().items() if read[name] != value} <= {"updated_at"}
