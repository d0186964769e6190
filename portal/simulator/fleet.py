"""Many stations in one process: each with its own address against loopback, all counted together."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from statistics import quantiles
from typing import cast
from urllib.parse import urlsplit

from portal.simulator.battery import EnergyMeter
from portal.simulator.clock import Clock, FlowingClock
from portal.simulator.journal import Journal, Outcome, Tally
from portal.simulator.outlet import Lost
from portal.simulator.scenarios import SCENARIOS, Drivers, Guest, Scenario
from portal.simulator.settings import CATALOGUE, Endpoint, Habits, Hardware, Version, wire_password
from portal.simulator.station import DEFAULT_TOKEN, SimulatedStation
from portal.simulator.transport import HandshakeRefused, SimulatorError

VERSIONS: tuple[Version, ...] = ("1.6", "2.0.1", "2.1")
FINAL_STATUSES = frozenset({400, 401, 403, 404})
HANDSHAKES_AT_ONCE = 40
HOSTS_PER_BLOCK = 250


@dataclass(frozen=True, slots=True)
class Member:
    """One station to simulate. ``registers_wh`` go on where they stood; ``scenario`` beats the fleet's."""

    identity: str
    password: str | bytes | None
    version: Version
    hardware: Hardware = CATALOGUE[0]
    scenario: Scenario | None = None
    registers_wh: Mapping[int, int] = field(default_factory=dict)
    lost: tuple[Lost, ...] = ()


@dataclass(slots=True)
class FleetPlan:
    """How the fleet connects and what it does.

    Stations connect within ``spread_s``, their first cars come within ``first_within_s`` more.
    ``edge_secret`` sends the headers of the TLS proxy.
    """

    url: str
    members: Sequence[Member]
    scenario: Scenario = SCENARIOS["charge"]
    tokens: tuple[str, ...] = (DEFAULT_TOKEN,)
    clock: Clock = field(default_factory=FlowingClock)
    sample_s: int = 60
    spread_s: float = 5.0
    first_within_s: float = 10.0
    edge_secret: str = ""
    idle_s: tuple[float, float] = (60.0, 600.0)
    stay_minutes: tuple[float, float] = (15.0, 90.0)
    keep: int = 0
    tells_needs: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """The fleet at this moment."""

    stations: int
    online: int
    sessions: int
    power_w: int
    queued: int
    sent: int
    answered: int
    failed: int
    p50_ms: float
    p99_ms: float
    refusals: Counter[str]


