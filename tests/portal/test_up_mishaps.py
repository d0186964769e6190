"""What `manage.py up` makes of lost and torn files, of addresses that lead nowhere, and of an early end."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.portal.up import Up, command, processes_of, run_to_end, until
from tests.running import free_port

IS_ROOT = os.geteuid() == 0
OTHER_KEY = "k1:Y0hXc2Rmb2lqd2VvaWZqb3dlaWZqb3dlaWZqb3dlaWY="
WITHOUT_ROOTS_RIGHT = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all", "--"]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("mishaps") / "data"
    yield place
    for process in processes_of(place):
        process.kill()


def one_line(said: tuple[int, str]) -> str:
    code, terminal = said
    lines = terminal.strip().splitlines()
    assert code == 1, terminal
    assert len(lines) == 1, terminal
    return lines[0]


class TestOneDataDirectory:
    """In this order: an end during the set-up, a torn file, lost keys, foreign keys, a mode changed."""

    def test_an_end_during_the_set_up_ends_the_set_up_first_and_is_quiet(self, data_dir: Path) -> None:
        started = Up(data_dir)
        assert until(lambda: started.part("manage.py setup"), 60), started.terminal

        code = started.stop()

        assert code == 0
        assert until(lambda: not processes_of(data_dir), 5), processes_of(data_dir)
        last = started.terminal.partition("first administrator")[2].strip().splitlines()
        assert last == ["Stopping; once more to stop at once.", "Stopped."]

    @pytest.mark.parametrize("torn", ["garbage", "99999999"])
    def test_a_torn_file_of_valkeys_port_is_written_anew(self, data_dir: Path, torn: str) -> None:
        (data_dir / "valkey" / "port").write_text(torn)

        started = Up(data_dir).wait_ready()
        try:
            assert started.serves()
            assert 0 < int((data_dir / "valkey" / "port").read_text()) < 65536
            assert not list((data_dir / "valkey").glob("*.new"))
        finally:
            assert started.stop() == 0

    def test_lost_keys_end_the_start_beside_a_database_and_are_not_made_anew(self, data_dir: Path) -> None:
        kept = (data_dir / "secrets.env").rename(data_dir / "secrets.env.away")
        try:
            said = one_line(run_to_end(command(data_dir, free_port())))
            half = one_line(run_to_end(command(data_dir, free_port()), SECRET_KEY="x" * 50))
            made = (data_dir / "secrets.env").exists()
        finally:
            kept.rename(data_dir / "secrets.env")

        assert f"{data_dir / 'secrets.env'} lacks SECRET_KEY and DATA_KEYS" in said
        assert "from the backup" in said
        assert f"{data_dir / 'secrets.env'} lacks DATA_KEYS" in half
        assert not made

    def test_another_key_of_the_same_id_ends_the_start(self, data_dir: Path) -> None:
        code, terminal = run_to_end(command(data_dir, free_port()), DATA_KEYS=OTHER_KEY)

        assert code == 1
        assert "DATA_KEYS: the key 'k1' is not the one that this database knows" in terminal
        assert "Traceback" not in terminal

    def test_self_check_finds_another_key_of_the_same_id_and_none_in_the_right_one(
        self, data_dir: Path
    ) -> None:
        started = Up(data_dir).wait_ready()
        words = [sys.executable, "manage.py", "self_check", "--data-dir", str(data_dir)]
        try:
            right = run_to_end(words)
            wrong = run_to_end(words, DATA_KEYS=OTHER_KEY)
        finally:
            started.stop()

        assert (right[0], "FINDING" in right[1]) == (0, False), right[1]
        assert wrong[0] == 1
        found = [line for line in wrong[1].splitlines() if line.startswith("FINDING")]
        assert len(found) == 1
        assert "DATA_KEYS: the key 'k1' is not the one that this database knows" in found[0]

    def test_a_directory_that_became_read_only_is_said_before_anything_starts(self, data_dir: Path) -> None:
        before = WITHOUT_ROOTS_RIGHT if IS_ROOT else []
        data_dir.chmod(0o555)
        try:
            said = one_line(run_to_end([*before, *command(data_dir, free_port())]))
        finally:
            data_dir.chmod(0o711)

        assert said == f"The data directory {data_dir} cannot be written: Permission denied."


@pytest.mark.parametrize("address", ["rubbish", "http://127.0.0.1/", "redis://127.0.0.1:word/0"])
def test_an_address_of_valkey_that_cannot_be_read_is_said_in_one_line(tmp_path: Path, address: str) -> None:
    said = one_line(run_to_end(command(tmp_path / "data", free_port()), VALKEY_URL=address))

    assert said.startswith("VALKEY_URL is an address like redis://")
    assert not (tmp_path / "data" / "postgres").exists()


@pytest.mark.parametrize("name", ["DATABASE_URL", "DATABASE_OWNER_URL"])
@pytest.mark.parametrize(
    "address", ["rubbish", "mysql://x:opensesame@127.0.0.1/z", "postgres://x@127.0.0.1:y/z"]
)
def test_an_address_of_the_database_that_cannot_be_read_is_said_in_one_line(
    tmp_path: Path, name: str, address: str
) -> None:
    said = one_line(run_to_end(command(tmp_path / "data", free_port()), **{name: address}))

    assert said.startswith(f"{name} is an address like postgres://")
    assert "opensesame" not in said
    assert not (tmp_path / "data" / "valkey").exists()


def test_a_database_that_does_not_answer_is_said_in_one_line_without_the_password(tmp_path: Path) -> None:
    address = "postgres://x:opensesame@127.0.0.1:1/z"

    said = one_line(run_to_end(command(tmp_path / "data", free_port()), DATABASE_URL=address))

    assert said.startswith("The database of DATABASE_URL does not answer: ")
    assert "Connection refused" in said
    assert "opensesame" not in said
    assert not (tmp_path / "data" / "valkey").exists()


@pytest.mark.parametrize(("option", "most"), [("--gateways", 64), ("--port", 65535)])
@pytest.mark.parametrize("word", ["abc", "0"])
def test_a_number_that_is_none_is_refused_with_what_is_expected(option: str, most: int, word: str) -> None:
    code, terminal = run_to_end([sys.executable, "manage.py", "up", option, word])

    assert code == 2
    assert f"{word} is not a whole number from 1 to {most}" in terminal
