"""One accepted socket of one station: frames in, answers out, until either side ends it.

The handshake has decided, taken the epoch and accepted. Channels' dispatch is not used: it costs a task and
a hop over one shared thread for every message.
"""

import asyncio
import logging
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator, MutableMapping
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

from stations.ocpp import ingest, metrics, pool
from stations.ocpp.context import Socket
from stations.ocpp.delivery import Deliveries
from stations.ocpp.rate import Rate
from stations.ocpp.session import Session
from stations.ocpp.tables import tables_of

logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Coroutine[Any, Any, None]]

UNSUPPORTED_DATA = 1003
INVALID_TEXT = 1007
POLICY_VIOLATION = 1008
SERVICE_RESTART = 1012
MANY_WAITING = 32
OUTBOX_MAX = 1000


class StationConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Serves ``scope["chargeyard.socket"]``; commands come in by ``scope["chargeyard.line"]``."""

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        socket: Socket = scope["chargeyard.socket"]
        self._flow = (scope.get("extensions") or {}).get("chargeyard.flow")
        self._send_message = send
        self._outbox: asyncio.Queue[str] | None = None
        self._writer: asyncio.Task[None] | None = None
        self.station = socket
        self.session = Session(socket, self._say, ingest.current(), pool.handlers())
        self.deliveries = Deliveries(socket, self.session.calls, tables_of(socket.version))
        scope["chargeyard.line"].deliver = self.deliveries.deliver
        scope["chargeyard.line"].call = self.session.calls.call
        deadline = self._expect_boot()
        metrics.count_connection(+1)
        try:
            await self._listen(receive)
        finally:
            metrics.count_connection(-1)
            if deadline is not None:
                deadline.cancel()
            self.deliveries.stop()
            self.session.close()

    async def _listen(self, receive: Receive) -> None:
        rate = Rate()
        while True:
            message = await receive()
            kind = message["type"]
            if kind == "websocket.receive":
                text = message.get("text")
                if text is None:
                    text = await self._decoded(message.get("bytes") or b"")
                if text is None or not await self._in_time(rate, text):
                    return
                self.session.receive(text)
                if self.session.full:
                    await self.session.settled(lambda: not self.session.full)
            elif kind == "websocket.disconnect":
                return
            elif kind == "chargeyard.drain":
                await self._drain(message.get("code") or SERVICE_RESTART)
                return

    async def _decoded(self, raw: bytes) -> str | None:
        """The text of a binary frame where that is tolerated (P038); else the socket is closed."""
        if not self.station.tolerates("binary_frames"):
            await self._close(UNSUPPORTED_DATA, "Binary messages are not accepted.")
            return None
        try:
            return raw.decode()
        except UnicodeDecodeError:
            await self._close(INVALID_TEXT, "The message is not UTF-8.")
            return None

    async def _in_time(self, rate: Rate, text: str) -> bool:
        """Slow down who speaks too fast; ``False`` once who goes on flooding was cut off."""
        wait_s = rate.take(len(text))
        if not wait_s:
            return True
        metrics.count_event("throttled")
        await asyncio.sleep(wait_s)
        if rate.is_abuse(self._flow.frames if self._flow is not None else 0, MANY_WAITING):
            logger.warning("ocpp.flood_cut", extra={"station": self.station.identity})
            await self._close(POLICY_VIOLATION, "Too many messages.")
            return False
        return True

    async def _drain(self, code: int) -> None:
        """Answer what was taken, then ask the station to come back (M-12)."""
        self.deliveries.stop()
        try:
            async with asyncio.timeout(settings.OCPP_HANDLER_DEADLINE):
                await self.session.settled(lambda: self.session.idle)
        except TimeoutError:
            logger.warning("ocpp.drain_incomplete", extra={"station": self.station.identity})
        await self._close(code, "The service restarts. Connect again.")

    def _expect_boot(self) -> asyncio.TimerHandle | None:
        """A station that never booted has a minute to do so (security L-05)."""
        if self.station.ever_booted:
            return None
        return asyncio.get_running_loop().call_later(settings.OCPP_BOOT_DEADLINE, self._check_boot)

    def _check_boot(self) -> None:
        if not self.session.booted:
            self._start(self._send_message(_closing(POLICY_VIOLATION, "No boot notification came.")))

    async def _close(self, code: int, reason: str) -> None:
        await self._send_message(_closing(code, reason))

    def _say(self, text: str) -> None:
        """Send without a task where the server takes it at once, as ours does."""
        if self._outbox is not None:
            self._queue(self._outbox, text)
            return
        sending = self._send_message({"type": "websocket.send", "text": text})
        try:
            waiting_for = sending.send(None)
        except StopIteration:
            return
        self._outbox = asyncio.Queue(OUTBOX_MAX)
        self._writer = asyncio.create_task(self._write(_resumed(sending, waiting_for)))

    def _queue(self, outbox: "asyncio.Queue[str]", text: str) -> None:
        """A station that reads none of so many answers is told to come back; it sends again what it missed."""
        if outbox.full():
            if self._writer is not None and not self._writer.cancelling():
                self._writer.cancel()
                logger.warning("ocpp.answers_unread", extra={"station": self.station.identity})
                self._start(self._close(POLICY_VIOLATION, "The answers are not read."))
            return
        outbox.put_nowait(text)

    async def _write(self, begun: Awaitable[None]) -> None:
        """Another server may make us wait: then answers queue behind each other until it is done."""
        outbox = self._outbox
        assert outbox is not None
        try:
            await begun
            while not outbox.empty():
                await self._send_message({"type": "websocket.send", "text": outbox.get_nowait()})
        finally:
            self._outbox = None

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._closing = asyncio.create_task(work)


def _closing(code: int, reason: str) -> Message:
    return {"type": "websocket.close", "code": code, "reason": reason}


@types.coroutine
def _resumed(coroutine: Coroutine[Any, Any, None], waiting_for: Any) -> Generator[Any, None, None]:
    """The rest of a coroutine that was begun by hand and waits for a future."""
    try:
        yield waiting_for
    except BaseException:
        coroutine.close()
        raise
    yield from coroutine.__await__()
