"""Five thousand chargers: the storm in which they come, what an idle one holds, what a message costs as they grow."""

import asyncio
import time
from dataclasses import dataclass
from typing import NamedTuple

import psutil

from benchmarks import builds, drawing
from benchmarks.builds import Build
from benchmarks.harness import CpuMeter, MachineMeter, Place, Row, others_during, percentile
from benchmarks.lean import BOOT, Charger, Fleet, call

SIZES = (100, 1000, 2500, 5000)
QUICK_SIZES = (50, 200)
AT_ONCE = 200
RATE_PER_S = 600
AGAIN_S = 1.0
PICTURE = "cost.svg"
STATUS = {"connectorId": 1, "status": "Available", "errorCode": "NoError"}


@dataclass(frozen=True)
class Cost:
    """CPU microseconds per MeterValues with so many chargers connected.

    What they cost while quiet (pings, presence) is taken off and stands in ``quiet_us``.
    """

    size: int
    gateway_us: float
    postgres_us: float
    p99_ms: float
    others: float
    quiet_us: float


class Meters(NamedTuple):
    """The CPU of the gateway and of PostgreSQL since they were made."""

    gateway: CpuMeter
    postgres: CpuMeter

    @classmethod
    def of(cls, place: Place, build: Build) -> "Meters":
        return cls(CpuMeter(build.pid), CpuMeter(place.postgres_pid, family=True))

    def seconds(self) -> tuple[float, float]:
        return self.gateway.seconds(), self.postgres.seconds()


def run(place: Place, *, quick: bool) -> list[Row]:
    """One gateway for the storm, another for the steps up to the full size."""
    sizes = QUICK_SIZES if quick else SIZES
    stations = builds.make_stations(sizes[-1], "SIZE")
    with builds.portal(place) as build:
        rows = asyncio.run(_storm(place, build, stations, 1.0 if quick else 5.0))
    with builds.portal(place) as build:
        costs = asyncio.run(_grow(place, build, stations, sizes, 1.0 if quick else 10.0))
    if not quick:
        drawing.save(PICTURE, [(one.size, one.gateway_us, one.postgres_us) for one in costs])
    return [*rows, _row_of_costs(costs)]


async def _storm(place: Place, build: Build, stations: list[tuple[str, str]], idle_s: float) -> list[Row]:
    process = psutil.Process(build.pid)
    first = await _first_of_all(build, stations[0])
    before, fleet = process.memory_info().rss, Fleet(build.port)
    machine, server, begin = MachineMeter(), CpuMeter(build.pid), time.monotonic()
    turn = asyncio.Semaphore(AT_ONCE)
    tries = await asyncio.gather(*(_arrive(fleet, turn, station) for station in stations[1:]))
    took = time.monotonic() - begin
    others = others_during(machine, took)
    cpu_s = server.seconds()
    await asyncio.sleep(idle_s)
    held = sum(not charger.transport.is_closing() for charger in fleet.chargers)
    memory = (process.memory_info().rss - before) / max(1, held) / 1024
    answers = fleet.taken()
    fleet.close()
    first.close()
    return [
        Row(
            f"connect storm of {len(stations):,} authenticated chargers, boot and status included",
            f"all {held + 1:,} served within {took:.1f} s",
            "5,000 within 60 s, none refused for good",
            f"{sum(tries) - len(tries)} tries refused and made again, {answers.errors} errors; p99 of an answer "
            f"{percentile(answers.latencies, 0.99) * 1000:.0f} ms; gateway {cpu_s / len(stations) * 1e6:.0f} us of CPU "
            f"per charger, processes of others {others:.0%}",
        ),
        Row(
            "memory per idle connection",
            f"{memory:.1f} KiB",
            "<= 30 KiB",
            f"resident set of the gateway with {held:,} chargers, booted and quiet for {idle_s:.0f} s, "
            "less that with one",
        ),
    ]


async def _first_of_all(build: Build, station: tuple[str, str]) -> Fleet:
    """What the first message loads is not a matter of connections."""
    fleet = Fleet(build.port)
    charger = await fleet.connect(station)
    assert charger is not None
    await _introduce(charger)
    await asyncio.sleep(1)
    return fleet


async def _arrive(fleet: Fleet, turn: asyncio.Semaphore, station: tuple[str, str]) -> int:
    """Connect, boot, tell the state; how many tries it took."""
    for number in range(1, 120):
        async with turn:
            charger = await fleet.connect(station)
            if charger is not None:
                await _introduce(charger)
                return number
        await asyncio.sleep(AGAIN_S)
    raise SystemExit(f"{station[0]} was refused for good.")


async def _introduce(charger: Charger) -> None:
    await charger.ask(call("BootNotification", BOOT["1.6"]))
    await charger.ask(call("StatusNotification", STATUS))


async def _grow(
    place: Place, build: Build, stations: list[tuple[str, str]], sizes: tuple[int, ...], seconds: float
) -> list[Cost]:
    fleet, turn, costs = Fleet(build.port), asyncio.Semaphore(AT_ONCE), []
    for size in sizes:
        await asyncio.gather(*(_arrive(fleet, turn, one) for one in stations[len(fleet.chargers) : size]))
        await fleet.push_readings(RATE_PER_S, min(2.0, seconds / 2))
        await fleet.settle()
        fleet.taken()
        costs.append(await _cost(place, build, fleet, seconds))
    fleet.close()
    return costs


async def _cost(place: Place, build: Build, fleet: Fleet, seconds: float) -> Cost:
    meters = Meters.of(place, build)
    await asyncio.sleep(seconds / 2)
    quiet = [2 * used for used in meters.seconds()]
    meters, machine = Meters.of(place, build), MachineMeter()
    said = await fleet.push_readings(RATE_PER_S, seconds)
    others = others_during(machine, seconds)
    await fleet.settle()
    used = meters.seconds()
    answers = fleet.taken()
    if answers.errors:
        raise SystemExit(f"{answers.errors} of {said} readings were answered with an error.")
    gateway_us, postgres_us = ((busy - idle) / said * 1e6 for busy, idle in zip(used, quiet, strict=True))
    p99_ms = percentile(answers.latencies, 0.99) * 1000
    return Cost(len(fleet.chargers), gateway_us, postgres_us, p99_ms, others, sum(quiet) / said * 1e6)


def _row_of_costs(costs: list[Cost]) -> Row:
    least, most = costs[0], costs[-1]
    steps = "; ".join(
        f"{one.size:,}: {one.gateway_us:.0f} + {one.postgres_us:.0f} us (and {one.quiet_us:.0f} us for being "
        f"connected), p99 {one.p99_ms:.0f} ms, others {one.others:.0%}"
        for one in costs
    )
    return Row(
        f"CPU per MeterValues at {most.size:,} chargers against {least.size:,}",
        f"{(most.gateway_us + most.postgres_us) / (least.gateway_us + least.postgres_us):.2f} times",
        "flat (1)",
        f"gateway + PostgreSQL at {RATE_PER_S} readings a second in all: {steps} (`{PICTURE}`)",
    )
