"""Wake-ups between processes over Valkey's publish/subscribe: ids of what changed, never the truth.

A lost message delays and never loses: whoever publishes has committed a row before, and a sweeper or
the next look at the database finds it. One connection per process serves all subscriptions.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from functools import lru_cache
from typing import Any

import orjson
import redis
import redis.asyncio
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.outage import valkey

Message = dict[str, Any]
QUEUE_SIZE = 1000
RETRY_SECONDS = 1.0


@lru_cache(maxsize=1)
def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.VALKEY_URL,
        socket_timeout=2,
        socket_connect_timeout=2,
        health_check_interval=30,
        retry=Retry(NoBackoff(), 1),  # once, for a connection that broke while nobody used it
    )


def announce(topic: str, message: Message) -> None:
    """Send to all who listen now. A loss only makes a page older: it is noted, never raised."""
    announce_all([(topic, message)])


def announce_all(messages: Iterable[tuple[str, Message]]) -> None:
    """Like :func:`announce` for many (topic, message) at once, in one round trip."""
    packed = [(topic, orjson.dumps(message)) for topic, message in messages]
    if not packed or not valkey.may_ask():
        return
    try:
        with _client().pipeline(transaction=False) as pipeline:
            for topic, message in packed:
                pipeline.publish(topic, message)
            pipeline.execute()
    except redis.RedisError as error:
        valkey.lost(error)
    else:
        valkey.over()


class Subscriber:
    """All subscriptions of one process over one connection, re-opened for ever when it breaks."""

    def __init__(self) -> None:
        self._queues: dict[str, set[asyncio.Queue[Message]]] = {}
        self._pubsub: redis.asyncio.client.PubSub | None = None
        self._task: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def listen(self, topic: str) -> AsyncIterator["asyncio.Queue[Message]"]:
        """A bounded queue of the topic's messages; when it is full the oldest is dropped."""
        queue: asyncio.Queue[Message] = asyncio.Queue(QUEUE_SIZE)
        await self._add(topic, queue)
        try:
            yield queue
        finally:
            await self._discard(topic, queue)

    async def _add(self, topic: str, queue: "asyncio.Queue[Message]") -> None:
        async with self._lock:
            fresh = topic not in self._queues
            self._queues.setdefault(topic, set()).add(queue)
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._run())
            elif fresh and self._pubsub is not None:
                with contextlib.suppress(redis.RedisError, OSError):
                    await self._pubsub.subscribe(topic)

    async def _discard(self, topic: str, queue: "asyncio.Queue[Message]") -> None:
        async with self._lock:
            listeners = self._queues.get(topic, set())
            listeners.discard(queue)
            if not listeners:
                self._queues.pop(topic, None)
                if self._pubsub is not None:
                    with contextlib.suppress(redis.RedisError, OSError):
                        await self._pubsub.unsubscribe(topic)

    async def _run(self) -> None:
        while True:
            try:
                await self._receive()
            except (redis.RedisError, OSError) as error:
                valkey.lost(error)
            await asyncio.sleep(RETRY_SECONDS)

    async def _receive(self) -> None:
        client = redis.asyncio.Redis.from_url(
            settings.VALKEY_URL, socket_timeout=None, socket_connect_timeout=2, health_check_interval=10
        )
        async with client, client.pubsub(ignore_subscribe_messages=True) as pubsub:
            async with self._lock:
                await pubsub.subscribe(*self._queues or ("idle",))
                self._pubsub = pubsub
            valkey.over()
            try:
                while True:
                    self._hand_out(await pubsub.get_message(timeout=5))
            finally:
                self._pubsub = None

    def _hand_out(self, raw: dict[str, Any] | None) -> None:
        if raw is None:
            return
        message: Message = orjson.loads(raw["data"])
        for queue in self._queues.get(raw["channel"].decode(), ()):
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(message)


@lru_cache(maxsize=1)
def subscriber() -> Subscriber:
    """The subscriber of this process; use it from the server's event loop only."""
    return Subscriber()
