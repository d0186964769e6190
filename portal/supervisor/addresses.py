"""Addresses of servers that `up` was given: whether they can be read, and whether the database answers."""

import os
from collections.abc import Mapping
from typing import Any

import environ
import psycopg
import redis

from portal.embedded import ServerFailed

VALKEY_SCHEMES = ("redis://", "rediss://")  # what both the cache and Celery take
VALKEY_EXAMPLE = "redis://:password@valkey.example.org:6379/0"
DATABASE_SCHEMES = ("postgres://", "postgresql://", "psql://", "pgsql://")
DATABASE_EXAMPLE = "postgres://user:password@db.example.org:5432/chargeyard"
DATABASES = ("DATABASE_URL", "DATABASE_OWNER_URL")
OPTIONS = ("host", "sslmode", "sslrootcert", "sslcert", "sslkey", "options", "service")
PATIENCE_S = 5


def check() -> None:
    """Raises :class:`ServerFailed` for an address that cannot be read; it may hold a password and is not told."""
    if given := os.environ.get("VALKEY_URL"):
        _check_valkey(given)
    for name, given in _databases().items():
        _parameters(name, given)


def check_database() -> None:
    """Raises :class:`ServerFailed` where a database that was given takes no connection."""
    for name, given in _databases().items():
        try:
            psycopg.connect(**_parameters(name, given), connect_timeout=PATIENCE_S).close()
        except psycopg.Error as error:
            cause = (str(error).strip().splitlines() or ["no answer"])[0].rstrip(".")
            raise ServerFailed(
                f"The database of {name} does not answer: {cause}. Start it, or correct {name}."
            ) from None


def _databases() -> dict[str, str]:
    return {name: given for name in DATABASES if (given := os.environ.get(name))}


def _check_valkey(given: str) -> None:
    try:
        if given.startswith(VALKEY_SCHEMES):
            redis.ConnectionPool.from_url(given)
            return
    except ValueError:
        pass
    raise ServerFailed(f"VALKEY_URL is an address like {VALKEY_EXAMPLE}; the one that is set cannot be read.")


def _parameters(name: str, given: str) -> dict[str, Any]:
    """What the driver is told, from the address as the settings read it."""
    try:
        if given.startswith(DATABASE_SCHEMES):
            return _as_the_driver_names_them(environ.Env.db_url_config(given))
    except ValueError:
        pass
    raise ServerFailed(f"{name} is an address like {DATABASE_EXAMPLE}; the one that is set cannot be read.")


def _as_the_driver_names_them(read: Mapping[str, Any]) -> dict[str, Any]:
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    told = {driver: read[name] for name, driver in names.items() if read.get(name)}
    return told | {name: value for name, value in read.get("OPTIONS", {}).items() if name in OPTIONS}
