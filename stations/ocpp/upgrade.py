"""An upgrade request as it stands on the wire: path, credentials, offered versions, what the edge says."""

import base64
import binascii
import hmac
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from django.conf import settings

from stations.domain.words import Version

PREFIX = b"ocpp"
PASSED_OVER = frozenset({b"ocpp1.6", b"ocpp2.0.1", b"ocpp2.1", b"1.6", b"2.0.1", b"2.1", b"ws", b"websocket"})
BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
SUBPROTOCOLS: Mapping[str, Version] = {
    "ocpp1.6": Version.V16,
    "ocpp2.0.1": Version.V201,
    "ocpp2.1": Version.V21,
}
EDGE_HEADERS = (b"x-client-verify", b"x-client-cert", b"x-client-cert-der", b"x-edge-listener")
MAX_SHOWN = 255
MAX_ADDRESS = 64

Scope = Mapping[str, Any]
HeaderList = Sequence[tuple[bytes, bytes]]


class Login(NamedTuple):
    """User and password of an ``Authorization: Basic`` header, as bytes."""

    user: bytes
    password: bytes


@dataclass(frozen=True, slots=True)
class Edge:
    """What a trusted proxy in front of us vouches for."""

    listener: str
    verified: str
    certificate_pem: bytes
    certificate_der: bytes

    @property
    def encrypted(self) -> bool:
        return self.listener == "tls"


@dataclass(frozen=True, slots=True)
class Upgrade:
    """One try to connect. ``identity`` is ``None`` where the path holds none that a station could have."""

    shown_identity: str
    identity: str | None
    has_identity: bool
    address: str
    offered: tuple[str, ...]
    login: Login | None
    sent_credentials: bool
    edge: Edge | None
    past_edge: bool
    doubled_header: str

    @property
    def versions(self) -> tuple[str, ...]:
        """The offered sub-protocols that we speak, in the caller's order."""
        return tuple(word for word in self.offered if word in SUBPROTOCOLS)

    @property
    def shown_offer(self) -> str:
        return printable(", ".join(self.offered))


def read(scope: Scope) -> Upgrade:
    """Take the request apart; nothing is decided here."""
    headers: HeaderList = scope.get("chargeyard.header_list") or scope["headers"]
    secret = settings.OCPP_TRUSTED_PROXY_SECRET.encode()
    through_edge = bool(secret) and _is_edge(headers, secret)
    authorizations = _values(headers, b"authorization")
    raw, shown, identity = _identity(scope)
    return Upgrade(
        shown_identity=shown,
        identity=identity,
        has_identity=bool(raw),
        address=_address(scope, headers, through_edge),
        offered=_offered(headers),
        login=_login(authorizations[0]) if len(authorizations) == 1 else None,
        sent_credentials=bool(authorizations),
        edge=_edge(headers) if through_edge else None,
        past_edge=bool(secret) and not through_edge,
        doubled_header=_doubled(headers) if through_edge else "",
    )


def printable(text: str) -> str:
    """The text with everything escaped that a log or the database cannot hold."""
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return escaped[:MAX_SHOWN]


def _values(headers: HeaderList, name: bytes) -> list[bytes]:
    return [value for key, value in headers if key == name]


def _identity(scope: Scope) -> tuple[bytes, str, str | None]:
    """The raw path behind the prefix, how to show it, and the identity where it is a possible one (P010-P013)."""
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    first, *rest = [part for part in path.partition(b"?")[0].split(b"/") if part] or [b""]
    if first != PREFIX:
        return b"/".join([first, *rest]), printable(path.decode("latin-1")), None
    while len(rest) > 1 and rest[0] in PASSED_OVER:
        rest.pop(0)
    raw = b"/".join(rest)
    decoded = unquote_to_bytes(raw)
    possible = len(rest) == 1 and raw not in (b".", b"..") and not BROKEN_ESCAPE.search(raw)
    try:
        text = decoded.decode()
    except UnicodeDecodeError:
        return raw, printable(decoded.decode("latin-1")), None
    possible = possible and len(text) <= MAX_SHOWN and not CONTROL.search(text)
    return raw, printable(text), text if possible else None


def _offered(headers: HeaderList) -> tuple[str, ...]:
    """All offered sub-protocols over all occurrences of the header, blanks trimmed (P006)."""
    joined = b",".join(_values(headers, b"sec-websocket-protocol")).decode("latin-1")
    return tuple(word for word in (part.strip(" \t") for part in joined.split(",")) if word)


def _login(value: bytes) -> Login | None:
    scheme, _, encoded = value.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(b" "), validate=True)
    except binascii.Error:
        return None
    user, colon, password = decoded.partition(b":")
    return Login(user, password) if colon else None


def _is_edge(headers: HeaderList, secret: bytes) -> bool:
    said = _values(headers, b"x-edge-auth")
    return len(said) == 1 and hmac.compare_digest(said[0], secret)


def _edge(headers: HeaderList) -> Edge:
    first = {name: (_values(headers, name) or [b""])[0] for name in EDGE_HEADERS}
    return Edge(
        listener=first[b"x-edge-listener"].decode("latin-1"),
        verified=first[b"x-client-verify"].decode("latin-1"),
        certificate_pem=unquote_to_bytes(first[b"x-client-cert"]),
        certificate_der=first[b"x-client-cert-der"],
    )


def _doubled(headers: HeaderList) -> str:
    """Name of an edge header that occurs twice; the pair of certificate forms counts as one."""
    certificates = _values(headers, b"x-client-cert") + _values(headers, b"x-client-cert-der")
    if len(certificates) > 1:
        return "X-Client-Cert"
    doubled = [name for name in EDGE_HEADERS if len(_values(headers, name)) > 1]
    return doubled[0].decode().title() if doubled else ""


def _address(scope: Scope, headers: HeaderList, through_edge: bool) -> str:
    """Where the caller is; behind the edge, what the edge says."""
    forwarded = _values(headers, b"x-forwarded-for") if through_edge else []
    if len(forwarded) == 1:
        try:
            return str(ipaddress.ip_address(forwarded[0].strip().decode("latin-1")))[:MAX_ADDRESS]
        except ValueError:
            pass
    client = scope.get("client")
    return str(client[0]) if client else ""
