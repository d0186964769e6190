"""Watches whether Valkey answers, and says in one line each that it does not and that it does again.

The processes of the portal notice it too, and each could say so; with `up` there is one terminal for all of
them, so it is said here and nowhere else.
"""

import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import redis

from portal.embedded.valkey import ASK_ONCE
from portal.supervisor.terminal import say

ASK_EVERY_S = 0.25
PATIENCE_S = 2.0
HANGS_AFTER_S = 20.0


class Lookout:
    """``restart`` is given for a Valkey of our own: that it ended is said elsewhere, and one that hangs for
    long is started anew."""

    def __init__(self, url: str, restart: Callable[[], None] | None = None) -> None:
        parts = urlsplit(url)
        self.place = parts.netloc.rpartition("@")[2] or parts.path
        self._client = redis.Redis.from_url(
            url, socket_timeout=PATIENCE_S, socket_connect_timeout=PATIENCE_S, retry=ASK_ONCE
        )
        self._restart = restart
        self._lost_at: float | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="lookout", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(ASK_EVERY_S):
            try:
                self._client.ping()
            except redis.BusyLoadingError:
                continue
            except redis.RedisError as error:
                self._lost(hangs=isinstance(error, redis.TimeoutError))
            else:
                self._back()

    def _lost(self, *, hangs: bool) -> None:
        now = time.monotonic()
        if self._lost_at is None:
            self._lost_at = now
            if hangs or not self._restart:
                how = "hangs" if hangs else "does not answer"
                say(f"Valkey at {self.place} {how}; live updates are paused until it is back")
        elif hangs and self._restart and now - self._lost_at > HANGS_AFTER_S:
            self._restart()

    def _back(self) -> None:
        if self._lost_at is not None:
            say(f"Valkey answers again, after {time.monotonic() - self._lost_at:.0f} s")
            self._lost_at = None
