"""`manage.py up` from the command line. The first group shares one data directory and runs in order."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from portal.embedded import EmbeddedValkey
from tests.portal.up import Up, command, plain_environment, processes_of, run_to_end, until
from tests.running import ROOT, free_port

PARTS = ("postgres/", "valkey-server", "manage.py serve --host", "worker", "beat", "serve_ftp")
IS_ROOT = os.geteuid() == 0


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its name has everything in it that a program could stumble over."""
    return tmp_path_factory.mktemp("up") / "a 'b' \"ü\" %41 c\\d"


@pytest.fixture(scope="module")
def up(data_dir: Path) -> Iterator[Up]:
    started = Up(data_dir, FTP_PORT=str(free_port()))
    try:
        yield started.wait_ready()
    finally:
        if started.process.poll() is None:
            started.stop()


class TestOneDataDirectory:
    """A first start, work beside it, accidents, an end."""

    def test_the_first_start_serves_and_shows_where_to_go_and_the_password_once(self, up: Up) -> None:
        assert up.serves()
        assert f"http://127.0.0.1:{up.port}/" in up.terminal
        assert f"ws://127.0.0.1:{up.port}/ocpp/" in up.terminal
        assert re.search(r"^ *FTP +port \d+, logs of chargers only$", up.terminal, re.MULTILINE)
        assert up.password
        assert up.terminal.count(up.password) == 1

    def test_what_it_made_is_kept_from_other_users(self, up: Up) -> None:
        for name in ("secrets.env", "servers.env", "runtime.env"):
            assert (up.data_dir / name).stat().st_mode & 0o077 == 0, name
        for name in ("postgres", "valkey"):
            assert (up.data_dir / name).stat().st_mode & 0o077 == 0, name
        kept = "".join(path.read_text() for path in up.data_dir.glob("*.env"))
        assert up.password not in kept

    def test_no_password_of_a_server_shows_in_the_list_of_processes(self, up: Up) -> None:
        secrets = [line.partition("=")[2] for line in (up.data_dir / "servers.env").read_text().splitlines()]

        shown = " ".join(word for process in processes_of(up.data_dir) for word in process.cmdline())

        assert secrets
        assert not [secret for secret in secrets if secret in shown]

    def test_a_second_start_beside_it_says_so_and_ends(self, up: Up) -> None:
        code, terminal = run_to_end(command(up.data_dir, free_port()))

        assert code == 1
        assert "already runs" in terminal
        assert str(up.process.pid) in terminal
        assert str(up.port) in terminal
        assert len(terminal.strip().splitlines()) == 1

    def test_other_commands_find_it_through_the_data_directory(self, up: Up) -> None:
        words = [sys.executable, "manage.py", "create_organization", "kept", "--name", "Kept", "--data-dir"]

        code, terminal = run_to_end([*words, str(up.data_dir)])

        assert code == 0, terminal
        assert "/o/kept/" in terminal

    def test_chargers_made_here_find_the_door_of_the_portal_that_runs_here(self, up: Up) -> None:
        words = [sys.executable, "manage.py", "simulate", "--create", "--organization", "kept"]

        code, terminal = run_to_end([*words, "--duration", "2", "--data-dir", str(up.data_dir)])

        assert (code, terminal) == (0, "")

    @pytest.mark.parametrize("part", PARTS)
    def test_f27_each_process_killed_hard_is_started_again(self, up: Up, part: str) -> None:
        assert until(lambda: up.part(part), 20)
        before = up.part(part)
        assert before, f"no child with {part}"

        before.kill()

        assert until(lambda: (found := up.part(part)) and found.pid != before.pid, 30)
        assert until(up.serves, 30)
        assert up.process.poll() is None

    def test_f07_valkey_killed_is_said_in_one_line_and_its_return_in_another(self, up: Up) -> None:
        assert until(up.serves, 30)
        assert until(lambda: up.terminal.count("Valkey answers") == up.terminal.count("Valkey ended"), 20)
        before = len(up.terminal)
        part = up.part("valkey-server")
        assert part

        part.kill()

        assert until(lambda: "Valkey answers again" in up.terminal[before:], 30)
        lines = up.terminal[before:].strip().splitlines()
        assert [line.partition(" (signal 9)")[0].partition(",")[0] for line in lines] == [
            "Valkey ended",
            "Valkey answers again",
        ]

    def test_f07_a_valkey_that_hangs_is_said_once_and_started_anew(self, up: Up) -> None:
        before = len(up.terminal)
        part = up.part("valkey-server")
        assert part

        part.suspend()

        assert until(lambda: "Valkey answers again" in up.terminal[before:], 50)
        assert [line.split()[0:2] for line in up.terminal[before:].strip().splitlines()] == [
            ["Valkey", "at"],
            ["Valkey", "ended"],
            ["Valkey", "answers"],
        ]
        assert "hangs" in up.terminal[before:].splitlines()[0]
        assert until(up.serves, 30)

    def test_killed_hard_it_leaves_nothing_running_and_the_next_start_has_all_data(self, up: Up) -> None:
        until(up.serves, 30)
        up.stop(signal.SIGKILL)
        again = Up(up.data_dir, port=up.port).wait_ready()
        words = [sys.executable, "manage.py", "create_organization", "kept", "--data-dir", str(up.data_dir)]

        code, terminal = run_to_end(words)

        assert code == 1
        assert "already an organization" in terminal
        assert again.password is None
        assert "as set before" in again.terminal
        assert again.stop(signal.SIGINT) == 0
        assert until(lambda: not processes_of(up.data_dir), 5), processes_of(up.data_dir)
        assert not (up.data_dir / "runtime.env").exists()

    def test_two_gateways_serve_under_hosts_that_were_given_and_a_second_signal_ends_at_once(
        self, data_dir: Path
    ) -> None:
        started = Up(data_dir, "--gateways", "2", ALLOWED_HOSTS="portal.example.org").wait_ready()
        names = [" ".join(one.cmdline()) for one in psutil.Process(started.process.pid).children()]

        assert started.serves()
        assert len([name for name in names if "manage.py serve" in name]) == 2
        started.process.send_signal(signal.SIGTERM)
        assert until(lambda: "Stopping; once more" in started.terminal, 10)
        assert started.stop() == 0
        assert until(lambda: not processes_of(data_dir), 5), processes_of(data_dir)

    def test_stopped_in_the_middle_of_a_start_it_leaves_nothing_running(self, data_dir: Path) -> None:
        started = Up(data_dir)
        assert until(lambda: "Valkey" in started.terminal, 30)

        started.stop(signal.SIGTERM)

        assert until(lambda: not processes_of(data_dir), 5), processes_of(data_dir)


