"""Wishes that are too long for one message, cut to what the station said it can take (P212)."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import orjson

from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import OutboundCall, in_a_row
from stations.services import device_model
from stations.services.device_model import Limits

MESSAGE_ID_BYTES = 36
Item = TypeVar("Item")


def split(socket: Socket, action: str, list_name: str, items: Sequence[Json]) -> OutboundCall:
    """One CALL where the items fit, else several that follow one another."""
    return in_a_row(
        [OutboundCall(action, {list_name: part}) for part in pieces(socket, action, list_name, items)]
    )


def pieces(
    socket: Socket, action: str, list_name: str, items: Sequence[Item], *, limited_as: str = ""
) -> list[list[Item]]:
    """The items in lists that each fit one message; ``limited_as`` names the message whose limits count."""
    limits = device_model.limits_of(socket.station_id, limited_as or action)
    return list(_parts(action, list_name, items, limits))


def _parts(action: str, list_name: str, items: Sequence[Item], limits: Limits) -> Iterator[list[Item]]:
    frame = len(orjson.dumps([2, "0" * MESSAGE_ID_BYTES, action, {list_name: []}]))
    part: list[Item] = []
    size = frame
    for item in items:
        own = len(orjson.dumps(item)) + 1
        if part and (len(part) >= limits.items or size + own > limits.bytes):
            yield part
            part, size = [], frame
        part.append(item)
        size += own
    yield part
