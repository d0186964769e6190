"""This process as a holder of sockets: its name, its sockets, what reaches them from other processes.

What is scarce: the one newest epoch of each station. Wake-ups arrive over Valkey and may be lost; sweeps
over the database find the same (promises M-05, M-08). Nothing here is true because memory says so.
"""

import asyncio
import contextlib
import logging
import os
import random
import socket as network
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.conf import settings

from core import bus, clock
from stations import live
from stations.ocpp import ingest, metrics
from stations.ocpp.context import Socket
from stations.ocpp.journal import Journal
from stations.ocpp.limits import UpgradeLimits
from stations.ocpp.lines import Line
from stations.ocpp.readiness import Probe, Readiness, probe_gap_s
from stations.ocpp.reconnects import Reconnects
from stations.ocpp.threads import AWAY, DatabaseThreads
from stations.ocpp.turnstile import Turnstile
from stations.services import commands, connections
from stations.services.connections import Place

logger = logging.getLogger(__name__)

THREADS = 4
DATABASE_DEADLINE_S = 18.0
BEAT_SECONDS = 2.0
COMMANDS_SECONDS = 2.0
SOCKETS_SECONDS = 3.0
RECONNECTS_SECONDS = 1.0
JOURNAL_SECONDS = 0.5
NOTES_SECONDS = 0.05
LISTEN_AGAIN_SECONDS = 1.0
STOP_SECONDS = 2.0
TIDY_SECONDS = 30.0
UNREADY_SPREAD_S = 10.0
MAX_NOTES = 10_000

POLICY_VIOLATION = 1008
TRY_AGAIN_LATER = 1013
REPLACED = "A newer connection of this station took over."
UNREADY = "The service is not ready. Try again later."
BARRED = "The station was switched off or its password replaced."

Step = Callable[[], Awaitable[None]]


