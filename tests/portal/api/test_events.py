"""What happens, told to programs: in pages and as a stream, to whom it concerns and to nobody else."""

import asyncio
import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client, RequestFactory
from rest_framework.test import APIClient

from core import clock
from core.access import Actor
from core.models import ApiKey, Event, Organization
from core.services import keys, outbox
from portal.api import event_stream
from portal.api.events import EventList
from stations.models import Alert, ChargingStation, Site
from stations.services import access, alerts, sites
from tests import factories
from tests.portal.api.conftest import client_with, results
from tests.running import Server

EVENTS = "/api/v1/events/"
JSON = {"Accept": "application/json"}


def opened() -> Organization:
    """An organization whose first site is no news any more."""
    made = factories.make_organization()
    Site.objects.create(organization=made, name="Yard")
    outbox.relay(patiently=True)
    Event.objects.filter(organization=made).delete()
    return made


@pytest.fixture
def organization(db: None) -> Organization:
    return opened()


def page(client: APIClient, **query: Any) -> list[dict[str, Any]]:
    outbox.relay(patiently=True)
    return results(client.get(EVENTS, query, headers=JSON))


def trouble(station: ChargingStation) -> None:
    alerts.raise_(
        "offline",
        station_id=station.pk,
        organization_id=station.organization_id,
        severity=Alert.Severity.WARNING,
        detail="No connection.",
        at=clock.now(),
    )


def test_events_come_in_order_with_what_happened(api: APIClient, alice: Actor) -> None:
    station, _ = factories.make_station(alice)
    trouble(station)
    rows = page(api)

    assert [row["type"] for row in rows] == ["station.created", "alert.raised"]
    assert rows[0]["sequence"] < rows[1]["sequence"]
    assert rows[0]["data"]["station"] == str(station.pk)
    assert rows[1]["data"]["severity"] == "warning"
    assert set(rows[0]) == {"id", "sequence", "type", "timestamp", "data"}


def test_a_page_goes_on_after_the_event_that_the_reader_has(api: APIClient, alice: Actor) -> None:
    for _ in range(3):
        factories.make_station(alice)
    first, second, third = page(api)
    by_header = api.get(EVENTS, headers={**JSON, "Last-Event-ID": str(first["sequence"])})

    assert results(by_header) == page(api, after=first["sequence"]) == [second, third]
    assert page(api, after=third["sequence"]) == []
    assert page(api, limit=1) == [first]
    following = api.get(EVENTS, {"limit": 2}, headers=JSON).json()["next"]
    assert results(api.get(following, headers=JSON)) == [third]


def test_events_are_chosen_by_type_and_object(api: APIClient, alice: Actor) -> None:
    station, _ = factories.make_station(alice)
    other, _ = factories.make_station(alice)
    trouble(other)

    assert len(page(api, type="station.created,alert.raised")) == 3
    assert [row["type"] for row in page(api, type="alert.raised")] == ["alert.raised"]
    assert [row["data"]["station"] for row in page(api, object=station.pk)] == [str(station.pk)]


@pytest.mark.parametrize(
    "query",
    [{"type": "station.exploded"}, {"after": "-1"}, {"after": "x"}, {"object": "x"}, {"kind": "alert"}],
)
@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_a_wrong_parameter_is_refused(api: APIClient, query: dict[str, str], accept: str) -> None:
    answer = api.get(EVENTS, query, headers={"Accept": accept})

    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"


def test_a_wrong_last_event_id_is_refused(api: APIClient) -> None:
    for text in ("abc", "1.5", "9" * 30):
        assert api.get(EVENTS, headers={**JSON, "Last-Event-ID": text}).status_code == 400


def test_who_was_away_too_long_is_told_so(api: APIClient, alice: Actor, settings: Any) -> None:
    settings.EVENTS_KEPT_DAYS = 10
    factories.make_station(alice)
    factories.make_station(alice)
    lost, kept = page(api)
    Event.objects.filter(pk__lte=lost["sequence"]).update(occurred_at=clock.now() - timedelta(days=11))
    outbox.forget()
    answer = api.get(EVENTS, headers={**JSON, "Last-Event-ID": str(lost["sequence"] - 1)})

    assert answer.status_code == 410
    assert (answer.json()["code"], answer.json()["title"]) == ("gone", "No longer kept")
    assert [row["sequence"] for row in page(api, after=lost["sequence"])] == [kept["sequence"]]
    stream = api.get(EVENTS, {"after": lost["sequence"] - 1}, headers={"Accept": "text/event-stream"})
    assert stream.status_code == 410
    ahead = api.get(EVENTS, {"after": kept["sequence"] + 1_000_000}, headers=JSON)
    assert ahead.status_code == 410


