"""The listening side of the FTP door, with its bounds."""

from dataclasses import dataclass
from typing import Any

from OpenSSL import SSL
from pyftpdlib.servers import ThreadedFTPServer

from portal.ftp.session import SecureSession, Session

TOO_OLD = SSL.OP_NO_SSLv2 | SSL.OP_NO_SSLv3 | SSL.OP_NO_TLSv1 | SSL.OP_NO_TLSv1_1 | SSL.OP_NO_COMPRESSION


class CannotServe(Exception):
    """A setting that does not fit, or nobody can listen there; the text names the next step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """``passive_ports`` as in ``50000-50099``; ``passive_address`` is what stations are told behind a NAT."""

    host: str
    port: int
    passive_ports: str = ""
    passive_address: str = ""
    certificate: str = ""
    key: str = ""
    connections: int = 50
    connections_per_address: int = 10
    idle_s: int = 60


def make(listening: Listening) -> ThreadedFTPServer:
    """A server that listens; ``serve_forever`` serves. Raises :class:`CannotServe`."""
    handler = _handler(listening)
    try:
        server = ThreadedFTPServer((listening.host, listening.port), handler)
    except (OSError, SSL.Error) as error:
        raise CannotServe(
            f"FTP cannot be served on {listening.host}, port {listening.port}: {error}. Look at FTP_PORT, "
            "FTP_CERTIFICATE and FTP_KEY."
        ) from error
    server.max_cons = listening.connections - 1  # the library lets one more in
    server.max_cons_per_ip = listening.connections_per_address
    return server


def _handler(listening: Listening) -> type[Session]:
    """A class of its own, as the library keeps settings on classes."""
    settings: dict[str, Any] = {
        "passive_ports": _ports(listening.passive_ports),
        "timeout": listening.idle_s,
        "masquerade_address": listening.passive_address or None,
    }
    if not listening.certificate:
        return type("PlainSession", (Session,), settings)
    settings |= {
        "certfile": listening.certificate,
        "keyfile": listening.key or None,
        "ssl_options": TOO_OLD,
        "ssl_context": None,
    }
    return type("TlsSession", (SecureSession,), settings)


def _ports(text: str) -> range | None:
    """Raises :class:`CannotServe` for what is no range of ports; empty: any free port."""
    if not text:
        return None
    first, _, last = text.partition("-")
    if not (first.isdecimal() and (last or first).isdecimal()):
        raise CannotServe(f"FTP_PASSIVE_PORTS is a range as in 50000-50099, not {text}.")
    ports = range(int(first), int(last or first) + 1)
    if not ports or ports[0] < 1024 or ports[-1] > 65535:
        raise CannotServe(f"FTP_PASSIVE_PORTS lie between 1024 and 65535, the lower one first, not {text}.")
    return ports
