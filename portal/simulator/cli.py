"""The command line of the simulator. It needs no portal on this machine, only the address of one."""

import asyncio
import contextlib
import os
import re
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

from portal.simulator.clock import FlowingClock
from portal.simulator.fleet import VERSIONS, Fleet, FleetPlan, make_members, numbered_tokens
from portal.simulator.loop import run
from portal.simulator.scenarios import SCENARIOS
from portal.simulator.station import DEFAULT_TOKEN

DEFAULT_URL = "ws://127.0.0.1:8000/ocpp"
DOOR = re.compile(r"wss?://[^/\s]+")
REPORT_EVERY_S = 5.0
SPREAD_S = 5.0
REFUSALS_SHOWN = 10
FAREWELL_S = 6.0

Passwords = Callable[[str], str | None]


class Unusable(Exception):
    """Something on the command line; the text is for the person who typed it."""


def main(arguments: Sequence[str], passwords: Callable[[Namespace], Passwords] | None = None) -> int:
    """Simulate until told to stop; answers with the exit code. ``passwords`` serves ``--create``."""
    parser = ArgumentParser("manage.py simulate", description="Simulated chargers that speak real OCPP.")
    add_arguments(parser)
    chosen = parser.parse_args(arguments)
    if chosen.list:
        say("\n".join(f"{one.name:16}{one.summary}" for one in SCENARIOS.values()))
        return 0
    try:
        fleet = Fleet(plan(chosen, (passwords or given_passwords)(chosen)))
    except Unusable as fault:
        parser.error(str(fault))
    run(Stage(fleet, chosen.duration).play())
    if fleet.refusals and not fleet.tally.sent:
        say("No station got in.")
        return 1
    return 0


def add_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--url", help=f"the CSMS, without the identity ({DEFAULT_URL}; with --create the portal running here)"
    )
    add("--count", type=int, default=1, metavar="N", help="how many chargers (1)")
    add("--version", choices=[*VERSIONS, "mixed"], default="1.6", help="version of OCPP (1.6)")
    add("--scenario", choices=SCENARIOS, default="charge", metavar="NAME", help="see --list (charge)")
    add("--list", action="store_true", help="list the scenarios")
    add("--identity", "--identity-prefix", default="SIM", metavar="ID", help="identity, or its prefix (SIM)")
    add("--password", help="one for all; 1.6 sends 32 to 40 hex digits as the bytes they stand for")
    add("--password-file", type=Path, metavar="FILE", help="lines of IDENTITY:PASSWORD")
    add("--create", action="store_true", help="register chargers and tokens with the portal running here")
    add("--organization", metavar="SLUG", help="whose they become, for --create")
    add(
        "--token", action="append", metavar="T", help=f"a driver's token, repeatable ({DEFAULT_TOKEN} and on)"
    )
    add("--speed", type=float, default=1.0, help="simulated seconds per second, from 24 h ago on (1)")
    add("--sample", type=int, default=60, metavar="S", help="seconds between meter values (60)")
    add("--duration", type=float, metavar="S", help="stop after so many seconds (never)")
    add("--data-dir", help="where the portal running here keeps its data, for --create")


def plan(chosen: Namespace, passwords: Passwords) -> FleetPlan:
    if chosen.count < 1 or chosen.sample < 1 or chosen.speed <= 0:
        raise Unusable("--count, --sample and --speed must be above zero")
    url = chosen.url or DEFAULT_URL
    if not DOOR.match(url):
        raise Unusable(f"--url is an address like {DEFAULT_URL}, not {url}")
    members = make_members(chosen.count, version=chosen.version, prefix=chosen.identity, password=passwords)
    return FleetPlan(
        url=url,
        members=members,
        scenario=SCENARIOS[chosen.scenario],
        tokens=tuple(chosen.token or numbered_tokens(members)),
        clock=FlowingClock(speed=chosen.speed),
        sample_s=chosen.sample,
        spread_s=SPREAD_S if chosen.count > 1 else 0.0,
        first_within_s=SPREAD_S,
        edge_secret=os.environ.get("OCPP_TRUSTED_PROXY_SECRET", ""),
    )


def given_passwords(chosen: Namespace) -> Passwords:
    """From ``--password`` or ``--password-file``; raises :class:`Unusable` for a file that cannot be read."""
    file: Path | None = chosen.password_file
    if file is None:
        return lambda identity: chosen.password
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Unusable(f"{file} cannot be read: {error}") from error
    known = {identity: secret for identity, colon, secret in (line.partition(":") for line in lines) if colon}
    return known.get


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Stage:
    """Runs the fleet until it is told to stop, and says now and then how it goes."""

    def __init__(self, fleet: Fleet, duration_s: float | None = None, *, quiet: bool = False) -> None:
        self.fleet = fleet
        self.duration_s = duration_s
        self.quiet = quiet
        self._told: set[str] = set()
        self._sent_before = 0
        fleet.on_refusal = self._refused

    async def play(self) -> None:
        """Until SIGTERM, SIGINT, the end of the time, or the CSMS has refused every station for good."""
        loop = asyncio.get_running_loop()
        work = loop.create_task(self.fleet.run())
        reporter = loop.create_task(self._report())

        def end() -> None:
            """Sessions are ended in good order, as far as the CSMS answers in time."""
            work.cancel()
            loop.call_later(FAREWELL_S, self.fleet.hang_up)

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, end)
        if self.duration_s is not None:
            loop.call_later(self.duration_s, end)
        with contextlib.suppress(asyncio.CancelledError):
            await work
        reporter.cancel()

    async def _report(self) -> None:
        while not self.quiet:
            await asyncio.sleep(REPORT_EVERY_S)
            now = self.fleet.report()
            rate = (now.sent - self._sent_before) / REPORT_EVERY_S
            self._sent_before = now.sent
            say(
                f"{now.online}/{now.stations} online, {now.sessions} sessions, {now.power_w / 1000:.1f} kW, "
                f"{rate:.1f} messages/s, answers p50 {now.p50_ms:.1f} ms p99 {now.p99_ms:.1f} ms, "
                f"{now.failed} refused or unanswered, {now.queued} queued"
            )

    def _refused(self, identity: str, reason: str) -> None:
        if reason not in self._told and len(self._told) < REFUSALS_SHOWN:
            self._told.add(reason)
            say(f"{identity}: {reason}")
