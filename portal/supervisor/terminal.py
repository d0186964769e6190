"""What a person sees of `up`: one line per step with its time, then where to go."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@contextmanager
def step(title: str) -> Iterator[None]:
    """Print the title, do it, print how long it took."""
    sys.stdout.write(f"  {title:<46}")
    sys.stdout.flush()
    began = time.monotonic()
    try:
        yield
    except BaseException:
        say("")
        raise
    say(f"{time.monotonic() - began:6.1f} s")
