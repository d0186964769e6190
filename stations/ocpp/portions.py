"""Entries of a list cut into messages that a station can take; shared by the versions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import orjson

from stations.ocpp.context import Json

FRAME_BYTES = 200
"""What a CALL with its id, action and the fields beside the list takes at most."""


@dataclass(frozen=True, slots=True)
class Portion:
    """How much one message may hold; ``bytes`` ``None``: the station sets no limit."""

    items: int
    bytes: int | None = None


def portions(items: Sequence[Json], limit: Portion) -> Iterator[Sequence[Json]]:
    """At least one part, also where there are no items; an item that is too large goes alone."""
    part: list[Json] = []
    size = FRAME_BYTES
    for item in items:
        own = len(orjson.dumps(item)) + 1
        full = len(part) >= limit.items or (limit.bytes is not None and size + own > limit.bytes)
        if part and full:
            yield part
            part, size = [], FRAME_BYTES
        part.append(item)
        size += own
    yield part
