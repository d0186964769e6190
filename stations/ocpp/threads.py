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
from concurrent.futures import Future
from functools import partial
from queue import Full
from typing import Any, ParamSpec, TypeVar

from django.db import DatabaseError, InterfaceError, connection, connections

from stations.ocpp import metrics
from stations.ocpp.workers import WAITING_MAX, Workers

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")

AWAY = (DatabaseError, InterfaceError, TimeoutError, Full)
"""What a call raises while the database cannot be reached or is far behind."""


class DatabaseThreads:
    """A fixed number of threads; calls wait in order, at most ``waiting_max`` of them: one more fails at once
    with ``queue.Full``. ``deadline_s`` bounds waiting and running together.

    ``keep_s`` is how long a thread without work keeps its connection: getting one costs more than a
    statement, so whoever is waited for keeps it from one step to the next.
    """

    def __init__(
        self, name: str, size: int, *, deadline_s: float, keep_s: float = 0.0, waiting_max: int = WAITING_MAX
    ) -> None:
        self.deadline_s = deadline_s
        self._keep_s = keep_s
        self._workers = Workers(name, size, rest_after_s=keep_s or None, rest=_close, waiting_max=waiting_max)
        self._lock = threading.Lock()
        self._waiting = 0
        self._running: dict[int, tuple[float, Any]] = {}
        metrics.watch(f"{name.replace('-', '_').removeprefix('ocpp_')}_calls_waiting", lambda: self._waiting)

    @property
    def waiting(self) -> int:
        """Calls for which no thread is free yet."""
        return self._waiting

    async def run(
        self, call: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """Raises ``TimeoutError`` after the deadline; the call may still be carried out."""
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self.begin(partial(call, *args, **kwargs), partial(_answer, answer))
        async with asyncio.timeout(self.deadline_s):
            return await answer

    def begin(self, work: Callable[[], Result], done: Callable[["Future[Result]"], None]) -> None:
        """Do the work on a thread, then ``done`` on the event loop."""
        loop = asyncio.get_running_loop()
        with self._lock:
            self._waiting += 1
        try:
            self._workers.submit(lambda: _hand_over(loop, done, self._carry_out(work)))
        except Full as full:
            self._turn_away(loop, done, full)

    def _turn_away(
        self, loop: asyncio.AbstractEventLoop, done: Callable[["Future[Result]"], None], full: Full
    ) -> None:
        """Said on the loop's next turn: who asks may be in the middle of his own list."""
        with self._lock:
            self._waiting -= 1
        metrics.count_event("calls_turned_away")
        ended: Future[Result] = Future()
        ended.set_exception(full)
        loop.call_soon(done, ended)

    def cut_stuck(self, longer_than_s: float) -> int:
        """Shut the database lines of calls that run longer than this, so that they fail; how many."""
        before = time.monotonic() - longer_than_s
        stuck = [line for began_at, line in list(self._running.values()) if began_at < before]
        return sum(cut(line) for line in stuck)

    def close(self) -> None:
        """Take no more calls; those that wait are dropped."""
        self._workers.close()

    def _carry_out(self, work: Callable[[], Result]) -> "Future[Result]":
        me = threading.get_ident()
        with self._lock:
            self._waiting -= 1
        self._running[me] = (time.monotonic(), connections["default"])
        ended: Future[Result] = Future()
        try:
            ended.set_result(work())
        except BaseException as error:  # noqa: BLE001  raised again where somebody waits for the result
            ended.set_exception(error)
        finally:
            del self._running[me]
            self._give_back()
        return ended

    def _give_back(self) -> None:
        if connection.errors_occurred or not (self._waiting or self._keep_s):
            _close()


def _close() -> None:
    with contextlib.suppress(DatabaseError, InterfaceError):
        connection.close()


def _hand_over(
    loop: asyncio.AbstractEventLoop, done: Callable[["Future[Result]"], None], ended: "Future[Result]"
) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
        loop.call_soon_threadsafe(done, ended)


def _answer(answer: "asyncio.Future[Result]", ended: "Future[Result]") -> None:
    if answer.done():
        return
    error = ended.exception()
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(ended.result())


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
