"""Upgrade requests byte by byte: what is sent is under the test's control, what comes back is shown as it is."""

import base64
import itertools
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from stations.models import ChargingStation, Connection
from tests.waiting import eventually
from tests.wire.client import WireStation, basic, dial, wire_password

TIMEOUT_S = 10.0
_addresses = itertools.count(1)
Headers = Sequence[tuple[str, str]]


@dataclass
class Reply:
    """The answer to one upgrade request; the connection is closed."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        values = self.all(name)
        return values[0] if values else None

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


Login = tuple[str, str | bytes]


def knock(
    url: str,
    path: str,
    *,
    login: Login | None = None,
    offer: str | None = "ocpp1.6",
    headers: Headers = (),
    address: str = "127.0.0.1",
) -> Reply:
    """Ask for an upgrade at ``url`` + ``path`` (taken literally), from a loopback address; then hang up."""
    with begin(url, path, address, login=login, offer=offer, headers=headers) as line:
        return read_reply(line)[0]


def begin(
    url: str,
    path: str,
    address: str,
    *,
    login: Login | None = None,
    offer: str | None = "ocpp1.6",
    headers: Headers = (),
) -> socket.socket:
    """Send the request; the answer is still to be read."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    line = socket.create_connection((parts.hostname, parts.port), TIMEOUT_S, (address, 0))
    host = f"{parts.hostname}:{parts.port}"
    line.sendall(request_head(host, f"{parts.path}{path}", login=login, offer=offer, headers=headers))
    return line


def request_head(
    host: str, path: str, *, login: Login | None = None, offer: str | None, headers: Headers = ()
) -> bytes:
    """A whole upgrade request; path and headers are taken literally."""
    all_headers = [
        ("Host", host),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", base64.b64encode(os.urandom(16)).decode()),
        *([] if login is None else [("Authorization", basic(*login))]),
        *([] if offer is None else [("Sec-WebSocket-Protocol", offer)]),
        *headers,
    ]
    head = "".join(f"{name}: {value}\r\n" for name, value in all_headers)
    return f"GET {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1")


def read_reply(line: socket.socket) -> tuple[Reply, bytes]:
    """The answer to the request, and what came behind it."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += (chunk := line.recv(65536))
        assert chunk, f"the server closed the connection after {received!r}"
    head, _, body = received.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = [(name, value.strip()) for name, _, value in (text.partition(":") for text in lines)]
    length = int(next((value for name, value in headers if name.lower() == "content-length"), "0"))
    while len(body) < length:
        body += line.recv(65536)
    return Reply(int(status_line.split()[1]), headers, body[:length]), body[length:]


def next_address() -> str:
    """A loopback address that no other test has, since limits count per address."""
    number = next(_addresses)
    return f"127.1.{number // 250}.{number % 250 + 1}"


@dataclass
class Charger:
    """A station with its password and the way to the server."""

    url: str
    station: ChargingStation
    password: str
    address: str

    @property
    def path(self) -> str:
        return f"/{self.station.identity}"

    def login(self, version: str = "1.6") -> tuple[str, bytes]:
        return self.station.identity, wire_password(self.password, version)

    def knock(self, *, version: str = "1.6", path: str = "", **options: Any) -> Reply:
        options = {
            "login": self.login(version),
            "offer": f"ocpp{version}",
            "address": self.address,
            **options,
        }
        return knock(self.url, path or self.path, **options)

    def dial(self, version: str = "1.6", **options: Any) -> WireStation:
        options.setdefault("source_address", (self.address, 0))
        return dial(self.url, self.station, self.password, version, **options)

    def set(self, **values: object) -> None:
        ChargingStation.objects.filter(pk=self.station.pk).update(**values)

    def refusals(self) -> list[Connection]:
        found = Connection.objects.filter(station=self.station, outcome="refused")
        eventually(found.exists)
        return list(found)
