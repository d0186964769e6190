"""A TCP door to another server that can be shut: it lets through, hangs, or cuts (H-01)."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit


class Proxy:
    """Forwards connections to a UNIX socket, until it is told not to."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self._open = threading.Event()
        self._open.set()
        self._lines: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def hang(self) -> None:
        """Connections stay open, and nothing passes any more."""
        self._open.clear()

    def cut(self) -> None:
        """Break every connection."""
        lines, self._lines = self._lines, []
        for line in lines:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()

    def restore(self) -> None:
        """Let everything through, also what was waiting."""
        self._open.set()

    def close(self) -> None:
        self._listener.close()
        self.restore()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(str(self.target))
                self._lines += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._open.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def database_behind_proxy(url: str) -> Iterator[tuple[Proxy, str]]:
    """A proxy to the database of the URL (on a UNIX socket), and the URL through it."""
    parts = urlsplit(url)
    [directory] = parse_qs(parts.query)["host"]
    proxy = Proxy(Path(directory) / ".s.PGSQL.5432")
    login = parts.netloc.rpartition("@")[0]
    try:
        yield proxy, f"postgres://{login}@127.0.0.1:{proxy.port}{parts.path}"
    finally:
        proxy.close()
