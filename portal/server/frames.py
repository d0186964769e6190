"""Frames of RFC 6455 as a server reads and writes them. No extension is ever negotiated."""

import struct
import time
from typing import NamedTuple, Protocol

from websockets.frames import apply_mask

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FIN, RESERVED, MASKED = 0x80, 0x70, 0x80
CONTROL_BYTES = 125
WHOLE_TEXT = FIN | TEXT


class Violation(Exception):
    """The peer broke the protocol or a limit. The socket is closed with ``code``; ``cause`` is for us."""

    def __init__(self, code: int, cause: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.cause = cause
        self.reason = reason


class Limits(NamedTuple):
    message_bytes: int
    fragments: int
    control_per_second: int


class Sink(Protocol):
    """Who is given what was read. It may set ``FrameReader.paused`` to stop after the current frame."""

    def on_message(self, opcode: int, payload: bytes) -> None: ...

    def on_control(self, opcode: int, payload: bytes) -> None: ...


class FrameReader:
    """Cuts what arrives into messages and control frames, as far as the limits allow.

    A payload is taken off as it arrives, so that no more than one message is ever held.
    """

    __slots__ = (
        "_at", "_bytes", "_control_count", "_control_second", "_first", "_fragments", "_limits", "_mask",
        "_message", "_missing", "_opcode", "_payload", "_rest", "_sink", "paused",
    )  # fmt: skip

    def __init__(self, sink: Sink, limits: Limits) -> None:
        self._sink = sink
        self._limits = limits
        self.paused = False
        self._rest = b""  # arrived, not yet taken
        self._at = 0
        self._first = 0  # first byte of the frame whose payload is arriving
        self._mask = b""
        self._missing = 0  # bytes of that payload still to come
        self._payload: bytearray | None = None
        self._opcode = 0  # of the fragmented message that is arriving
        self._message: bytearray | None = None
        self._fragments = 0
        self._control_second = 0
        self._control_count = 0

    @property
    def inside_frame(self) -> bool:
        return self._payload is not None or bool(self._rest)

    def feed(self, data: bytes) -> None:
        """Take what arrived. Raises `Violation`."""
        self._rest = self._rest + data if self._rest else data
        self.resume()

    def resume(self) -> None:
        """Go on with what was left when the sink paused. Raises `Violation`."""
        while not self.paused and self._next_frame():
            pass
        if self._at:
            self._rest = self._rest[self._at :]
            self._at = 0

    def _next_frame(self) -> bool:
        """Take one frame, or as much of a payload as there is; whether it is worth calling again."""
        if self._payload is not None:
            return self._more_payload(self._payload)
        data, at = self._rest, self._at
        if len(data) < at + 2:
            return False
        first, second = data[at], data[at + 1]
        if first != WHOLE_TEXT or second < MASKED or self._message is not None:
            self._check(first, second)
        start, length = at + 6, second & 0x7F
        if length > CONTROL_BYTES:
            start, length = self._long_length(at, length)
        if len(data) < start:
            return False
        if first & 0x0F < CLOSE:
            self._check_size(length)
        end = start + length
        if len(data) >= end:
            self._at = end
            self._take(first, apply_mask(data[start:end], data[start - 4 : start]))
            return True
        return self._begin_payload(first, start, length)

    def _check(self, first: int, second: int) -> None:
        opcode = first & 0x0F
        if first & RESERVED:
            raise Violation(1002, "protocol", "reserved bits are set and no extension was agreed")
        if second < MASKED:
            raise Violation(1002, "protocol", "frame is not masked")
        if opcode >= CLOSE:
            if opcode > PONG or not first & FIN or second & 0x7F > CONTROL_BYTES:
                raise Violation(1002, "protocol", "malformed control frame")
        elif opcode > BINARY or (opcode == CONTINUATION) is (self._message is None):
            raise Violation(1002, "protocol", "unexpected opcode")

    def _long_length(self, at: int, marker: int) -> tuple[int, int]:
        """Where the payload starts and its length; past the end of the data where that is not there yet."""
        data = self._rest
        size = 2 if marker == 126 else 8
        start = at + 6 + size
        if len(data) < start:
            return start, 0
        length = int.from_bytes(data[at + 2 : at + 2 + size], "big")
        if length <= (CONTROL_BYTES if size == 2 else 0xFFFF) or length >> 63:
            raise Violation(1002, "protocol", "length is not encoded in the shortest form")
        return start, length

    def _check_size(self, length: int) -> None:
        held = len(self._message) if self._message is not None else 0
        if length + held > self._limits.message_bytes:
            raise Violation(1009, "oversize", f"message is longer than {self._limits.message_bytes} bytes")

    def _begin_payload(self, first: int, start: int, length: int) -> bool:
        if first & 0x0F >= CLOSE:
            return False  # at most 131 bytes: wait for all of them
        self._first, self._missing, self._payload = first, length, bytearray()
        self._mask = self._rest[start - 4 : start]
        self._at = start
        return len(self._rest) > start

    def _more_payload(self, payload: bytearray) -> bool:
        piece = self._rest[self._at : self._at + self._missing]
        if not piece:
            return False
        turn = len(payload) % 4
        payload += apply_mask(piece, self._mask[turn:] + self._mask[:turn])
        self._at += len(piece)
        self._missing -= len(piece)
        if not self._missing:
            self._payload = None
            self._take(self._first, bytes(payload))
        return True

    def _take(self, first: int, payload: bytes) -> None:
        opcode = first & 0x0F
        if opcode >= CLOSE:
            self._count_control()
            self._sink.on_control(opcode, payload)
        elif first & FIN and opcode:
            self._sink.on_message(opcode, payload)
        else:
            self._take_fragment(first, payload)

    def _take_fragment(self, first: int, payload: bytes) -> None:
        if self._message is None:
            self._message, self._opcode, self._fragments = bytearray(), first & 0x0F, 0
        self._fragments += 1
        if self._fragments > self._limits.fragments:
            raise Violation(1008, "fragments", f"more than {self._limits.fragments} fragments")
        self._message += payload
        if first & FIN:
            message, self._message = bytes(self._message), None
            self._sink.on_message(self._opcode, message)

    def _count_control(self) -> None:
        second = int(time.monotonic())
        if second != self._control_second:
            self._control_second, self._control_count = second, 0
        self._control_count += 1
        if self._control_count > self._limits.control_per_second:
            raise Violation(1008, "control_flood", "too many control frames")


def encode(opcode: int, payload: bytes) -> bytes:
    """One unmasked, unfragmented frame."""
    length = len(payload)
    if length <= CONTROL_BYTES:
        return bytes((FIN | opcode, length)) + payload
    if length <= 0xFFFF:
        return struct.pack("!BBH", FIN | opcode, 126, length) + payload
    return struct.pack("!BBQ", FIN | opcode, 127, length) + payload


def encode_close(code: int, reason: str) -> bytes:
    """A close frame; the reason is cut to what fits, at a whole character."""
    text = reason.encode("utf-8")[: CONTROL_BYTES - 2].decode("utf-8", "ignore").encode("utf-8")
    return encode(CLOSE, struct.pack("!H", code) + text)


def decode_close(payload: bytes) -> tuple[int, str]:
    """Code (1005 where none was given) and reason of a peer's close frame. Raises `Violation`."""
    if not payload:
        return 1005, ""
    if len(payload) == 1:
        raise Violation(1002, "protocol", "malformed close frame")
    code: int = struct.unpack("!H", payload[:2])[0]
    if not _may_be_sent(code):
        raise Violation(1002, "protocol", "close code is not one to be sent")
    try:
        return code, payload[2:].decode("utf-8")
    except UnicodeDecodeError:
        raise Violation(1007, "invalid_utf8", "close reason is not UTF-8") from None


def _may_be_sent(code: int) -> bool:
    return 3000 <= code <= 4999 or (1000 <= code <= 1014 and code not in {1004, 1005, 1006})
