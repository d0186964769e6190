"""Whether this process may serve: it may not while it has lost the database, for then it cannot know its
epochs (promises M-08, M-10)."""

import asyncio
import contextlib
import os
import random
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
from django.conf import settings
from django.db import connections

PROBE_SECONDS = 2.0
FAILURES_UNTIL_AWAY = 3
GOOD_PROBES = 3
AWAY_S = (30, 120)


class Readiness:
    """What the probes add up to. ``away``: facts cannot be stored now. Not ``ready``: no socket is served."""

    def __init__(self) -> None:
        self.ready = True
        self._failures = 0
        self._good = 0
        self._failing_since: float | None = None

    @property
    def good(self) -> bool:
        """The last probe was answered."""
        return self._failures == 0

    @property
    def away(self) -> bool:
        return self._failures >= FAILURES_UNTIL_AWAY

    def record(self, good: bool, now_s: float) -> bool:
        """Take one probe's outcome; ``True`` when with it the process ceases to be ready."""
        if good:
            self._good += 1
            if self._good >= GOOD_PROBES or self.ready:
                self.ready, self._failures, self._failing_since = True, 0, None
            return False
        self._good = 0
        self._failures += 1
        if self._failing_since is None:
            self._failing_since = now_s
        lost = self.ready and self.away and now_s - self._failing_since >= settings.OCPP_UNREADY_AFTER
        self.ready = self.ready and not lost
        return lost


class Probe:
    """``SELECT 1`` on a connection and a thread of its own, within two seconds."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="probe")
        self._connection: psycopg.Connection[Any] | None = None
        self._future: asyncio.Future[None] | None = None

    async def good(self) -> bool:
        """Whether the database answers now."""
        if self._future is None or self._future.done():
            self._future = asyncio.get_running_loop().run_in_executor(self._thread, self._ask)
        done, _ = await asyncio.wait({self._future}, timeout=PROBE_SECONDS)
        if not done:
            self._cut()
            return False
        return self._future.exception() is None

    def close(self) -> None:
        self._cut()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _ask(self) -> None:
        try:
            if self._connection is None or self._connection.closed:
                self._connection = psycopg.connect(**_parameters(), autocommit=True)
            self._connection.execute("SELECT 1")
        except psycopg.Error:
            if self._connection is not None:
                self._connection.close()
            raise

    def _cut(self) -> None:
        """Free the thread where it waits on a dead line."""
        if self._connection is None or self._connection.closed:
            return
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self._connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)


def probe_gap_s() -> float:
    """Seconds from one probe's end to the next; shorter where readiness is to be lost sooner."""
    unready_after_s: int = settings.OCPP_UNREADY_AFTER
    return min(PROBE_SECONDS, unready_after_s / 15)


def random_wait_s(between: tuple[int, int] = AWAY_S) -> int:
    """After how many seconds a caller may come back; spread, so that they do not come together."""
    return random.randint(*between)


def _parameters() -> dict[str, Any]:
    wanted = ("dbname", "user", "password", "host", "port", "sslmode", "sslrootcert", "options", "service")
    known = connections["default"].get_connection_params()
    return {name: known[name] for name in wanted if name in known} | {"connect_timeout": 2}
