"""Back-pressure: how much of what a peer sent is waiting for the application."""

from typing import Protocol


class Reading(Protocol):
    """A socket that can stop reading from its peer."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class FlowControl:
    """Pauses reading at a high-water mark and resumes it when half is drained.

    A frame counts from its arrival until it was read. By default `receive()` of the ASGI application reads it.
    An application that keeps frames in a queue of its own sends ``"chargeyard.flow": "manual"`` with its
    ``websocket.accept`` and calls :meth:`read` when it is done with each of them.
    """

    __slots__ = (
        "_high_bytes",
        "_high_frames",
        "_socket",
        "close_reason",
        "frames",
        "manual",
        "paused",
        "size",
    )

    def __init__(self, socket: Reading, high_frames: int, high_bytes: int) -> None:
        self._socket = socket
        self._high_frames = high_frames
        self._high_bytes = high_bytes
        self.frames = 0
        self.size = 0
        self.paused = False
        self.manual = False
        self.close_reason = ""  # why the socket was closed, in our words; empty while it is open

    def arrived(self, n_bytes: int) -> None:
        self.frames += 1
        self.size += n_bytes
        if not self.paused and (self.frames >= self._high_frames or self.size >= self._high_bytes):
            self.paused = True
            self._socket.pause_reading()

    def read(self, n_bytes: int) -> None:
        """The application is done with a frame of that many bytes. No effect unless it reads manually."""
        if self.manual:
            self.drained(n_bytes)

    def drained(self, n_bytes: int) -> None:
        self.frames -= 1
        self.size -= n_bytes
        if self.paused and self.frames <= self._high_frames // 2 and self.size <= self._high_bytes // 2:
            self.paused = False
            self._socket.resume_reading()
