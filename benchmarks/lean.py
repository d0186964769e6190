"""Chargers that cost next to nothing: frames are written as bytes and answers are counted.

Payloads are masked with zeros, which RFC 6455 allows and which leaves them as they are. An answer is known by its
length alone: the portal sends one small unmasked text frame for each message.
"""

import asyncio
import base64
import itertools
import os
import time
from collections import deque
from dataclasses import dataclass, field

import orjson

from benchmarks.load import meter_values

TEXT, PING, PONG = 0x81, 0x89, 0x8A
LOOK_EVERY_S = 0.02
BOOT = {
    "1.6": {"chargePointVendor": "Bench", "chargePointModel": "B1"},
    "2.0.1": {"reason": "PowerUp", "chargingStation": {"vendorName": "Bench", "model": "B2"}},
}


@dataclass
class Answers:
    """Seconds from each message to its answer, and what was no CALLRESULT."""

    latencies: list[float] = field(default_factory=list)
    errors: int = 0
    first_error: str = ""


def framed(payload: bytes, kind: int = TEXT) -> bytes:
    """One masked frame."""
    size = len(payload)
    head = bytes([kind, 0x80 | size]) if size < 126 else bytes([kind, 0xFE]) + size.to_bytes(2, "big")
    return head + b"\0\0\0\0" + payload


def call(action: str, payload: object, message_id: str = "m") -> bytes:
    return framed(orjson.dumps([2, message_id, action, payload]))


def reading(energy_wh: int) -> bytes:
    """A MeterValues.req of 1.6 with ten samples of now."""
    return call("MeterValues", meter_values(energy_wh, time.time()))


class Charger(asyncio.Protocol):
    """One socket; answers come in the order of the messages."""

    def __init__(self, host: str, path: str, identity: str, password: str, version: str = "1.6") -> None:
        secret = bytes.fromhex(password) if version == "1.6" else password.encode()
        token = base64.b64encode(identity.encode() + b":" + secret).decode()
        self._head = (
            f"GET {path}/{identity} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
            f"Sec-WebSocket-Protocol: ocpp{version}\r\nAuthorization: Basic {token}\r\n\r\n"
        ).encode()
        self.answers = Answers()
        self.energy_wh = 1000
        self._buffer = b""
        self._open = False
        self._sent: deque[tuple[float, asyncio.Future[bytes] | None]] = deque()
        self.opened: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._head)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_result(0)
        for _, waiting in self._sent:
            if waiting is not None and not waiting.done():
                waiting.set_exception(ConnectionResetError("The portal closed the connection."))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._open:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            self._open, self._buffer = True, rest
            self.opened.set_result(int(head[9:12]))
        while self._take_frame():
            pass

    def say(self, frame: bytes) -> None:
        self._sent.append((time.perf_counter(), None))
        self.transport.write(frame)

    async def ask(self, frame: bytes) -> bytes:
        """Say it and wait for the answer's text."""
        waiting: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._sent.append((time.perf_counter(), waiting))
        self.transport.write(frame)
        return await waiting

    @property
    def waiting(self) -> int:
        return len(self._sent)

    def _take_frame(self) -> bool:
        buffer = self._buffer
        if len(buffer) < 2:
            return False
        size, at = buffer[1], 2
        if size == 126:
            size, at = int.from_bytes(buffer[2:4], "big"), 4
        if len(buffer) < at + size:
            return False
        payload, self._buffer = buffer[at : at + size], buffer[at + size :]
        if buffer[0] == PING:
            self.transport.write(framed(payload, PONG))
        elif buffer[0] == TEXT and payload[:2] != b"[2" and self._sent:
            self._answered(payload)
        return True

    def _answered(self, payload: bytes) -> None:
        began, waiting = self._sent.popleft()
        self.answers.latencies.append(time.perf_counter() - began)
        if not payload.startswith(b"[3"):
            self.answers.errors += 1
            self.answers.first_error = self.answers.first_error or payload.decode()
        if waiting is not None and not waiting.done():
            waiting.set_result(payload)


class Fleet:
    """Chargers from many loopback addresses, since limits count per address."""

    def __init__(self, port: int, path: str = "/ocpp") -> None:
        self.port, self.path = port, path
        self.chargers: list[Charger] = []
        self.refused = 0
        self._addresses = itertools.cycle(
            f"127.0.{high}.{low}" for high in range(1, 20) for low in range(1, 250)
        )

    async def connect(self, station: tuple[str, str], version: str = "1.6") -> Charger | None:
        """One charger, or nothing where it was refused this time."""
        loop = asyncio.get_running_loop()
        address = (next(self._addresses), 0)
        _, charger = await loop.create_connection(
            lambda: Charger(f"127.0.0.1:{self.port}", self.path, *station, version),
            "127.0.0.1",
            self.port,
            local_addr=address,
        )
        if await charger.opened != 101:
            self.refused += 1
            charger.transport.close()
            return None
        self.chargers.append(charger)
        return charger

    def close(self) -> None:
        for charger in self.chargers:
            charger.transport.close()

    def taken(self) -> Answers:
        """What was answered since the last time."""
        whole = Answers()
        for charger in self.chargers:
            whole.latencies += charger.answers.latencies
            whole.errors += charger.answers.errors
            whole.first_error = whole.first_error or charger.answers.first_error
            charger.answers = Answers()
        return whole

    async def push_readings(self, rate_per_s: float, seconds: float) -> int:
        """Readings at that rate in all, spread evenly, whether they are answered or not; how many were said."""
        said, begin = 0, time.perf_counter()
        turn = itertools.cycle(self.chargers)
        while (elapsed := time.perf_counter() - begin) < seconds:
            while said < elapsed * rate_per_s:
                charger = next(turn)
                charger.energy_wh += 5
                charger.say(reading(charger.energy_wh))
                said += 1
            await asyncio.sleep(0.005)
        return said

    async def settle(self, patience_s: float = 30.0) -> int:
        """Until all is answered, or the time is over; how many are not."""
        for _ in range(int(patience_s / LOOK_EVERY_S)):
            if not any(charger.waiting for charger in self.chargers):
                break
            await asyncio.sleep(LOOK_EVERY_S)
        return sum(charger.waiting for charger in self.chargers)
