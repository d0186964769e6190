"""One socket of a station: the handshake, CALLs and their answers."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from portal.simulator.journal import Exchange, Journal, Json, Outcome
from portal.simulator.misbehaviour import Misbehaviour
from portal.simulator.settings import Endpoint

MAX_FRAME = 4 * 1024 * 1024
CALL, RESULT, ERROR = 2, 3, 4


class SimulatorError(Exception):
    """Something between this station and the CSMS."""


class HandshakeRefused(SimulatorError):
    """The CSMS refused the upgrade."""

    def __init__(self, status: int, reason: str, retry_after: float | None = None) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


class Unreachable(SimulatorError):
    """No WebSocket could be opened at all."""


class LinkLost(SimulatorError):
    """The socket closed before the answer came."""


class AnswerTimeout(SimulatorError):
    """The CSMS did not answer in time."""


class CallRefused(SimulatorError):
    """The CSMS answered with a CALLERROR."""

    def __init__(self, code: str, description: str = "") -> None:
        super().__init__(f"{code}: {description}" if description else code)
        self.code = code
        self.description = description


class CommandRefused(Exception):
    """The station answers a command with a CALLERROR."""

    def __init__(self, code: str, description: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.description = description


@dataclass(frozen=True, slots=True)
class Reply:
    """A command's answer, and what the station does once it has been sent."""

    payload: Json
    afterwards: Callable[[], Awaitable[object]] | None = None


Handler = Callable[[str, Json], Reply]


async def open_socket(endpoint: Endpoint, subprotocol: str, *, timeout_s: float = 30.0) -> ClientConnection:
    """Connect and authenticate; raises :class:`HandshakeRefused` or :class:`Unreachable`."""
    offered = endpoint.subprotocols if endpoint.subprotocols is not None else (subprotocol,)
    extra: dict[str, Any] = {}
    if endpoint.source_address:
        extra["local_addr"] = (endpoint.source_address, 0)
    try:
        socket = await connect(
            endpoint.address,
            subprotocols=[Subprotocol(one) for one in offered] or None,
            additional_headers=endpoint.all_headers(),
            user_agent_header=None,
            compression=None,
            ping_interval=None,
            proxy=None,
            max_size=MAX_FRAME,
            open_timeout=timeout_s,
            close_timeout=5,
            **extra,
        )
    except InvalidStatus as refusal:
        raise _refused(refusal) from refusal
    except (OSError, TimeoutError, InvalidHandshake) as fault:
        raise Unreachable(f"{endpoint.address}: {fault or type(fault).__name__}") from fault
    return socket


