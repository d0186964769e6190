"""Asks a station that came back without a boot for its states, once per connection, when it has settled (P041).

1.6 is asked for all states and for a boot. A 2.x station that was accepted refuses to boot again and wants
its connectors named (2.0.1 F06.FR.12 and 17).
"""

import asyncio
import heapq
import itertools
import logging
import random
from collections.abc import Sequence

from django.conf import settings

from stations.domain.words import Version
from stations.ocpp.calls import CallFailed
from stations.ocpp.context import Json
from stations.ocpp.lines import Line
from stations.ocpp.threads import DatabaseThreads
from stations.services import reconnects

logger = logging.getLogger(__name__)

BATCH = 500
CROWDED = 200
CONNECTORS_ASKED = 16


class Reconnects:
    """Sockets that will be looked at when their time has come; as many as are open."""

    def __init__(self, threads: DatabaseThreads) -> None:
        self._threads = threads
        self._due: list[tuple[float, int, Line]] = []
        self._crowded = CROWDED
        self._numbers = itertools.count()
        self._asking: set[asyncio.Task[None]] = set()

    def expect(self, line: Line) -> None:
        """A socket was opened; a station that never booted has to boot by itself."""
        if not line.socket.ever_booted:
            return
        settle_s = settings.OCPP_SETTLE_SECONDS
        due_at = asyncio.get_running_loop().time() + settle_s * random.uniform(1, 2)
        heapq.heappush(self._due, (due_at, next(self._numbers), line))
        if len(self._due) >= self._crowded:
            self._forget_left()

    async def look(self) -> None:
        """Ask those that are due and were not heard of."""
        lines = {line.socket.station_id: line for line in self._take_due()}
        if not lines:
            return
        for station_id, connectors in await self._threads.run(
            reconnects.unheard, [line.held for line in lines.values()]
        ):
            task = asyncio.create_task(_ask(lines[station_id], connectors))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    def _forget_left(self) -> None:
        """Sockets that were closed before their time give their place back."""
        self._due = [entry for entry in self._due if not entry[2].left]
        heapq.heapify(self._due)
        self._crowded = max(CROWDED, 2 * len(self._due))

    def _take_due(self) -> list[Line]:
        now = asyncio.get_running_loop().time()
        due: list[Line] = []
        while self._due and self._due[0][0] <= now and len(due) < BATCH:
            line = heapq.heappop(self._due)[2]
            if not line.left and line.call is not None:
                due.append(line)
        return due


async def _ask(line: Line, connectors: Sequence[tuple[int, int]]) -> None:
    for payload in _wanted(line.socket.version, connectors):
        if line.left or line.call is None:
            return
        try:
            await line.call("TriggerMessage", payload)
        except CallFailed as failed:
            logger.info("ocpp.trigger_failed", extra={"station": line.socket.identity, "cause": failed.code})
            return


def _wanted(version: Version, connectors: Sequence[tuple[int, int]]) -> list[Json]:
    if version is Version.V16:
        return [{"requestedMessage": "StatusNotification"}, {"requestedMessage": "BootNotification"}]
    return [
        {"requestedMessage": "StatusNotification", "evse": {"id": evse_id, "connectorId": connector_id}}
        for evse_id, connector_id in connectors[:CONNECTORS_ASKED]
    ]
