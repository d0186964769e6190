"""Waiting for facts with a deadline, never by sleeping a fixed time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(look: Callable[[], T], *, within_s: float = 5.0, what: str = "") -> T:
    """The first truthy answer of ``look``; fails when the time is over. Assertions in it count as no."""
    deadline = time.monotonic() + within_s
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = look()
        except AssertionError as error:
            last = error
        else:
            if last:
                return last  # type: ignore[return-value]
        time.sleep(0.02)
    raise AssertionError(f"not within {within_s} s: {what or look.__name__}; last seen: {last!r}")
