"""Valkey away: said once when it is lost and once when it is back; while it hangs it is asked once a second.

Nothing of the truth lives in Valkey, so everybody goes on without it. What must not happen is that each
message, page and thread waits for it and writes a line about it.
"""

import logging
import threading
import time

import redis

logger = logging.getLogger(__name__)

ASK_EVERY_S = 1.0


class Outage:
    """Whether the partner of that name is away, for all threads of this process."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = threading.Lock()
        self._lost_at: float | None = None
        self._asked_at = 0.0
        self._hangs = False

    @property
    def is_on(self) -> bool:
        return self._lost_at is not None

    def may_ask(self) -> bool:
        """Whether to try. Where it hangs, one caller a second; one that refuses takes nobody's time."""
        if self._lost_at is None or not self._hangs:
            return True
        with self._lock:
            now = time.monotonic()
            if now - self._asked_at < ASK_EVERY_S:
                return False
            self._asked_at = now
            return True

    def lost(self, cause: Exception) -> None:
        """It did not answer. The first to notice says so."""
        with self._lock:
            self._asked_at = time.monotonic()
            self._hangs = isinstance(cause, redis.TimeoutError)
            if self._lost_at is not None:
                return
            self._lost_at = self._asked_at
        logger.warning(f"{self.name}.lost", extra={"cause": type(cause).__name__})

    def over(self) -> None:
        """It answered. The first to notice says how long it was away."""
        if self._lost_at is None:
            return
        with self._lock:
            since, self._lost_at = self._lost_at, None
        if since is not None:
            away_s = round(time.monotonic() - since, 1)
            logger.warning(f"{self.name}.back", extra={"away_s": away_s})


valkey = Outage("valkey")
