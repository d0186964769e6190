"""Turns of background work that comes round again: short, and what stumbles keeps nothing else from its turn."""

import logging
import math
import time
from collections.abc import Callable

from django.db import connection

logger = logging.getLogger(__name__)

TURN_S = 20.0
"""How long a regular task goes on before it leaves the rest to its next turn."""


def repeat(step: Callable[[], bool], turn_s: float = math.inf, *, most: float = math.inf) -> int:
    """Take one step after another until it finds nothing, so many are done or the time is up; how many were done."""
    deadline, done = time.monotonic() + turn_s, 0
    while done < most and time.monotonic() < deadline and step():
        done += 1
    return done


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
