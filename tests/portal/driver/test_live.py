"""The stream of a session's page on the phone, over a real socket: the person's own session, and no other."""

import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.conf import settings
from django.test import Client

from core.access import Actor
from drivers.models import Driver
from stations.models import ChargingStation, Transaction
from stations.services import stations
from tests import factories
from tests.factories import sessions
from tests.portal.driver.conftest import CARD, make_driver_with_account
from tests.running import Server
from tests.stations.ocpp.charging import priced


@pytest.fixture
def owner(live: Server) -> Actor:
    return factories.make_actor(factories.make_organization())


@pytest.fixture
def station(owner: Actor) -> ChargingStation:
    made, _ = factories.make_station(owner)
    stations.add_evse(made, 1)
    return made


@pytest.fixture
def dora(owner: Actor) -> Driver:
    driver = make_driver_with_account(owner, "dora")
    factories.make_token(owner, CARD, driver=driver)
    return driver


@pytest.fixture
def running(owner: Actor, station: ChargingStation, dora: Driver) -> Transaction:
    priced(owner)
    return sessions.begin(station, token=CARD)


class Stream:
    """What the page of a session is told, as a browser with that person's cookie gets it."""

    def __init__(self, server: Server, session: Transaction, driver: Driver | None) -> None:
        client = Client()
        if driver is not None:
            client.force_login(driver.user)
        cookie = client.cookies.get(settings.SESSION_COOKIE_NAME)
        self.line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={cookie.value}"} if cookie else {}
        self.line.request("GET", f"/me/sessions/{session.pk}/live/", headers=headers)
        self.answer = self.line.getresponse()

    def next(self) -> str:
        """The name of the next event."""
        while True:
            name, _, value = self.answer.readline().decode().strip().partition(": ")
            if name == "event":
                return value


@contextmanager
def streaming(server: Server, session: Transaction, driver: Driver | None) -> Iterator[Stream]:
    stream = Stream(server, session, driver)
    try:
        yield stream
    finally:
        stream.line.close()


def test_t44_the_page_is_told_when_the_running_cost_changed(
    live: Server, running: Transaction, dora: Driver
) -> None:
    with streaming(live, running, dora) as stream:
        assert stream.answer.status == 200
        assert stream.answer.headers["Content-Type"] == "text/event-stream"
        assert stream.next() == "beat"
        began = time.monotonic()
        sessions.read(running, "2000")
        told = stream.next()

    assert told == "changed"
    assert time.monotonic() - began < 5


def test_the_session_of_another_driver_is_not_told(
    live: Server, running: Transaction, station: ChargingStation, dora: Driver
) -> None:
    with streaming(live, running, dora) as stream:
        assert stream.next() == "beat"
        other = sessions.begin(station, token="SOMEBODY", evse_id=2)
        sessions.end(other, 3000)
        told = stream.next()

    assert told == "beat"


def test_nobody_else_can_listen(live: Server, owner: Actor, running: Transaction) -> None:
    colleague = make_driver_with_account(owner, "bob")
    stranger = make_driver_with_account(factories.make_actor(factories.make_organization()), "charlie")
    found = []
    for driver in (None, colleague, stranger):
        with streaming(live, running, driver) as stream:
            found.append(stream.answer.status)

    assert found == [401, 404, 404]
