"""One WebSocket between its peer and the ASGI application."""

import asyncio
import logging
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

from twisted.internet.protocol import Protocol

from portal.server import frames
from portal.server.flow import FlowControl
from portal.server.frames import FrameReader, Violation
from portal.server.loop import event_loop
from portal.server.upgrade import Header, Refusal, UpgradeRequest, refusing, switching

if TYPE_CHECKING:
    from portal.server.core import Server

Event = Mapping[str, Any]

logger = logging.getLogger("portal.server")

EARLY_BYTES = 65_536  # of a peer that sends before it was answered


class State(Enum):
    CONNECTING = "connecting"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


class WebSocket(Protocol):
    """Reads frames into events for ``receive()`` and writes what ``send()`` is given, without a hop between.

    Replaces Daphne's protocol, which is built on autobahn (docs/decisions/0008-websocket-protocol.md).
    """

    def __init__(self, server: "Server", request: UpgradeRequest, address: str) -> None:
        self.server = server
        self.request: UpgradeRequest | None = request
        self.address = address
        self.path = request.raw_path.decode("ascii", "replace")
        self.state = State.CONNECTING
        limits = server.options
        self.flow = FlowControl(self, limits.waiting_frames, limits.waiting_bytes)
        self.reader = FrameReader(self, server.frame_limits)
        self.cause = ""
        self._code, self._reason = 1006, ""
        self._events: list[Event] = []
        self._waiter: asyncio.Future[None] | None = None
        self._write_gate: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._ping_s = 0.0
        self._pong_required = True
        self._pong_awaited = self._heard = False
        self._early = b""
        self._refusal: Refusal | None = None
        self._told = False  # the application knows that this is over

    # -- the application's side ----------------------------------------------------------------------------

    def start(self, scope: dict[str, Any]) -> None:
        scope["extensions"] = {"websocket.http.response": {}, "chargeyard.flow": self.flow}
        self._events.append({"type": "websocket.connect"})
        self._task = event_loop().create_task(self.server.application(scope, self.receive, self.send))
        self._task.add_done_callback(self._application_ended)
        self._timer = event_loop().call_later(self.server.options.decision_s, self._decision_overdue)

    async def receive(self) -> Event:
        while not self._events:
            self._waiter = event_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        event = self._events.pop(0)
        if "chargeyard.size" in event:
            self.flow.taken(event["chargeyard.size"])
        return event

    async def send(self, message: Event) -> None:
        kind = message["type"]
        if kind != "websocket.send":
            self._steer(kind, message)
        elif self.state is State.OPEN:
            text = message.get("text")
            if text is not None:
                self.transport.write(frames.encode(frames.TEXT, text.encode("utf-8")))
            else:
                self.transport.write(frames.encode(frames.BINARY, message["bytes"]))
            if self._write_gate is not None:
                await self._until_writable(self._write_gate)
        elif self.state is State.CONNECTING:
            raise RuntimeError("websocket.send before websocket.accept")

    def put(self, event: Event) -> None:
        """Hand an event to the application."""
        self._events.append(event)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _steer(self, kind: str, message: Event) -> None:
        if kind == "websocket.close" and self.state is not State.CONNECTING:
            self.close(message.get("code") or 1000, message.get("reason") or "", "application")
        elif self.state is not State.CONNECTING:
            if kind == "websocket.accept" and self.state is State.OPEN:
                raise RuntimeError("websocket.accept was sent twice")
        elif kind == "websocket.accept":
            self._accept(message)
        elif kind == "websocket.close":
            self.refuse(Refusal(403))
        elif kind == "websocket.http.response.start":
            self._refusal = Refusal(message["status"], list(message.get("headers", ())))
        elif kind == "websocket.http.response.body":
            self._refuse_with_body(message)
        else:
            raise ValueError(f"unknown message {kind!r}")

    def _accept(self, message: Event) -> None:
        request, subprotocol = self.request, message.get("subprotocol")
        assert request is not None
        if subprotocol and subprotocol not in request.subprotocols:
            raise ValueError(f"sub-protocol {subprotocol!r} was not offered")
        if self.server.refusing:
            self.refuse(self.server.unavailable())
            return
        headers: list[Header] = list(message.get("headers") or ())
        self.transport.write(switching(request, subprotocol, headers))
        self.transport.registerProducer(self, True)
        self.request = None
        self.state = State.OPEN
        self._pong_required = message.get("chargeyard.pong_required", True)
        self._cancel_timer()
        self._keep_alive(message.get("chargeyard.ping_interval", 0))
        early, self._early = self._early, b""
        if early:
            self.dataReceived(early)

    def _refuse_with_body(self, message: Event) -> None:
        if self._refusal is None:
            raise RuntimeError("websocket.http.response.body before its start")
        so_far = self._refusal
        self._refusal = Refusal(so_far.status, so_far.headers, so_far.body + message.get("body", b""))
        if not message.get("more_body", False):
            self.refuse(self._refusal)

    async def _until_writable(self, gate: "asyncio.Future[None]") -> None:
        """Wait for a slow peer, as long as one may be that slow."""
        done, _ = await asyncio.wait((gate,), timeout=self.server.options.write_s)
        if not done:
            self._lose("write_timeout")

    def _application_ended(self, task: "asyncio.Task[None]") -> None:
        self._task = None
        if self._patience is not None:
            self._patience.cancel()
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.error("websocket.application_failed", exc_info=error, extra={"path": self.path})
        if self.state is State.CONNECTING:
            self.refuse(Refusal(500))
        elif error is not None:
            self.close(1011, "", "failure")
        else:
            self.close(1000, "", "application")

    def _decision_overdue(self) -> None:
        logger.warning("websocket.undecided", extra={"path": self.path, "address": self.address})
        self.refuse(self.server.unavailable())

    # -- ending ---------------------------------------------------------------------------------------------

    def refuse(self, refusal: Refusal) -> None:
        """Answer the upgrade request with something other than 101 and close."""
        self.transport.write(refusing(refusal))
        self.cause = "refused"
        self._end()

    def close(self, code: int, reason: str, cause: str) -> None:
        """Start the closing handshake. Frames that still arrive are not handed on."""
        if self.state is not State.OPEN:
            return
        self.transport.write(frames.encode_close(code, reason))
        self.state = State.CLOSING
        self.cause, self._code, self._reason = cause, code, reason
        self._cancel_timer()
        self._timer = event_loop().call_later(self.server.options.close_s, self.transport.abortConnection)
        if self.flow.paused:
            event_loop().call_soon(self.resume_reading)

    def fail(self, code: int, cause: str, reason: str) -> None:
        """Close because of the peer's doing: logged, and the application hears of it at once."""
        facts = {"path": self.path, "address": self.address, "code": code, "cause": cause, "reason": reason}
        logger.warning("websocket.closed", extra=facts)
        self.close(code, reason, cause)
        self._tell()

    def drain(self, code: int) -> None:
        """Let the application finish what it has in hand and close; close it for an application that does not."""
        if self.state is not State.OPEN:
            return
        self.put({"type": "chargeyard.drain", "code": code, "reason": self.server.reason})
        event_loop().call_later(
            self.server.options.drain_grace_s, self.close, code, self.server.reason, "drain"
        )

    def _lose(self, cause: str) -> None:
        self.cause = self.cause or cause
        self.transport.abortConnection()

    def _end(self) -> None:
        """Flush what was written and close the connection."""
        self.state = State.CLOSED
        self._cancel_timer()
        self._timer = event_loop().call_later(self.server.options.close_s, self.transport.abortConnection)
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def _tell(self) -> None:
        if self._told:
            return
        self._told = True
        self.put(
            {
                "type": "websocket.disconnect",
                "code": self._code,
                "reason": self._reason,
                "chargeyard.cause": self.cause,
            }
        )
        if self._task is not None:
            patience_s = self.server.options.application_close_s
            self._patience = event_loop().call_later(patience_s, self._cancel_application, self._task)

    def _cancel_application(self, task: "asyncio.Task[None]") -> None:
        logger.warning("websocket.application_cancelled", extra={"path": self.path})
        task.cancel()

    # -- the peer's side ------------------------------------------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        self._heard = True
        if self.state is State.CONNECTING:
            self._hold_early(data)
            return
        try:
            self.reader.feed(data)
        except Violation as violation:
            self._violated(violation)

    def on_message(self, opcode: int, payload: bytes) -> None:
        if self.state is not State.OPEN:
            return
        size = len(payload)
        if opcode == frames.TEXT:
            try:
                text = payload.decode("utf-8")
            except UnicodeDecodeError:
                raise Violation(1007, "invalid_utf8", "text is not UTF-8") from None
            event = {"type": "websocket.receive", "text": text, "chargeyard.size": size}
        else:
            event = {"type": "websocket.receive", "bytes": payload, "chargeyard.size": size}
        self.flow.arrived(size)
        self._events.append(event)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def on_control(self, opcode: int, payload: bytes) -> None:
        if opcode == frames.PING and self.state is State.OPEN:
            self.transport.write(frames.encode(frames.PONG, payload))
        elif opcode == frames.PONG:
            self._pong_awaited = False
        elif opcode == frames.CLOSE:
            self._closed_by_peer(payload)

    def _closed_by_peer(self, payload: bytes) -> None:
        code, reason = frames.decode_close(payload)
        if self.state is State.OPEN:
            self.cause, self._code, self._reason = "peer", code, reason
            self.transport.write(frames.encode(frames.CLOSE, payload[:2]))
        self.reader.paused = True
        self._end()

    def _violated(self, violation: Violation) -> None:
        """Say why, then read and forget what else comes until the peer has closed, so that it gets to see it."""
        if self.state is State.OPEN:
            self.fail(violation.code, violation.cause, violation.reason)
        self.dataReceived = self._forget  # type: ignore[method-assign]
        self.transport.unregisterProducer()
        self.transport.loseWriteConnection()

    def _forget(self, data: bytes) -> None:
        pass

    def _hold_early(self, data: bytes) -> None:
        self._early += data
        if len(self._early) > EARLY_BYTES:
            self._lose("early")

    def connectionLost(self, reason: Any = None) -> None:
        self.state = State.CLOSED
        self.cause = self.cause or "lost"
        self._cancel_timer()
        self._open_gate()
        self.server.socket_gone(self)
        self._tell()

    # -- back-pressure: reading (by FlowControl) and writing (by the transport) --------------------------------

    def pause_reading(self) -> None:
        self.reader.paused = True
        self.transport.pauseProducing()

    def resume_reading(self) -> None:
        if self.state is State.CLOSED:
            return
        self.reader.paused = False
        self._pong_awaited = False
        try:
            self.reader.resume()
        except Violation as violation:
            self._violated(violation)
        if not self.reader.paused:
            self.transport.resumeProducing()

    def pauseProducing(self) -> None:
        if self._write_gate is None:
            self._write_gate = event_loop().create_future()

    def resumeProducing(self) -> None:
        self._open_gate()

    def stopProducing(self) -> None:
        self._open_gate()

    def _open_gate(self) -> None:
        gate, self._write_gate = self._write_gate, None
        if gate is not None and not gate.done():
            gate.set_result(None)

    # -- life signs -----------------------------------------------------------------------------------------

    def _keep_alive(self, interval_s: float) -> None:
        self._ping_s = interval_s
        if interval_s > 0:
            self._timer = event_loop().call_later(interval_s, self._tick)

    def _tick(self) -> None:
        """Once an interval: was the last ping answered? Then send the next.

        A pong cannot overtake a long frame, and is not read while reading is paused: that is no missing pong.
        """
        if self._pong_awaited and self._pong_required and not self._is_busy():
            self.fail(1011, "ping_timeout", "ping was not answered")
            return
        self._pong_awaited = True
        self._heard = False
        self.transport.write(frames.encode(frames.PING, b""))
        self._timer = event_loop().call_later(self._ping_s, self._tick)

    def _is_busy(self) -> bool:
        return self.flow.paused or (self._heard and self.reader.inside_frame)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