def test_a_stranger_reads_none_of_it(api: APIClient, stranger: APIClient, alice: Actor) -> None:
    factories.make_station(alice)

    assert len(page(api)) == 1
    assert page(stranger) == []


def test_a_key_reads_the_types_whose_resource_it_may_read(
    api_with: Callable[..., APIClient], alice: Actor
) -> None:
    station, _ = factories.make_station(alice)
    trouble(station)

    assert api_with("stations:read", "alerts:read").get(EVENTS, headers=JSON).status_code == 403
    assert page(api_with("events:read")) == []
    assert [row["type"] for row in page(api_with("events:read", "alerts:read"))] == ["alert.raised"]
    assert [row["type"] for row in page(api_with("events:read", "*"))] == ["station.created", "alert.raised"]


def test_who_is_limited_to_a_site_reads_of_that_site_only(organization: Organization, alice: Actor) -> None:
    factories.make_station(alice)
    site = sites.create({"name": "North", "time_zone": "UTC"}, by=alice)
    here, _ = factories.make_station(alice, site=site)
    client = client_with(factories.make_key(organization))
    access.limit_key(ApiKey.objects.get(organization=organization), ["North"], by=alice)

    told = [(row["type"], row["data"].get("station")) for row in page(client)]
    assert told == [("site.created", None), ("station.created", str(here.pk))]
    assert client.get("/api/v1/webhooks/", headers=JSON).json()["results"] == []
    assert client.post("/api/v1/webhooks/", {"url": "https://93.184.216.34/"}).status_code == 403


def test_a_server_that_cannot_wait_streams_what_there_is(api: APIClient, alice: Actor) -> None:
    factories.make_station(alice)
    [row] = page(api)
    answer = api.get(EVENTS, {"after": row["sequence"] - 1}, headers={"Accept": "text/event-stream"})
    text = b"".join(answer.streaming_content).decode()

    assert answer["Content-Type"] == "text/event-stream"
    assert f"id: {row['sequence']}\nevent: station.created\ndata: " in text
    assert orjson.loads(text.partition("data: ")[2].partition("\n")[0]) == row


def test_a_stream_ends_after_as_many_events_as_were_asked_for(api: APIClient, alice: Actor) -> None:
    for _ in range(3):
        factories.make_station(alice)
    first, *_ = page(api)
    query = {"after": first["sequence"] - 1, "limit": 2}
    answer = api.get(EVENTS, query, headers={"Accept": "text/event-stream"})

    assert b"".join(answer.streaming_content).count(b"event: station.created\n") == 2


# -- over a real connection -----------------------------------------------------------------------------------


class Stream:
    """An open stream, read event by event."""

    def __init__(self, server: Server, secret: str, query: str = "", **headers: str) -> None:
        self.line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        wanted = {"Authorization": f"Bearer {secret}", "Accept": "text/event-stream", **headers}
        self.line.request("GET", EVENTS + query, headers=wanted)
        self.answer = self.line.getresponse()

    def next(self) -> dict[str, str]:
        """The next event; comments and the like are passed over."""
        fields: dict[str, str] = {}
        while True:
            text = self.answer.readline().decode().rstrip("\n")
            if not text and "data" in fields:
                return fields
            name, _, value = text.partition(": ")
            if name:
                fields[name] = value

    def comment(self) -> str:
        while True:
            text = self.answer.readline().decode().rstrip("\n")
            if text.startswith(":"):
                return text

    def close(self) -> None:
        self.line.close()


@contextmanager
def streaming(server: Server, secret: str, query: str = "", **headers: str) -> Iterator[Stream]:
    stream = Stream(server, secret, query, **headers)
    try:
        yield stream
    finally:
        stream.close()


@pytest.fixture
def owner(live: Server) -> Actor:
    return factories.make_actor(opened())


@pytest.fixture
def secret(owner: Actor) -> str:
    return factories.make_key(Organization.objects.get(pk=owner.organization_id))


def last_of(owner: Actor) -> int:
    outbox.relay(patiently=True)
    return Event.objects.filter(organization_id=owner.home).latest("id").id


def test_the_stream_tells_what_happens_while_it_is_open(live: Server, owner: Actor, secret: str) -> None:
    with streaming(live, secret) as stream:
        assert stream.answer.status == 200
        assert stream.answer.headers["Content-Type"] == "text/event-stream"
        time.sleep(1.5)
        began = time.monotonic()
        station, _ = factories.make_station(owner)
        told = stream.next()

    assert told["event"] == "station.created"
    assert orjson.loads(told["data"])["data"]["station"] == str(station.pk)
    assert time.monotonic() - began < 5


