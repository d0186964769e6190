"""The round trip of a command: issued by one process, answered by a station at another one's socket."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks import builds
from benchmarks.harness import ROOT, Place, Row, percentile


def run(place: Place, *, quick: bool) -> list[Row]:
    """TriggerMessage commands one after the other; both commits are in the figure."""
    count = 200 if quick else 1000
    ((identity, password),) = builds.make_stations(1, "COMMAND")
    with builds.portal() as build, _answering(build.ocpp_url, identity, password):
        times = _measure(identity, count)
    figure = f"{percentile(times, 0.5) * 1000:.2f} ms / {percentile(times, 0.99) * 1000:.2f} ms"
    return [
        Row(
            "command round trip, p50 / p99",
            figure,
            "<= 5 ms (<= 2 / 10 ms later)",
            f"{count} commands, one in flight, from the call that issues to the row that is settled",
        )
    ]


def _measure(identity: str, count: int) -> list[float]:
    from core import access
    from stations.domain.intents import TriggerMessage
    from stations.models import ChargingStation
    from stations.services import commands

    station = ChargingStation.objects.get(identity=identity)
    by = access.system("benchmark")
    times = []
    for number in range(count + 20):
        begin = time.perf_counter()
        command = commands.issue(station, TriggerMessage(message="heartbeat"), by=by)
        command = commands.wait_until_settled(command, 10)
        if command.status != "accepted":
            raise SystemExit(f"The command ended as {command.status}: {command.error}")
        if number >= 20:
            times.append(time.perf_counter() - begin)
    return times


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