def test_a_port_in_use_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, terminal = run_to_end(command(tmp_path / "data", port))

    assert code == 1
    assert f"Port {port} on 127.0.0.1 is in use" in terminal
    assert len(terminal.strip().splitlines()) == 1


@pytest.mark.parametrize("address", ["portal.example.org", "https://"])
def test_a_public_address_without_scheme_or_host_is_said_in_one_line(tmp_path: Path, address: str) -> None:
    code, terminal = run_to_end(command(tmp_path / "data", free_port()), PUBLIC_URL=address)

    assert code == 1
    assert "PUBLIC_URL is an address with its scheme" in terminal
    assert len(terminal.strip().splitlines()) == 1


def test_a_data_directory_that_is_a_file_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").touch()

    code, terminal = run_to_end(command(tmp_path / "data", free_port()))

    assert (code, terminal) == (1, f"The data directory {tmp_path / 'data'} is a file.\n")


@pytest.mark.skipif(not IS_ROOT, reason="only root can be somebody else")
def test_a_user_without_a_name_is_told_in_one_line(tmp_path: Path) -> None:
    place = tmp_path / "data"
    (place / "postgres").mkdir(parents=True)
    os.chown(place / "postgres", 64_999, 64_999)

    code, terminal = run_to_end(command(place, free_port()))

    assert code == 1
    assert "none with the id 64999" in terminal.splitlines()[-1]
    assert "Traceback" not in terminal


