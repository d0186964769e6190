"""A priced station of Alice's, and sessions whose readings have settled."""

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from billing.services import settling
from core import clock
from core.access import Actor
from core.models import Organization
from stations.models import ChargingStation, Transaction
from stations.services import stations
from tests import factories
from tests.factories import sessions
from tests.stations.ocpp.charging import priced

Charge = Callable[..., Transaction]
THIS_MONTH = clock.now().astimezone(ZoneInfo("Europe/Berlin")).strftime("%Y-%m")
"""The month that sessions of these tests end in, where their accounts are."""


@pytest.fixture
def organization(committed: None) -> Organization:
    return factories.make_organization()


@pytest.fixture
def alice(organization: Organization) -> Actor:
    return factories.make_actor(organization)


@pytest.fixture
def station(alice: Actor) -> ChargingStation:
    priced(alice)
    station, _ = factories.make_station(alice)
    stations.add_evse(station, 1)
    return station


@pytest.fixture
def charge(alice: Actor, station: ChargingStation) -> Charge:
    """A driver's session that just ended, ``minutes`` long, its end at ``wh``; each at an outlet of its own."""
    numbers = itertools.count(2)

    def made(wh: int = 12_345, **options: Any) -> Transaction:
        if "evse_id" not in options:
            options["evse_id"] = next(numbers)
            stations.add_evse(station, options["evse_id"])
        driver = options.pop("driver", None) or factories.make_driver(alice)
        token = factories.make_token(alice, driver=driver)
        stands = sessions.begin(station, token=token.value, **options)
        return sessions.end(stands, wh)

    return made


def settle(minutes: int = 6) -> None:
    """As the task does, so many minutes from now."""
    settling.listen()
    settling.settle_due(clock.now() + timedelta(minutes=minutes))
