"""The short way of a station's detail: the same answer, and every change is seen by the next request.

Requests enter by the portal's ASGI application; ``Portal.long`` counts those that Django answered.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.core.asgi import get_asgi_application
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from core import clock
from core.access import Actor
from core.models import AccessToken, ApiKey, Organization
from core.services import access_tokens, keys
from portal.api import freshness
from portal.api.known_answers import KnownAnswers
from stations.models import ChargingStation, Connector, Evse, Gateway, Presence, Transaction
from stations.services import access, sites, stations, tariff_assignments
from tariffs import publishing
from tests import factories
from tests.factories import sessions
from tests.portal.api.conftest import client_with

TARIFF = {"elements": [{"price_components": [{"type": "ENERGY", "price": 1}]}]}
VARYING = ("x-request-id", "ratelimit")


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def lasting(self) -> tuple[int, dict[str, str], bytes]:
        kept = {name: value for name, value in self.headers.items() if name not in VARYING}
        return self.status, kept, self.body


@dataclass
class Portal:
    """The portal in this process; ``read`` is the long way's count before and after."""

    long: int = 0
    app: Any = field(init=False)
    django: Any = field(default_factory=get_asgi_application)

    def __post_init__(self) -> None:
        self.app = KnownAnswers(self._counted)

    async def _counted(self, *asked: Any) -> None:
        self.long += 1
        await self.django(*asked)

    def ask(self, path: str, app: Any = None, **headers: str) -> Answer:
        return asyncio.run(ask(app or self.app, path, headers))


async def ask(app: Any, path: str, headers: dict[str, str]) -> Answer:
    sent: list[dict[str, Any]] = []
    pairs = [(name.lower().replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
        "scheme": "http", "client": ["127.0.0.1", 4711], "server": ["127.0.0.1", 80], "http_version": "1.1",
        "headers": [(b"host", b"127.0.0.1"), *pairs],
    }  # fmt: skip
    inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    inbox.put_nowait({"type": "http.request", "body": b"", "more_body": False})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, inbox.get, send)
    told = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], told, b"".join(message.get("body", b"") for message in sent[1:]))


@pytest.fixture
def organization(committed: None) -> Organization:
    return factories.make_organization()


@pytest.fixture
def alice(organization: Organization) -> Actor:
    return factories.make_actor(organization)


@pytest.fixture
def secret(organization: Organization) -> str:
    return factories.make_key(organization)


@pytest.fixture
def key(secret: str) -> ApiKey:
    return ApiKey.objects.select_related("organization").get(prefix=secret.split("_")[1])


@pytest.fixture
def station(alice: Actor) -> ChargingStation:
    """Connected, with a connector and a session that runs."""
    station, _ = factories.make_station(alice)
    # A portal that runs would free the stations of a gateway that is silent.
    alive = {"started_at": clock.now(), "seen_at": clock.now()}
    Gateway.objects.update_or_create(id="elsewhere", defaults=alive)
    Presence.objects.filter(pk=station.pk).update(connected=True, gateway="elsewhere", epoch=1)
    session = sessions.begin(station)
    evse = Evse.objects.get(station=station, evse_id=1)
    Connector.objects.update_or_create(evse=evse, connector_id=1, defaults={"status": "Occupied"})
    Evse.objects.filter(pk=evse.pk).update(active=session)
    return station


@pytest.fixture
def portal() -> Portal:
    return Portal()


def address(station: ChargingStation) -> str:
    return f"/api/v1/stations/{station.pk}/"


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def warm(portal: Portal, station: ChargingStation, secret: str, **headers: str) -> Answer:
    """Asked until it is known; the answer by the short way. A portal that runs may touch the station meanwhile."""
    for _ in range(10):
        before = portal.long
        answer = portal.ask(address(station), **bearer(secret), **headers)
        if portal.long == before:
            return answer
    raise AssertionError("it always went the long way")


def test_the_short_way_says_what_the_long_way_says(
    portal: Portal, station: ChargingStation, secret: str
) -> None:
    headers = {"x_request_id": "edge-12345678", "accept_language": "de"}
    short = warm(portal, station, secret, **headers)
    long = portal.ask(address(station), portal.django, **bearer(secret), **headers)
    other = portal.ask(address(station), **bearer(secret), accept_language="de", x_request_id="?")

    assert short.status == 200
    assert short.lasting == long.lasting
    assert short.headers["x-request-id"] == "edge-12345678"
    assert re.fullmatch(r"[0-9a-f-]{36}", other.headers["x-request-id"])
    assert re.fullmatch(r'"key";r=\d+;t=1', short.headers["ratelimit"])
    assert portal.long == 2