def test_a_read_only_data_directory_is_said_in_one_line(tmp_path: Path) -> None:
    place = tmp_path / "data"
    place.mkdir(mode=0o500)

    code, terminal = _in_own_mounts(place, 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0"')

    assert code == 1
    assert f"{place} cannot be written" in terminal
    assert len(terminal.strip().splitlines()) == 1


@pytest.mark.skipif(not IS_ROOT, reason="only root can mount a small disk")
def test_a_full_disk_is_said_in_one_line(tmp_path: Path) -> None:
    place = tmp_path / "data"
    place.mkdir()

    code, terminal = _in_own_mounts(place, 'mount -t tmpfs -o size=20m none "$0"')

    assert code == 1
    assert "The disk is full" in terminal
    assert len(terminal.strip().splitlines()) == 1


def test_a_database_of_a_newer_postgresql_is_left_alone(tmp_path: Path) -> None:
    cluster = tmp_path / "data" / "postgres"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("99\n")

    keys = {"SECRET_KEY": "x" * 50, "DATA_KEYS": "k1:Y0hXc2Rmb2lqd2VvaWZqb3dlaWZqb3dlaWZqb3dlaWY="}
    code, terminal = run_to_end(command(tmp_path / "data", free_port()), **keys)

    assert code == 1
    assert "was written by PostgreSQL 99" in terminal
    assert list(cluster.iterdir()) == [cluster / "PG_VERSION"]
    assert "Traceback" not in terminal


@pytest.mark.parametrize("words", [["--port", "0"], ["--port", "x"], ["--gateways", "0"]])
def test_an_impossible_option_is_refused(words: list[str]) -> None:
    code, terminal = run_to_end([sys.executable, "manage.py", "up", *words])

    assert code == 2
    assert words[0] in terminal


def test_too_old_a_python_is_said_in_one_line() -> None:
    pretend = "import sys; sys.version_info = (3, 9, 2); exec(open('manage.py').read())"

    code, terminal = run_to_end([sys.executable, "-c", pretend, "up"])

    assert code == 1
    assert "needs Python 3.11 or newer" in terminal
    assert len(terminal.strip().splitlines()) == 1


@pytest.mark.skipif(not IS_ROOT, reason="the whole suite runs as an ordinary user already")
def test_it_runs_as_an_ordinary_user_from_a_read_only_checkout_too() -> None:
    place = Path(tempfile.mkdtemp(prefix="up-"))
    place.chmod(0o755)
    home = place / "home"
    home.mkdir()
    shutil.chown(home, "nobody", "nogroup")
    python = place / "python" / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    paths = {"PYTHONPATH": str(place / "packages"), "LD_LIBRARY_PATH": str(place / "python" / "lib")}
    try:
        started = Up(home / "data", before=_as_nobody(place), python=str(python), **paths).wait_ready()
        owners = {process.username() for process in processes_of(home / "data")}
        assert owners == {"nobody"}
        assert started.stop() == 0
        assert until(lambda: not processes_of(home / "data"), 5)
    finally:
        shutil.rmtree(place)


def _as_nobody(place: Path) -> list[str]:
    """Checkout, Python and its packages where everybody reaches them, in mounts of this process alone."""
    sources = {"python": sys.base_prefix, "packages": sysconfig.get_path("platlib"), "checkout": str(ROOT)}
    mounts = []
    for name, source in sources.items():
        (place / name).mkdir()
        to = str(place / name)
        mounts.append(f"mount --bind {shlex.quote(source)} {to} && mount -o remount,ro,bind {to}")
    script = " && ".join([*mounts, f"cd {place / 'checkout'}", 'exec "$@"'])
    user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]
    return ["unshare", "--mount", "sh", "-c", script, "sh", *user]


def _in_own_mounts(place: Path, mount: str) -> tuple[int, str]:
    """`up` on a data directory that root has to mount in a special way; others go without."""
    words = command(place, free_port())
    if IS_ROOT:
        words = ["unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', str(place), *words]
    done = subprocess.run(
        words, cwd=ROOT, env=plain_environment(), capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_f07_a_valkey_of_the_operators_own_that_dies_is_said_in_one_line(tmp_path: Path) -> None:
    valkey = EmbeddedValkey(tmp_path / "other", password="opensesame")
    valkey.start()
    started = Up(tmp_path / "data", VALKEY_URL=valkey.url()).wait_ready()
    try:
        before = len(started.terminal)
        valkey.kill()
        assert until(lambda: "does not answer" in started.terminal[before:], 10)
        assert until(lambda: not started.serves(), 10)
        until(
            lambda: started.terminal[before:].strip().count("\n") > 0, 15
        )  # whoever else would say something
        valkey.launch()
        assert until(lambda: "Valkey answers again" in started.terminal, 20)

        first, *more = started.terminal[before:].strip().splitlines()
        assert first == (
            f"Valkey at 127.0.0.1:{valkey.port} does not answer; live updates are paused until it is back"
        )
        assert len(more) == 1
        assert "opensesame" not in started.terminal
    finally:
        started.stop()
        valkey.stop()
