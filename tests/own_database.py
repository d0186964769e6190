"""A PostgreSQL of a test's own, which it may restart, kill or slow down, with the portal's schema in it."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import environ
import psycopg
from django.db import connections

from portal.embedded.postgres import EmbeddedPostgres
from tests.running import ROOT

STOP_SECONDS = 30


class OwnDatabase:
    """``url`` for a portal; the rest is what can happen to a database."""

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        self.postgres = postgres
        self.url = postgres.url("app")

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT as for maintenance, SIGKILL as a crash. The test's own connections go before."""
        _let_go()
        child = self.postgres.child
        assert child is not None
        child.send_signal(number)
        child.wait(STOP_SECONDS)

    def start(self) -> None:
        self.postgres.launch()
        self.postgres.wait_ready()

    @contextlib.contextmanager
    def commits_delayed(self) -> Iterator[None]:
        """Meanwhile every COMMIT that wrote something waits for a standby that does not exist."""
        self._configure("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        try:
            yield
        finally:
            self._configure("ALTER SYSTEM RESET synchronous_standby_names")

    def _configure(self, statement: str) -> None:
        with psycopg.connect(self.postgres.url("superuser", "postgres"), autocommit=True) as connection:
            connection.execute(statement)
            connection.execute("SELECT pg_reload_conf()")


@contextlib.contextmanager
def own_database() -> Iterator[OwnDatabase]:
    """Durable, migrated, and the one that this process's Django uses until the end."""
    directory = Path(tempfile.mkdtemp(prefix="chargeyard-test-"))
    postgres = EmbeddedPostgres(directory)
    try:
        postgres.start()
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "portal.settings.test",
            "DATABASE_URL": postgres.url("app"),
            "DATABASE_OWNER_URL": postgres.url("owner"),
        }
        command = [sys.executable, "manage.py", "migrate", "-v", "0", "--skip-checks"]
        subprocess.run(command, cwd=ROOT, env=environment, check=True)
        with in_use(postgres.url("app")):
            yield OwnDatabase(postgres)
    finally:
        postgres.stop()
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def in_use(url: str) -> Iterator[None]:
    """Let this process's connections lead there."""
    place = connections["default"].settings_dict
    found = environ.Env.db_url_config(url)
    before = {name: place[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS")}
    _let_go()
    place.update({name: found[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")})
    place["OPTIONS"] = {**before["OPTIONS"], **found.get("OPTIONS", {})}
    try:
        yield
    finally:
        _let_go()
        place.update(before)


def _let_go() -> None:
    wrapper = connections["default"]
    wrapper.close()
    wrapper.close_pool()
