"""Chargers that knock at the shared server, each from an address of its own."""

from collections.abc import Iterator

import pytest

from core.access import Actor
from tests.factories import make_actor, make_organization, make_station
from tests.running import Server
from tests.stations.ocpp.knocking import Charger, next_address
from tests.stations.ocpp.opening import Open, opener


@pytest.fixture
def address() -> str:
    return next_address()


@pytest.fixture
def alice(committed: None) -> Actor:
    """The admin of an organization of this test's own."""
    return make_actor(make_organization())


@pytest.fixture
def charger(live: Server, alice: Actor, address: str) -> Charger:
    """A station of Alice's that was never booted."""
    station, password = make_station(alice)
    return Charger(live.ocpp_url, station, password, address)


@pytest.fixture
def open_station(live: Server) -> Iterator[Open]:
    """Connect fresh stations to the shared server."""
    with opener(live) as connect:
        yield connect
