"""The round trip of a command: issued by one process, answered by a station at another one's socket.

The clock of a command starts before ``commands.issue`` is called and stops when the settled row has been read
again; that of one through the API starts before the POST is written and stops when its answer is read.
"""

import contextlib
import http.client
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import orjson
import psycopg

from benchmarks import builds
from benchmarks.builds import Build
from benchmarks.harness import ROOT, CpuMeter, MachineMeter, Place, Row, percentile

COMMITS = 3  # the wish, SENT before the frame leaves, and how it ended


@dataclass(frozen=True)
class Turn:
    """One turn: seconds of each command, of a bare commit meanwhile, CPU seconds per command, load of others."""

    times: list[float]
    commits: list[float]
    issuer: float
    gateway: float
    postgres: float
    others: float


def run(place: Place, *, quick: bool) -> list[Row]:
    """TriggerMessage commands one after the other; all three commits are in the figure."""
    ((identity, password),) = builds.make_stations(1, "COMMAND")
    with builds.portal(place) as build, _answering(build.ocpp_url, identity, password):
        _issue(identity, 40)
        turns = [_turn(place, build, identity, 75 if quick else 150) for _ in range(2 if quick else 8)]
        row = _row(turns)
        return [row, _row_of_api(_through_api(place, build, identity, 1 if quick else 4))]


def _turn(place: Place, build: Build, identity: str, count: int) -> Turn:
    meters = (
        CpuMeter(os.getpid()),
        CpuMeter(build.pid),
        CpuMeter(place.postgres_pid, family=True),
    )
    own, machine, begin = CpuMeter(os.getpid(), family=True), MachineMeter(), time.monotonic()
    times = _issue(identity, count)
    others = max(0.0, machine.seconds() - own.seconds()) / (time.monotonic() - begin)
    issuer, gateway, postgres = (meter.seconds() / count for meter in meters)
    return Turn(times, _commit(place, count), issuer, gateway, postgres, others)


def _issue(identity: str, count: int) -> list[float]:
    """Seconds from the call that issues until the settled row was read."""
    from core import access
    from stations.domain.intents import TriggerMessage
    from stations.models import ChargingStation
    from stations.services import commands

    station = ChargingStation.objects.get(identity=identity)
    by = access.system("benchmark")
    times = []
    for _ in range(count):
        begin = time.perf_counter()
        command = commands.issue(station, TriggerMessage(message="heartbeat"), by=by)
        command = commands.wait_until_settled(command, 10)
        times.append(time.perf_counter() - begin)
        if command.status != "accepted":
            raise SystemExit(f"The command ended as {command.status}: {command.error}")
    return times


def _through_api(place: Place, build: Build, identity: str, count: int) -> list[Turn]:
    """The same command by POST with ``Prefer: wait``, over one kept connection; portal and gateway are one process."""
    from core import access
    from core.services import keys
    from stations.models import ChargingStation

    station = ChargingStation.objects.select_related("organization").get(identity=identity)
    by = access.system("benchmark")
    _, secret = keys.create(station.organization, name="benchmark", scopes=["commands:send"], by=by)
    address = f"/api/v1/stations/{station.pk}/commands/"
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", build.port, timeout=20)) as connection:
        post = partial(_post, connection, address, secret)
        for _ in range(40):
            post()
        return [_turn_of_api(place, build, post, 150) for _ in range(count)]


def _turn_of_api(place: Place, build: Build, post: Callable[[], float], count: int) -> Turn:
    meters = CpuMeter(build.pid), CpuMeter(place.postgres_pid, family=True)
    own, machine, begin = CpuMeter(os.getpid(), family=True), MachineMeter(), time.monotonic()
    times = [post() for _ in range(count)]
    others = max(0.0, machine.seconds() - own.seconds()) / (time.monotonic() - begin)
    gateway, postgres = (meter.seconds() / count for meter in meters)
    return Turn(times, [], 0.0, gateway, postgres, others)


def _post(connection: http.client.HTTPConnection, address: str, secret: str) -> float:
    headers = {
        "Authorization": f"Bearer {secret}",
        "Content-Type": "application/json",
        "Prefer": "wait=10",
    }
    begin = time.perf_counter()
    connection.request("POST", address, b'{"command": "trigger_message", "message": "heartbeat"}', headers)
    answer = connection.getresponse()
    text = answer.read()
    elapsed = time.perf_counter() - begin
    if answer.status != 200 or orjson.loads(text)["status"] != "accepted":
        raise SystemExit(f"The API answered {answer.status}: {text.decode()}")
    return elapsed


def _commit(place: Place, count: int) -> list[float]:
    """Seconds of one durable row in the same PostgreSQL: what no command can go below, three times."""
    times = []
    with psycopg.connect(place.yardstick_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS bare_commit (number integer)")
        for number in range(count):
            begin = time.perf_counter()
            connection.execute("INSERT INTO bare_commit VALUES (%s)", [number])
            times.append(time.perf_counter() - begin)
    return times


def _row(turns: list[Turn]) -> Row:
    best = min(turns, key=lambda turn: percentile(turn.times, 0.5))
    everything = [seconds for turn in turns for seconds in turn.times]
    commit = percentile(best.commits, 0.5)
    return Row(
        "command round trip, p50 / p99",
        f"{_ms(best.times, 0.5)} / {_ms(best.times, 0.99)} in the quietest turn, "
        f"{_ms(everything, 0.5)} / {_ms(everything, 0.99)} in all {len(turns)}",
        "<= 2 ms / <= 10 ms",
        f"{len(best.times)} commands a turn, one in flight; three bare commits took "
        f"{COMMITS * commit * 1000:.1f} ms just after; CPU per command: issuer {best.issuer * 1e3:.1f} ms, "
        f"gateway {best.gateway * 1e3:.1f} ms, "
        f"PostgreSQL {best.postgres * 1e3:.1f} ms; processes of others {best.others:.0%} "
        f"(all turns {min(t.others for t in turns):.0%} to "
        f"{max(t.others for t in turns):.0%})",
    )


def _row_of_api(turns: list[Turn]) -> Row:
    best = min(turns, key=lambda turn: percentile(turn.times, 0.5))
    everything = [seconds for turn in turns for seconds in turn.times]
    return Row(
        "the same command through the REST API, p50 / p99",
        f"{_ms(best.times, 0.5)} / {_ms(best.times, 0.99)} in the quietest turn, "
        f"{_ms(everything, 0.5)} / {_ms(everything, 0.99)} in all {len(turns)}",
        "-",
        f"POST with `Prefer: wait=10`, {len(best.times)} a turn, one in flight; CPU per command: portal with gateway "
        f"{best.gateway * 1e3:.1f} ms, PostgreSQL {best.postgres * 1e3:.1f} ms; processes of others {best.others:.0%}",
    )


def _ms(times: list[float], share: float) -> str:
    return f"{percentile(times, share) * 1000:.1f} ms"


@contextlib.contextmanager
def _answering(url: str, identity: str, password: str) -> Iterator[None]:
    """A station in a process of its own; entered once it has booted."""
    command = [sys.executable, "-m", "benchmarks.answering", url, identity]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as station:
        assert station.stdin is not None
        assert station.stdout is not None
        try:
            station.stdin.write(f"{password}\n")
            station.stdin.flush()
            if station.stdout.readline() != "booted\n":
                raise SystemExit("The station of the benchmark did not boot.")
            yield
        finally:
            station.kill()
