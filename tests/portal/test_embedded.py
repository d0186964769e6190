"""The embedded servers alone, in the situations a data directory gets into."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from portal.embedded import EmbeddedPostgres, EmbeddedValkey, ServerFailed
from portal.embedded.valkey import ASK_ONCE
from tests.portal.up import processes_of, until
from tests.running import ROOT


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path / "data", durable=False)
    server.start()
    yield server
    server.stop()


def test_w33_the_application_reads_and_writes_rows_and_cannot_change_tables(
    postgres: EmbeddedPostgres,
) -> None:
    with psycopg.connect(postgres.url("owner")) as owner:
        owner.execute("CREATE TABLE things (id int)")

    with psycopg.connect(postgres.url("app"), autocommit=True) as app:
        app.execute("INSERT INTO things VALUES (1)")
        assert app.execute("SELECT count(*) FROM things").fetchone() == (1,)
        for wish in ("CREATE TABLE more (id int)", "DROP TABLE things", "ALTER TABLE things ADD x int"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app.execute(wish)


def test_roles_need_their_password(postgres: EmbeddedPostgres) -> None:
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(postgres.url("app").replace(postgres.passwords["app"], "guess"))


def test_an_id_that_another_program_has_by_now_does_not_hinder_the_start(postgres: EmbeddedPostgres) -> None:
    record = postgres.cluster / "postmaster.pid"
    lines = record.read_text().split("\n")
    postgres.stop()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        record.write_text("\n".join([str(other.pid), *lines[1:]]))
        if postgres.account:
            os.chown(record, postgres.account.uid, postgres.account.gid)

        postgres.start()

        assert other.poll() is None
        other.kill()


def test_a_server_left_over_from_an_earlier_start_hands_over_its_data(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.url("owner")) as owner:
        owner.execute("CREATE TABLE kept (id int)")
    again = EmbeddedPostgres(postgres.data_dir, durable=False)

    again.start()

    with psycopg.connect(again.url("app")) as app:
        assert app.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    assert until(lambda: postgres.child.poll() is not None, 1)
    again.stop()


def test_a_path_too_long_for_a_socket_gets_a_private_one_elsewhere(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / ("long" * 30), durable=False)
    server.start()

    with psycopg.connect(server.url("app")) as app:
        assert app.execute("SELECT 1").fetchone() == (1,)
    assert server.socket_dir.stat().st_mode & 0o077 == 0
    assert server.data_dir not in server.socket_dir.parents

    server.stop()
    assert not server.socket_dir.exists()


def test_a_cluster_that_was_half_made_is_made_anew(tmp_path: Path) -> None:
    half = tmp_path / "data" / "postgres.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(tmp_path / "data", durable=False)

    server.start()

    server.stop()
    assert not half.exists()


def test_a_cluster_that_lost_a_file_is_reported_in_one_line(postgres: EmbeddedPostgres) -> None:
    postgres.stop()
    (postgres.cluster / "global" / "pg_control").unlink()

    with pytest.raises(ServerFailed, match="pg_control") as caught:
        postgres.start()

    assert "\n" not in str(caught.value)


def test_valkey_needs_its_password_keeps_its_port_and_its_content(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path / "data", password="opensesame")
    server.start()
    with redis.Redis.from_url(server.url()) as client:
        client.set("kept", "1")
    with redis.Redis(port=server.port, retry=ASK_ONCE) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    server.stop()

    again = EmbeddedValkey(tmp_path / "data", password=server.password)
    again.start()

    assert again.port == server.port
    with redis.Redis.from_url(again.url()) as client:
        assert client.get("kept") == b"1"
    again.stop()


def test_servers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from portal.embedded import *; place = Path(sys.argv[1]);"
        "EmbeddedPostgres(place, durable=False).start(); EmbeddedValkey(place).start(); print('up', flush=True);"
        "time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "data")], cwd=ROOT, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == b"up\n"
        parent.kill()
    began = time.monotonic()

    assert until(lambda: not processes_of(tmp_path / "data"), 10)
    assert time.monotonic() - began < 10
