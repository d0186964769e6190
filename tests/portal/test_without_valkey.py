"""Valkey dies under a running portal and comes back: people go on, limits hold, and it is said once (F-07, M-10)."""

import itertools
import json
import re
import signal
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from core.ids import uuid7
from core.models import Membership
from portal.embedded import EmbeddedValkey
from stations.services import access
from tests import factories
from tests.portal.walking import Route, furnish, routes
from tests.running import Server, start_server
from tests.waiting import eventually

LOGIN = "/accounts/login/"
FORM_KEY = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')
PATIENCE_S = 20
addresses = itertools.count(2)


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """One of the test's own, that may be killed."""
    server = EmbeddedValkey(tmp_path, durable=False)
    server.start()
    yield server
    if server.child:
        server.child.send_signal(signal.SIGCONT)
    server.stop()


@pytest.fixture
def portal(committed: None, valkey: EmbeddedValkey) -> Iterator[Server]:
    with start_server(VALKEY_URL=valkey.url()) as server:
        yield server


@pytest.fixture
def alice(committed: None) -> Membership:
    return factories.make_member(factories.make_organization(demo=True))


def kill(valkey: EmbeddedValkey) -> None:
    assert valkey.child
    valkey.child.kill()
    valkey.child.wait(10)


def revive(valkey: EmbeddedValkey) -> None:
    valkey.launch()
    valkey.wait_ready()


class Person:
    """Somebody at a browser, with an address of her own, since limits count by address."""

    def __init__(self, portal: Server) -> None:
        self.url = portal.http_url
        self.http = requests.Session()
        self.http.mount("http://", _From(f"127.0.9.{next(addresses)}"))

    def get(self, path: str, **how: Any) -> requests.Response:
        how.setdefault("allow_redirects", False)
        return self.http.get(self.url + path, timeout=PATIENCE_S, **how)

    def sign_in(self, email: str, password: str = factories.PASSWORD) -> requests.Response:
        found = FORM_KEY.search(self.get(LOGIN).text)
        assert found
        form = {"login": email, "password": password, "csrfmiddlewaretoken": found[1]}
        return self.http.post(self.url + LOGIN, form, timeout=PATIENCE_S, allow_redirects=False)

    def post(self, path: str, page: str) -> requests.Response:
        """What a button on the page sends."""
        found = FORM_KEY.search(self.get(page).text)
        assert found
        form = {"csrfmiddlewaretoken": found[1]}
        return self.http.post(self.url + path, form, timeout=PATIENCE_S, allow_redirects=False)


class _From(requests.adapters.HTTPAdapter):
    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__()

    def init_poolmanager(self, *words: Any, **options: Any) -> None:
        super().init_poolmanager(*words, **options, source_address=(self.address, 0))


def said(portal: Server, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in portal.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_people_sign_in_and_guessing_is_limited_while_valkey_is_dead_or_hangs(
    portal: Server, valkey: EmbeddedValkey, alice: Membership, number: signal.Signals
) -> None:
    assert valkey.child
    valkey.child.send_signal(number)

    assert Person(portal).sign_in(alice.user.email).status_code == 302
    guesser = Person(portal)
    answers = [guesser.sign_in(alice.user.email, "wrong").text for _ in range(7)]

    assert "Too many failed login attempts" not in answers[0]
    assert "Too many failed login attempts" in answers[-1]
    assert guesser.sign_in(alice.user.email).status_code == 200
    assert len(said(portal, "valkey.lost")) == 1


def test_guesses_from_before_the_outage_count(
    portal: Server, valkey: EmbeddedValkey, alice: Membership
) -> None:
    guesser = Person(portal)
    for _ in range(5):
        guesser.sign_in(alice.user.email, "wrong")
    kill(valkey)

    assert guesser.sign_in(alice.user.email).status_code == 200


def test_no_page_fails_and_the_log_tells_of_the_outage_once(
    portal: Server, valkey: EmbeddedValkey, alice: Membership
) -> None:
    made = furnish(alice.organization, alice, access.actor_of_member(alice))
    things: dict[str, object] = defaultdict(uuid7, made)
    person = Person(portal)
    person.sign_in(alice.user.email)
    kill(valkey)

    answers = {route.path: person.get(route.path).status_code for route in _pages(things)}
    home = f"/o/{things['organization']}/"
    written = person.post(f"{home}alerts/{things['alerts']}/ack/", home).status_code
    again = {person.get(home).status_code for _ in range(5)}
    revive(valkey)
    eventually(
        lambda: person.get(f"{home}live/?check=1") and said(portal, "valkey.back"), within_s=PATIENCE_S
    )

    assert len(answers) > 25
    assert {path: status for path, status in answers.items() if status >= 500} == {}
    assert written in (200, 204, 302)
    assert again == {200}
    assert len(said(portal, "valkey.lost")) == 1
    assert len(said(portal, "valkey.back")) == 1
    assert 0 < said(portal, "valkey.back")[0]["away_s"] < 180


def _pages(things: dict[str, object]) -> list[Route]:
    streams = ("/live/", "/events/")
    return [one for one in routes(things) if not one.path.endswith(streams) and "logout" not in one.path]


def test_the_stream_of_a_page_says_when_no_news_arrive_and_when_they_do_again(
    portal: Server, valkey: EmbeddedValkey, alice: Membership
) -> None:
    person = Person(portal)
    person.sign_in(alice.user.email)
    path = f"/o/{alice.organization.slug}/live/?topics=station"
    with person.get(path, stream=True) as stream:
        events = _events(stream)
        assert next(events) == "beat"
        kill(valkey)
        assert "paused" in itertools.takewhile(lambda name: name != "resumed", itertools.islice(events, 4))
        revive(valkey)
        assert "resumed" in itertools.islice(events, 10)


def _events(stream: requests.Response) -> Iterator[str]:
    for line in stream.iter_lines():
        if line.startswith(b"event: "):
            yield line.removeprefix(b"event: ").decode()
