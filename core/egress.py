"""The guard of every request to an address that somebody else chose (security.md W-17).

Resolve once, check every address, connect to a checked one. No redirects; little time; little to read.
``EGRESS_ALLOW`` names what may be reached beside the public internet on its usual ports: hosts, addresses
and networks, each with a port if wanted (``10.0.0.0/8``, ``ocsp.example.org:8080``, ``[::1]:8080``).
"""

import contextlib
import http.client
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import BinaryIO
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

CONNECT_S = 3.0
TOTAL_S = 10.0
MAX_BYTES = 1_048_576
PIECE_BYTES = 65_536
PORTS: Mapping[str, int] = {"https": 443, "http": 80}
HTTPS_ONLY = frozenset({"https"})
HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?")
NUMERIC_HOST = re.compile(r"(?:0[xX][0-9A-Fa-f]*|\d+)(?:\.(?:0[xX][0-9A-Fa-f]*|\d+)){0,3}")
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_resolvers = ThreadPoolExecutor(64, thread_name_prefix="egress-resolver")


class EgressRefused(Exception):
    """The address may not be reached; no connection was made."""


class EgressFailed(Exception):
    """Nothing usable came back in time."""


class EgressBusy(EgressFailed):
    """So many others were asked for that this one had no turn; nothing is known of it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other end said. Never shown to whoever named the address."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Target:
    """An address that was looked at: where to connect, and how to ask there."""

    scheme: str
    host: str
    port: int
    path: str
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Allowed:
    """One entry of ``EGRESS_ALLOW``."""

    host: str = ""
    network: Network | None = None
    port: int | None = None

    def permits_port(self, target: Target) -> bool:
        return target.port == (self.port or PORTS[target.scheme])


def fetch(
    url: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    schemes: frozenset[str] = HTTPS_ONLY,
    total_s: float = TOTAL_S,
) -> Answer:
    """GET, or POST the body. Raises :class:`EgressRefused` before any connection, :class:`EgressFailed` after."""
    deadline = time.monotonic() + total_s
    target = check(url, schemes=schemes, total_s=total_s)
    ask = partial(_ask, body=body, headers=dict(headers or {}))
    return _exchange(target, ask, deadline)


def download(
    url: str,
    into: BinaryIO,
    *,
    most_bytes: int,
    total_s: float,
    schemes: frozenset[str] = HTTPS_ONLY,
) -> Answer:
    """GET a file into ``into``, piece by piece; the answer has no body. Raises as :func:`fetch` does.

    Nothing is written where the status is not 200, and never more than ``most_bytes``.
    """
    deadline = time.monotonic() + total_s
    target = check(url, schemes=schemes, total_s=CONNECT_S)
    return _exchange(target, partial(_pour, into=into, most_bytes=most_bytes), deadline)


def check(url: str, *, schemes: frozenset[str] = HTTPS_ONLY, total_s: float = CONNECT_S) -> Target:
    """The target with its checked addresses. Raises :class:`EgressRefused`, or :class:`EgressFailed` without DNS."""
    target = parsed(url, schemes)
    entries = [entry for entry in _allowed(settings.EGRESS_ALLOW) if entry.permits_port(target)]
    named = any(entry.host == target.host for entry in entries)
    usual = target.port == PORTS[target.scheme]
    if not usual and not entries:
        raise EgressRefused(f"Port {target.port} may not be reached.")
    found = _resolved(target, min(total_s, CONNECT_S))
    for address in found:
        listed = any(entry.network is not None and address in entry.network for entry in entries)
        if not (named or listed or (usual and is_public(address))):
            raise EgressRefused(f"{target.host} leads to an address that may not be reached.")
    return Target(target.scheme, target.host, target.port, target.path, tuple(map(str, found)))


def is_listed(url: str, *, schemes: frozenset[str] = frozenset(PORTS)) -> bool:
    """Whether ``EGRESS_ALLOW`` names this host or literal address itself; nothing is resolved."""
    try:
        target = parsed(url, schemes)
    except EgressRefused:
        return False
    literal = _literal(target.host)
    return any(
        entry.permits_port(target)
        and (entry.host == target.host or (literal and entry.network and literal in entry.network))
        for entry in _allowed(settings.EGRESS_ALLOW)
    )


def parsed(url: str, schemes: Iterable[str]) -> Target:
    """The parts of the address, its host in one spelling. Raises :class:`EgressRefused`."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise EgressRefused("The address cannot be read.") from error
    if parts.scheme not in schemes:
        raise EgressRefused(f"Only {' and '.join(sorted(schemes))} may be used.")
    if "@" in parts.netloc or any(sign <= " " or sign == "\x7f" or sign == "\\" for sign in url):
        raise EgressRefused("The address holds user information or blanks.")
    host = _one_spelling(parts.hostname or "")
    return Target(parts.scheme, host, port or PORTS[parts.scheme], _path(parts))


def is_public(address: Address) -> bool:
    """Global unicast, whatever it is wrapped in."""
    inner = _unwrapped(address)
    unicast = inner in GLOBAL_UNICAST if inner.version == 6 else not inner.is_multicast
    return unicast and inner.is_global


def _path(parts: SplitResult) -> str:
    path = parts.path or "/"
    return f"{path}?{parts.query}" if parts.query else path


