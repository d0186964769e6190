"""The bounded threads on which handlers and commands meet the database.

What is scarce: database connections; a thread has one while it works. Who waits for whom: a call waits in
order for a thread; whoever asked stops waiting at the handler deadline (``session.py``), the call may go on.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import lru_cache
from typing import TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from stations.ocpp import metrics
from stations.ocpp.threads import DatabaseThreads

Result = TypeVar("Result")

HANDLER_THREADS = 10
COMMAND_THREADS = 4
CONTENDED = frozenset({"40001", "40P01"})
CONTENDED_TRIES = 5
JITTER_S = 0.02


class Pool(DatabaseThreads):
    """Threads whose calls are repeated inside where that is safe: handlers know facts by their content."""

    def submit(self, work: Callable[[], Result], done: Callable[["Future[Result]"], None]) -> None:
        """Run the work on a thread, then ``done`` on the event loop."""
        loop = asyncio.get_running_loop()
        with self._lock:
            self._waiting += 1
        if self._waiting > HANDLER_THREADS:
            self.cut_stuck(1.5 * self.deadline_s)
        future = self._executor.submit(self._call, perform, work)
        future.add_done_callback(lambda ended: _hand_over(loop, done, ended))

    async def perform(self, work: Callable[[], Result]) -> Result:
        """The same for coroutines. Raises what the work raises, and ``TimeoutError`` at the deadline."""
        return await self.run(perform, work)


def perform(work: Callable[[], Result]) -> Result:
    """Do the work; again after a deadlock (at most five times, M-04) or, once, after a lost connection (M-11)."""
    tries = 0
    while True:
        try:
            return work()
        except (OperationalError, InterfaceError) as error:
            tries += 1
            if not _is_worth_another(error, tries):
                raise
            metrics.count_event("handler_repeated")
            connection.close()
            time.sleep(random.uniform(0, JITTER_S * tries))


@lru_cache(maxsize=1)
def handlers() -> Pool:
    """The pool of this process for what stations say."""
    return Pool("ocpp-handler", HANDLER_THREADS, deadline_s=settings.OCPP_HANDLER_DEADLINE)


@lru_cache(maxsize=1)
def commands() -> Pool:
    """The pool of this process for what we say; slow handlers do not hold up commands."""
    return Pool("ocpp-command", COMMAND_THREADS, deadline_s=settings.OCPP_HANDLER_DEADLINE)


def _is_worth_another(error: Exception, tries: int) -> bool:
    if getattr(error.__cause__, "sqlstate", None) in CONTENDED:
        return tries < CONTENDED_TRIES
    raw = connection.connection
    return tries == 1 and (raw is None or raw.closed or raw.broken)


def _hand_over(
    loop: asyncio.AbstractEventLoop, done: Callable[["Future[Result]"], None], ended: "Future[Result]"
) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
        loop.call_soon_threadsafe(done, ended)
