"""Bounded threads for synchronous Django code, entered from the event loop.

What is scarce: database connections. A thread keeps its connection while work is waiting and gives it back
to the pool when it idles. A thread that hangs on a dead line is freed by cutting that line.
"""

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from django.db import DatabaseError, InterfaceError, connection, connections

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")

AWAY = (DatabaseError, InterfaceError, TimeoutError)
"""What a call raises while the database cannot be reached."""


class DatabaseThreads:
    """A fixed number of threads; calls wait in order. ``deadline_s`` bounds waiting and running together."""

    def __init__(self, name: str, size: int, *, deadline_s: float) -> None:
        self.deadline_s = deadline_s
        self._executor = ThreadPoolExecutor(size, thread_name_prefix=name)
        self._lock = threading.Lock()
        self._waiting = 0
        self._running: dict[int, tuple[float, Any]] = {}

    @property
    def waiting(self) -> int:
        """Calls for which no thread is free yet."""
        return self._waiting

    async def run(
        self, call: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """Raises ``TimeoutError`` after the deadline; the call may still be carried out."""
        with self._lock:
            self._waiting += 1
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._executor, lambda: self._call(call, *args, **kwargs))
        return await asyncio.wait_for(asyncio.shield(future), self.deadline_s)

    def cut_stuck(self, longer_than_s: float) -> int:
        """Shut the database lines of calls that run longer than this, so that they fail; how many."""
        before = time.monotonic() - longer_than_s
        stuck = [line for began_at, line in list(self._running.values()) if began_at < before]
        return sum(cut(line) for line in stuck)

    def close(self) -> None:
        """Take no more calls; those that wait are dropped."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _call(
        self, call: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        me = threading.get_ident()
        with self._lock:
            self._waiting -= 1
        self._running[me] = (time.monotonic(), connections["default"])
        try:
            return call(*args, **kwargs)
        finally:
            del self._running[me]
            self._give_back()

    def _give_back(self) -> None:
        with contextlib.suppress(DatabaseError, InterfaceError):
            if self._waiting and not connection.errors_occurred:
                return
            connection.close()


def cut(wrapper: Any) -> bool:
    """Shut the line of a Django connection that another thread waits on; ``False`` where none is open."""
    raw = wrapper.connection
    if raw is None or raw.closed:
        return False
    try:
        with socket.socket(fileno=os.dup(raw.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)
    except OSError:
        return False
    return True