def _one_spelling(host: str) -> str:
    """Lower case, IDNA, no dot at the end; odd numbers (octal, hexadecimal, too few parts) as an address."""
    plain = host.rstrip(".").lower()
    if ":" in plain:
        return _literal_or_refuse(plain.partition("%")[0])
    if NUMERIC_HOST.fullmatch(plain):
        try:
            return socket.inet_ntoa(socket.inet_aton(plain))
        except OSError as error:
            raise EgressRefused("The host is no address.") from error
    try:
        name = plain.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise EgressRefused("The host cannot be read.") from error
    if not HOST.fullmatch(name):
        raise EgressRefused("The host cannot be read.")
    return name


def _literal_or_refuse(host: str) -> str:
    literal = _literal(host)
    if literal is None:
        raise EgressRefused("The host is no address.")
    return str(literal)


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _unwrapped(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)


def _resolved(target: Target, patience_s: float) -> list[Address]:
    """Every address of the host, once."""
    literal = _literal(target.host)
    if literal is not None:
        return [literal]
    asked = _resolvers.submit(socket.getaddrinfo, target.host, target.port, type=socket.SOCK_STREAM)
    try:
        found = {str(row[4][0]).partition("%")[0] for row in asked.result(patience_s)}
    except (OSError, TookTooLong) as error:
        if asked.cancel():
            raise EgressBusy("Too many names are asked for at once. Try again later.") from error
        raise EgressFailed(f"{target.host} is not known to the name service.") from error
    return sorted((ipaddress.ip_address(text) for text in found), key=lambda one: (one.version, int(one)))


def _exchange(target: Target, ask: Callable[[socket.socket, Target], Answer], deadline: float) -> Answer:
    try:
        return _on_a_line(target, ask, deadline)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise EgressFailed(f"{target.host} did not answer as expected ({type(error).__name__}).") from error


def _on_a_line(target: Target, ask: Callable[[socket.socket, Target], Answer], deadline: float) -> Answer:
    lines = [_connect(target, deadline)]
    cut = threading.Timer(max(deadline - time.monotonic(), 0.01), _cut, [lines])
    cut.daemon = True
    cut.start()
    try:
        if target.scheme == "https":
            _secure(lines, target)
        answer = ask(lines[-1], target)
    finally:
        cut.cancel()
        lines[-1].close()
    if time.monotonic() > deadline:
        raise EgressFailed(f"{target.host} was too slow.")
    return answer


def _connect(target: Target, deadline: float) -> socket.socket:
    last: OSError = OSError("no address")
    for address in target.addresses:
        left = min(CONNECT_S, deadline - time.monotonic())
        if left <= 0:
            break
        try:
            line = socket.create_connection((address, target.port), left)
        except OSError as error:
            last = error
            continue
        line.settimeout(max(deadline - time.monotonic(), 0.01))
        return line
    raise last


def _secure(lines: list[socket.socket], target: Target) -> None:
    """TLS on the line, which becomes the one to be cut when the time is over: also during the handshake."""
    secured = ssl.create_default_context().wrap_socket(
        lines[-1], server_hostname=target.host, do_handshake_on_connect=False
    )
    lines.append(secured)
    secured.do_handshake()


def _ask(line: socket.socket, target: Target, body: bytes | None, headers: dict[str, str]) -> Answer:
    asking = http.client.HTTPConnection(target.host, target.port)
    asking.sock = line
    try:
        method = "GET" if body is None else "POST"
        asking.request(method, target.path, body, {"Connection": "close", **headers})
        answer = asking.getresponse()
        received = answer.read(MAX_BYTES + 1)  # does not complain of a short body itself
    finally:
        asking.close()
    if len(received) > MAX_BYTES:
        raise EgressFailed(f"{target.host} answers with more than {MAX_BYTES} bytes.")
    if answer.length:
        raise EgressFailed(f"{target.host} broke off its answer.")
    return Answer(answer.status, answer.headers.get_content_type(), received)


def _pour(line: socket.socket, target: Target, *, into: BinaryIO, most_bytes: int) -> Answer:
    asking = http.client.HTTPConnection(target.host, target.port)
    asking.sock = line
    try:
        asking.request("GET", target.path, headers={"Connection": "close", "Accept-Encoding": "identity"})
        answer = asking.getresponse()
        said = Answer(answer.status, answer.headers.get_content_type(), b"")
        if answer.status != http.client.OK:
            return said
        received = 0
        while piece := answer.read(PIECE_BYTES):
            received += len(piece)
            if received > most_bytes:
                raise EgressFailed(f"{target.host} answers with more than {most_bytes} bytes.")
            into.write(piece)
    finally:
        asking.close()
    if answer.length:
        raise EgressFailed(f"{target.host} broke off its answer.")
    return said


def _cut(lines: list[socket.socket]) -> None:
    """The time is over: whoever still waits on the line wakes up."""
    with contextlib.suppress(OSError):
        lines[-1].shutdown(socket.SHUT_RDWR)


@lru_cache(maxsize=4)
def _allowed(entries: tuple[str, ...]) -> tuple[Allowed, ...]:
    return tuple(_entry(text.strip()) for text in entries if text.strip())


def _entry(text: str) -> Allowed:
    host, port = text, None
    bracketed = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\](?::(\d{1,5}))?", text)
    single = re.fullmatch(r"([^:]+):(\d{1,5})", text)
    if found := bracketed or single:
        host, port = found[1], int(found[2]) if found[2] else None
    try:
        return Allowed(network=ipaddress.ip_network(host, strict=False), port=port)
    except ValueError:
        return Allowed(host=host.rstrip(".").lower(), port=port)
