"""Messages per core-second through the whole door, against the straightforward build, A B A B in one run.

Boot, Heartbeat and MeterValues of ten samples; password checked, every frame logged, each reading answered
after its commit.
"""

import asyncio
from dataclasses import dataclass

from benchmarks import builds
from benchmarks.builds import Build
from benchmarks.harness import CpuMeter, Place, Row, median, percentile
from benchmarks.load import Load, Result

STATIONS = 50


@dataclass(frozen=True)
class Figures:
    """Of one build in one turn: CPU microseconds per message of the server and of PostgreSQL."""

    server_us: float
    postgres_us: float
    rate: float
    p99_ms: float


def run(place: Place, *, quick: bool) -> list[Row]:
    """Two turns of each build, alternating."""
    seconds = 2.5 if quick else 12.0
    stations = builds.make_stations(12 if quick else STATIONS, "DOOR")
    builds.prepare_yardstick(place, stations)
    ours, theirs = [], []
    for _ in range(1 if quick else 2):
        with builds.portal(place) as build:
            ours.append(_turn(place, build, stations, seconds))
        with builds.yardstick(place) as build:
            theirs.append(_turn(place, build, stations, seconds))
    return _rows(len(stations), ours, theirs)


def _turn(place: Place, build: Build, stations: list[tuple[str, str]], seconds: float) -> Figures:
    return asyncio.run(measure(place, build, stations, seconds))


async def measure(
    place: Place,
    build: Build,
    stations: list[tuple[str, str]],
    seconds: float,
    *,
    only_readings: bool = False,
) -> Figures:
    """What these stations cost as they push, after a second to warm caches, pools and plans."""
    async with Load(build.ocpp_url, stations) as load:
        await load.push(1.0, only_readings=only_readings)
        server, postgres = CpuMeter(build.pid), CpuMeter(place.postgres_pid, family=True)
        result = await load.push(seconds, only_readings=only_readings)
        return _figures(result, server.seconds(), postgres.seconds())


def _figures(result: Result, server_s: float, postgres_s: float) -> Figures:
    if result.errors:
        raise SystemExit(f"{result.errors} of {result.messages} messages were answered with an error.")
    return Figures(
        server_us=server_s / result.messages * 1e6,
        postgres_us=postgres_s / result.messages * 1e6,
        rate=result.messages / result.elapsed_s,
        p99_ms=percentile(result.latencies, 0.99) * 1000,
    )


def _rows(count: int, ours: list[Figures], theirs: list[Figures]) -> list[Row]:
    own, other = median([f.server_us for f in ours]), median([f.server_us for f in theirs])
    own_sql, other_sql = median([f.postgres_us for f in ours]), median([f.postgres_us for f in theirs])
    note = f"{count} stations; half Heartbeat, half MeterValues of ten samples; one process each"
    return [
        Row(
            "messages per core-second against the straightforward build",
            f"{other / own:.1f} times",
            ">= 20 times",
            note,
        ),
        Row(
            "gateway CPU per message",
            f"{own:.0f} us (straightforward {other:.0f} us)",
            "-",
            "half of the messages are MeterValues",
        ),
        Row(
            "PostgreSQL CPU per message",
            f"{own_sql:.0f} us (straightforward {other_sql:.0f} us)",
            "-",
        ),
        Row(
            "rate and 99th percentile under this load",
            f"{median([f.rate for f in ours]):.0f}/s, {median([f.p99_ms for f in ours]):.0f} ms "
            f"(straightforward {median([f.rate for f in theirs]):.0f}/s, {median([f.p99_ms for f in theirs]):.0f} ms)",
            "-",
            "load, server and database share the machine",
        ),
    ]