def test_a_stream_that_broke_goes_on_where_it_was_without_loss_or_repetition(
    live: Server, owner: Actor, secret: str
) -> None:
    with streaming(live, secret) as stream:
        time.sleep(1.5)
        first, _ = factories.make_station(owner)
        told = stream.next()
    missed = [factories.make_station(owner)[0].pk for _ in range(5)]
    with streaming(live, secret, **{"Last-Event-ID": told["id"]}) as again:
        found = [orjson.loads(again.next()["data"])["data"]["station"] for _ in range(5)]

    assert orjson.loads(told["data"])["data"]["station"] == str(first.pk)
    assert found == [str(key) for key in missed]


def test_an_open_stream_ends_after_as_many_events_as_were_asked_for(
    live: Server, owner: Actor, secret: str
) -> None:
    factories.make_station(owner)
    before = last_of(owner)
    made = [str(factories.make_station(owner)[0].pk) for _ in range(3)]
    with streaming(live, secret, f"?after={before}&limit=2") as stream:
        text = stream.answer.read().decode()

    assert [key for key in made if key in text] == made[:2]


def test_the_stream_tells_a_stranger_nothing(live: Server, owner: Actor, secret: str) -> None:
    charlie = factories.make_actor(opened(), name="charlie")
    factories.make_station(owner)
    after = last_of(owner) - 1
    theirs = factories.make_key(Organization.objects.get(pk=charlie.organization_id))
    with streaming(live, theirs, f"?after={after}") as stream:
        own, _ = factories.make_station(charlie)
        told = stream.next()

    assert orjson.loads(told["data"])["data"]["station"] == str(own.pk)


def test_a_stream_without_a_key_is_refused(live: Server) -> None:
    with streaming(live, "cy_nothing") as stream:
        assert stream.answer.status == 401


def test_streams_of_one_key_are_bounded(live: Server, owner: Actor, secret: str) -> None:
    factories.make_station(owner)
    open_: list[Stream] = []
    try:
        for _ in range(event_stream.PER_CALLER):
            open_.append(Stream(live, secret))
        with streaming(live, secret) as refused:
            assert [one.answer.status for one in open_] == [200] * event_stream.PER_CALLER
            assert refused.answer.status == 429
            assert refused.answer.headers["Retry-After"]
    finally:
        for one in open_:
            one.close()


def test_a_quiet_stream_sends_heartbeats(live: Server, owner: Actor, secret: str) -> None:
    with streaming(live, secret) as stream:
        assert stream.comment() == ": beat"


def test_a_stream_ends_when_its_key_is_no_longer_good(
    monkeypatch: pytest.MonkeyPatch, charlie: Actor
) -> None:
    async def read() -> list[bytes]:
        reader = event_stream.Reader(charlie, lambda rows: rows, 0, lambda: None)
        return [piece async for piece in event_stream._pieces(reader, asyncio.Queue())]

    monkeypatch.setattr(event_stream, "RIGHTS_S", 0.0)

    assert asyncio.run(asyncio.wait_for(read(), 10)) == []


def view_of(session_key: str | None, user: Any, **headers: str) -> EventList:
    """The view as an open stream holds it."""
    request = RequestFactory().get(EVENTS, headers=headers)
    request.session, request.user = SessionStore(session_key), user
    view = EventList()
    view.request = view.initialize_request(request)
    return view


def test_an_open_stream_knows_its_key_until_that_is_revoked(organization: Organization, alice: Actor) -> None:
    secret = factories.make_key(organization)
    view = view_of(None, AnonymousUser(), Authorization=f"Bearer {secret}")

    assert view._again() is not None
    keys.revoke(ApiKey.objects.get(organization=organization), by=alice)
    assert view._again() is None


def test_an_open_stream_knows_a_person_until_they_sign_out(db: None) -> None:
    member = factories.make_member(factories.make_organization(demo=True))
    browser = Client()
    browser.force_login(member.user)
    view = view_of(browser.session.session_key, member.user)

    assert view._again() is not None
    browser.logout()
    assert view._again() is None


def test_a_revoked_key_opens_no_stream(live: Server, owner: Actor, secret: str) -> None:
    keys.revoke(ApiKey.objects.get(organization_id=owner.home), by=owner)
    with streaming(live, secret) as stream:
        assert stream.answer.status == 401
