"""Riding out a database that restarts: whoever has time left waits and tries again (promises F-03, F-05)."""

import random

from django.db import InterfaceError, OperationalError, connection

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0
SHUT_DOWN, CRASHED, STARTING, TOO_MANY = "57P01", "57P02", "57P03", "53300"
AWAY = frozenset({"", SHUT_DOWN, CRASHED, STARTING, TOO_MANY})
CONNECTION = "08"


def is_lost(error: Exception) -> bool:
    """Whether the error says that the connection is gone or could not be had, not that a statement is wrong.

    The connection itself does not tell: by the time of asking, Django may have opened another one.
    """
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    raw = connection.connection
    state = getattr(error.__cause__, "sqlstate", None) or ""
    return state in AWAY or state.startswith(CONNECTION) or raw is None or bool(raw.closed or raw.broken)


def pause_s(tries: int) -> float:
    """Seconds to wait after so many tries; spread, so that a restarted database is not stormed."""
    pause: float = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(tries, 10))
    return pause * random.uniform(0.5, 1)
