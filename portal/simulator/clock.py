"""The simulated world's time: what stands in timestamps and what drives charging."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

ACT = timedelta(seconds=1)
DEFAULT_HEAD_START = timedelta(hours=24)


class Clock(Protocol):
    """Simulated time. ``linger`` is the moment that a person's act takes."""

    def now(self) -> datetime: ...

    async def sleep_until(self, instant: datetime) -> None: ...

    def linger(self) -> None: ...


class FlowingClock:
    """Time that flows by itself, ``speed`` times as fast as real time.

    A fast clock starts in the past (``start``, by default 24 h ago) and flows at real speed once it
    has caught up with the present, unless ``may_run_ahead``.
    """

    def __init__(
        self, *, speed: float = 1.0, start: datetime | None = None, may_run_ahead: bool = False
    ) -> None:
        self.speed = speed
        self._origin = datetime.now(UTC)
        self._tick = time.monotonic()
        late_start = self._origin - DEFAULT_HEAD_START if speed > 1 else self._origin
        self._start = start or late_start
        self._may_run_ahead = may_run_ahead

    def now(self) -> datetime:
        elapsed = time.monotonic() - self._tick
        simulated = self._start + timedelta(seconds=elapsed * self.speed)
        if self._may_run_ahead:
            return simulated
        return min(simulated, self._origin + timedelta(seconds=elapsed))

    async def sleep_until(self, instant: datetime) -> None:
        due = (instant - self._start).total_seconds() / self.speed
        if not self._may_run_ahead:
            due = max(due, (instant - self._origin).total_seconds())
        await asyncio.sleep(max(0.0, due - (time.monotonic() - self._tick)))

    def linger(self) -> None:
        return None


class SteppedClock:
    """Time that stands still until somebody waits for it: twenty minutes of charging take milliseconds."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime.now(UTC) - timedelta(hours=1)

    def now(self) -> datetime:
        return self._now

    async def sleep_until(self, instant: datetime) -> None:
        self._now = max(self._now, instant)
        await asyncio.sleep(0)

    def advance(self, by: timedelta) -> None:
        self._now += by

    def linger(self) -> None:
        self._now += ACT
