"""Addresses and secrets of a portal that was not given any: made once, kept in the data directory."""

import base64
import os
import secrets
import socket
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path

import psutil

from portal import runtime
from portal.embedded import ServerFailed
from portal.supervisor.options import Options

SERVERS_FILE = "servers.env"
ANY_ADDRESS = {"0.0.0.0", "::"}
LOOPBACK = ["localhost", "127.0.0.1", "[::1]"]


def public_url(options: Options) -> str:
    """``PUBLIC_URL`` when given, else from host and port."""
    given = os.environ.get("PUBLIC_URL", "").rstrip("/")
    if given and not (given.startswith(("http://", "https://")) and _host_of(given)):
        raise ServerFailed(
            f"PUBLIC_URL is an address with its scheme, as in https://portal.example.org, not {given}"
        )
    return given or f"http://{_in_url(_reachable_as(options.host))}:{options.port}"


def allowed_hosts(options: Options, url: str) -> str:
    """``ALLOWED_HOSTS`` when given, else all names and addresses under which this host is reached.

    The host of the public address is always among them.
    """
    given = os.environ.get("ALLOWED_HOSTS", "")
    names = [*(given.split(",") if given else _own_names(options.host)), _host_of(url)]
    return ",".join(dict.fromkeys(name for name in names if name))


def is_exposed(options: Options, url: str) -> bool:
    """Whether plain http leaves this machine."""
    return url.startswith("http://") and not _is_loopback(options.host)


def portal_secrets(data_dir: Path) -> dict[str, str]:
    """The portal's own keys, made at the first start and then never again; the environment wins.

    Raises :class:`ServerFailed` where they are gone and a database is there, whose secrets new ones do not open.
    """
    _refuse_lost_keys(data_dir)
    return _keep(
        data_dir / runtime.SECRETS_FILE,
        {
            "SECRET_KEY": lambda: secrets.token_urlsafe(50),
            "DATA_KEYS": lambda: f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        },
    )


def _refuse_lost_keys(data_dir: Path) -> None:
    path = data_dir / runtime.SECRETS_FILE
    kept = runtime.read_env_file(path)
    lost = [name for name in ("SECRET_KEY", "DATA_KEYS") if name not in kept and not os.environ.get(name)]
    if lost and not os.environ.get("DATABASE_URL") and (data_dir / "postgres" / "PG_VERSION").exists():
        raise ServerFailed(
            f"{path} lacks {' and '.join(lost)}, and new ones would not fit the database beside it: "
            "restore the file from the backup, or pass SECRET_KEY and DATA_KEYS."
        )


def server_passwords(data_dir: Path) -> dict[str, str]:
    """Passwords between the portal and its embedded servers: ``owner``, ``app``, ``valkey``."""
    names = ("owner", "app", "valkey")
    return _keep(data_dir / SERVERS_FILE, dict.fromkeys(names, lambda: secrets.token_hex(24)))


def _keep(path: Path, makers: Mapping[str, Callable[[], str]]) -> dict[str, str]:
    kept = runtime.read_env_file(path)
    missing = {name: make() for name, make in makers.items() if name not in kept and not os.environ.get(name)}
    if missing:
        kept |= missing
        runtime.write_env_file(path, kept)
    return kept


def _own_names(host: str) -> list[str]:
    if host in ANY_ADDRESS:
        return [*LOOPBACK, socket.gethostname(), socket.getfqdn(), *map(_in_url, _addresses())]
    return [*LOOPBACK, _in_url(host)]


def _host_of(url: str) -> str:
    """The host of an address, an IPv6 one in its brackets."""
    own = url.partition("://")[2].partition("/")[0]
    return own if own.endswith("]") else own.rpartition(":")[0] or own


def _reachable_as(host: str) -> str:
    if host not in ANY_ADDRESS:
        return host
    outward = [address for address in _addresses() if not _is_loopback(address) and ":" not in address]
    return outward[0] if outward else "127.0.0.1"


def _addresses() -> list[str]:
    families = (socket.AF_INET, socket.AF_INET6)
    found = [entry for entries in psutil.net_if_addrs().values() for entry in entries]
    return [entry.address for entry in found if entry.family in families and "%" not in entry.address]


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
