"""Wishes that are too long for one message, cut to what the station said it can take (P212)."""

from collections.abc import Iterator, Sequence

import orjson

from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import OutboundCall
from stations.services import device_model
from stations.services.device_model import Limits

MESSAGE_ID_BYTES = 36


def split(socket: Socket, action: str, list_name: str, items: Sequence[Json]) -> OutboundCall:
    """One CALL where the items fit, else several that follow one another."""
    limits = device_model.limits_of(socket.station_id, action)
    parts = [OutboundCall(action, {list_name: part}) for part in _parts(action, list_name, items, limits)]
    first, *more = parts
    return OutboundCall(first.action, first.payload, tuple(more))


def _parts(action: str, list_name: str, items: Sequence[Json], limits: Limits) -> Iterator[list[Json]]:
    frame = len(orjson.dumps([2, "0" * MESSAGE_ID_BYTES, action, {list_name: []}]))
    part: list[Json] = []
    size = frame
    for item in items:
        own = len(orjson.dumps(item)) + 1
        if part and (len(part) >= limits.items or size + own > limits.bytes):
            yield part
            part, size = [], frame
        part.append(item)
        size += own
    yield part
