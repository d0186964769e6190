"""The schema of an empty database, recorded: what the migrations do to one, without the minute they take.

Django makes all models anew after each operation of a migration, which is nearly all of the time that they
take. `make schema` writes down what they say to PostgreSQL; an empty database is told that, and
ordinary migrations go on from there. What was recorded of other migrations than those that are there is not used.
"""

import hashlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration
from django.db.transaction import atomic

RECORD = Path(__file__).with_name("schema.sql")
HEADER = re.compile(r"^-- migration (\w+)\.(\w+) ([0-9a-f]{16})$", re.MULTILINE)
OF_THE_DAY = re.compile(r"^SELECT \w+\(now\(\)\);?$", re.MULTILINE)
LAST = "\n-- of the day"
LOCK = "SELECT pg_advisory_xact_lock(hashtext('chargeyard_schema'))"
IS_EMPTY = """
SELECT NOT EXISTS (
    SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
)
"""


def load() -> int:
    """Tell an empty database all that is recorded, in one transaction; how many migrations that were.

    0 where the database has tables already, or where a migration is not what was recorded of it.
    """
    text = _text()
    with atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK)
        cursor.execute(IS_EMPTY)
        (empty,) = cursor.fetchone()
        recorded = _recorded(text)
        if not empty or not recorded.items() <= _present().items():
            return 0
        cursor.execute(text)
    return len(recorded)


def stale() -> list[str]:
    """The migrations that the record lacks, or has otherwise than they are."""
    recorded, present = _recorded(_text()), _present()
    differing = {name for name, _digest in recorded.items() ^ present.items()}
    return sorted(differing)


@contextmanager
def recording() -> Iterator["Recorder"]:
    """What migrations say within goes to the database and into the recorder."""
    recorder = Recorder()
    with connection.execute_wrapper(recorder):
        yield recorder


class Recorder:
    """What one migration after the other says to an empty database."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self._last: list[str] = []
        self._within = False

    def begin(self, migration: Migration) -> None:
        self._within = True
        self._said.append(f"\n-- migration {migration.app_label}.{migration.name} {_digest(migration)}")

    def end(self) -> None:
        """What its rows owe other tables is checked now: the next migration may change these."""
        self._within = False
        self._said.append("SET CONSTRAINTS ALL IMMEDIATE;\nSET CONSTRAINTS ALL DEFERRED;")

    def text(self) -> str:
        """A script for one transaction; what depends on the day comes last."""
        return "\n".join(["-- Written by `make schema`.", *self._said, LAST, *self._last, ""])

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Mapping[str, Any]
    ) -> Any:
        self._last += OF_THE_DAY.findall(sql)
        sql = OF_THE_DAY.sub("", sql)
        if 'INSERT INTO "django_migrations"' in sql:
            app, name = params[:2]
            self._say(f"INSERT INTO django_migrations (app, name, applied) VALUES ('{app}', '{name}', now())")
        elif self._is_change(sql):
            for each in params if many else [params]:
                self._say(sql if each is None else connection.ops.compose_sql(sql, each))
        return execute(sql, params, many, context)

    def _say(self, statement: str) -> None:
        self._said.append(statement.strip().removesuffix(";").replace(" CONCURRENTLY", "") + ";")

    def _is_change(self, sql: str) -> bool:
        if not self._within:
            return sql.startswith('CREATE TABLE "django_migrations"')
        words = sql.split(maxsplit=1)
        if not words or words[0] in {"SAVEPOINT", "RELEASE", "ROLLBACK"}:
            return False
        return words[0] != "SELECT" or " FROM " not in f" {' '.join(sql.split())} "


def _text() -> str:
    return RECORD.read_text(encoding="utf-8") if RECORD.exists() else ""


def _recorded(text: str) -> dict[str, str]:
    return {f"{app}.{name}": digest for app, name, digest in HEADER.findall(text)}


def _present() -> dict[str, str]:
    nodes = MigrationLoader(None).graph.nodes
    return {f"{app}.{name}": _digest(migration) for (app, name), migration in nodes.items()}


def _digest(migration: Migration) -> str:
    source = sys.modules[migration.__module__].__file__
    assert source is not None
    return hashlib.sha256(Path(source).read_bytes()).hexdigest()[:16]
