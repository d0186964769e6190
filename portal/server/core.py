"""The server: Daphne's, with our protocols, limits and end."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import unquote

from daphne.server import Server as DaphneServer

from portal.server.frames import Limits
from portal.server.loop import event_loop
from portal.server.options import Options
from portal.server.sockets import WebSocket
from portal.server.upgrade import Refusal, UpgradeRequest, behind_edge, fault_of, refusing
from portal.server.web import Channel, Factory, Request

Application = Callable[..., Awaitable[None]]

logger = logging.getLogger("portal.server")

RETRY_AFTER_S = (30, 120)  # M-10; spread, so that refused stations do not come back together


class Server(DaphneServer):
    """Accepts connections for one ASGI application.

    ``draining``: it is about to end. ``refusing``: upgrades are answered 503, for that or another ``reason``.
    """

    def __init__(self, application: Application, options: Options) -> None:
        super().__init__(
            application,
            endpoints=["adopted"],
            signal_handlers=False,
            application_close_timeout=options.application_close_s,
            server_name="",
        )
        self.options = options
        self.frame_limits = Limits(
            options.message_bytes, options.fragments, options.control_frames_per_second
        )
        self.connections: dict[Request, dict[str, Any]] = {}
        self.sockets: set[WebSocket] = set()
        self.per_address: Counter[str] = Counter()
        self.headers_due: dict[Channel, float] = {}
        self.draining = False
        self.refusing = False
        self.reason = ""
        self.factory = Factory(self)

    # -- WebSockets ------------------------------------------------------------------------------------------

    def upgrade(self, request: UpgradeRequest, transport: Any) -> WebSocket | None:
        """Start the application on a well-formed upgrade request, or refuse it."""
        peer, host = address_of(transport.getPeer()), address_of(transport.getHost())
        stated = behind_edge(request.headers, self.options.edge_secret)
        client = [stated[0], 0] if stated else peer
        address = client[0] if client else ""
        refusal = fault_of(request) or self._no_room(address)
        if refusal is not None:
            transport.write(refusing(refusal))
            transport.unregisterProducer()
            transport.loseConnection()
            return None
        socket = WebSocket(self, request, address)
        self.sockets.add(socket)
        self.per_address[address] += 1
        transport.unregisterProducer()
        transport.protocol = socket
        socket.makeConnection(transport)
        transport.resumeProducing()
        scheme = "wss" if stated and stated[1] == "https" else "ws"
        socket.start(websocket_scope(request, scheme, client, host))
        return socket

    def _no_room(self, address: str) -> Refusal | None:
        if self.refusing:
            return self.unavailable()
        full = len(self.sockets) >= self.options.sockets
        if full or (address and self.per_address[address] >= self.options.sockets_per_address):
            logger.warning("websocket.no_room", extra={"address": address, "open": len(self.sockets)})
            return self.unavailable()
        return None

    def unavailable(self) -> Refusal:
        return Refusal(503, [(b"retry-after", b"%d" % random.randint(*RETRY_AFTER_S))])

    def socket_gone(self, socket: WebSocket) -> None:
        self.sockets.discard(socket)
        self.per_address[socket.address] -= 1
        if self.per_address[socket.address] <= 0:
            del self.per_address[socket.address]

    def close_sockets(self, code: int, reason: str, spread_s: float) -> None:
        """Ask the application to end every open socket, each at a random moment of the spread."""
        self.reason = reason
        for socket in self.sockets:
            event_loop().call_later(random.uniform(0, spread_s), socket.drain, code)

    # -- plain requests --------------------------------------------------------------------------------------

    def create_application(self, protocol: Request, scope: dict[str, Any]) -> "asyncio.Queue[Any]":
        scope.setdefault("asgi", {"version": "3.0"})
        if stated := behind_edge(scope["headers"], self.options.edge_secret):
            scope["client"], scope["scheme"] = [stated[0], 0], stated[1]
        task = event_loop().create_task(
            self.application(scope, protocol.receive, partial(self.handle_reply, protocol))
        )
        self.connections[protocol]["application_instance"] = task
        task.add_done_callback(partial(self._request_done, protocol))
        return protocol.events

    async def handle_reply(self, protocol: Request, message: Any) -> None:
        await super().handle_reply(protocol, message)
        await protocol.until_writable()

    def protocol_disconnected(self, protocol: Request) -> None:
        details = self.connections.get(protocol)
        if details is None or "disconnected" in details:
            return
        details["disconnected"] = event_loop().time()
        task = details.get("application_instance")
        if task is None or task.done():
            del self.connections[protocol]
        else:
            event_loop().call_later(self.application_close_timeout, task.cancel)

    def _request_done(self, protocol: Request, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.error(
                "request.application_failed",
                exc_info=error,
                extra={"path": protocol.path.decode("ascii", "replace")},
            )
        details = self.connections.get(protocol)
        if details is None:
            return
        if "disconnected" in details:
            del self.connections[protocol]
        elif protocol._response_started:
            protocol.channel.transport.abortConnection()
        else:
            protocol.basic_error(500, b"Internal Server Error", "")

    def end_streams(self, spread_s: float) -> None:
        """End every event stream cleanly, each at a random moment of the spread."""
        for request in self.connections:
            if request.is_event_stream:
                event_loop().call_later(random.uniform(0, spread_s), request.end_stream)

    # -- slow headers ----------------------------------------------------------------------------------------

    def cut_late_headers(self) -> None:
        """Once a second. The due times are in order, so only what is late is looked at."""
        now = event_loop().time()
        late = []
        for channel, due in self.headers_due.items():
            if due > now:
                break
            late.append(channel)
        for channel in late:
            del self.headers_due[channel]
            channel.transport.abortConnection()
        event_loop().call_later(1, self.cut_late_headers)


def websocket_scope(
    request: UpgradeRequest, scheme: str, client: list[Any] | None, host: list[Any] | None
) -> dict[str, Any]:
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": scheme,
        "path": unquote(request.raw_path.decode("ascii")),
        "raw_path": request.raw_path,
        "query_string": request.query_string,
        "root_path": "",
        "headers": request.headers,
        "chargeyard.header_list": request.headers,
        "client": client,
        "server": host,
        "subprotocols": request.subprotocols,
    }


def address_of(end: Any) -> list[Any] | None:
    """``[host, port]`` of a TCP address; None for a UNIX socket."""
    return [str(end.host), end.port] if hasattr(end, "host") else None