class Fleet:
    """``await Fleet(plan).run()`` goes on until it is cancelled."""

    def __init__(self, plan: FleetPlan) -> None:
        self.plan = plan
        self.tally = Tally()
        self.refusals: Counter[str] = Counter()
        self.on_refusal: Callable[[str, str], None] = lambda identity, reason: None
        self.stations = [self._build(place, member) for place, member in enumerate(plan.members)]
        self._drivers = Drivers(plan.tokens)
        self._handshakes = asyncio.Semaphore(HANDSHAKES_AT_ONCE)

    async def run(self) -> None:
        """Returns before it is cancelled only when the CSMS has refused every station for good."""
        try:
            async with asyncio.TaskGroup() as group:  # unlike gather, it waits until sessions have ended
                for station, member in zip(self.stations, self.plan.members, strict=True):
                    group.create_task(self._live(station, member))
        finally:
            await asyncio.gather(*(station.close() for station in self.stations), return_exceptions=True)

    def hang_up(self) -> None:
        """Cut every connection for good, so that nobody waits for an answer any more."""
        for station in self.stations:
            station.habits.keep_online = False
            station.drop()

    def report(self) -> Report:
        outlets = [outlet for station in self.stations for outlet in station.outlets]
        running = [outlet for outlet in outlets if outlet.transaction is not None]
        outcomes = self.tally.outcomes
        p50, p99 = _percentiles(self.tally.took_ms)
        return Report(
            stations=len(self.stations),
            online=sum(station.online for station in self.stations),
            sessions=len(running),
            power_w=sum(outlet.power_w for outlet in running),
            queued=sum(len(station.queue) for station in self.stations),
            sent=self.tally.sent,
            answered=outcomes[Outcome.ANSWERED],
            failed=outcomes[Outcome.REFUSED] + outcomes[Outcome.UNANSWERED],
            p50_ms=p50,
            p99_ms=p99,
            refusals=self.refusals,
        )

    def _build(self, place: int, member: Member) -> SimulatedStation:
        endpoint = Endpoint(self.plan.url, member.identity, wire_password(member.password, member.version))
        endpoint.source_address = source_address(self.plan.url, place)
        if self.plan.edge_secret:
            endpoint.headers = edge_headers(self.plan.edge_secret, endpoint.source_address or "127.0.0.1")
        habits = Habits(
            sample_s=self.plan.sample_s,
            keep_online=True,
            charges_alone=True,
            tells_needs=self.plan.tells_needs,
        )
        station = SimulatedStation(
            endpoint,
            version=member.version,
            hardware=member.hardware,
            clock=self.plan.clock,
            habits=habits,
        )
        station.journal = Journal(keep=self.plan.keep, tally=self.tally)
        station.faults = (member.scenario or self.plan.scenario).faults
        for outlet in station.outlets:
            if outlet.number in member.registers_wh:
                outlet.meter = EnergyMeter.showing(member.registers_wh[outlet.number])
        return station

    async def _live(self, station: SimulatedStation, member: Member) -> None:
        for lost in member.lost:
            await station.recall(lost)
        await asyncio.sleep(station.random.uniform(0, self.plan.spread_s))
        if not await self._arrive(station):
            return
        await station.queue.emptied()
        for lost in member.lost:
            await station.unplug(lost.outlet)
        guest = Guest(
            station,
            self._drivers,
            first_within_s=self.plan.first_within_s,
            idle_s=self.plan.idle_s,
            stay_minutes=self.plan.stay_minutes,
        )
        await (member.scenario or self.plan.scenario).play(guest)

    async def _arrive(self, station: SimulatedStation) -> bool:
        """Connect and boot, patiently; false once the CSMS has said that it does not want this station."""
        wait_s = station.habits.reconnect_first_s
        while not station.registered:
            try:
                async with self._handshakes:
                    await station.connect()
                await station.boot_until_accepted()
            except SimulatorError as fault:
                self._note(station, fault)
                if isinstance(fault, HandshakeRefused) and fault.status in FINAL_STATUSES:
                    return False
                await asyncio.sleep(station.random.uniform(wait_s / 2, wait_s))
                wait_s = min(2 * wait_s, station.habits.reconnect_longest_s)
        return True

    def _note(self, station: SimulatedStation, fault: SimulatorError) -> None:
        self.refusals[str(fault)] += 1
        self.on_refusal(station.identity, str(fault))


def make_members(
    count: int, *, version: str, prefix: str, password: Callable[[str], str | bytes | None]
) -> list[Member]:
    """``prefix``0001 and so on (the bare prefix for a single one); ``mixed`` takes the versions in turn."""
    versions = VERSIONS if version == "mixed" else (cast(Version, version),)
    names = [prefix] if count == 1 else [f"{prefix}{number:04d}" for number in range(1, count + 1)]
    return [
        Member(name, password(name), versions[place % len(versions)], CATALOGUE[place % len(CATALOGUE)])
        for place, name in enumerate(names)
    ]


def numbered_tokens(members: Iterable[Member]) -> tuple[str, ...]:
    """As many tokens as there are outlets, counted up from ``DEFAULT_TOKEN``."""
    count = sum(member.hardware.outlets for member in members)
    return tuple(f"{int(DEFAULT_TOKEN, 16) + place:014X}" for place in range(count))


def source_address(url: str, place: int) -> str | None:
    """An address of its own in 127.0.0.0/8 for each station, where the CSMS is reached by loopback."""
    host = urlsplit(url).hostname or ""
    if host != "localhost" and not _is_loopback_v4(host):
        return None
    block, host_number = divmod(place, HOSTS_PER_BLOCK)
    return f"127.{10 + block // HOSTS_PER_BLOCK % 200}.{block % HOSTS_PER_BLOCK}.{1 + host_number}"


def edge_headers(secret: str, address: str) -> dict[str, str]:
    """What the TLS proxy in front of the door adds to a handshake without a client certificate."""
    return {
        "X-Edge-Auth": secret,
        "X-Edge-Listener": "tls",
        "X-Client-Verify": "NONE",
        "X-Forwarded-For": address,
        "X-Forwarded-Proto": "https",
    }


def _is_loopback_v4(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.version == 4 and address.is_loopback


def _percentiles(values: Sequence[float]) -> tuple[float, float]:
    if len(values) < 2:
        return (values[0], values[0]) if values else (0.0, 0.0)
    cuts = quantiles(values, n=100)
    return cuts[49], cuts[98]
