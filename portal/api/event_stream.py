"""``/events/`` as server-sent events: each event once, in order, from wherever the reader left off.

The order comes from the outbox's relay (``core.services.outbox``); the bus only wakes. A stream ends when its
key is no longer good, when the process drains, and after an hour; clients come back with ``Last-Event-ID``.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass

import orjson
from asgiref.sync import sync_to_async
from django.db import DatabaseError, connections
from django.db.models import QuerySet

from core import bus
from core.access import Actor
from core.models import Event
from core.services import outbox
from portal import health
from portal.pace import AtOnce
from stations.live import topic_of

BATCH = 200
BEAT_S = 15.0
LOOK_EVERY_S = 1.0
LOOK_APART_S = 0.1
RIGHTS_S = 60.0
LASTS_S = 3600.0
PER_CALLER = 10
IN_ALL = 1000
RETRY_MS = 2000
BEAT = b": beat\n\n"
under_way = AtOnce(each=PER_CALLER, in_all=IN_ALL)
Narrowed = Callable[[QuerySet[Event]], QuerySet[Event]]


@dataclass
class Reader:
    """Who reads, what of, and the id of the event told last. ``again`` looks at the key anew: ``None``, it is void.
    ``left`` is how many more events were asked for; ``None``: all that come."""

    actor: Actor
    narrowed: Narrowed
    after: int
    again: Callable[[], Actor | None]
    left: int | None = None

    def next_events(self) -> list[Event]:
        rows = self.narrowed(outbox.visible_to(self.actor).filter(id__gt=self.after))
        found = list(rows[: BATCH if self.left is None else min(BATCH, self.left)])
        if found:
            self.after = found[-1].id
        if self.left is not None:
            self.left -= len(found)
        return found

    @property
    def done(self) -> bool:
        """Whether as many were told as were asked for."""
        return self.left == 0


def data_of(event: Event) -> dict[str, object]:
    """An event as JSON, the same in the stream and in a page."""
    return {
        "id": str(event.uid),
        "sequence": event.id,
        "type": event.type,
        "timestamp": event.occurred_at,
        "data": event.data,
    }


def backlog(reader: Reader) -> Iterator[bytes]:
    """What there is now, and no more: for servers that cannot wait for the rest."""
    yield _hello()
    while some := reader.next_events():
        yield _lines(some)


async def stream(reader: Reader) -> AsyncIterator[bytes]:
    """What there is, then whatever comes."""
    async with bus.subscriber().listen(topic_of(reader.actor.home)) as queue:
        yield _hello()
        async for piece in _pieces(reader, queue):
            yield piece


async def _pieces(reader: Reader, queue: "asyncio.Queue[bus.Message]") -> AsyncIterator[bytes]:
    began = beaten = checked = time.monotonic()
    while not health.draining.is_set() and not reader.done and (now := time.monotonic()) - began < LASTS_S:
        if now - checked >= RIGHTS_S:
            checked = now
            if not await sync_to_async(_is_still_good)(reader):
                return
        some = await sync_to_async(_look)(reader)
        if some:
            beaten = now
            yield _lines(some)
        elif now - beaten >= BEAT_S:
            beaten = now
            yield BEAT
        if len(some) < BATCH and not reader.done:
            await _wait(queue)


async def _wait(queue: "asyncio.Queue[bus.Message]") -> None:
    """Until something was announced, but no longer than a second; what comes in a burst is looked at once."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(queue.get(), LOOK_EVERY_S)
    await asyncio.sleep(LOOK_APART_S)
    while not queue.empty():
        queue.get_nowait()


def _look(reader: Reader) -> list[Event]:
    try:
        outbox.relay()
        return reader.next_events()
    except DatabaseError:
        return []  # the next look finds it; nothing is passed over
    finally:
        _give_back_connections()


def _is_still_good(reader: Reader) -> bool:
    try:
        fresh = reader.again()
    finally:
        _give_back_connections()
    if fresh is None:
        return False
    reader.actor = fresh
    return True


def _give_back_connections() -> None:
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


def _hello() -> bytes:
    return b"retry: %d\n\n" % RETRY_MS


def _lines(events: Sequence[Event]) -> bytes:
    return b"".join(
        b"id: %d\nevent: %s\ndata: %s\n\n"
        % (event.id, event.type.encode(), orjson.dumps(data_of(event), option=orjson.OPT_UTC_Z))
        for event in events
    )