class Link:
    """An open socket. At most one CALL of the station is outstanding; commands are answered beside it."""

    def __init__(
        self, socket: ClientConnection, journal: Journal, handler: Handler, faults: Misbehaviour
    ) -> None:
        self.socket = socket
        self.alive = True
        self._journal = journal
        self._handler = handler
        self._faults = faults
        self._turn = asyncio.Lock()
        self._pending: dict[str | int, asyncio.Future[list[Any]]] = {}
        self._tasks: set[asyncio.Task[object]] = set()
        self._counter = 0
        self._end = "the connection ended"

    async def call(self, action: str, payload: Json, timeout_s: float) -> Json:
        """Send a CALL and wait for its answer.

        Raises:
            CallRefused: a CALLERROR came.
            AnswerTimeout: nothing came in time.
            LinkLost: the socket closed before.
        """
        async with self._turn:
            if not self.alive:
                raise LinkLost(self._end)
            exchange, frame = self._next_call(action, payload)
            waiting = asyncio.get_running_loop().create_future()
            self._pending[exchange.message_id] = waiting
            try:
                await self.send_text(frame)
                if self._faults.duplicates:
                    await self.send_text(frame)
                async with asyncio.timeout(timeout_s):
                    return self._settle(exchange, await waiting)
            except TimeoutError:
                self._journal.settled(exchange, Outcome.UNANSWERED)
                raise AnswerTimeout(action) from None
            except LinkLost:
                self._journal.settled(exchange, Outcome.LOST)
                raise
            finally:
                self._pending.pop(exchange.message_id, None)

    async def send_text(self, text: str) -> None:
        """Any text, as it is."""
        try:
            await self.socket.send(text)
        except ConnectionClosed as closed:
            raise LinkLost(str(closed)) from None

    async def serve(self) -> None:
        """Read until the socket ends."""
        try:
            async for frame in self.socket:
                self._received(frame)
        except ConnectionClosed:
            pass
        finally:
            self._end = f"closed with {self.socket.close_code} {self.socket.close_reason or ''}".rstrip()
            self.abandon()

    async def close(self) -> None:
        self.abandon()
        await self.socket.close()

    def abort(self) -> None:
        """Cut the TCP connection without a close frame, as a power failure does."""
        self.abandon()
        self.socket.transport.abort()

    def freeze(self) -> None:
        """Stay connected but neither read nor answer pings: a half-open socket."""
        self.socket.transport.pause_reading()

    def abandon(self) -> None:
        self.alive = False
        for waiting in self._pending.values():
            if not waiting.done():
                waiting.set_exception(LinkLost(self._end))
        self._pending.clear()

    def _next_call(self, action: str, payload: Json) -> tuple[Exchange, str]:
        self._counter += 1
        message_id: str | int = self._counter if self._faults.integer_ids else str(uuid.uuid4())
        spoilt = self._faults.spoil(payload)
        exchange = self._journal.sent(message_id, action, spoilt)
        return exchange, orjson.dumps([CALL, message_id, action, spoilt]).decode()

    def _settle(self, exchange: Exchange, frame: list[Any]) -> Json:
        if frame[0] == RESULT:
            answer: Json = frame[1]
            exchange.answer = answer
            self._journal.settled(exchange, Outcome.ANSWERED)
            return answer
        exchange.error_code, exchange.error_text = str(frame[1]), str(frame[2])
        self._journal.settled(exchange, Outcome.REFUSED)
        raise CallRefused(exchange.error_code, exchange.error_text)

    def _received(self, frame: str | bytes) -> None:
        match _parse(frame):
            case [2, str(message_id), str(action), dict(payload)]:
                self._ordered(message_id, action, payload)
            case [3, (str() | int()) as message_id, dict(answer)]:
                self._answered(message_id, [RESULT, answer])
            case [4, (str() | int()) as message_id, code, description, _]:
                self._answered(message_id, [ERROR, code, description])
            case _:
                self._journal.stray.append(str(frame))

    def _answered(self, message_id: str | int, answer: list[Any]) -> None:
        waiting = self._pending.pop(message_id, None)
        if waiting is None or waiting.done():
            self._journal.stray.append(f"{message_id}: {answer}")
        else:
            waiting.set_result(answer)

    def _ordered(self, message_id: str, action: str, payload: Json) -> None:
        order = self._journal.ordered(message_id, action, payload)
        afterwards: Callable[[], Awaitable[object]] | None = None
        try:
            reply = self._handler(action, payload)
        except CommandRefused as refusal:
            order.error_code = refusal.code
            frame: list[Any] = [ERROR, message_id, refusal.code, refusal.description, {}]
        else:
            order.answer, afterwards = reply.payload, reply.afterwards
            frame = [RESULT, message_id, self._faults.spoil(reply.payload)]
        self._spawn(self._respond(orjson.dumps(frame).decode(), afterwards))

    async def _respond(self, text: str, afterwards: Callable[[], Awaitable[object]] | None) -> None:
        if self._faults.answers_after_s:
            await asyncio.sleep(self._faults.answers_after_s)
        try:
            if not self._faults.mute:
                await self.send_text(text)
            if afterwards:
                await afterwards()
        except SimulatorError:
            return  # the link is gone or the CSMS refused: the journal has it

    def _spawn(self, work: Awaitable[object]) -> None:
        task: asyncio.Task[object] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _parse(frame: str | bytes) -> object:
    try:
        return orjson.loads(frame)
    except orjson.JSONDecodeError:
        return None


def _refused(refusal: InvalidStatus) -> HandshakeRefused:
    response = refusal.response
    retry = response.headers.get("Retry-After", "")
    body = bytes(response.body or b"").decode("utf-8", "replace").strip().splitlines()
    reason = body[0][:200] if body else (response.reason_phrase or "refused")
    return HandshakeRefused(response.status_code, reason, float(retry) if retry.isdigit() else None)
