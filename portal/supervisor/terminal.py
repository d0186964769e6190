"""What a person sees of `up`: one line per step with its time, then where to go."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def say(text: str, end: str = "\n") -> None:
    """Print a line; a terminal that has gone away does not end the portal."""
    with suppress(OSError):
        sys.stdout.write(f"{text}{end}")
        sys.stdout.flush()


@contextmanager
def step(title: str) -> Iterator[None]:
    """Print the title, do it, print how long it took."""
    say(f"  {title:<46}", end="")
    began = time.monotonic()
    try:
        yield
    except BaseException:
        say("")
        raise
    say(f"{time.monotonic() - began:6.1f} s")
