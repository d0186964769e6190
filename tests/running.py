"""Running portals for tests: real processes, real sockets, on loopback."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 40
OUR_PORTS = range(15_000, 32_000)


@dataclass
class Server:
    """One portal process with its log, for looking at after the test."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ocpp_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ocpp"

    def require_alive(self) -> None:
        assert self.process.poll() is None, f"the server has ended:\n{self.tail()}"

    def tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)


def free_port() -> int:
    """A port nobody listens at, below those the kernel lends to outgoing connections.

    A server may open it half a minute later; one the kernel chose could be lent to a client by then.
    """
    for port in random.SystemRandom().sample(OUR_PORTS, 50):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port among 50 below 32,768")


def launch(port: int, gateway_id: str = "", **settings: str) -> Server:
    """Start ``manage.py serve`` without waiting for it."""
    log = Path(os.environ["DATA_DIR"]) / f"server-{port}.log"
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "portal.settings.test",
        "OCPP_UPGRADE_RATE_PER_SECOND": "10000",
        "OCPP_UPGRADE_BURST": "10000",
        "OCPP_DRAIN_SPREAD": "1",
        "OCPP_SETTLE_SECONDS": "3600",
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        **settings,
    }
    command = [sys.executable, "manage.py", "serve", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--gateway-id", gateway_id or f"test-{port}"]
    with log.open("ab") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    return Server(process, port, log)


@contextlib.contextmanager
def start_server(port: int = 0, gateway_id: str = "", **settings: str) -> Iterator[Server]:
    """A portal process that answers; stopped at the end."""
    server = launch(port or free_port(), gateway_id, **settings)
    try:
        wait_until_alive(server)
        yield server
    finally:
        server.stop()


def wait_until_alive(server: Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        server.require_alive()
        if answers(server):
            return
        time.sleep(0.1)
    raise AssertionError(f"the server did not answer within {START_SECONDS} s:\n{server.tail()}")


def answers(server: Server) -> bool:
    """Whether ``/healthz`` says 200."""
    try:
        with urllib.request.urlopen(f"{server.http_url}/healthz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
