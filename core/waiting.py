"""Threads that wait for something to happen elsewhere, over one connection of the process."""

import threading
import time
from collections.abc import Callable
from functools import lru_cache

import redis
from django.conf import settings

from core.bus import RETRY_SECONDS
from core.outage import valkey

FIRST_LOOK_S = 0.05
LOOK_EVERY_S = 1.0


class Waiters:
    """Wakes whoever waits for a topic of one family, such as all of ``command.*``."""

    def __init__(self, family: str) -> None:
        self._family = family
        self._events: dict[str, set[threading.Event]] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def wait(self, topic: str, timeout_s: float, *, until: Callable[[], bool]) -> None:
        """Block until ``until()`` is true, looking at each message on the topic and every second.

        Without a message the first look comes after 50 ms, for what happened before we listened: who asks
        has just begun something, and a look at once would only take time from it. Returns as well when
        ``timeout_s`` has passed; the caller looks for itself.
        """
        event = threading.Event()
        with self._lock:
            self._events.setdefault(topic, set()).add(event)
            self._start()
        try:
            deadline = time.monotonic() + timeout_s
            event.wait(min(FIRST_LOOK_S, timeout_s))
            event.clear()
            while not until() and (remaining := deadline - time.monotonic()) > 0:
                event.wait(min(LOOK_EVERY_S, remaining))
                event.clear()
        finally:
            self._forget(topic, event)

    def _forget(self, topic: str, event: threading.Event) -> None:
        with self._lock:
            events = self._events[topic]
            events.discard(event)
            if not events:
                del self._events[topic]

    def _start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name=f"waiters-{self._family}", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                self._receive()
            except redis.RedisError as error:
                valkey.lost(error)
            time.sleep(RETRY_SECONDS)

    def _receive(self) -> None:
        client = redis.Redis.from_url(settings.VALKEY_URL, socket_connect_timeout=2, health_check_interval=10)
        with client, client.pubsub(ignore_subscribe_messages=True) as pubsub:  # type: ignore[no-untyped-call]
            pubsub.psubscribe(f"{self._family}.*")
            valkey.over()
            while True:
                message = pubsub.get_message(timeout=5)
                if message is not None:
                    self._wake(message["channel"].decode())

    def _wake(self, topic: str) -> None:
        with self._lock:
            for event in self._events.get(topic, ()):
                event.set()


@lru_cache
def waiters(family: str) -> Waiters:
    """Those of this process for a family of topics."""
    return Waiters(family)
