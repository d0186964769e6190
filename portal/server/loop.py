"""Twisted on asyncio, on uvloop where it is installed. Import it before anything else of Twisted or Daphne."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.main import installReactor


class Reactor(AsyncioSelectorReactor):
    """Calls readers and writers without Twisted's logging context, which costs more than parsing a frame."""

    def addReader(self, reader: Any) -> None:
        self._watch(self._readers, reader, self._asyncioEventloop.add_reader, is_read=True)

    def addWriter(self, writer: Any) -> None:
        self._watch(self._writers, writer, self._asyncioEventloop.add_writer, is_read=False)

    def _watch(self, known: dict[Any, int], end: Any, add: Callable[..., None], *, is_read: bool) -> None:
        if end not in known:
            descriptor = end.fileno()
            add(descriptor, self._readOrWrite, end, is_read)
            known[end] = descriptor


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


if "twisted.internet.reactor" not in sys.modules:
    installReactor(Reactor(_new_loop()))

from twisted.internet import reactor  # noqa: E402  only now is it the one installed above

__all__ = ["event_loop", "reactor"]


def event_loop() -> asyncio.AbstractEventLoop:
    """The loop that the reactor runs on."""
    loop: asyncio.AbstractEventLoop = reactor._asyncioEventloop
    return loop
