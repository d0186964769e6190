"""Upgrade requests: what was asked, whether it is well-formed, and the answers as bytes."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

Header = tuple[bytes, bytes]

ACCEPT_KEY = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
HEADER_NAME = re.compile(rb"[-!#$%&'*+.^_`|~0-9a-z]+")
NOT_IN_A_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
OURS = frozenset({b"connection", b"content-length", b"server", b"transfer-encoding"})


@dataclass(slots=True)
class UpgradeRequest:
    """A GET with ``Upgrade: websocket``; `headers` holds every occurrence, names in lower case."""

    method: bytes
    version: bytes
    raw_path: bytes
    query_string: bytes
    headers: list[Header]

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key == name]

    def tokens(self, name: bytes) -> list[bytes]:
        """Comma-separated members over all occurrences, trimmed, empty ones skipped (P006)."""
        members = (member.strip() for value in self.values(name) for member in value.split(b","))
        return [member for member in members if member]

    @property
    def subprotocols(self) -> list[str]:
        return [token.decode("latin-1") for token in self.tokens(b"sec-websocket-protocol")]


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer other than 101."""

    status: int
    headers: Sequence[Header] = ()
    body: bytes = b""


def header_list(raw: Iterable[tuple[bytes, Sequence[bytes]]]) -> list[Header]:
    """Every occurrence of every header; names with an underscore are dropped, since edges map ``_`` to ``-``."""
    return [(name.lower(), value) for name, values in raw if b"_" not in name for value in values]


def fault_of(request: UpgradeRequest) -> Refusal | None:
    """Why the request cannot be upgraded, by RFC 6455 section 4.2.1; None where it can."""
    if request.method != b"GET":
        return Refusal(405, [(b"allow", b"GET")])
    if request.version != b"HTTP/1.1" or not request.raw_path.isascii() or len(request.values(b"host")) != 1:
        return Refusal(400)
    if any(
        not HEADER_NAME.fullmatch(name) or NOT_IN_A_VALUE.search(value) for name, value in request.headers
    ):
        return Refusal(400)
    if request.values(b"sec-websocket-version") != [b"13"]:
        return Refusal(426, [(b"sec-websocket-version", b"13"), (b"upgrade", b"websocket")])
    if b"upgrade" not in (token.lower() for token in request.tokens(b"connection")):
        return Refusal(400)
    return None if _has_good_key(request) else Refusal(400)


def _has_good_key(request: UpgradeRequest) -> bool:
    keys = request.values(b"sec-websocket-key")
    try:
        return len(keys) == 1 and len(base64.b64decode(keys[0], validate=True)) == 16
    except binascii.Error:
        return False


def switching(request: UpgradeRequest, subprotocol: str | None, headers: Iterable[Header]) -> bytes:
    """The 101 answer."""
    key = request.values(b"sec-websocket-key")[0]
    accept = base64.b64encode(hashlib.sha1(key + ACCEPT_KEY, usedforsecurity=False).digest())
    fields = [(b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"), (b"Sec-WebSocket-Accept", accept)]
    if subprotocol:
        fields.append((b"Sec-WebSocket-Protocol", subprotocol.encode("latin-1")))
    chosen = (field for field in headers if not field[0].lower().startswith((b"sec-websocket-", b"upgrade")))
    return _head(101, [*fields, *_of_the_application(chosen)])


def refusing(refusal: Refusal) -> bytes:
    """Any other answer, complete, after which the connection is closed."""
    body = refusal.body or f"{refusal.status} {_phrase(refusal.status)}\n".encode()
    fields = [
        *_of_the_application(refusal.headers),
        (b"Content-Length", b"%d" % len(body)),
        (b"Connection", b"close"),
    ]
    if not any(name.lower() == b"content-type" for name, _ in fields):
        fields.append((b"Content-Type", b"text/plain; charset=utf-8"))
    return _head(refusal.status, fields) + body


def _of_the_application(headers: Iterable[Header]) -> list[Header]:
    chosen = [(name, value) for name, value in headers if name.lower() not in OURS]
    for name, value in chosen:
        if not HEADER_NAME.fullmatch(name.lower()) or NOT_IN_A_VALUE.search(value):
            raise ValueError(f"header {name!r} cannot be sent")
    return chosen


def _head(status: int, fields: Iterable[Header]) -> bytes:
    lines = [b"HTTP/1.1 %d %s" % (status, _phrase(status).encode())]
    lines += [name + b": " + value for name, value in fields]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Refused"


def behind_edge(headers: Iterable[Header], secret: str) -> tuple[str, str] | None:
    """Client address and scheme as the edge states them; None where it did not prove itself (S-20, W-12)."""
    if not secret:
        return None
    stated: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        stated.setdefault(name, []).append(value)
    proof = stated.get(b"x-edge-auth", [])
    address = stated.get(b"x-forwarded-for", [])
    if len(proof) != 1 or len(address) != 1 or not hmac.compare_digest(proof[0], secret.encode()):
        return None
    scheme = stated.get(b"x-forwarded-proto", [b""])[-1].decode("latin-1")
    return address[0].decode("latin-1").rpartition(",")[2].strip(), scheme if scheme in {
        "http",
        "https",
    } else "http"
