"""Turns of background work that comes round again: short, and what stumbles keeps nothing else from its turn."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from django.db import connection

logger = logging.getLogger(__name__)


class Keyed(Protocol):
    """A row with its key."""

    @property
    def pk(self) -> Any: ...


Row = TypeVar("Row", bound=Keyed)

TURN_S = 20.0
"""How long a regular task goes on before it leaves the rest to its next turn."""


def repeat(step: Callable[[], bool], turn_s: float = math.inf, *, most: float = math.inf) -> int:
    """Take one step after another until it finds nothing, so many are done or the time is up; how many were done."""
    deadline, done = time.monotonic() + turn_s, 0
    while done < most and time.monotonic() < deadline and step():
        done += 1
    return done


def through(due: Callable[[set[Any]], Sequence[Row]], work: Callable[[Sequence[Row]], int]) -> int:
    """Work on what is due, some rows after others and each once, until none is left or the turn is over; the sum.

    ``due`` gets the keys of the rows that had their turn, so that rows which stay due hold up no others.
    """
    deadline, done, count = time.monotonic() + TURN_S, set[Any](), 0
    while time.monotonic() < deadline and (rows := due(done)):
        count += work(rows)
        done.update(row.pk for row in rows)
    return count


def guarded(what: object, work: Callable[[], int]) -> int:
    """What ``work`` did; nothing where it stumbled, which is logged and tried again at the next turn.

    Without a database no other work would fare better: its error goes on to the caller.
    """
    try:
        return work()
    except Exception:  # whatever it is, the others go on
        if not connection.is_usable():
            raise
        logger.exception("turn.stumbled", extra={"what": str(what)})
        return 0
