"""Connections that send at once when nothing waits, instead of after another turn of the event loop."""

from typing import Any

from portal.server import loop  # noqa: F401  its reactor comes before everything of Twisted

from twisted.internet import tcp, unix  # isort: skip


class EagerWrites:
    """A transport whose `write` hands the bytes to the kernel; what it does not take is buffered as usual."""

    dataBuffer: bytes
    connected: int
    disconnecting: int
    _tempDataBuffer: list[bytes]

    def write(self, data: bytes) -> None:
        if self.connected and not self.disconnecting and not self.dataBuffer and not self._tempDataBuffer:
            sent: Any = self.writeSomeData(data)  # type: ignore[attr-defined]
            if sent == len(data):
                return
            if isinstance(sent, int):
                data = data[sent:]
        super().write(data)  # type: ignore[misc]


class TcpConnection(EagerWrites, tcp.Server):
    pass


class UnixConnection(EagerWrites, unix.Server):
    pass
