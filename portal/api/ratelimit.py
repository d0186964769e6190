"""Requests per key: one token bucket for all processes, told in ``RateLimit`` headers (security.md L-16).

The bucket stands in Valkey. Beside it each process keeps one of its own, which refuses a flood without asking anybody
and counts alone while Valkey is away.
"""

import math
import time
from collections import OrderedDict
from functools import lru_cache
from threading import Lock
from typing import Any, NamedTuple

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.views import APIView

from core.access import Actor
from core.outage import valkey

MAX_BUCKETS = 10_000
PATIENCE_S = 0.25


class Turn(NamedTuple):
    """Whether a request may pass, how many more could at once, and seconds until the next one can."""

    allowed: bool
    remaining: int
    wait_s: float


def turn(level: float, *, allowed: bool) -> Turn:
    """``level`` is what is left in the bucket, in requests."""
    return Turn(allowed, int(level), 0.0 if allowed else (1 - level) / settings.API_RATE_PER_SECOND)


class OwnBuckets:
    """One bucket per caller in this process, the least recently used forgotten beyond ``MAX_BUCKETS``."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def take(self, caller: str) -> Turn:
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
        return turn(level, allowed=allowed)


class Buckets:
    """One bucket per caller, whichever process is asked."""

    def __init__(self) -> None:
        self._own = OwnBuckets()

    def take(self, caller: str) -> Turn:
        """Count a request of the caller. Waits for Valkey ``PATIENCE_S`` at most."""
        here = self._own.take(caller)
        if not here.allowed or not valkey.may_ask():
            return here
        words = (f"rate:{caller}", settings.API_RATE_BURST, settings.API_RATE_PER_SECOND)
        try:
            allowed, level = _script()(keys=words[:1], args=words[1:])
        except redis.RedisError as error:
            valkey.lost(error)
            return here
        valkey.over()
        return turn(float(level), allowed=bool(allowed))


@lru_cache(maxsize=1)
def _script() -> "redis.commands.core.Script":
    once_more = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
    client = redis.Redis.from_url(
        settings.VALKEY_URL, socket_timeout=PATIENCE_S, socket_connect_timeout=PATIENCE_S, retry=once_more
    )
    return client.register_script(_TAKE)


_TAKE = """
local burst, rate = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local held = redis.call('HMGET', KEYS[1], 'level', 'at')
local level = burst
if held[1] then level = math.min(burst, held[1] + math.max(0, now - held[2]) * rate) end
local allowed = level >= 1
if allowed then level = level - 1 end
redis.call('HSET', KEYS[1], 'level', string.format('%.6f', level), 'at', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], math.ceil((burst - level) / rate) + 1)
return {allowed and 1 or 0, string.format('%.6f', level)}
"""

buckets = Buckets()


def told(remaining: int) -> str:
    """The ``RateLimit``: how many more requests could pass at once."""
    return f'"key";r={remaining};t=1'


def policy() -> str:
    """The ``RateLimit-Policy``: so many requests at once, filled up again within so many seconds."""
    window = math.ceil(settings.API_RATE_BURST / settings.API_RATE_PER_SECOND)
    return f'"key";q={settings.API_RATE_BURST};w={window}'


class Counted(APIView):
    """A view whose requests count: by key or, signed in, by person."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self._limit_rate(request)

    def _limit_rate(self, request: Request) -> None:
        who = request.auth.subject_id if isinstance(request.auth, Actor) else request.user.pk
        allowed, self.remaining, wait = buckets.take(str(who))
        if not allowed:
            raise Throttled(wait=wait)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        if hasattr(self, "remaining"):
            response["RateLimit"] = told(self.remaining)
            response["RateLimit-Policy"] = policy()
        return response
