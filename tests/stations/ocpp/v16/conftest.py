"""A 1.6 station that is connected and booted, and a token that may charge."""

from collections.abc import Iterator

import pytest

from core.access import Actor
from drivers.models import IdToken
from tests.factories import make_token
from tests.stations.ocpp.knocking import Charger
from tests.wire.client import WireStation
from tests.wire.golden import wire


@pytest.fixture
def token(alice: Actor) -> IdToken:
    """The token of the golden frames, known to Alice's organization."""
    return make_token(alice, wire("v16/Authorize.rfid")["idTag"])


@pytest.fixture
def station(charger: Charger, token: IdToken) -> Iterator[WireStation]:
    """The charger as 1.6, accepted at its boot."""
    with charger.dial() as socket:
        assert socket.boot()["status"] == "Accepted"
        yield socket
