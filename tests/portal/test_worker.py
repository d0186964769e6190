"""One worker for everything: what takes long does not keep waiting what has to be on time (M-05)."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.test import override_settings

from core.services import webhooks
from portal.supervisor.portal import WORKER
from tests import factories
from tests.own_database import OwnDatabase, own_database
from tests.receiving import Receiver, receiver
from tests.running import ROOT
from tests.waiting import eventually

LENGTHY = (
    "LOCK TABLE billing_billingrun, billing_invoicedocument, billing_settlement IN ACCESS EXCLUSIVE MODE"
)


@pytest.fixture
def database(django_db_setup: None, django_db_blocker: Any) -> Iterator[OwnDatabase]:
    with django_db_blocker.unblock(), own_database() as database:
        yield database


@contextlib.contextmanager
def worker(database: OwnDatabase, target: Receiver, directory: Path) -> Iterator[Path]:
    """As `up` starts it, with the timetable in the same process."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "portal.settings.test",
        "DATABASE_URL": database.url,
        "EGRESS_ALLOW": ",".join(target.allowed),
    }
    command = [sys.executable, *WORKER, "--beat", "--schedule", str(directory / "beat")]
    log = directory / "worker.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    try:
        yield log
    finally:
        process.kill()
        process.wait(10)


@contextlib.contextmanager
def stuck(database: OwnDatabase) -> Iterator[psycopg.Connection[Any]]:
    """Meanwhile the month end, documents and sealing all wait for a lock: work that does not end."""
    with psycopg.connect(database.postgres.url("owner")) as holder:
        holder.execute(LENGTHY)
        yield holder


def waiting_for_locks(database: OwnDatabase) -> int:
    with psycopg.connect(database.postgres.url("owner"), autocommit=True) as looking:
        row = looking.execute(
            "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND relation::regclass::text LIKE 'billing%'"
        ).fetchone()
        assert row is not None
        return int(row[0])


def test_m05_webhooks_are_sent_while_lengthy_work_of_several_kinds_does_not_end(
    database: OwnDatabase, tmp_path: Path
) -> None:
    alice = factories.make_actor(factories.make_organization())
    with receiver() as target, override_settings(EGRESS_ALLOW=target.allowed):
        webhooks.create({"url": target.url, "types": ["station.created"]}, by=alice)
        with stuck(database), worker(database, target, tmp_path) as log:
            eventually(lambda: waiting_for_locks(database), within_s=60, what=log.read_text())
            for number in (1, 2, 3):
                factories.make_station(alice)
                eventually(lambda number=number: len(target.heard) == number, within_s=15, what=str(number))
            assert waiting_for_locks(database) == 1
