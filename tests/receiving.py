"""A receiver of webhooks in the test process: a real server on loopback that keeps a ledger (H-08)."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson


@dataclass
class Receiver:
    """What came in, and what is answered, after so long: a status, with a place to go on where it is a redirect."""

    port: int = 0
    status: int = 200
    location: str = ""
    answers_after_s: float = 0.0
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def allowed(self) -> tuple[str, ...]:
        """What ``EGRESS_ALLOW`` has to be for this receiver."""
        return (f"127.0.0.1:{self.port}",)

    def messages(self) -> list[dict[str, Any]]:
        return [orjson.loads(body) for _, body in self.heard]

    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.heard]


@contextmanager
def receiver(port: int = 0) -> Iterator[Receiver]:
    ledger = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            ledger.heard.append(({name.lower(): text for name, text in self.headers.items()}, body))
            time.sleep(ledger.answers_after_s)
            self.send_response(ledger.status)
            if ledger.location:
                self.send_header("Location", ledger.location)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    ledger.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield ledger
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
