"""The two builds under test, as processes: the portal's own server and the yardstick's."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.harness import ROOT, Place

START_SECONDS = 60


@dataclass(frozen=True)
class Build:
    """A running server."""

    name: str
    pid: int
    port: int

    @property
    def ocpp_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ocpp"

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def sharing(place: Place) -> Iterator[None]:
    """One portal for all that is measured meanwhile: a short run spends its time on messages, not on starts."""
    with portal(place) as build:
        place.shared = build
        yield
    place.shared = None


@contextlib.contextmanager
def portal(place: Place) -> Iterator[Build]:
    """`manage.py serve`, as `up` starts it; the shared one if there is one."""
    if place.shared is not None:
        yield place.shared
        return
    port = free_port()
    with _running("portal", serving(port), port, {}) as build:
        yield build


def serving(port: int) -> list[str]:
    """What starts the portal's server on that port."""
    command = [sys.executable, "manage.py", "serve", "--host", "127.0.0.1", "--port", str(port)]
    return [*command, "--gateway-id", f"bench-{port}"]


@contextlib.contextmanager
def yardstick(place: Place) -> Iterator[Build]:
    """The straightforward build under stock Daphne."""
    port = free_port()
    command = [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(port), "-v", "0"]
    command += ["--websocket_connect_timeout", "60"]  # hashing passwords takes it longer than its 5 s
    environment = {"DATABASE_URL": place.yardstick_url}
    with _running(
        "straightforward", [*command, "benchmarks.straightforward.asgi:application"], port, environment
    ) as build:
        yield build


@contextlib.contextmanager
def bare(place: Place) -> Iterator[Build]:
    """The gateway that only frames, parses and commits by COPY."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.bare", str(port)]
    with _running("bare", command, port, {"DATABASE_URL": place.yardstick_url}) as build:
        yield build


def prepare_yardstick(place: Place, stations: list[tuple[str, str]]) -> None:
    """Make its tables and charge points, once per run."""
    lines = "".join(f"{identity} {password}\n" for identity, password in stations)
    command = [sys.executable, "-m", "benchmarks.straightforward.prepare"]
    environment = {**os.environ, "DATABASE_URL": place.yardstick_url}
    subprocess.run(command, cwd=ROOT, env=environment, input=lines.encode(), check=True)


def make_stations(count: int, prefix: str) -> list[tuple[str, str]]:
    """Stations of the portal with their passwords, in an organization of their own."""
    from core import access
    from core.services import accounts

    by = access.system("benchmark")
    organization = accounts.create_organization(f"bench-{prefix}".lower(), name="Benchmark", by=by)
    accounts.add_member(f"{prefix.lower()}@example.org", organization, access.Role.ADMIN, by=by)
    return more_stations(prefix, count)


def more_stations(prefix: str, count: int) -> list[tuple[str, str]]:
    """Further ones of that organization."""
    from core.models import Membership
    from stations.models import ChargingStation
    from stations.services import access as site_access
    from stations.services import stations

    slug = f"bench-{prefix}".lower()
    actor = site_access.actor_of_member(Membership.objects.get(organization__slug=slug))
    made, first = [], ChargingStation.objects.filter(organization__slug=slug).count()
    for number in range(first, first + count):
        identity = f"{prefix}-{number:05d}"
        _, password = stations.create({"identity": identity}, by=actor)
        made.append((identity, password or ""))
    return made


@contextlib.contextmanager
def _running(name: str, command: list[str], port: int, extra: dict[str, str]) -> Iterator[Build]:
    environment = {**os.environ, **extra}
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        _wait_for(port, process)
        yield Build(name, process.pid, port)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"The server ended with {process.returncode} before it listened.")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise SystemExit("The server did not listen in time.")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
