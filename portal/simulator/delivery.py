"""Transaction messages: kept in order, queued while offline, retried by the rules of OCPP.

1.6 section 3.7 and 2.0.1 E13: a message that was refused or not answered is sent again up to
TransactionMessageAttempts times, after the retry interval times the number of tries so far.
A lost connection counts as no try.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from portal.simulator.journal import Json
from portal.simulator.settings import Habits
from portal.simulator.transport import AnswerTimeout, CallRefused, LinkLost


class Sender(Protocol):
    """What the queue needs of its station."""

    habits: Habits

    @property
    def may_send(self) -> bool: ...

    async def call(self, action: str, payload: Json) -> Json: ...


@dataclass(slots=True, eq=False)
class Queued:
    """``build`` is called at sending: a 1.6 stop learns its transactionId from the start's answer."""

    action: str
    build: Callable[[], Json]
    answered: Callable[[Json], None]
    noticed: asyncio.Future[Json | None]
    attempts: int = 0


class DeliveryQueue:
    """The transaction messages of one station that are not answered yet."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._waiting: deque[Queued] = deque()
        self._task: asyncio.Task[None] | None = None
        self.given_up: int = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(
        self, action: str, build: Callable[[], Json], answered: Callable[[Json], None]
    ) -> Awaitable[Json | None]:
        """The future gives the answer, or None as soon as the message has to wait for a connection."""
        noticed: asyncio.Future[Json | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(Queued(action, build, answered, noticed))
        self.wake()
        return noticed

    def wake(self) -> None:
        """Deliver, if there is a connection; else let nobody wait."""
        if not self._sender.may_send:
            self._release()
        elif self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def emptied(self) -> None:
        """Wait until what is queued has been delivered or has to wait for a connection."""
        while self._waiting and self._task is not None and not self._task.done():
            await asyncio.shield(self._task)

    async def _drain(self) -> None:
        while self._waiting and self._sender.may_send:
            entry = self._waiting[0]
            try:
                answer = await self._sender.call(entry.action, entry.build())
            except LinkLost:
                break
            except (CallRefused, AnswerTimeout):
                await self._failed(entry)
            else:
                self._waiting.popleft()
                entry.answered(answer)
                _resolve(entry, answer)
        self._release()

    async def _failed(self, entry: Queued) -> None:
        entry.attempts += 1
        habits = self._sender.habits
        if entry.attempts >= habits.attempts:
            self._waiting.popleft()
            self.given_up += 1
            _resolve(entry, None)
        else:
            await asyncio.sleep(habits.retry_interval_s * entry.attempts)

    def _release(self) -> None:
        for entry in self._waiting:
            _resolve(entry, None)


def _resolve(entry: Queued, answer: Json | None) -> None:
    if not entry.noticed.done():
        entry.noticed.set_result(answer)
