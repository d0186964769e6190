"""Is it alive, and should it be sent requests? For load balancers, supervisors and alerts (M-10)."""

import threading
import time
from functools import lru_cache

import psycopg
import redis
from django.conf import settings
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from core import outage

OK, MISSING = "ok", "missing"
TIMEOUT_S = 2
FRESH_S = 1.0  # so that asking often costs nothing
PARAMETERS = ("dbname", "user", "password", "host", "port", "sslmode", "sslrootcert", "options", "service")

draining = threading.Event()

_lock = threading.Lock()
_last: tuple[float, dict[str, str]] | None = None


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers. Nothing else is looked at, so that nobody restarts it for the database's sake."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200, or 503 while the database or a migration is missing or this process drains. Valkey is only named."""
    parts = state()
    ready = parts["database"] == parts["migrations"] == OK and not draining.is_set()
    return JsonResponse({**parts, "draining": draining.is_set()}, status=200 if ready else 503)


def state() -> dict[str, str]:
    """Each part as `ok` or `missing`, at most a second old."""
    global _last
    with _lock:
        if _last is None or time.monotonic() - _last[0] > FRESH_S:
            _last = time.monotonic(), _look()
        return _last[1]


def _look() -> dict[str, str]:
    applied = _applied_migrations()
    complete = applied is not None and expected_migrations() <= applied
    return {
        "database": MISSING if applied is None else OK,
        "migrations": OK if complete else MISSING,
        "valkey": OK if _valkey_answers() else MISSING,
    }


def _applied_migrations() -> set[tuple[str, str]] | None:
    """What the database says over a connection of its own; None where it does not answer in time.

    The pool is not asked: it may be empty because the database is slow, and waits longer than a probe may.
    """
    known = connections["default"].get_connection_params()
    parameters = {name: known[name] for name in PARAMETERS if name in known}
    try:
        with psycopg.connect(**parameters, connect_timeout=TIMEOUT_S) as connection:
            # for this transaction: behind a pooler the connection is given to others afterwards
            connection.execute(f"SET LOCAL statement_timeout = {TIMEOUT_S * 1000}")
            return {
                (app, name) for app, name in connection.execute("SELECT app, name FROM django_migrations")
            }
    except psycopg.errors.UndefinedTable:
        return set()
    except psycopg.Error:
        return None


@lru_cache(maxsize=1)
def expected_migrations() -> frozenset[tuple[str, str]]:
    """The last migration of each app in this code."""
    return frozenset(MigrationLoader(None, ignore_no_migrations=True).graph.leaf_nodes())


def _valkey_answers() -> bool:
    try:
        with _valkey() as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:  # ValueError: an address that cannot be read
        outage.valkey.lost(error)
        return False
    outage.valkey.over()
    return True


def _valkey() -> redis.Redis:
    return redis.Redis.from_url(
        settings.VALKEY_URL, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
    )
