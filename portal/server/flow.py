"""Back-pressure: how much of what a peer sent is waiting for the application."""

from typing import Protocol


class Reading(Protocol):
    """A socket that can stop reading from its peer."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class FlowControl:
    """Pauses reading at a high-water mark and resumes it when half is drained.

    ``frames`` and ``size`` are what has arrived and was not yet taken by the application's `receive()`.
    """

    __slots__ = ("_high_bytes", "_high_frames", "_socket", "frames", "paused", "size")

    def __init__(self, socket: Reading, high_frames: int, high_bytes: int) -> None:
        self._socket = socket
        self._high_frames = high_frames
        self._high_bytes = high_bytes
        self.frames = 0
        self.size = 0
        self.paused = False

    def arrived(self, n_bytes: int) -> None:
        self.frames += 1
        self.size += n_bytes
        if not self.paused and (self.frames >= self._high_frames or self.size >= self._high_bytes):
            self.paused = True
            self._socket.pause_reading()

    def taken(self, n_bytes: int) -> None:
        self.frames -= 1
        self.size -= n_bytes
        if self.paused and self.frames <= self._high_frames // 2 and self.size <= self._high_bytes // 2:
            self.paused = False
            self._socket.resume_reading()
