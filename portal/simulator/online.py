"""A station's connection: handshake, registration, heartbeats, and coming back after a loss."""

import asyncio
import contextlib
import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Coroutine
from datetime import datetime
from typing import Any, Self

from core.clock import to_wire
from portal.simulator.clock import Clock
from portal.simulator.delivery import DeliveryQueue
from portal.simulator.dialect import Dialect
from portal.simulator.journal import Journal, Json
from portal.simulator.misbehaviour import Misbehaviour
from portal.simulator.settings import Endpoint, Habits
from portal.simulator.transport import HandshakeRefused, Link, LinkLost, Reply, SimulatorError, open_socket

DEFAULT_INTERVAL_S = 300
BOOT_RETRY_S = 30


class OnlineStation(ABC):
    """The part of a station that talks; :class:`SimulatedStation` adds what it talks about."""

    def __init__(self, endpoint: Endpoint, dialect: Dialect, clock: Clock, habits: Habits) -> None:
        self.endpoint = endpoint
        self.dialect = dialect
        self.clock = clock
        self.habits: Habits = habits
        self.journal = Journal()
        self.faults = Misbehaviour()
        self.queue = DeliveryQueue(self)
        self.registered = False
        self.refusal: HandshakeRefused | None = None
        self.heartbeat_s: float = DEFAULT_INTERVAL_S
        self.random = random.Random(habits.seed or endpoint.identity)
        self._link: Link | None = None
        self._reader: asyncio.Task[None] | None = None
        self._beat: asyncio.TimerHandle | None = None
        self._frozen: list[Link] = []
        self._work: set[asyncio.Task[object]] = set()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def online(self) -> bool:
        return self._link is not None and self._link.alive

    @property
    def may_send(self) -> bool:
        """Whether transaction messages can leave: connected and accepted by the CSMS."""
        return self.online and self.registered

    def stamp(self, instant: datetime) -> str:
        """An instant as this station writes it, with the error of its clock."""
        return to_wire(instant + self.faults.clock_error)

    async def connect(self) -> None:
        """Open the socket.

        Raises:
            HandshakeRefused: with the status and the reason that the CSMS gave.
            Unreachable: there is no CSMS at this address.
        """
        socket = await open_socket(self.endpoint, self.dialect.subprotocol)
        link = Link(socket, self.journal, self.handle, self.faults)
        self._link = link
        self._reader = asyncio.create_task(link.serve())
        self._reader.add_done_callback(lambda _: self._lost(link))
        if self.registered:
            self._plan_heartbeat()

    async def close(self) -> None:
        """Leave in good order; what is queued stays queued."""
        self.habits.keep_online = False
        for task in self._work:
            task.cancel()
        self.queue.stop()
        await self.disconnect()
        for link in self._frozen:
            link.abort()

    async def disconnect(self) -> None:
        """Close the socket; the station itself goes on, offline."""
        link, reader = self._forget_link()
        if link is not None and reader is not None:
            await link.close()
            with contextlib.suppress(asyncio.CancelledError):
                await reader

    def drop(self) -> None:
        """Lose the connection without a word."""
        link, _ = self._forget_link()
        if link is not None:
            link.abort()

    def freeze(self) -> None:
        """Half-open: the socket stays, nothing is read, sent or answered to pings any more."""
        link, _ = self._forget_link()
        if link is not None:
            link.freeze()
            link.abandon()
            self._frozen.append(link)

    async def reconnect(self) -> None:
        """Connect anew; a station accepted earlier does not boot again (P040)."""
        await self.connect()
        await self.resume()

    async def resume(self) -> None:
        """After connecting: register if need be, report states, deliver what is queued."""
        if not self.registered:
            await self.boot_until_accepted()
        else:
            await self.report_states()
            self.queue.wake()
        await self.queue.emptied()

    async def boot(self, reason: str = "PowerUp") -> Json:
        """One BootNotification; when accepted, states are reported and the queue starts moving."""
        answer = await self.call("BootNotification", self.boot_payload(reason))
        self.registered = answer.get("status") == "Accepted"
        self.heartbeat_s = float(answer.get("interval") or DEFAULT_INTERVAL_S)
        if self.registered:
            self._plan_heartbeat()
            await self.report_states()
            self.queue.wake()
        return answer

    async def boot_until_accepted(self, reason: str = "PowerUp") -> None:
        """Repeat the boot at the interval that Pending or Rejected names."""
        while True:
            with contextlib.suppress(SimulatorError):
                await self.boot(reason)
            if self.registered or not self.online:
                return
            await asyncio.sleep(self.heartbeat_s or BOOT_RETRY_S)

    async def heartbeat(self) -> Json:
        return await self.call("Heartbeat", {})

    async def call(self, action: str, payload: Json) -> Json:
        """Any CALL, as it is; see :meth:`Link.call` for what it raises."""
        return await self._need_link().call(action, payload, self.habits.call_timeout_s)

    async def send_text(self, raw: str) -> None:
        """Any text on the socket."""
        await self._need_link().send_text(raw)

    def spawn(self, work: Coroutine[Any, Any, object]) -> None:
        """Let the station do something by itself; the CSMS may refuse, or the connection end."""
        task: asyncio.Task[object] = asyncio.create_task(_tolerant(work))
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    @abstractmethod
    def handle(self, action: str, payload: Json) -> Reply: ...

    @abstractmethod
    def boot_payload(self, reason: str) -> Json: ...

    @abstractmethod
    async def report_states(self) -> None: ...

    def _need_link(self) -> Link:
        if self._link is None or not self._link.alive:
            raise LinkLost("not connected")
        return self._link

    def _forget_link(self) -> tuple[Link | None, asyncio.Task[None] | None]:
        link, reader = self._link, self._reader
        self._link = self._reader = None
        self._stop_heartbeat()
        self.queue.wake()
        return link, reader

    def _lost(self, link: Link) -> None:
        if self._link is not link:
            return
        self._forget_link()
        if self.habits.keep_online:
            self.spawn(self.come_back())

    async def come_back(self) -> None:
        """Try again with exponential back-off and full jitter, or when the CSMS said so."""
        longest = self.habits.reconnect_first_s
        while not self.online:
            await asyncio.sleep(self.random.uniform(longest / 2, longest))
            longest = min(longest * 2, self.habits.reconnect_longest_s)
            try:
                await self.reconnect()
            except HandshakeRefused as refusal:
                self.refusal = refusal
                longest = refusal.retry_after or longest
            except SimulatorError:
                continue

    def _plan_heartbeat(self) -> None:
        self._stop_heartbeat()
        if self.habits.heartbeats:
            loop = asyncio.get_running_loop()
            self._beat = loop.call_later(self.heartbeat_s, self._send_heartbeat)

    def _stop_heartbeat(self) -> None:
        if self._beat is not None:
            self._beat.cancel()
            self._beat = None

    def _send_heartbeat(self) -> None:
        self.spawn(self.heartbeat())
        self._plan_heartbeat()


async def _tolerant(work: Awaitable[object]) -> None:
    with contextlib.suppress(SimulatorError):
        await work
