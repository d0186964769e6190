"""The round trip of a command: issued by one process, answered by a station at another one's socket."""

import threading
import time

from benchmarks import builds
from benchmarks.harness import Place, Row, percentile


def run(place: Place, *, quick: bool) -> list[Row]:
    """TriggerMessage commands one after the other; both commits are in the figure."""
    count = 200 if quick else 1000
    ((identity, password),) = builds.make_stations(1, "COMMAND")
    with builds.portal() as build:
        station = _Answering(build.ocpp_url, identity, password)
        station.start()
        try:
            times = _measure(identity, count)
        finally:
            station.stop()
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


class _Answering(threading.Thread):
    """A station that answers every CALL with Accepted."""

    def __init__(self, url: str, identity: str, password: str) -> None:
        super().__init__(daemon=True)
        from tests.wire.client import WireStation

        self.station = WireStation(url, identity, password)
        self.station.boot()
        self.ended = False

    def run(self) -> None:
        while not self.ended:
            try:
                call = self.station.next_call(1.0)
            except TimeoutError:
                continue
            self.station.reply(call, {"status": "Accepted"})

    def stop(self) -> None:
        self.ended = True
        self.join(5)
        self.station.socket.close()
