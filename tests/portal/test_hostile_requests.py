"""Whatever stands in a query string, a form or a body: an answer below 500 (every address of the portal)."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

import pytest
from django.http import HttpResponseBase
from django.test import Client

from core.models import Membership, Organization
from portal.dashboard.commands import FORMS
from stations.services import access
from tests import factories
from tests.portal.overhearing import overheard
from tests.portal.walking import Route, furnish, patterns, routes

PATTERNS = [pattern for pattern, _ in patterns()]
NUL = "a\x00b"
LONG = "x" * 9_000
HUGE = "9" * 40
VALUES: list[str | bytes] = [
    *(NUL, b"\xed\xa0\x80", LONG, HUGE, "-1", "²", "٣", "1e999", "NaN", "{", "\r\nX-Injected: 1"),
    "00000000-0000-0000-0000-000000000000",
    "0001-01-01T00:00:00+14:00",
]
SINGLE: list[str | bytes] = [NUL, HUGE]


@pytest.fixture(scope="module")
def organization(for_all: None) -> Organization:
    return factories.make_organization(demo=True)


@pytest.fixture(scope="module")
def alice(organization: Organization) -> Membership:
    return factories.make_member(organization)


@pytest.fixture(scope="module")
def known(organization: Organization, alice: Membership) -> dict[str, Route]:
    """Every address with everything filled in, by its pattern."""
    things = furnish(organization, alice, access.actor_of_member(alice))
    return {one.pattern: one for one in routes(things)}


@pytest.fixture
def route(request: pytest.FixtureRequest, known: dict[str, Route], db: None) -> Route:
    return known[request.param]


@pytest.fixture
def client(route: Route, organization: Organization, alice: Membership) -> Client:
    """Alice's browser, or a program with a key of all scopes where the address is the API's."""
    if route.is_api:
        headers = {"Authorization": f"Bearer {factories.make_key(organization)}"}
        return Client(raise_request_exception=False, headers=headers)
    client = Client(raise_request_exception=False)
    client.force_login(alice.user)
    client.post("/accounts/reauthenticate/", {"password": factories.PASSWORD})
    return client


def fine(answer: HttpResponseBase, what: object) -> None:
    assert answer.status_code < 500, what
    if answer.status_code >= 400 and getattr(answer, "content", b""):
        assert b"Traceback" not in answer.content, what


def names_read(client: Client, route: Route, ask: Callable[[dict[str, Any]], HttpResponseBase]) -> list[str]:
    """The names that the address reads, of nothing and of whatever it read in a first look."""
    with overheard() as names:
        for value in ("", "1", "x"):
            fine(ask(dict.fromkeys(names, value)), (route.path, names))
    return sorted(names)


@pytest.mark.parametrize("route", PATTERNS, indirect=True)
def test_no_query_string_breaks_an_address(client: Client, route: Route) -> None:
    def ask(query: dict[str, Any]) -> HttpResponseBase:
        return client.get(f"{route.path}?{urlencode(query)}")

    names = names_read(client, route, ask)
    for query in [
        *(dict.fromkeys(names, value) for value in VALUES),
        *({name: value} for name in names for value in SINGLE),
        *({f"{name}[]": "x", f"{name}\x00": "x"} for name in ["q", *names][:3]),
    ]:
        fine(ask({"check": "1", **query}), (route.path, query))


@pytest.mark.parametrize("route", [one for one in PATTERNS if not one.startswith("api/")], indirect=True)
def test_no_form_breaks_a_page(client: Client, route: Route) -> None:
    def ask(form: dict[str, Any]) -> HttpResponseBase:
        return send(client, route, form)

    names = names_read(client, route, ask)
    for form in [
        *(dict.fromkeys(names, value) for value in VALUES),
        *({name: value} for name in names for value in SINGLE),
    ]:
        fine(ask(form), (route.path, form))


@pytest.mark.parametrize("command", FORMS)
@pytest.mark.parametrize("route", ["o/<slug:organization>/stations/<uuid:pk>/commands/send/"], indirect=True)
def test_no_command_form_breaks_the_station(client: Client, route: Route, command: str) -> None:
    whole = {
        "command": command,
        "kind": "on_idle",
        "operational_status": "operative",
        "message": "heartbeat",
        "variables": "HeartbeatInterval",
        "variable": "HeartbeatInterval",
        "value": "1",
        "action": "Reset",
        "payload": "{}",
    }
    for name in (*whole, "evse_id"):
        for value in VALUES:
            fine(send(client, route, {**whole, name: value}), (command, name, value))


@pytest.mark.parametrize("route", [one for one in PATTERNS if not one.startswith("api/")], indirect=True)
def test_no_multipart_or_broken_body_breaks_a_page(client: Client, route: Route) -> None:
    kind = "multipart/form-data; boundary=x"
    for body in (
        b'--x\r\nContent-Disposition: form-data; name="q"\r\n\r\na\x00b\r\n--x--\r\n',
        b"--x\r\n\xff",
        b"",
    ):
        fine(client.post(route.path, body, content_type=kind), (route.path, body))
    fine(client.post(route.path, b"\x00\xff", content_type="text/plain"), route.path)
    fine(
        client.post(route.path, b"q=1&" * 3_000, content_type="application/x-www-form-urlencoded"), route.path
    )


@pytest.mark.parametrize("route", [one for one in PATTERNS if one.startswith("api/v1/")], indirect=True)
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_no_body_breaks_the_api(client: Client, route: Route, method: str) -> None:
    def ask(body: str) -> HttpResponseBase:
        return getattr(client, method)(route.path, body, content_type="application/json")

    if ask("{").status_code == 405:
        return
    names = names_read(client, route, lambda fields: ask(json.dumps(fields)))
    for body in bodies(names):
        answer = ask(body)
        fine(answer, (method, route.path, body[:80]))
        if answer.status_code == 400:
            assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("name", ["X-Organization", "Idempotency-Key", "If-Match", "If-None-Match", "Accept"])
@pytest.mark.parametrize("value", [NUL, LONG, "\xff", '"', "W/", HUGE, ",", "*"])
@pytest.mark.parametrize("route", ["api/v1/sites/", "api/v1/sites/<uuid:pk>/"], indirect=True)
def test_no_header_breaks_the_api(client: Client, route: Route, name: str, value: str) -> None:
    body = json.dumps({"name": "x", "time_zone": "Europe/Berlin"})
    for method in (client.get, client.post, client.patch):
        fine(
            method(route.path, body, content_type="application/json", headers={name: value})
            if method != client.get
            else method(route.path, headers={name: value}),
            (name, value),
        )


@pytest.mark.parametrize("name", ["sessionid", "csrftoken", "theme", "django_language", "messages"])
@pytest.mark.parametrize("value", [NUL, LONG, "\xff", HUGE])
def test_no_cookie_breaks_a_page(db: None, name: str, value: str) -> None:
    client = Client(raise_request_exception=False)
    client.cookies[name] = value
    for path in ("/", "/accounts/login/", "/o/nowhere/", "/api/v1/sites/"):
        fine(client.get(path), (path, name, value))


def send(client: Client, route: Route, fields: dict[str, Any]) -> HttpResponseBase:
    return client.post(route.path, urlencode(fields), content_type="application/x-www-form-urlencoded")


BODY_VALUES: list[Any] = [
    None,
    True,
    10**40,
    -1,
    1.5e300,
    [],
    [[]],
    {},
    {"a": []},
    ["x", 1],
    LONG,
    "\ud7ff",
    "",
]


def bodies(names: Sequence[str]) -> Iterator[str]:
    yield from ("", "[]", "null", '"x"', "1", "{", '{"a": "\\u0000"}', '{"a": "\\ud800"}', '{"\\u0000": 1}')
    for value in BODY_VALUES:
        yield json.dumps(dict.fromkeys(names, value))
        yield from (json.dumps({name: value}) for name in names)


@pytest.mark.parametrize(
    "route", ["o/<slug:organization>/alerts/", "o/<slug:organization>/audit/"], indirect=True
)
@pytest.mark.parametrize("query", [{"before": "x"}, {"before": HUGE}, {"q": NUL}])
def test_what_cannot_be_understood_is_a_400_that_says_so(
    client: Client, route: Route, query: dict[str, str]
) -> None:
    answer = client.get(f"{route.path}?{urlencode(query)}")

    assert answer.status_code == 400
    assert b"does not exist. Begin" in answer.content or b"character NUL" in answer.content
