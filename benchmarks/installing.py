"""A fleet that fetches and installs firmware; in the end it says what each charger was told (`benchmarks.rollout`).

Reads one JSON object from standard input, runs until SIGTERM, writes one JSON object to standard output.
"""

import asyncio
import contextlib
import json
import random
import signal
import sys
import time
from dataclasses import replace
from hashlib import sha256
from typing import Any

import requests

from portal.simulator import security
from portal.simulator.fleet import Fleet, FleetPlan, Member
from portal.simulator.misbehaviour import Misbehaviour
from portal.simulator.scenarios import SCENARIOS
from portal.simulator.settings import Hardware
from portal.simulator.station import SimulatedStation

FETCHES_AT_ONCE = 8
TRIES = 30
OLD = "1.0.0"


class Ledger:
    """What the chargers were told and did."""

    def __init__(self, known: list[str]) -> None:
        self.told: dict[str, int] = {}
        self.overlaps = self.wrong_bytes = self.reboots = 0
        self.known = frozenset(known)
        self.fetching = asyncio.Semaphore(FETCHES_AT_ONCE)

    def begin(self, station: SimulatedStation) -> None:
        self.told[station.identity] = self.told.get(station.identity, 0) + 1
        self.overlaps += station.safe.updating is not None

    async def fetch(self, location: str) -> None:
        """Patiently, as chargers do while a server is away."""
        async with self.fetching:
            content = await asyncio.to_thread(_fetched, location)
        self.wrong_bytes += sha256(content).hexdigest() not in self.known


def _fetched(location: str) -> bytes:
    for _ in range(TRIES):
        try:
            answer = requests.get(location, timeout=30)
        except requests.RequestException:
            time.sleep(1)
            continue
        if answer.status_code < 500:
            return answer.content
        time.sleep(1)
    return b""


def watch(ledger: Ledger) -> None:
    """Every UpdateFirmware is counted and its file really fetched before anything is reported of it."""
    plain_update, plain_work = security.update, security._update

    def update(station: SimulatedStation, action: str, location: str, request_id: int | None) -> Any:
        ledger.begin(station)
        return plain_update(station, action, location, request_id)

    async def work(station: SimulatedStation, action: str, location: str, request_id: int | None) -> None:
        await ledger.fetch(location)
        await plain_work(station, action, location, request_id)

    security.update, security._update = update, work


async def reboot_some(fleet: Fleet, ledger: Ledger, every_s: float) -> None:
    """Now and then one of them restarts, whatever it is doing."""
    while every_s:
        await asyncio.sleep(random.expovariate(1 / every_s))
        station = random.choice(fleet.stations)
        if station.online:
            ledger.reboots += 1
            station.spawn(station.reboot())


def members_of(order: dict[str, Any], listed: list[dict[str, Any]]) -> list[Member]:
    idle = SCENARIOS["idle"]
    failing = replace(idle, faults=Misbehaviour(fails_updates=True))
    hardware = Hardware(vendor=order["vendor"], model=order["model"], firmware=OLD)
    return [
        Member(one["identity"], one["password"], one["version"], hardware, failing if one["fails"] else idle)
        for one in listed
    ]


async def come_late(fleet: Fleet, after_s: float) -> None:
    await asyncio.sleep(after_s)
    await fleet.run()


async def main() -> None:
    order = json.load(sys.stdin)
    ledger = Ledger(order["sha256"])
    watch(ledger)
    fleet, late = (
        Fleet(FleetPlan(order["url"], members_of(order, order[name]), scenario=SCENARIOS["idle"]))
        for name in ("members", "late")
    )
    work = asyncio.gather(
        fleet.run(),
        come_late(late, order["late_after_s"]),
        reboot_some(fleet, ledger, order["reboot_every_s"]),
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await work
    for each in (fleet, late):
        each.hang_up()
    await asyncio.sleep(1)
    report = {
        "told": ledger.told,
        "overlaps": ledger.overlaps,
        "wrong_bytes": ledger.wrong_bytes,
        "reboots": ledger.reboots,
        "firmware": {
            station.identity: station.hardware.firmware for station in (*fleet.stations, *late.stations)
        },
    }
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
