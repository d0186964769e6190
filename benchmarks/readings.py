"""MeterValues of ten samples alone: what one costs, beside the bare gateway, and whether 5,000 a second are kept up."""

import asyncio

from benchmarks import builds
from benchmarks.builds import Build
from benchmarks.door import Figures, measure
from benchmarks.harness import CpuMeter, MachineMeter, Place, Row, median, others_during, percentile
from benchmarks.lean import BOOT, Fleet, call

STATIONS = 50
CHARGERS = 500
RATE_PER_S = 5000


def run(place: Place, *, quick: bool) -> list[Row]:
    """Both gateways in turn (A B A B), then the rate."""
    stations = builds.make_stations(20 if quick else STATIONS, "READ")
    seconds, ours, theirs = (2.0 if quick else 8.0), [], []
    for _ in range(1 if quick else 2):
        with builds.portal(place) as build:
            ours.append(_turn(place, build, stations, seconds))
        with builds.bare(place) as build:
            theirs.append(_turn(place, build, stations, seconds))
    some = builds.more_stations("READ", 100 if quick else CHARGERS)
    with builds.portal(place) as build:
        kept_up = asyncio.run(_keep_up(place, build, some, 3.0 if quick else 20.0))
    return [*_rows(len(stations), ours, theirs), kept_up]


def _turn(place: Place, build: Build, stations: list[tuple[str, str]], seconds: float) -> Figures:
    return asyncio.run(measure(place, build, stations, seconds, only_readings=True))


def _rows(count: int, ours: list[Figures], theirs: list[Figures]) -> list[Row]:
    own, other = median([f.server_us for f in ours]), median([f.server_us for f in theirs])
    own_sql, other_sql = median([f.postgres_us for f in ours]), median([f.postgres_us for f in theirs])
    return [
        Row(
            "CPU per MeterValues of ten samples",
            f"gateway {own:.0f} us, PostgreSQL {own_sql:.0f} us",
            "<= 150 us, <= 60 us",
            f"{count} stations, each one message at a time; {median([f.rate for f in ours]):.0f}/s",
        ),
        Row(
            "gateway CPU against one that only frames, parses and commits by COPY",
            f"{own / other:.2f} times",
            "<= 3 times",
            f"that one {other:.0f} us, and PostgreSQL {other_sql:.0f} us",
        ),
    ]


async def _keep_up(place: Place, build: Build, stations: list[tuple[str, str]], seconds: float) -> Row:
    fleet = Fleet(build.port)
    for station in stations:
        charger = await fleet.connect(station)
        assert charger is not None
        await charger.ask(call("BootNotification", BOOT["1.6"]))
    await fleet.push_readings(RATE_PER_S / 5, min(2.0, seconds / 4))
    await fleet.settle()
    fleet.taken()
    server, postgres, machine = CpuMeter(build.pid), CpuMeter(place.postgres_pid, family=True), MachineMeter()
    said = await fleet.push_readings(RATE_PER_S, seconds)
    others = others_during(machine, seconds)
    left = await fleet.settle()
    answers = fleet.taken()
    fleet.close()
    return Row(
        f"{RATE_PER_S:,} MeterValues a second acknowledged, 99th percentile",
        f"{percentile(answers.latencies, 0.99) * 1000:.0f} ms at {said / seconds:.0f}/s said",
        ">= 5,000/s, <= 250 ms",
        f"{len(stations)} chargers for {seconds:.0f} s, p50 {percentile(answers.latencies, 0.5) * 1000:.0f} ms, "
        f"{answers.errors} errors, {left} never answered; gateway {server.seconds() / seconds:.0%} of a core, "
        f"PostgreSQL {postgres.seconds() / seconds:.0%}, processes of others {others:.0%}",
    )
