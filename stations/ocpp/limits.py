"""How often an address may knock (security.md L-02, L-03): counted in process, in bounded memory.

No database and no Valkey: the guard must hold when both are away.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from django.conf import settings

MAX_KEYS = 20_000
FAILURE_WINDOW_S = 60.0
Clock = Callable[[], float]


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class TokenBuckets:
    """``rate_per_s`` sustained and ``burst`` at once, per key."""

    def __init__(self, rate_per_s: float, burst: float, clock: Clock = time.monotonic) -> None:
        self.rate_per_s = rate_per_s
        self.burst = burst
        self._clock = clock
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()

    def take(self, key: Hashable) -> bool:
        """Whether one more is allowed now."""
        now = self._clock()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(self.burst, now)
            _forget_oldest(self._buckets)
        self._buckets.move_to_end(key)
        bucket.tokens = min(self.burst, bucket.tokens + (now - bucket.filled_at) * self.rate_per_s)
        bucket.filled_at = now
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True


@dataclass(slots=True)
class _Window:
    began_at: float
    count: int


class Failures:
    """Failures per key within a minute of the first one."""

    def __init__(self, allowed: int, clock: Clock = time.monotonic) -> None:
        self.allowed = allowed
        self._clock = clock
        self._windows: OrderedDict[Hashable, _Window] = OrderedDict()

    def add(self, key: Hashable) -> None:
        now = self._clock()
        window = self._windows.get(key)
        if window is None or now - window.began_at >= FAILURE_WINDOW_S:
            self._windows[key] = _Window(now, 1)
            self._windows.move_to_end(key)
            _forget_oldest(self._windows)
        else:
            window.count += 1

    def wait_s(self, key: Hashable) -> float:
        """Seconds until the key is heard again; 0 while it has tries left."""
        window = self._windows.get(key)
        if window is None or window.count < self.allowed:
            return 0.0
        return max(0.0, window.began_at + FAILURE_WINDOW_S - self._clock())


class UpgradeLimits:
    """What one process allows per address and per pair of identity and address."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._upgrades = TokenBuckets(
            settings.OCPP_UPGRADE_RATE_PER_SECOND, settings.OCPP_UPGRADE_BURST, clock
        )
        self._failures = Failures(settings.OCPP_FAILED_UPGRADES_PER_MINUTE, clock)

    def may_knock(self, address: str) -> bool:
        return self._upgrades.take(address)

    def wait_s(self, identity: str, address: str) -> float:
        """Seconds until this identity at this address, or the address, is heard again; 0 = now."""
        return max(self._failures.wait_s(address), self._failures.wait_s((identity, address)))

    def failed(self, identity: str, address: str) -> None:
        self._failures.add(address)
        self._failures.add((identity, address))


def _forget_oldest(counters: OrderedDict[Hashable, _Bucket] | OrderedDict[Hashable, _Window]) -> None:
    if len(counters) > MAX_KEYS:
        counters.popitem(last=False)
