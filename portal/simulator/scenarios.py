"""What simulated stations can be asked to do; listed by ``manage.py simulate --list``."""

import asyncio
import contextlib
import random
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from portal.simulator.battery import Vehicle
from portal.simulator.misbehaviour import MALFORMED_FRAMES, Misbehaviour
from portal.simulator.outlet import Outlet
from portal.simulator.station import SimulatedStation
from portal.simulator.transport import SimulatorError

FLAPPING_S = 20
HALF_OPEN_S = 60
DARK_S = 5
FLOOD_PAUSE_S = 0.005
LATE_S = 40.0
SLOW_S = 5.0

Play = Callable[["Guest"], Awaitable[None]]
Midway = Callable[[SimulatedStation, Outlet], Awaitable[object]]


class Drivers:
    """The cards of a fleet's drivers. Nobody is at two chargers at once, where a CSMS would refuse the second."""

    def __init__(self, tokens: Iterable[str]) -> None:
        self._at_home = list(dict.fromkeys(tokens))

    def leave(self, chance: random.Random) -> str | None:
        """A driver who is free; None where all are on their way."""
        return self._at_home.pop(chance.randrange(len(self._at_home))) if self._at_home else None

    def come_home(self, token: str) -> None:
        self._at_home.append(token)


@dataclass(slots=True)
class Guest:
    """A station on stage: who comes to it, and how long it stands idle in between."""

    station: SimulatedStation
    drivers: Drivers
    first_within_s: float = 10.0
    idle_s: tuple[float, float] = (60.0, 600.0)
    stay_minutes: tuple[float, float] = (15.0, 90.0)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A name for a behaviour that goes on until it is cancelled."""

    name: str
    summary: str
    play: Play
    faults: Misbehaviour = field(default_factory=Misbehaviour)


async def sessions(guest: Guest, midway: Midway | None = None) -> None:
    """Cars come and go at every outlet; ``midway`` happens a few minutes into each session."""
    async with asyncio.TaskGroup() as group:
        for outlet in guest.station.outlets:
            group.create_task(_visits(guest, outlet, midway))


async def stand_idle(_: Guest) -> None:
    await asyncio.Event().wait()


async def pause_midway(station: SimulatedStation, outlet: Outlet) -> None:
    await station.pause(outlet.number)
    await station.charge(outlet.number, minutes=8)
    await station.pause(outlet.number, paused=False)


async def fail_midway(station: SimulatedStation, outlet: Outlet) -> None:
    await station.fail(outlet.number)
    await sleep(station, 180)
    await station.recover(outlet.number)


async def red_button_midway(station: SimulatedStation, outlet: Outlet) -> None:
    await station.emergency_stop()
    await sleep(station, 300)
    for one in station.outlets:
        await station.recover(one.number)


async def power_loss_midway(station: SimulatedStation, outlet: Outlet) -> None:
    await station.lose_power()
    await asyncio.sleep(DARK_S)
    await come_back(station, reason="PowerUp")


async def offline_midway(station: SimulatedStation, outlet: Outlet) -> None:
    station.drop()
    if outlet.transaction is not None:
        await station.charge(outlet.number, minutes=10)
    await station.stop(outlet.number)
    await come_back(station)


async def flap(guest: Guest) -> None:
    """The connection breaks every twenty seconds, sessions go on."""
    await _together(sessions(guest), _break_often(guest.station))


async def half_open(guest: Guest) -> None:
    """The socket stays, but nothing is read or answered on it; later a new one is opened beside it."""
    await _together(sessions(guest), _freeze_often(guest.station))


async def malformed(guest: Guest) -> None:
    """Frames that are no OCPP, and a Heartbeat after each to show that the socket still works."""
    while True:
        for frame in MALFORMED_FRAMES:
            with contextlib.suppress(SimulatorError):
                await guest.station.send_text(frame)
                await guest.station.heartbeat()
            await asyncio.sleep(1)


async def flood(guest: Guest) -> None:
    """Two hundred Heartbeats a second, without waiting for answers."""
    while True:
        with contextlib.suppress(SimulatorError):
            await guest.station.send_text(f'[2,"{uuid.uuid4()}","Heartbeat",{{}}]')
        await asyncio.sleep(FLOOD_PAUSE_S)


async def sleep(station: SimulatedStation, seconds: float) -> None:
    """Simulated seconds."""
    await station.clock.sleep_until(station.clock.now() + timedelta(seconds=seconds))


async def come_back(station: SimulatedStation, reason: str = "") -> None:
    """Connect anew, with back-off where the CSMS is away; ``reason`` of a boot that goes before."""
    try:
        if reason:
            await station.restore_power(reason)
        else:
            await station.reconnect()
    except SimulatorError:
        await station.come_back()


async def _together(*works: Coroutine[Any, Any, None]) -> None:
    async with asyncio.TaskGroup() as group:
        for work in works:
            group.create_task(work)


async def _visits(guest: Guest, outlet: Outlet, midway: Midway | None) -> None:
    station = guest.station
    await asyncio.sleep(station.random.uniform(0, guest.first_within_s))
    while True:
        token = guest.drivers.leave(station.random) if outlet.free and outlet.transaction is None else None
        if token is not None:
            try:
                await _visit(guest, outlet, token, midway)
            except SimulatorError:
                pass  # the station has noted what the CSMS said
            finally:
                guest.drivers.come_home(token)
        await sleep(station, station.random.uniform(*guest.idle_s))


async def _visit(guest: Guest, outlet: Outlet, token: str, midway: Midway | None) -> None:
    station, number = guest.station, outlet.number
    try:
        await station.plug_in(number, random_vehicle(station.random, outlet))
        if outlet.transaction is None and not await station.authorize(token):
            return
        transaction = await station.start(number, token)
        if transaction.is_open and midway is not None:
            await station.charge(number, minutes=station.random.uniform(3, 8))
        if transaction.is_open and midway is not None:
            await midway(station, outlet)
        if transaction.is_open:
            await station.charge(number, minutes=station.random.uniform(*guest.stay_minutes))
        await station.stop(transaction)
    finally:
        await station.unplug(number)


def random_vehicle(chance: random.Random, outlet: Outlet) -> Vehicle:
    """A car that fits the outlet: its on-board charger, or its battery on DC, sets the power."""
    capacity = chance.choice((42_000, 52_000, 58_000, 64_000, 77_000, 90_000))
    fast = chance.choice((50_000, 85_000, 120_000, 150_000))
    slow = chance.choice((3_680, 7_360, 11_000, 11_000, 22_000))
    return Vehicle(
        capacity_wh=capacity,
        soc=chance.uniform(0.12, 0.6),
        max_power_w=min(outlet.rated_w, fast if outlet.kind == "DC" else slow),
        target_soc=chance.choice((0.8, 0.9, 1.0)),
    )


async def _break_often(station: SimulatedStation) -> None:
    while True:
        await asyncio.sleep(station.random.uniform(0.5, 1.5) * FLAPPING_S)
        station.drop()
        await come_back(station)


async def _freeze_often(station: SimulatedStation) -> None:
    while True:
        await asyncio.sleep(station.random.uniform(0.5, 1.5) * HALF_OPEN_S)
        station.freeze()
        await asyncio.sleep(DARK_S)
        await come_back(station)


def _midway(act: Midway) -> Play:
    return lambda guest: sessions(guest, act)


NO_SHOW = Misbehaviour(ignores_remote_start=True)
_ALL = (
    Scenario("charge", "cars come and go: ramp, constant power, taper, stop", sessions),
    Scenario("idle", "boot, heartbeats and nothing else", stand_idle),
    Scenario("pause", "the car pauses and goes on (SuspendedEV)", _midway(pause_midway)),
    Scenario("fault", "a ground fault ends each session", _midway(fail_midway)),
    Scenario("emergency-stop", "somebody hits the red button", _midway(red_button_midway)),
    Scenario("power-loss", "the station goes dark in the session and boots again", _midway(power_loss_midway)),
    Scenario("offline", "the connection is lost; the session is told afterwards", _midway(offline_midway)),
    Scenario("flapping", "the connection breaks every 20 seconds", flap),
    Scenario("half-open", "the socket stays open, but the station is gone", half_open),
    Scenario("no-show", "remote starts are accepted, nothing begins", stand_idle, NO_SHOW),
    Scenario("duplicates", "every message is sent twice", sessions, Misbehaviour(duplicates=True)),
    Scenario("shuffled", "transaction messages in the wrong order (seqNo)", sessions, Misbehaviour(shuffled=True)),
    Scenario("wrong-case", "enum values in lower case", sessions, Misbehaviour(wrong_case=True)),
    Scenario("kilowatt-hours", "energy in kWh", sessions, Misbehaviour(kilowatt_hours=True)),
    Scenario("integer-ids", "message ids are numbers", sessions, Misbehaviour(integer_ids=True)),
    Scenario("malformed", "frames that are no OCPP", malformed),
    Scenario("slow-answers", "commands are answered after 5 seconds", sessions, Misbehaviour(answers_after_s=SLOW_S)),
    Scenario("late-answers", "commands are answered after 40 seconds", sessions, Misbehaviour(answers_after_s=LATE_S)),
    Scenario("mute", "commands are never answered", sessions, Misbehaviour(mute=True)),
    Scenario("flood", "200 messages a second, without end", flood),
    Scenario("wrong-clock", "the clock is 45 minutes slow", sessions, Misbehaviour(clock_error=timedelta(minutes=-45))),
    Scenario("lost-clock", "the clock says 1970", sessions, Misbehaviour(clock_error=timedelta(days=-20_500))),
)  # fmt: skip
SCENARIOS: Mapping[str, Scenario] = {scenario.name: scenario for scenario in _ALL}
