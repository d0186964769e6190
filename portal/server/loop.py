"""Twisted on asyncio, on uvloop where it is installed. Import it before anything else of Twisted or Daphne."""

import asyncio
import sys

from twisted.internet import asyncioreactor


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


if "twisted.internet.reactor" not in sys.modules:
    asyncioreactor.install(_new_loop())

from twisted.internet import reactor  # noqa: E402  only now is it the one installed above

__all__ = ["event_loop", "reactor"]


def event_loop() -> asyncio.AbstractEventLoop:
    """The loop that the reactor runs on."""
    loop: asyncio.AbstractEventLoop = reactor._asyncioEventloop
    return loop
