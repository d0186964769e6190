"""A WebSocket that does nothing by itself: no pong, no close, masks or not, sets any bit."""

import os
import socket
import struct
from typing import NamedTuple, Self

from tests.stations.ocpp.knocking import Charger, Headers, begin, read_reply

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Frame(NamedTuple):
    opcode: int
    payload: bytes

    @property
    def close_code(self) -> int:
        assert self.opcode == CLOSE, self
        return int(struct.unpack("!H", self.payload[:2])[0])


class RawSocket:
    """One accepted socket of a charger; a context manager."""

    def __init__(self, charger: Charger, headers: Headers = ()) -> None:
        self.line: socket.socket = begin(
            charger.url, charger.path, charger.address, login=charger.login(), headers=headers
        )
        self.reply, self._rest = read_reply(self.line)
        assert self.reply.status == 101, self.reply

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.line.close()

    def send(self, opcode: int, payload: bytes, *, first_bits: int = 0x80) -> None:
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        assert len(payload) < 126
        self.line.sendall(bytes([first_bits | opcode, 0x80 | len(payload)]) + mask + masked)

    def receive(self, timeout_s: float = 10.0) -> Frame:
        """The next frame of whatever kind. Raises ``TimeoutError``, and ``ConnectionError`` at the end."""
        self.line.settimeout(timeout_s)
        first, second = self._take(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self._take(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._take(8))
        return Frame(first & 0x0F, self._take(length))

    def _take(self, count: int) -> bytes:
        while len(self._rest) < count:
            chunk = self.line.recv(65536)
            if not chunk:
                raise ConnectionError("the server has closed the connection")
            self._rest += chunk
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken
