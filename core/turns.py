"""Turns of background work that comes round again: short, so that the next task need not wait long for its own."""

import math
import time
from collections.abc import Callable

TURN_S = 20.0
"""How long a regular task goes on before it leaves the rest to its next turn."""


def repeat(step: Callable[[], bool], turn_s: float = math.inf, *, most: float = math.inf) -> int:
    """Take one step after another until it finds nothing, so many are done or the time is up; how many were done."""
    deadline, done = time.monotonic() + turn_s, 0
    while done < most and time.monotonic() < deadline and step():
        done += 1
    return done
