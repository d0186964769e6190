"""So many requests a minute for one thing, and so many at once for one caller, counted in this process."""

import math
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

MOST_THINGS = 10_000


class Pace:
    """A bucket of requests for each key, filled again evenly; the one used longest ago is forgotten."""

    def __init__(self, *, per_minute: int) -> None:
        self._most = float(per_minute)
        self._lock = Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, key: str) -> int:
        """0 where the request may pass, which then counts; else the seconds after which one may."""
        now = time.monotonic()
        with self._lock:
            level, seen = self._buckets.pop(key, (self._most, now))
            level = min(self._most, level + (now - seen) * self._most / 60)
            passes = level >= 1
            level -= passes
            self._buckets[key] = (level, now)
            if len(self._buckets) > MOST_THINGS:
                self._buckets.popitem(last=False)
        return 0 if passes else math.ceil((1 - level) * 60 / self._most)


class AtOnce:
    """How much each caller, and all of them together, have under way."""

    def __init__(self, *, each: int, in_all: int) -> None:
        self._each, self._in_all = each, in_all
        self._lock = Lock()
        self._counts: Counter[str] = Counter()

    def enter(self, caller: str) -> bool:
        """Whether there is a place, which is then taken until :meth:`leave`."""
        with self._lock:
            if self._counts[caller] >= self._each or self._counts.total() >= self._in_all:
                return False
            self._counts[caller] += 1
            return True

    @contextmanager
    def place(self, caller: str) -> Iterator[bool]:
        """Whether there is a place, for as long as the block lasts."""
        there_is_one = self.enter(caller)
        try:
            yield there_is_one
        finally:
            if there_is_one:
                self.leave(caller)

    def leave(self, caller: str) -> None:
        with self._lock:
            self._counts[caller] -= 1
            if self._counts[caller] <= 0:
                del self._counts[caller]
