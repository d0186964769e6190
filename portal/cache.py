"""The cache: Valkey, and beside it a bounded one of this process that holds while Valkey is away.

What is kept in it are the counts of tries at the sign-in and the codes that were used. They are written to both,
so that the limits of a process neither open nor shut when Valkey goes, and nobody meets an error (security.md,
section 7). While Valkey is away each process counts for itself; afterwards Valkey's word counts again.
"""

from collections.abc import Callable
from typing import Any

import redis
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.backoff import NoBackoff
from redis.retry import Retry

from core import outage

MOST_ENTRIES = 20_000
PATIENCE_S = 2


class ValkeyCache(RedisCache):
    """Valkey's answer where there is one, else that of this process; never an error."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        limits = {
            "socket_timeout": PATIENCE_S,
            "socket_connect_timeout": PATIENCE_S,
            "retry": Retry(NoBackoff(), 0),
        }
        super().__init__(server, {**params, "OPTIONS": {**limits, **params.get("OPTIONS", {})}})
        self._own = LocMemCache("beside-valkey", {**params, "OPTIONS": {"MAX_ENTRIES": MOST_ENTRIES}})

    def add(
        self, key: str, value: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        """False as well where only this process knows the key: a code used in an outage is used."""
        if not self._own.add(key, value, timeout, version):
            return False
        fresh = self._asked(super().add, key, value, timeout, version, otherwise=True)
        if not fresh:  # it is another process's, and not for us to hold
            self._own.delete(key, version)
        return bool(fresh)

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        here = self._own.get(key, default, version)
        return self._asked(super().get, key, default, version, otherwise=here)

    def set(
        self, key: str, value: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        self._own.set(key, value, timeout, version)
        self._asked(super().set, key, value, timeout, version, otherwise=None)

    def touch(self, key: str, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        here = self._own.touch(key, timeout, version)
        return self._asked(super().touch, key, timeout, version, otherwise=here)

    def delete(self, key: str, version: int | None = None) -> bool:
        here = self._own.delete(key, version)
        return self._asked(super().delete, key, version, otherwise=here)

    def get_many(self, keys: Any, version: int | None = None) -> dict[str, Any]:
        here = self._own.get_many(keys, version)
        return self._asked(super().get_many, keys, version, otherwise=here)

    def has_key(self, key: str, version: int | None = None) -> bool:
        here = self._own.has_key(key, version)
        return self._asked(super().has_key, key, version, otherwise=here)

    def clear(self) -> None:
        self._own.clear()
        self._asked(super().clear, otherwise=None)

    incr = BaseCache.incr
    set_many = BaseCache.set_many
    delete_many = BaseCache.delete_many

    def _asked(self, ask: Callable[..., Any], *words: Any, otherwise: Any) -> Any:
        if not outage.valkey.may_ask():
            return otherwise
        try:
            answer = ask(*words)
        except redis.RedisError as error:
            outage.valkey.lost(error)
            return otherwise
        outage.valkey.over()
        return answer
