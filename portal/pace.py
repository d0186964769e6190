"""So many requests a minute for one thing, counted in this process."""

import math
import time
from collections import OrderedDict
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
