"""Fixtures of the whole suite.

Two kinds of tests: those with ``db`` run in a transaction that is rolled back; those with ``live`` talk to
one real server that all of them share, on the same database, and keep apart by making their own
organization, stations and people (``tests.factories``). Nothing is flushed between tests.
"""

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.running import Server, start_server

ROOT = Path(__file__).resolve().parent.parent

# How long an example takes tells of the machine and of what else it does, not of the portal.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Who needs a portal in which nobody has worked yet comes first, in whatever process it runs.

    Files whose tests leave rows behind come last: no other test finds what they left, whatever file runs where.
    """
    leaving = {item.path for item in items if leaves_rows(item)}
    items.sort(key=lambda item: (item.get_closest_marker("untouched") is None, item.path in leaving))


def pytest_collection_finish() -> None:
    """What was collected lasts as long as the process: no collection of garbage walks through it again."""
    gc.collect()
    gc.freeze()


def leaves_rows(item: pytest.Item) -> bool:
    return "committed" in getattr(item, "fixturenames", ())


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: Any) -> Iterator[None]:
    """The schema, made by the owner's role; the tests themselves act as the application's."""
    command = [sys.executable, "manage.py", "migrate", "-v", "0", "--skip-checks"]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "portal.settings.test"}
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    yield
    from django.db import connections

    with django_db_blocker.unblock():
        for connection in connections.all():
            connection.close()
            if pool := getattr(connection, "pool", None):
                pool.close()


@pytest.fixture
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Database access whose writes the live server sees. Make your own organization; nothing is undone."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture(scope="module")
def for_all(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """What a module's fixtures write once for all of its tests: each of these ends where it began, and so do they."""
    from django.db import transaction

    with django_db_blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture(scope="session")
def shared_server(django_db_setup: None) -> Iterator[Server]:
    with start_server() as server:
        yield server


@pytest.fixture
def live(shared_server: Server, committed: None) -> Server:
    """The running portal: ``http_url``, ``ocpp_url``."""
    shared_server.require_alive()
    return shared_server


@pytest.fixture(scope="session")
def hiding_server(django_db_setup: None) -> Iterator[Server]:
    """A second portal that does not tell unknown stations from wrong passwords (P009)."""
    with start_server(OCPP_HIDE_UNKNOWN_STATIONS="1") as server:
        yield server