def test_what_did_not_change_is_304_by_the_short_way_too(
    portal: Portal, station: ChargingStation, secret: str
) -> None:
    tag = portal.ask(address(station), **bearer(secret)).headers["etag"]
    short = warm(portal, station, secret, if_none_match=tag)
    long = portal.ask(address(station), portal.django, **bearer(secret), if_none_match=tag)

    assert (short.status, short.body) == (304, b"")
    assert short.lasting == long.lasting


def connector_faults(station: ChargingStation, alice: Actor) -> None:
    Connector.objects.filter(evse__station=station).update(status="Faulted", error_code="GroundFailure")


def charging_pauses(station: ChargingStation, alice: Actor) -> None:
    Transaction.objects.filter(station=station).update(charging_state="SuspendedEV")


def power_falls(station: ChargingStation, alice: Actor) -> None:
    Evse.objects.filter(station=station).update(power_w=1380)


def line_is_lost(station: ChargingStation, alice: Actor) -> None:
    Presence.objects.filter(pk=station.pk).update(connected=False)


def another_evse(station: ChargingStation, alice: Actor) -> None:
    stations.add_evse(station, 7)


def evse_is_gone(station: ChargingStation, alice: Actor) -> None:
    Transaction.objects.filter(station=station).update(evse=None)
    Evse.objects.filter(station=station).delete()


def renamed(station: ChargingStation, alice: Actor) -> None:
    stations.update(station, {"name": "Entrance right"}, by=alice)


def tariff_assigned(station: ChargingStation, alice: Actor) -> None:
    version = publishing.publish(publishing.create(TARIFF, by=alice), by=alice)
    tariff_assignments.assign(version.tariff, place=station, by=alice)


def moved(station: ChargingStation, alice: Actor) -> None:
    depot = sites.create({"name": "Depot", "time_zone": "UTC"}, by=alice)
    ChargingStation.objects.filter(pk=station.pk).update(site=depot)


@pytest.mark.parametrize(
    "change",
    [connector_faults, charging_pauses, power_falls, line_is_lost, another_evse, evse_is_gone, renamed,
     tariff_assigned, moved],
)  # fmt: skip
def test_a_change_is_seen_by_the_next_read(
    portal: Portal, station: ChargingStation, alice: Actor, secret: str, change: Callable[..., None]
) -> None:
    before = warm(portal, station, secret)
    change(station, alice)
    after = portal.ask(address(station), **bearer(secret))

    assert after.body != before.body
    assert after.lasting == portal.ask(address(station), portal.django, **bearer(secret)).lasting
    assert warm(portal, station, secret).lasting == after.lasting


def revoked(key: ApiKey, station: ChargingStation, alice: Actor) -> None:
    keys.revoke(key, by=alice)


def ran_out(key: ApiKey, station: ChargingStation, alice: Actor) -> None:
    ApiKey.objects.filter(pk=key.pk).update(expires_at=clock.now())


def rotated_away(key: ApiKey, station: ChargingStation, alice: Actor) -> None:
    keys.rotate(key, by=alice, overlap=timedelta(0))


def deleted(key: ApiKey, station: ChargingStation, alice: Actor) -> None:
    key.delete()


def lost_its_scope(key: ApiKey, station: ChargingStation, alice: Actor) -> None:
    ApiKey.objects.filter(pk=key.pk).update(scopes=["sites:read"])


def lost_its_network(key: ApiKey, station: ChargingStation, alice: Actor) -> None:
    ApiKey.objects.filter(pk=key.pk).update(networks=["10.0.0.0/8"])


def limited_elsewhere(key: ApiKey, station: ChargingStation, alice: Actor) -> None:
    depot = sites.create({"name": "Depot", "time_zone": "UTC"}, by=alice)
    access.limit_key(key, [str(depot.pk)], by=alice)


def station_retired(key: ApiKey, station: ChargingStation, alice: Actor) -> None:
    stations.retire(station, by=alice)


