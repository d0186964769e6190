"""The bounded threads on which handlers and commands meet the database.

What is scarce: database connections; a thread has one while it works,
and one for commands a second longer, since a command is two steps. Who waits for whom: a call waits in
order for a thread; whoever asked stops waiting at the handler deadline (``session.py``), the call may go on.
"""

import random
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import lru_cache, partial
from typing import TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from core import reconnecting
from stations.ocpp import metrics
from stations.ocpp.threads import DatabaseThreads

Result = TypeVar("Result")

HANDLER_THREADS = 10
COMMAND_THREADS = 4
KEEP_S = 1.0
CONTENDED = frozenset({"40001", "40P01"})
CONTENDED_TRIES = 5
JITTER_S = 0.02
HELD = 0.6  # of the handler deadline: as long a call waits for a database that is away


class Pool(DatabaseThreads):
    """Threads whose calls are repeated inside where that is safe: handlers know facts by their content."""

    def submit(self, work: Callable[[], Result], done: Callable[["Future[Result]"], None]) -> None:
        """Run the work on a thread, then ``done`` on the event loop."""
        if self._waiting >= HANDLER_THREADS:
            self.cut_stuck(1.5 * self.deadline_s)
        self.begin(partial(perform, work), done)

    async def perform(self, work: Callable[[], Result]) -> Result:
        """The same for coroutines. Raises what the work raises, and ``TimeoutError`` at the deadline."""
        return await self.run(perform, work)


def perform(work: Callable[[], Result]) -> Result:
    """Do the work; again after a deadlock (at most five times, M-04) or while the database is away (M-11, F-03)."""
    tries, until_s = 0, time.monotonic() + HELD * settings.OCPP_HANDLER_DEADLINE
    while True:
        try:
            return work()
        except (OperationalError, InterfaceError) as error:
            tries += 1
            contended = getattr(error.__cause__, "sqlstate", None) in CONTENDED
            if not (
                tries < CONTENDED_TRIES
                if contended
                else reconnecting.is_lost(error) and time.monotonic() < until_s
            ):
                raise
            metrics.count_event("handler_repeated")
            connection.close()
            time.sleep(random.uniform(0, JITTER_S * tries) if contended else reconnecting.pause_s(tries))


@lru_cache(maxsize=1)
def handlers() -> Pool:
    """The pool of this process for what stations say."""
    return Pool("ocpp-handler", HANDLER_THREADS, deadline_s=settings.OCPP_HANDLER_DEADLINE)


@lru_cache(maxsize=1)
def commands() -> Pool:
    """The pool of this process for what we say; slow handlers do not hold up commands."""
    return Pool("ocpp-command", COMMAND_THREADS, deadline_s=settings.OCPP_HANDLER_DEADLINE, keep_s=KEEP_S)
