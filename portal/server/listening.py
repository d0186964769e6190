"""Sockets to listen on, and the start of it all."""

import contextlib
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from twisted.internet import tcp, unix
from twisted.logger import globalLogBeginner

from portal.server.core import Application, Server
from portal.server.drain import Drain
from portal.server.loop import event_loop, reactor
from portal.server.options import Options
from portal.server.transports import TcpConnection, UnixConnection

logger = logging.getLogger("portal.server")

BACKLOG = 4_096
UNIX_MODE = 0o660
Watch = Callable[[Server], Awaitable[None]]


class CannotListen(Exception):
    """The address is taken or not ours; the text is one line for a person."""


def tcp_socket(host: str, port: int, *, reuse_port: bool) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]") or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise CannotListen(f"Cannot listen on {host}: {error.strerror}.") from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse_port:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotListen(
            f"Cannot listen on {host}:{port}: {error.strerror}. Choose another --port."
        ) from error
    return listener


def unix_socket(path: str) -> socket.socket:
    """A socket that its owner and group may use (S-21). A stale one is replaced, one in use is not."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if _answers(path):
        listener.close()
        raise CannotListen(f"Cannot listen on {path}: another process does.")
    before = os.umask(0o777 ^ UNIX_MODE)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        listener.bind(path)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotListen(f"Cannot listen on {path}: {error.strerror}.") from error
    finally:
        os.umask(before)
    return listener


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
        return True


def run(
    application: Application,
    *,
    on_ready: Callable[[Sequence[str]], None] | None = None,
    on_drain: Callable[[], None] | None = None,
    on_exit: Callable[[], Awaitable[None]] | None = None,
    watches: Sequence[Watch] = (),
    **options: Any,
) -> None:
    """Serve until a signal. Raises `CannotListen`.

    `on_ready` is told the addresses; `on_drain` is called when the end begins and `on_exit` when the last
    connection is gone; `watches` run beside the server as long as it does. Options: :class:`Options`.
    """
    server = Server(application, Options(**options))
    listeners = _listeners(server.options)
    globalLogBeginner.beginLoggingTo([_log_failure], redirectStandardIO=False, discardBuffer=True)
    ports = [_adopt(listener, server) for listener in listeners]
    Drain(server, lambda now: _stop(ports) if now else None, on_drain, on_exit).install()
    addresses = [_address(port) for port in ports]
    logger.info("server.listening", extra={"addresses": addresses, "sockets_at_most": server.options.sockets})
    event_loop().call_soon(server.cut_late_headers)
    running = [event_loop().create_task(watch(server)) for watch in watches]
    if on_ready is not None:
        event_loop().call_soon(on_ready, addresses)
    reactor.run(installSignalHandlers=False)
    for task in running:
        task.cancel()
    if server.options.unix_path:
        with contextlib.suppress(OSError):
            os.unlink(server.options.unix_path)


def _log_failure(event: dict[str, Any]) -> None:
    """Of what Twisted logs, only the exceptions that nobody caught."""
    if failure := event.get("log_failure"):
        logger.error("server.failure", exc_info=(failure.type, failure.value, failure.getTracebackObject()))


def _listeners(options: Options) -> list[socket.socket]:
    chosen = []
    if options.unix_path:
        chosen.append(unix_socket(options.unix_path))
    if options.port is not None:
        chosen.append(tcp_socket(options.host, options.port, reuse_port=options.reuse_port))
    if not chosen:
        raise CannotListen("Nothing to listen on: give a port or the path of a UNIX socket.")
    return chosen


def _adopt(listener: socket.socket, server: Server) -> Any:
    """Hand a listening socket to the reactor, which duplicates it."""
    listener.setblocking(False)
    with listener:
        if listener.family == socket.AF_UNIX:
            port = unix.Port._fromListeningDescriptor(reactor, listener.fileno(), server.factory)
            port.mode, port.backlog, port.transport = UNIX_MODE, BACKLOG, UnixConnection
        else:
            port = tcp.Port._fromListeningDescriptor(
                reactor, listener.fileno(), listener.family, server.factory
            )
            port.transport = TcpConnection
        port.startListening()
    return port


def _stop(ports: list[Any]) -> None:
    while ports:
        ports.pop().stopListening()


def _address(port: Any) -> str:
    host = port.getHost()
    name = getattr(host, "name", None)
    return f"{host.host}:{host.port}" if name is None else os.fsdecode(name)
