"""Authorize in 2.1: the tariff itself, for stations that compute with it (I07, T-47)."""

from datetime import datetime

from stations.ocpp.context import Json, Socket
from stations.ocpp.v201 import authorization
from stations.services import cost_displays
from stations.services.cost_displays import Shows


def authorize(socket: Socket, payload: Json, received_at: datetime) -> Json:
    """A station that cannot use the tariff says so by a CALLRESULTERROR, and its default holds (P257)."""
    decision, answer = authorization.decide(socket, payload)
    told = authorization.price_of(socket, payload, decision)
    if told is None:
        return answer
    answer = authorization.with_price(answer, told)
    if Shows.TARIFF not in cost_displays.shown_by([socket.station_id]).get(socket.station_id, ()):
        return answer
    native = cost_displays.native(told)
    return answer if native is None else {**answer, "tariff": native}
