"""A small CSMS for these tests: it validates every frame it gets and answers by a table."""

import asyncio
import base64
import itertools
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

import jsonschema_rs
import ocpp
import orjson
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

Json = dict[str, Any]
Answer = Json | tuple[str, str] | None
FOLDERS = {"ocpp1.6": "v16", "ocpp2.0.1": "v201", "ocpp2.1": "v21"}


@cache
def validator(subprotocol: str, name: str) -> Any:
    """The compiled schema of the library; ``name`` is an action with Request or Response."""
    if subprotocol == "ocpp1.6":
        name = name.removesuffix("Request")
    path = Path(ocpp.__file__).parent / FOLDERS[subprotocol] / "schemas" / f"{name}.json"
    return jsonschema_rs.validator_for(json.loads(path.read_text("utf-8-sig")), validate_formats=True)


class FakeCsms:
    """Collects what comes in ``calls`` as (action, payload); ``answers`` overrides the table by action.

    An override is a payload, a (code, description) for a CALLERROR, None for silence, or a function
    of the payload that gives one of these.
    """

    def __init__(
        self, *, passwords: dict[str, bytes] | None = None, refusal: HTTPStatus | None = None
    ) -> None:
        self.calls: list[tuple[str, Json]] = []
        self.texts: list[str] = []
        self.invalid: list[str] = []
        self.answers: dict[str, Answer | Callable[[Json], Answer]] = {}
        self.passwords = passwords
        self.refusal = refusal
        self.sockets: dict[str, ServerConnection] = {}
        self.headers: list[Headers] = []
        self.port = 0
        self._numbers = itertools.count(1)
        self._pending: dict[str, asyncio.Future[list[Any]]] = {}
        self._server: Server | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shut()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ocpp"

    async def open(self) -> None:
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            self.port,
            subprotocols=[Subprotocol(name) for name in FOLDERS],
            process_request=self._admit,
            close_timeout=1,
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    def of(self, action: str) -> list[Json]:
        return [payload for name, payload in self.calls if name == action]

    def actions(self) -> list[str]:
        return [name for name, _ in self.calls]

    async def command(self, identity: str, action: str, payload: Json) -> list[Any]:
        """Send a CALL and wait for the station's frame; the answer is validated as well."""
        socket = self.sockets[identity]
        message_id = f"c{next(self._numbers)}"
        self._pending[message_id] = asyncio.get_running_loop().create_future()
        await socket.send(orjson.dumps([2, message_id, action, payload]).decode())
        frame = await asyncio.wait_for(self._pending[message_id], 5)
        if frame[0] == 3:
            self._check(socket, f"{action}Response", frame[2])
        return frame

    async def eventually(self, condition: Callable[[], object], seconds: float = 5) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    def _admit(self, socket: ServerConnection, request: Request) -> Response | None:
        self.headers.append(request.headers)
        if self.refusal is not None:
            return socket.respond(self.refusal, "come back later\n")
        identity = request.path.rsplit("/", 1)[-1]
        if self.passwords is None:
            return None
        offered = base64.b64decode(request.headers.get("Authorization", "").removeprefix("Basic "))
        if offered == identity.encode() + b":" + self.passwords.get(identity, b"?"):
            return None
        return socket.respond(HTTPStatus.UNAUTHORIZED, "unknown station or wrong password\n")

    async def _serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.sockets[socket.request.path.rsplit("/", 1)[-1]] = socket
        try:
            async for text in socket:
                await self._received(socket, str(text))
        except ConnectionClosed:
            return

    async def _received(self, socket: ServerConnection, text: str) -> None:
        self.texts.append(text)
        try:
            frame = orjson.loads(text)
        except orjson.JSONDecodeError:
            return
        if frame[:1] == [2] and len(frame) == 4 and isinstance(frame[3], dict):
            await self._called(socket, frame)
        elif frame[:1] in ([3], [4]) and frame[1] in self._pending:
            self._pending.pop(frame[1]).set_result(frame)

    async def _called(self, socket: ServerConnection, frame: list[Any]) -> None:
        _, message_id, action, payload = frame
        self.calls.append((action, payload))
        self._check(socket, f"{action}Request", payload)
        answer = self._answer(str(socket.subprotocol), action, payload)
        if isinstance(answer, tuple):
            await socket.send(orjson.dumps([4, message_id, *answer, {}]).decode())
        elif answer is not None:
            await socket.send(orjson.dumps([3, message_id, answer]).decode())

    def _check(self, socket: ServerConnection, name: str, payload: Json) -> None:
        faults: Iterator[Any] = validator(str(socket.subprotocol), name).iter_errors(payload)
        self.invalid.extend(f"{name}: {fault.message}" for fault in faults)

    def _answer(self, subprotocol: str, action: str, payload: Json) -> Answer:
        override = self.answers.get(action, ...)
        if callable(override):
            return override(payload)
        if override is not ...:
            return override  # type: ignore[return-value]
        return _default(subprotocol, action, payload, next(self._numbers))


def _default(subprotocol: str, action: str, payload: Json, number: int) -> Json:
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    accepted = {"status": "Accepted"}
    match action:
        case "BootNotification":
            return {"currentTime": now, "interval": 300, "status": "Accepted"}
        case "Heartbeat":
            return {"currentTime": now}
        case "Authorize":
            return {"idTagInfo" if subprotocol == "ocpp1.6" else "idTokenInfo": accepted}
        case "StartTransaction":
            return {"transactionId": 1000 + number, "idTagInfo": accepted}
        case "TransactionEvent" if "idToken" in payload:
            return {"idTokenInfo": accepted}
        case _:
            return {}
