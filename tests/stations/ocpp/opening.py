"""Fresh stations over real sockets, and what the frame log says of them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from core.access import Actor
from stations.models import ChargingStation, RawFrame
from tests import factories
from tests.running import Server
from tests.waiting import eventually
from tests.wire.client import WireStation, dial


class OpenStation(WireStation):
    """A socket with the row of its station and the actor who owns it."""

    row: ChargingStation
    owner: Actor


Open = Callable[..., OpenStation]


@contextmanager
def opener(server: Server) -> Iterator[Open]:
    """A function that connects a fresh station of a version, booted unless said otherwise."""
    owner = factories.make_actor(factories.make_organization())
    with ExitStack() as stack:

        def connect(version: str = "1.6", *, boot: bool = True, **values: Any) -> OpenStation:
            row, password = factories.make_station(owner, **values)
            wire = stack.enter_context(dial(server.ocpp_url, row, password, version))
            wire.__class__ = OpenStation
            assert isinstance(wire, OpenStation)
            wire.row, wire.owner = row, owner
            if boot:
                assert wire.boot()["status"] == "Accepted"
            return wire

        yield connect


def logged(row: ChargingStation, *, direction: str = "in", **wanted: Any) -> RawFrame:
    """The first such frame in the log, once it is there."""
    found = RawFrame.objects.filter(station=row, direction=direction, **wanted).order_by("at", "id")
    return eventually(found.first, what=f"a frame with {wanted}")


def is_alive(wire: WireStation) -> bool:
    return "currentTime" in wire.call("Heartbeat", {})
