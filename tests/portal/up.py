"""`manage.py up` as a person starts it: a process, its terminal, the processes it brings along."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import psutil

from tests.running import ROOT, free_port

PLAIN = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH")
READY = "Ctrl-C ends it."
START_SECONDS = 120


def command(data_dir: Path, port: int, python: str = sys.executable) -> list[str]:
    return [python, "manage.py", "up", "--port", str(port), "--data-dir", str(data_dir)]


def plain_environment(**extra: str) -> dict[str, str]:
    """Without what the suite's own servers set."""
    return (
        {name: os.environ[name] for name in PLAIN if name in os.environ} | {"OCPP_DRAIN_SPREAD": "1"} | extra
    )


def run_to_end(words: list[str], **extra: str) -> tuple[int, str]:
    """Exit code and terminal of a command that is expected to end by itself."""
    done = subprocess.run(
        words,
        cwd=ROOT,
        env=plain_environment(**extra),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def processes_of(data_dir: Path) -> list[psutil.Process]:
    """Everything alive that was started for the data directory."""
    return [process for process in psutil.process_iter() if _belongs(process, str(data_dir))]


class Up:
    """One start; ``terminal`` is what it has printed."""

    def __init__(
        self,
        data_dir: Path,
        *more: str,
        port: int = 0,
        before: Sequence[str] = (),
        python: str = sys.executable,
        **environment: str,
    ) -> None:
        self.data_dir = data_dir
        self.port = port or free_port()
        self._output = data_dir.with_name(f"{data_dir.name}-{self.port}.out")
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [*before, *command(data_dir, self.port, python), *more],
                cwd=ROOT,
                env=plain_environment(**environment),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def terminal(self) -> str:
        return self._output.read_text(errors="replace")

    @property
    def password(self) -> str | None:
        found = re.search(r"Password +(\S+) +\(shown only this once\)", self.terminal)
        return found[1] if found else None

    def wait_ready(self) -> "Up":
        until(lambda: READY in self.terminal or self.process.poll() is not None, START_SECONDS)
        assert READY in self.terminal, self.terminal
        return self

    def serves(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2) as answer:
                return bool(answer.status == 200 and b"missing" not in answer.read())
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def part(self, words: str) -> psutil.Process | None:
        """The child whose command line contains the words."""
        children = psutil.Process(self.process.pid).children()
        return next((child for child in children if words in _command_line(child)), None)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


def until(condition, seconds: float) -> bool:  # type: ignore[no-untyped-def]
    """Whether it came true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False


def _command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # it has ended
        return ""


def _belongs(process: psutil.Process, data_dir: str) -> bool:
    try:
        mentioned = data_dir in " ".join(process.cmdline()) or process.environ().get("DATA_DIR") == data_dir
        return mentioned and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
