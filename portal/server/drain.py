"""The end of a process: sockets closed over a spread, requests finished, then out (M-12)."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from types import FrameType

from portal.server.core import Server
from portal.server.loop import event_loop, reactor

logger = logging.getLogger("portal.server")

RESTART, SHUTDOWN = 1012, 1001
REASONS = {RESTART: "service restart", SHUTDOWN: "going away"}
LOOK_EVERY_S = 0.05
STEP_S = 4  # what each hook at the end may take


class Drain:
    """SIGTERM: close code 1012 over the spread. SIGINT: 1001, at once. A second of either ends the process."""

    def __init__(
        self,
        server: Server,
        stop_listening: Callable[[bool], None],
        on_drain: Callable[[], None] | None,
        on_exit: Callable[[], Awaitable[None]] | None,
    ) -> None:
        self._server = server
        self._stop_listening = stop_listening
        self._on_drain = on_drain
        self._on_exit = on_exit
        self._begun = False
        self._task: asyncio.Task[None] | None = None

    def install(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        if self._begun:
            os._exit(128 + number)
        self._begun = True
        code = SHUTDOWN if number == signal.SIGINT else RESTART
        event_loop().call_soon_threadsafe(self._begin, code)

    def _begin(self, code: int) -> None:
        options = self._server.options
        spread_s = options.shutdown_spread_s if code == SHUTDOWN else options.drain_spread_s
        logger.info("server.draining", extra={"sockets": len(self._server.sockets), "spread_s": spread_s})
        last_resort = threading.Timer(spread_s + options.exit_s, os._exit, (0,))
        last_resort.daemon = True
        last_resort.start()
        self._server.draining = self._server.refusing = True
        if self._on_drain is not None:
            self._on_drain()
        self._stop_listening(options.reuse_port)
        self._server.close_sockets(code, REASONS[code], spread_s)
        self._server.end_streams(spread_s)
        self._task = event_loop().create_task(self._finish(spread_s + options.exit_s))

    async def _finish(self, within_s: float) -> None:
        deadline = event_loop().time() + within_s - STEP_S
        while self._busy() and event_loop().time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_EVERY_S)  # at the end only; no count is kept for it while serving
        self._stop_listening(True)
        try:
            if self._on_exit is not None:
                await self._run_last(self._on_exit)
        finally:
            reactor.stop()

    def _busy(self) -> bool:
        return bool(self._server.sockets or self._server.connections)

    async def _run_last(self, hook: Callable[[], Awaitable[None]]) -> None:
        try:
            await asyncio.wait_for(hook(), STEP_S)
        except TimeoutError:
            logger.warning("server.last_step_cut", extra={"after_s": STEP_S})
