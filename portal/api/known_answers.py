"""The short way in front of Django: an answer that was given before and still holds is given again.

For reads of a station by a key, which third parties repeat most. The whole request but its id is compared by a digest;
permissions, limits to sites and the station itself are asked for by their versions in the database at every request, so
that a change is seen by the next one. Everything else, and every doubt, goes the long way.
"""

import asyncio
import hashlib
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from core.keys import digest
from core.services.access_tokens import PREFIX
from core.services.keys import KEY_PATTERN
from portal.api.freshness import Question, Version, Versions
from portal.api.ratelimit import buckets, told
from portal.middleware import HEADER, id_of_request

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

MOST_KNOWN = 2_000
LARGEST = 65_536
STATION = re.compile(r"/api/v1/stations/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/")
REQUEST_ID, RATE_LIMIT = HEADER.lower().encode(), b"ratelimit"
NEVER = frozenset({b"cookie", b"content-length", b"transfer-encoding", b"range"})
KEPT_STATUS = frozenset({200, 304})


@dataclass(frozen=True, slots=True)
class Known:
    """An answer with the version that was read before it was made; without one it was only asked for."""

    version: Version | None = None
    status: int = 0
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


class KnownAnswers:
    """Around Django's application; the least recently asked for is forgotten beyond ``MOST_KNOWN``."""

    def __init__(self, long_way: Application, versions: Versions | None = None) -> None:
        self._long_way = long_way
        self._versions = versions or Versions()
        self._known: OrderedDict[bytes, Known] = OrderedDict()
        self._counting = ThreadPoolExecutor(1, thread_name_prefix="api-rate")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        question = question_of(scope)
        if question is None:
            await self._long_way(scope, receive, send)
            return
        name = _name_of(scope)
        known = self._known.get(name)
        self._remember(name, known or Known())
        if known is None:  # most are asked once
            await self._long_way(scope, receive, send)
            return
        version = await self._versions.of(question)
        if (
            version is not None
            and known.version == version
            and await self._again(known, version, scope, send)
        ):
            return
        recorder = _Recorder(send)
        await self._long_way(scope, receive, recorder)
        holds = version is not None and await self._versions.of(question) == version
        self._remember(name, recorder.known(version) if holds else Known())

    async def _again(self, known: Known, version: Version, scope: Scope, send: Send) -> bool:
        """Give the answer again; ``False`` where the caller asks too often, which the long way tells."""
        loop = asyncio.get_running_loop()
        turn = await loop.run_in_executor(self._counting, buckets.take, version.caller)
        if turn.allowed:
            await _answer(known, turn.remaining, scope, send)
        return turn.allowed

    def _remember(self, name: bytes, known: Known) -> None:
        self._known[name] = known
        self._known.move_to_end(name)
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)


def question_of(scope: Scope) -> Question | None:
    """Who asks for which station; ``None`` for what the short way does not serve."""
    if scope["method"] != "GET" or scope.get("root_path"):
        return None
    path = STATION.fullmatch(scope["path"])
    if path is None:
        return None
    secret = ""
    for name, value in scope["headers"]:
        if name in NEVER:
            return None
        if name == b"authorization":
            if secret or not value.startswith(b"Bearer "):
                return None
            secret = value[7:].decode("latin-1")
    if secret.startswith(PREFIX):
        return Question("", digest(secret).hex(), path[1])
    key = KEY_PATTERN.fullmatch(secret)
    return Question(key[1], "", path[1]) if key else None


def _name_of(scope: Scope) -> bytes:
    """A digest of all that an answer can depend on; the secret is kept nowhere."""
    whole = hashlib.sha256()
    client = scope.get("client") or ("",)
    for part in (scope["path"], scope.get("scheme", ""), client[0]):
        whole.update(f"{part}\n".encode())
    whole.update(scope.get("query_string", b"") + b"\n")
    for name, value in scope["headers"]:
        if name != REQUEST_ID:
            whole.update(b"%d:%d:" % (len(name), len(value)) + name + value)
    return whole.digest()


async def _answer(known: Known, remaining: int, scope: Scope, send: Send) -> None:
    offered = next((value for name, value in scope["headers"] if name == REQUEST_ID), b"")
    headers: Headers = [
        *known.headers,
        (HEADER.encode(), id_of_request(offered.decode("latin-1")).encode()),
        (b"RateLimit", told(remaining).encode()),
    ]
    await send({"type": "http.response.start", "status": known.status, "headers": headers})
    await send({"type": "http.response.body", "body": known.body})


class _Recorder:
    """Passes an answer on and keeps it, if it is one to be given again."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._status = 0
        self._headers: Headers = []
        self._body = b""
        self._whole = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], list(_lasting(message["headers"]))
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")[: LARGEST + 1]
            self._whole = not message.get("more_body", False)
        await self._send(message)

    def known(self, version: Version | None) -> Known:
        """What to give again while that version holds; nothing where it is no answer for that."""
        names = {name.lower() for name, _ in self._headers}
        fits = self._whole and len(self._body) <= LARGEST and self._status in KEPT_STATUS
        if version is None or not fits or b"set-cookie" in names or b"etag" not in names:
            return Known()
        return Known(version, self._status, tuple(self._headers), self._body)


def _lasting(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
    """All headers but those of one request."""
    return (pair for pair in headers if pair[0].lower() not in (REQUEST_ID, RATE_LIMIT))
