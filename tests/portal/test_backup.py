"""`manage.py backup` and `manage.py restore`, with the embedded database and with a given one."""

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from portal.embedded.postgres import EmbeddedPostgres
from portal.supervisor import environment, ground, options
from portal.supervisor.backup import FORMER, GAP, NUMBERS_GAP
from tests.portal.up import plain_environment, run_to_end
from tests.running import ROOT

SLUG = "kept-by-the-backup"
NUMBERS = "stations_transaction_number_seq"
CYCLING = "stations_request_id_seq"


def manage(*words: str, **extra: str) -> tuple[int, str]:
    return run_to_end([sys.executable, "manage.py", *words], **extra)


def server_of(data_dir: Path) -> EmbeddedPostgres:
    passwords = environment.server_passwords(data_dir)
    server = EmbeddedPostgres(data_dir, passwords={name: passwords[name] for name in ("owner", "app")})
    server.start()
    return server


def fill(url: str) -> None:
    """Schema, one organization, and counters that have been used."""
    settings = {"DJANGO_SETTINGS_MODULE": "portal.settings.test", "DATABASE_URL": url}
    words = [sys.executable, "manage.py", "migrate", "-v", "0", "--skip-checks"]
    subprocess.run(words, cwd=ROOT, env=plain_environment(**settings), check=True)
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO core_organization (id, slug, name, currency, time_zone, demo, created_at)"
            " VALUES (gen_random_uuid(), %s, 'Kept', 'EUR', 'UTC', false, now())",
            [SLUG],
        )
        connection.execute(
            "INSERT INTO billing_invoiceseries (organization_id, document_type, year, next_number)"
            " SELECT id, '380', extract(year FROM now())::int - back, 431"
            " FROM core_organization, generate_series(0, 1) back"
            " UNION SELECT id, '381', extract(year FROM now())::int - 1, 8 FROM core_organization"
        )
        connection.execute("SELECT setval(%s::regclass, 41)", [NUMBERS])
        connection.execute("SELECT setval(%s::regclass, 2147483646)", [CYCLING])


def slugs(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT slug FROM core_organization")]


def acts(url: str) -> list[tuple[str, str, dict[str, list[int]]]]:
    with psycopg.connect(url) as connection:
        rows = "SELECT action, object_label, changes FROM core_auditentry ORDER BY id"
        return list(connection.execute(rows).fetchall())


def following(url: str, sequence: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT nextval(%s::regclass)", [sequence]).fetchone()
    assert row
    return int(row[0])


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a filled database that does not run."""
    data_dir = tmp_path_factory.mktemp("source") / "data"
    data_dir.mkdir()
    server = server_of(data_dir)
    try:
        fill(server.url("owner"))
    finally:
        server.stop()
    return data_dir


@pytest.fixture(scope="module")
def file(source: Path) -> Path:
    kept = source.with_name("chargeyard.backup")
    code, said = manage("backup", str(kept), "--data-dir", str(source))
    assert code == 0, said
    return kept


def test_a_backup_is_readable_by_its_owner_only(file: Path) -> None:
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_bytes().startswith(b"PGDMP")


def test_m16_a_restore_brings_everything_back_and_ids_jump_ahead(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "data"
    code, said = manage("restore", str(file), "--data-dir", str(target))
    assert code == 0, said
    server = server_of(target)
    try:
        assert slugs(server.url("app")) == [SLUG]
        assert following(server.url("app"), NUMBERS) == 41 + GAP + 1
        assert GAP < following(server.url("app"), CYCLING) < 2 * GAP
        assert [action for action, *_ in acts(server.url("app"))][:1] == ["database.restored"]
        with (
            psycopg.connect(server.url("app")) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute("CREATE TABLE slipped_in (id int)")
    finally:
        server.stop()


def test_b16_f28_no_number_of_an_invoice_is_given_out_again_after_a_restore(
    file: Path, tmp_path: Path
) -> None:
    target = tmp_path / "data"
    assert manage("restore", str(file), "--data-dir", str(target))[0] == 0
    server = server_of(target)
    try:
        with psycopg.connect(server.url("app")) as connection:
            numbers = connection.execute(
                "SELECT document_type, extract(year FROM now())::int - year, next_number FROM billing_invoiceseries"
                " ORDER BY 1, 2"
            ).fetchall()
        told = [
            (label[:3], changes) for action, label, changes in acts(server.url("app")) if "numbers" in action
        ]
    finally:
        server.stop()

    assert numbers == [
        ("380", 0, 431 + NUMBERS_GAP),
        ("380", 1, 431),
        ("381", 0, 1 + NUMBERS_GAP),
        ("381", 1, 8),
    ]
    assert sorted(told, key=str) == [
        ("380", {"next_number": [431, 431 + NUMBERS_GAP]}),
        ("381", {"next_number": [1, 1 + NUMBERS_GAP]}),
    ]


def test_a_restore_over_a_used_database_keeps_the_former_one_aside(file: Path, source: Path) -> None:
    code, said = manage("restore", str(file), "--data-dir", str(source))
    assert code == 0, said
    server = server_of(source)
    try:
        assert FORMER in said
        assert slugs(server.url("owner", FORMER)) == [SLUG]
    finally:
        server.stop()


def test_a_given_database_is_used_and_must_be_empty(file: Path, tmp_path: Path) -> None:
    server = server_of(tmp_path)
    try:
        url = server.url("owner")
        assert manage("restore", str(file), DATABASE_URL=url, DATA_DIR=str(tmp_path / "none"))[0] == 0
        assert slugs(url) == [SLUG]
        code, said = manage("restore", str(file), DATABASE_URL=url, DATA_DIR=str(tmp_path / "none"))
        again = manage("backup", str(tmp_path / "again"), DATABASE_URL=url, DATA_DIR=str(tmp_path / "none"))
    finally:
        server.stop()

    assert code == 1
    assert "tables already" in said
    assert again[0] == 0


@pytest.mark.parametrize("content", [None, b"", b"nonsense"])
def test_what_is_no_backup_is_refused_in_one_line(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    code, said = manage("restore", str(file), "--data-dir", str(tmp_path / "data"))

    assert code == 1
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "data").exists()


def test_a_backup_of_nothing_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    code, said = manage("backup", str(tmp_path / "file"), "--data-dir", str(tmp_path / "data"))

    assert code == 1
    assert "no database" in said
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_restored_under_a_running_portal(file: Path, tmp_path: Path) -> None:
    with ground.claim(options.parse(["--data-dir", str(tmp_path)]), "http://127.0.0.1:8000"):
        code, said = manage("restore", str(file), "--data-dir", str(tmp_path))

    assert code == 1
    assert "End it" in said


def test_addresses_of_a_portal_that_was_killed_mislead_nobody(source: Path, tmp_path: Path) -> None:
    left = source / "runtime.env"
    left.write_text("DATABASE_URL=postgres://nobody@127.0.0.1:1/gone\n")
    code, said = manage("backup", str(tmp_path / "file"), "--data-dir", str(source))
    left.unlink()

    assert code == 0, said
