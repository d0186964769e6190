"""Requests per key: a token bucket in this process, told in ``RateLimit`` headers (security.md L-16)."""

import math
import time
from collections import OrderedDict
from threading import Lock

from django.conf import settings

MAX_BUCKETS = 10_000


class Buckets:
    """One bucket per caller, the least recently used forgotten beyond ``MAX_BUCKETS``."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def take(self, caller: str) -> tuple[bool, int, float]:
        """Whether the request may pass, how many more could at once, seconds until the next one can."""
        rate, burst = settings.API_RATE_PER_SECOND, settings.API_RATE_BURST
        now = time.monotonic()
        with self._lock:
            level, seen = self._buckets.pop(caller, (float(burst), now))
            level = min(float(burst), level + (now - seen) * rate)
            allowed = level >= 1
            level -= allowed
            self._buckets[caller] = (level, now)
            if len(self._buckets) > MAX_BUCKETS:
                self._buckets.popitem(last=False)
        return allowed, int(level), 0.0 if allowed else (1 - level) / rate


buckets = Buckets()


def told(remaining: int) -> str:
    """The ``RateLimit``: how many more requests could pass at once."""
    return f'"key";r={remaining};t=1'


def policy() -> str:
    """The ``RateLimit-Policy``: so many requests at once, filled up again within so many seconds."""
    window = math.ceil(settings.API_RATE_BURST / settings.API_RATE_PER_SECOND)
    return f'"key";q={settings.API_RATE_BURST};w={window}'
