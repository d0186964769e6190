"""Plain HTTP, and the hand-over of upgrade requests: Daphne's request and factory, hardened."""

import asyncio
from io import BytesIO
from typing import TYPE_CHECKING, Any

from daphne.http_protocol import HTTPFactory as DaphneFactory
from daphne.http_protocol import WebRequest
from twisted.web.http import HTTPChannel

from portal.server.loop import event_loop
from portal.server.upgrade import Refusal, UpgradeRequest, header_list, refusing

if TYPE_CHECKING:
    from portal.server.core import Server

HEADER_LINE_BYTES = 16_384
HEADERS_BYTES = 65_536
BODY_PIECE_BYTES = 65_536


class Request(WebRequest):
    """One request. Upgrades leave for a `WebSocket`; streamed answers wait for slow clients."""

    error_template = "<!doctype html><title>%(title)s</title><p>%(title)s</p>"

    def __init__(self, channel: "Channel", queued: Any = False) -> None:
        # Twisted would parse every form in memory; Django reads the body itself.
        super().__init__(channel, queued, parsePOSTFormSubmission=False)
        self._gate: asyncio.Future[None] | None = None
        self._body: Any = None
        self._received_bytes = 0
        self.events: asyncio.Queue[Any] = asyncio.Queue()
        self.is_event_stream = False

    def handleContentChunk(self, data: bytes) -> None:
        self._received_bytes += len(data)
        if self._received_bytes > self.server.options.body_bytes:
            self.channel.refuse(413)
        else:
            super().handleContentChunk(data)

    def process(self) -> Any:
        upgrade = self.requestHeaders.getRawHeaders(b"upgrade") or ()
        if any(token.strip().lower() == b"websocket" for value in upgrade for token in value.split(b",")):
            return self._upgrade()
        # Daphne would queue all of the body at once; the application takes it from the file piece by piece.
        self._body, self.content = self.content, BytesIO()
        return super().process()

    async def receive(self) -> Any:
        """The body in pieces, then whatever else happens."""
        event = await self.events.get()
        if event["type"] != "http.request" or self._body is None:
            return event
        piece = self._body.read(BODY_PIECE_BYTES)
        more = len(piece) == BODY_PIECE_BYTES
        if more:
            self.events.put_nowait(event)
            await asyncio.sleep(0)
        else:
            self._close_body()
        return {"type": "http.request", "body": piece, "more_body": more}

    def _close_body(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.close()

    def _upgrade(self) -> None:
        channel, transport = self.channel, self.channel.transport
        request = UpgradeRequest(
            method=self.method,
            version=self.clientproto,
            raw_path=self.path,
            query_string=self.uri.partition(b"?")[2],
            headers=header_list(self.requestHeaders.getAllRawHeaders()),
        )
        self.server.protocol_disconnected(self)
        channel.hand_over(self.server.upgrade(request, transport))

    # -- answers ---------------------------------------------------------------------------------------------

    def handle_reply(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = {name.lower(): value for name, value in message.get("headers", ())}
            self.is_event_stream = headers.get(b"content-type", b"").startswith(b"text/event-stream")
            if self.server.draining:
                self.channel.persistent = False
                self.responseHeaders.setRawHeaders(b"connection", [b"close"])
        elif message.get("more_body") and not self.producer and not self.finished:
            self.registerProducer(self, True)
        super().handle_reply(message)

    async def until_writable(self) -> None:
        """Return when the client has taken what it was sent, or is gone, or was too slow."""
        if self._gate is None:
            return
        done, _ = await asyncio.wait((self._gate,), timeout=self.server.options.write_s)
        if not done and self.channel is not None:
            self.channel.transport.abortConnection()

    def end_stream(self) -> None:
        """End an event stream as if the application had; its client connects anew."""
        if not self.finished and not self._disconnected:
            self.channel.persistent = False
            self.finish()

    def finish(self) -> None:
        if self.producer:
            self.unregisterProducer()
        self.stopProducing()
        self._close_body()
        super().finish()

    def connectionLost(self, reason: Any) -> None:
        self.stopProducing()
        self._close_body()
        super().connectionLost(reason)

    def pauseProducing(self) -> None:
        if self._gate is None:
            self._gate = event_loop().create_future()

    def resumeProducing(self) -> None:
        gate, self._gate = self._gate, None
        if gate is not None and not gate.done():
            gate.set_result(None)

    def stopProducing(self) -> None:
        self.resumeProducing()


class Channel(HTTPChannel):
    """A connection before it is a WebSocket. Headers must be there in time and within size (L-01, S-25)."""

    MAX_LENGTH = HEADER_LINE_BYTES
    totalHeadersSize = HEADERS_BYTES
    requestFactory = Request
    _successor: Any = None
    _in_headers = False

    def connectionMade(self) -> None:
        super().connectionMade()
        self._await_headers()

    def dataReceived(self, data: bytes) -> None:
        if self.line_mode and not self._in_headers:
            self._await_headers()
        super().dataReceived(data)

    def allHeadersReceived(self) -> None:
        self._in_headers = False
        self.factory.server.headers_due.pop(self, None)
        super().allHeadersReceived()

    def _await_headers(self) -> None:
        self._in_headers = True
        self.factory.server.headers_due[self] = event_loop().time() + self.factory.server.options.header_s

    def hand_over(self, successor: Any) -> None:
        """From now on what arrives is the successor's (None: nobody's)."""
        self._successor = successor or self
        self.setTimeout(None)

    def rawDataReceived(self, data: bytes) -> None:
        if self._successor is None:
            super().rawDataReceived(data)
        elif self._successor is not self:
            self._successor.dataReceived(data)

    def lineLengthExceeded(self, line: bytes) -> None:
        self.refuse(431)

    def _respondToBadRequestAndDisconnect(self) -> None:
        too_large = self._receivedHeaderSize > self.totalHeadersSize
        self.refuse(431 if too_large or self._receivedHeaderCount > self.maxHeaders else 400)

    def refuse(self, status: int) -> None:
        """Answer before or instead of the application, and close."""
        self.transport.write(refusing(Refusal(status)))
        self.loseConnection()

    def connectionLost(self, reason: Any) -> None:
        self.factory.server.headers_due.pop(self, None)
        super().connectionLost(reason)


class Factory(DaphneFactory):
    """Builds our channel, without the TLS and HTTP/2 wrapper that the edge makes needless."""

    def __init__(self, server: "Server") -> None:
        super().__init__(server)
        self.timeOut = 60

    protocol = Channel

    def buildProtocol(self, addr: Any) -> Channel:
        channel = Channel()
        channel.factory = self
        channel.callLater = self.reactor.callLater
        channel.timeOut = self.timeOut
        return channel
