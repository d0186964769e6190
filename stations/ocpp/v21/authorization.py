"""Authorize in 2.1: the tariff itself, for stations that compute with it (I07, T-47)."""

from collections.abc import Callable
from datetime import datetime
from enum import Enum
from functools import partial

from stations.ocpp.context import Json, Socket
from stations.ocpp.v201 import authorization
from stations.services import cost_displays, station_tariffs
from stations.services.cost_displays import Shows

TARIFF = "tariff"


class Tariff(Enum):
    """How the tariff in our answers fared on this socket."""

    TOLD = 1
    REFUSED = 2


def authorize(socket: Socket, payload: Json, received_at: datetime) -> Json:
    """A station that said it cannot use the tariff is told no other on this socket: its default holds (P257)."""
    decision, answer = authorization.decide(socket, payload)
    told = authorization.price_of(socket, payload, decision)
    if told is None:
        return answer
    answer = authorization.with_price(answer, told)
    shows = cost_displays.shown_by([socket.station_id]).get(socket.station_id, ())
    if Shows.TARIFF not in shows or socket.memory.get(TARIFF) is Tariff.REFUSED:
        return answer
    native = cost_displays.native(told)
    if native is None:
        return answer
    if TARIFF not in socket.memory:
        station_tariffs.try_again(socket, received_at)
        socket.memory[TARIFF] = Tariff.TOLD
    return {**answer, "tariff": native}


def tariff_refused(
    socket: Socket, code: str, description: str, received_at: datetime
) -> Callable[[], None] | None:
    """The CALLRESULTERROR of a station to an answer that held a tariff (P257)."""
    if socket.memory.get(TARIFF) is not Tariff.TOLD:
        return None
    socket.memory[TARIFF] = Tariff.REFUSED
    return partial(station_tariffs.unusable, socket, f"{code} {description}".strip(), received_at)
