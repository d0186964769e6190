"""Lets stations in no faster than what they say can be handled (promises F-15, L-13).

After an outage all stations come at once, and each begins with a boot. Admitted all together they would
wait for their answers beyond the deadline and begin again; waiting before the upgrade costs nothing.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from stations.ocpp import pool

CROWDED = 40
NEWCOMER_S = 0.1
"""How long an admitted station counts as one whose first message is on its way."""
LOOK_S = 0.02
PATIENCE_S = 14.0


class Turnstile:
    """One queue per process, in order of arrival."""

    def __init__(self) -> None:
        self._inside = 0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._looking = False

    @contextlib.asynccontextmanager
    async def turn(self, receive: Callable[[], Awaitable[Any]]) -> AsyncIterator[bool]:
        """Wait for the turn; ``False`` when it did not come in time or the caller has gone.

        ``receive`` yields nothing before the upgrade is answered but the news that the caller has gone.
        """
        if not await self._passed(receive):
            yield False
            return
        try:
            yield True
        finally:
            asyncio.get_running_loop().call_later(NEWCOMER_S, self._leave)

    async def _passed(self, receive: Callable[[], Awaitable[Any]]) -> bool:
        if not self._queue and not self._is_crowded():
            self._inside += 1
            return True
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        self._look_later()
        gone = asyncio.ensure_future(receive())
        try:
            await asyncio.wait({turn, gone}, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            admitted = turn.done()
            turn.cancel()
        if admitted and gone.done():
            self._leave()
        return admitted and not gone.done()

    def _is_crowded(self) -> bool:
        return self._inside + pool.handlers().waiting >= CROWDED

    def _leave(self) -> None:
        self._inside -= 1

    def _look_later(self) -> None:
        if self._queue and not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def _look(self) -> None:
        """Threads become free without telling the loop, so somebody looks while anybody waits."""
        self._looking = False
        while self._queue and (self._queue[0].cancelled() or not self._is_crowded()):
            turn = self._queue.popleft()
            if not turn.cancelled():
                self._inside += 1
                turn.set_result(None)
        self._look_later()