@pytest.mark.parametrize(
    ("change", "status"),
    [(revoked, 401), (ran_out, 401), (rotated_away, 401), (deleted, 401), (lost_its_scope, 403),
     (lost_its_network, 401), (limited_elsewhere, 404), (station_retired, 404)],
)  # fmt: skip
def test_w14_what_a_key_lost_is_refused_at_once(
    portal: Portal, station: ChargingStation, alice: Actor, secret: str, key: ApiKey, change: Any, status: int
) -> None:
    warm(portal, station, secret)
    change(key, station, alice)

    assert portal.ask(address(station), **bearer(secret)).status == status
    assert portal.ask(address(station), **bearer(secret)).status == status


def test_an_access_token_goes_the_short_way_until_it_runs_out(
    portal: Portal, station: ChargingStation, organization: Organization
) -> None:
    client, _ = keys.create(
        organization, name="client", scopes=["stations:read"], by=factories.SYSTEM, kind=ApiKey.Kind.CLIENT
    )
    token, secret = access_tokens.issue(client)
    answer = warm(portal, station, secret)
    AccessToken.objects.filter(pk=token.pk).update(expires_at=clock.now())

    assert answer.status == 200
    assert portal.ask(address(station), **bearer(secret)).status == 401


def test_a_stranger_is_told_nothing_that_others_know(
    portal: Portal, station: ChargingStation, secret: str
) -> None:
    warm(portal, station, secret)
    theirs = factories.make_key(factories.make_organization())
    strangers = [portal.ask(address(station), **bearer(theirs)).status for _ in range(3)]
    nobody = [portal.ask(address(station)).status for _ in range(3)]
    guessed = [portal.ask(address(station), **bearer(f"{secret[:-1]}_")).status for _ in range(3)]

    assert strangers == [404] * 3
    assert nobody == [401] * 3
    assert guessed == [401] * 3


def test_the_rate_is_limited_on_the_short_way_too(
    portal: Portal, station: ChargingStation, secret: str, settings: Any
) -> None:
    settings.API_RATE_BURST, settings.API_RATE_PER_SECOND = 4, 0.001
    warm(portal, station, secret)
    last, refused = (portal.ask(address(station), **bearer(secret)) for _ in range(2))

    assert (last.status, last.headers["ratelimit"]) == (200, '"key";r=0;t=1')
    assert refused.status == 429
    assert refused.headers["retry-after"]


def test_the_use_of_the_key_is_noted_to_the_minute(
    portal: Portal, station: ChargingStation, secret: str, key: ApiKey
) -> None:
    warm(portal, station, secret)
    long_ago = clock.now() - timedelta(minutes=2)
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=long_ago)
    portal.ask(address(station), **bearer(secret))
    used_at = ApiKey.objects.get(pk=key.pk).last_used_at

    assert used_at is not None
    assert used_at > clock.now() - timedelta(minutes=1)


def test_a_browser_s_cookie_and_other_addresses_go_the_long_way(
    portal: Portal, station: ChargingStation, secret: str
) -> None:
    for _ in range(3):
        portal.ask(address(station), **bearer(secret), cookie="sessionid=x")
        portal.ask("/api/v1/stations/", **bearer(secret))

    assert portal.long == 6


def test_without_the_database_the_long_way_answers(
    portal: Portal, station: ChargingStation, secret: str, monkeypatch: Any
) -> None:
    known = warm(portal, station, secret)

    def away(questions: Any) -> Any:
        raise OperationalError("the line is cut")

    monkeypatch.setattr(freshness, "read", away)
    before = portal.long

    assert portal.ask(address(station), **bearer(secret)).lasting == known.lasting
    assert portal.long == before + 1


def test_many_at_once_each_get_their_own(portal: Portal, alice: Actor, secret: str) -> None:
    many = [factories.make_station(alice)[0] for _ in range(5)]
    for station in many:
        warm(portal, station, secret)

    async def all_at_once() -> list[Answer]:
        asked = [ask(portal.app, address(station), bearer(secret)) for station in many * 3]
        return await asyncio.gather(*asked)

    before = portal.long
    answers = asyncio.run(all_at_once())

    assert portal.long == before
    for station, answer in zip(many * 3, answers, strict=True):
        assert str(station.pk).encode() in answer.body


def test_every_table_that_the_answer_reads_is_watched(station: ChargingStation, secret: str) -> None:
    client = client_with(secret)
    with CaptureQueriesContext(connection) as seen:
        assert client.get(address(station)).status_code == 200
    read = {
        name for query in seen.captured_queries for name in re.findall(r'(?:FROM|JOIN) "(\w+)"', query["sql"])
    }

    assert read <= freshness.WATCHED
    assert {name for name in freshness.WATCHED if name not in freshness._VERSIONS} == set()
