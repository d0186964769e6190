"""What must hold before anything is started: a data directory of our own, room on the disk, a free port."""

import errno
import fcntl
import os
import shutil
import socket
import tempfile
import time
from pathlib import Path
from typing import IO

from portal.embedded import ServerFailed
from portal.supervisor.options import Options

LOCK_FILE = "up.lock"
PORT_PATIENCE_S = 1.0
ROOM_FIRST = 250_000_000
ROOM_AGAIN = 50_000_000


def claim(options: Options, url: str) -> IO[str]:
    """Lock the data directory for as long as the file stays open; the kernel frees it at our death.

    Raises :class:`ServerFailed` where another `up` runs on it or it cannot be written.
    """
    path = options.data_dir
    try:
        path.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        lock = (path / LOCK_FILE).open("a+", encoding="utf-8")
        tempfile.TemporaryFile(dir=path).close()
    except FileExistsError as error:
        raise ServerFailed(f"The data directory {path} is a file.") from error
    except OSError as error:
        raise ServerFailed(f"The data directory {path} cannot be written: {error.strerror}.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ServerFailed(f"Chargeyard already runs on {path}: {_holder(lock)}.") from None
    lock.truncate(0)
    lock.write(f"process {os.getpid()}, {url}\n")
    lock.flush()
    return lock


def is_claimed(data_dir: Path) -> bool:
    """Whether a portal runs on the directory."""
    try:
        with (data_dir / LOCK_FILE).open("r", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def check_room(path: Path) -> None:
    """Raises :class:`ServerFailed` when the disk is too full for a database to start or grow."""
    needed = ROOM_AGAIN if (path / "postgres").exists() else ROOM_FIRST
    free = shutil.disk_usage(path).free
    if free < needed:
        raise ServerFailed(
            f"The disk is full: {free // 1_000_000} MB are left at {path}, {needed // 1_000_000} MB are needed."
        )


def check_port(host: str, port: int) -> None:
    """Raises :class:`ServerFailed` when nobody could listen there.

    A moment is given to the port, as the kernel closes that of a killed portal shortly after its end.
    """
    patience_ends_at = time.monotonic() + PORT_PATIENCE_S
    while trouble := _try_to_listen(host, port):
        if trouble.errno != errno.EADDRINUSE or time.monotonic() > patience_ends_at:
            raise ServerFailed(_port_trouble(trouble, host, port)) from trouble
        time.sleep(0.1)


def _try_to_listen(host: str, port: int) -> OSError | None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        return error
    return None


def _port_trouble(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is in use by another program; choose another one with --port."
    if error.errno == errno.EACCES:
        return f"Port {port} may be opened by root only; choose one above 1023 with --port."
    return f"Cannot listen on {host}, port {port}: {error.strerror}."


def _holder(lock: IO[str]) -> str:
    lock.seek(0)
    return lock.read().strip() or "another process, just starting"