class Gateway:
    """All sockets of this process, and what keeps them in step with the database."""

    def __init__(self, gateway_id: str) -> None:
        self.id = gateway_id
        self.threads = DatabaseThreads("door", THREADS, deadline_s=DATABASE_DEADLINE_S)
        self.limits = UpgradeLimits()
        self.journal = Journal(self.threads)
        self.reconnects = Reconnects(self.threads)
        self.readiness = Readiness()
        self.turnstile = Turnstile()
        self.draining = False
        self._probe = Probe()
        self._lines: dict[UUID, Line] = {}
        self._notes: deque[tuple[str, bus.Message]] = deque(maxlen=MAX_NOTES)
        self._noted = asyncio.Event()
        self._started = False
        self._registered = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []
        self._work: set[asyncio.Task[Any]] = set()
        self._stopped = False
        metrics.watch("sockets", lambda: len(self))
        metrics.watch("ready", lambda: self.readiness.ready)

    def __len__(self) -> int:
        return len(self._lines)

    # -- sockets ---------------------------------------------------------------------------------------

    def join(self, line: Line) -> None:
        """Hold a socket; whichever of two sockets of a station has the lower epoch is closed."""
        before = self._lines.get(line.socket.station_id)
        if before is not None and before.socket.epoch > line.socket.epoch:
            self.hang_up(line, POLICY_VIOLATION, REPLACED)
            return
        self._lines[line.socket.station_id] = line
        self.reconnects.expect(line)
        if before is not None:
            self.hang_up(before, POLICY_VIOLATION, REPLACED)

    def leave(self, line: Line, code: int | None, reason: str, detail: str) -> None:
        """Hold it no more and write down how it ended. A newer socket of the station stays (P031)."""
        line.left = True
        if self._lines.get(line.socket.station_id) is line:
            del self._lines[line.socket.station_id]
        if not self._stopped:
            self._start(self._write_end(line.socket, code, reason, detail))

    def hang_up(self, line: Line, code: int, reason: str) -> None:
        self._start(_quietly(line.hang_up(code, reason)))

    def announce(self, place: Place) -> None:
        """Tell watchers, soon, that the station's presence changed."""
        self._note(
            live.topic_of(place.organization_id),
            live.message("station", place.station_id, site_id=place.site_id),
        )

    def ask_to_close(self, gateway: str, station_id: UUID, epoch: int) -> None:
        """Tell another gateway that a socket up to this epoch is outdated."""
        note = {"close": str(station_id), "epoch": epoch, "code": POLICY_VIOLATION, "reason": REPLACED}
        self._note(f"gateway.{gateway}", note)

    def _note(self, topic: str, message: bus.Message) -> None:
        self._notes.append((topic, message))
        self._noted.set()

    # -- life ------------------------------------------------------------------------------------------

    async def ready(self) -> bool:
        """Whether sockets can be served now; starts the gateway at the first call."""
        self.start()
        if not self._registered.is_set() and not self.readiness.away:
            try:
                await asyncio.wait_for(self._registered.wait(), DATABASE_DEADLINE_S)
            except TimeoutError:
                return False
        return self._registered.is_set() and self.readiness.ready and not self.readiness.away

    def start(self) -> None:
        """Begin to beat, to listen and to sweep; does nothing when it was started before."""
        if self._started:
            return
        self._started = True
        steps: list[tuple[float, Step]] = [
            (BEAT_SECONDS, self._beat),
            (probe_gap_s(), self._check_database),
            (COMMANDS_SECONDS, self._sweep_commands),
            (SOCKETS_SECONDS, self._sweep_sockets),
            (TIDY_SECONDS, self._tidy),
            (RECONNECTS_SECONDS, self.reconnects.look),
            (JOURNAL_SECONDS, self.journal.flush),
            (NOTES_SECONDS, self._publish),
            (LISTEN_AGAIN_SECONDS, self._listen),
        ]
        self._loops = [asyncio.create_task(self._every(seconds, step)) for seconds, step in steps]

    def drain(self) -> None:
        """Hand out no more commands; others will (promises M-12)."""
        self.draining = True

    async def stop(self) -> None:
        """Write what waits and end; sockets should be closed before, what is not counts as closed."""
        self._stopped = True
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        if self._work:
            await asyncio.wait(self._work, timeout=STOP_SECONDS)
        await self.journal.flush()
        with contextlib.suppress(*AWAY):
            self._announce_all(await self.threads.run(connections.end_gateway, self.id, clock.now()))
        await asyncio.to_thread(_publish, list(self._notes))
        self._probe.close()
        self.threads.close()

    # -- what it does by itself --------------------------------------------------------------------------

    async def _beat(self) -> None:
        now = clock.now()
        if self._registered.is_set():
            await self.threads.run(connections.beat, self.id, now)
        else:
            self._announce_all(await self.threads.run(connections.start_gateway, self.id, now))
            self._registered.set()
        self._announce_all(await self.threads.run(connections.free_dead_gateways, now))

    async def _check_database(self) -> None:
        good = await self._probe.good()
        if self.readiness.record(good, asyncio.get_running_loop().time()):
            logger.error("gateway.unready", extra={"sockets": len(self)})
            for line in list(self._lines.values()):
                self._start(self._hang_up_later(line))
        ingest.current().cut_if_stuck()
        if not good:
            self.threads.cut_stuck(DATABASE_DEADLINE_S)

    async def _hang_up_later(self, line: Line) -> None:
        await asyncio.sleep(random.uniform(0, min(UNREADY_SPREAD_S, settings.OCPP_DRAIN_SPREAD)))
        await _quietly(line.hang_up(TRY_AGAIN_LATER, UNREADY))

    async def _sweep_commands(self) -> None:
        if self.draining or not self._lines or self.readiness.away:
            return
        for command_id, station_id, epoch in await self.threads.run(commands.pending_of, self.id):
            self._deliver(station_id, epoch, command_id)

    async def _sweep_sockets(self) -> None:
        if not self._lines or self.readiness.away:
            return
        held = [line.held for line in self._lines.values()]
        freed = []
        for fault in await self.threads.run(connections.faults_of, self.id, held):
            line = self._lines.get(fault.station_id)
            if line is None or line.socket.epoch != fault.epoch:
                continue
            if fault.kind == "freed":
                freed.append(line.held)
            else:
                self.hang_up(line, POLICY_VIOLATION, REPLACED if fault.kind == "outdated" else BARRED)
        self._announce_all(await self.threads.run(connections.reclaim, self.id, freed))

    async def _tidy(self) -> None:
        """End what counts as connected here but is not; a crash between two steps leaves such rows."""
        held = [line.held for line in self._lines.values()]
        for station_id, epoch in await self.threads.run(connections.unheld_of, self.id, held, clock.now()):
            place = await self.threads.run(connections.close, station_id, epoch, None, "lost")
            self._announce_all([place] if place else [])

    async def _publish(self) -> None:
        await self._noted.wait()
        self._noted.clear()
        notes = [self._notes.popleft() for _ in range(len(self._notes))]
        await asyncio.to_thread(_publish, notes)

    async def _write_end(self, socket: Socket, code: int | None, reason: str, detail: str) -> None:
        try:
            place = await self.threads.run(
                connections.close, socket.station_id, socket.epoch, code, reason, detail
            )
        except AWAY as error:
            logger.warning(
                "gateway.end_not_written", extra={"station": socket.identity, "cause": repr(error)[:200]}
            )
            return
        self._announce_all([place] if place else [])

    async def _listen(self) -> None:
        async with bus.subscriber().listen(f"gateway.{self.id}") as queue:
            while True:
                self._take(await queue.get())

    def _take(self, message: bus.Message) -> None:
        try:
            if "command" in message and not self.draining:
                self._deliver(UUID(message["station"]), message["epoch"], UUID(message["command"]))
            elif "close" in message:
                self._close(message)
        except (KeyError, TypeError, ValueError):
            logger.warning("gateway.message_unreadable")

    def _close(self, message: bus.Message) -> None:
        line = self._lines.get(UUID(message["close"]))
        if line is not None and line.socket.epoch <= message.get("epoch", line.socket.epoch):
            self.hang_up(line, int(message["code"]), str(message["reason"]))

    def _deliver(self, station_id: UUID, epoch: int, command_id: UUID) -> None:
        line = self._lines.get(station_id)
        if line is not None and line.socket.epoch == epoch and line.deliver is not None:
            line.deliver(command_id)

    def _announce_all(self, places: list[Place]) -> None:
        for place in places:
            self.announce(place)

    async def _every(self, seconds: float, step: Step) -> None:
        """Repeat a step for ever; the first time at once. A step that fails is logged and tried again."""
        while True:
            try:
                await step()
            except Exception as error:  # noqa: BLE001  the one place of this process's background work
                logger.warning(
                    "gateway.step_failed", extra={"step": step.__name__, "cause": repr(error)[:200]}
                )
            await asyncio.sleep(seconds)

    def _start(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)


@lru_cache(maxsize=1)
def current() -> Gateway:
    """The gateway of this process; use it from the server's event loop only."""
    return Gateway(os.environ.get("GATEWAY_ID") or f"{network.gethostname()}:{os.getpid()}"[-64:])


async def _quietly(work: Awaitable[None]) -> None:
    try:
        await work
    except (OSError, RuntimeError) as error:
        logger.info("gateway.hang_up_failed", extra={"cause": repr(error)[:200]})


def _publish(notes: list[tuple[str, bus.Message]]) -> None:
    for topic, message in notes:
        bus.announce(topic, message)
