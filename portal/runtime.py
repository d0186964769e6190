"""Where a running portal keeps what it was not given: servers' addresses and its own secrets.

`manage.py up` writes ``DATA_DIR/runtime.env`` (mode 0600) with the URLs of the embedded servers, and
``DATA_DIR/secrets.env`` with the keys it made. Every other command reads both, so that it finds the
servers of a running portal through the data directory alone. The environment always wins.
"""

import os
from collections.abc import Mapping
from pathlib import Path

RUNTIME_FILE = "runtime.env"
SECRETS_FILE = "secrets.env"
OWNER_COMMANDS = frozenset({"migrate", "sqlmigrate", "dbshell", "setup"})


def data_dir() -> Path:
    """The data directory (``DATA_DIR``, default ``var``), absolute; it need not exist."""
    return Path(os.environ.get("DATA_DIR") or "var").expanduser().resolve()


def settings_module() -> str:
    """The settings to run with: production, or development where ``DEBUG`` is on."""
    debug = os.environ.get("DEBUG", "").lower() in {"1", "true", "yes", "on"}
    return "portal.settings.development" if debug else "portal.settings.production"


def read_env_file(path: Path) -> dict[str, str]:
    """``KEY=value`` lines of a file made by :func:`write_env_file`; empty where there is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    pairs = (line.partition("=") for line in text.splitlines() if line and not line.startswith("#"))
    return {key: value for key, separator, value in pairs if separator}


def write_env_file(path: Path, values: Mapping[str, str]) -> None:
    """Replace the file in one step, readable by its owner only."""
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.writelines(f"{key}={value}\n" for key, value in values.items())
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def load() -> None:
    """Fill what the environment lacks from the data directory."""
    for name in (SECRETS_FILE, RUNTIME_FILE):
        for key, value in read_env_file(data_dir() / name).items():
            os.environ.setdefault(key, value)


def prepare(arguments: list[str]) -> None:
    """Take ``--data-dir`` off a command line before Django reads it, then :func:`load`.

    Commands that change the schema act as the database's owner (``DATABASE_OWNER_URL``); all others
    as the application's role, which has no DDL.
    """
    chosen = _take_data_dir(arguments)
    if chosen:
        os.environ["DATA_DIR"] = chosen
    load()
    if len(arguments) > 1 and arguments[1] in OWNER_COMMANDS and os.environ.get("DATABASE_OWNER_URL"):
        os.environ["DATABASE_URL"] = os.environ["DATABASE_OWNER_URL"]


def _take_data_dir(arguments: list[str]) -> str | None:
    for at, word in enumerate(arguments):
        if word == "--data-dir" and at + 1 < len(arguments):
            chosen = arguments[at + 1]
            del arguments[at : at + 2]
            return chosen
        if word.startswith("--data-dir="):
            del arguments[at]
            return word.partition("=")[2]
    return None
