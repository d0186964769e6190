"""Signs of life of one socket: when the station was last heard of, and how its clock goes (P112)."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from stations.domain.events import ReadingsReported
from stations.ocpp.context import Socket
from stations.ocpp.ingest import Ingest
from stations.ocpp.routing import Fact

WRITE_EVERY_S = 5.0


class Vitals:
    """Any frame is a sign of life; it is written down every few seconds."""

    __slots__ = ("_drift_ms", "_ingest", "_loop", "_socket", "_written_s")

    def __init__(self, socket: Socket, ingest: Ingest) -> None:
        self._socket = socket
        self._ingest = ingest
        self._loop = asyncio.get_running_loop()
        self._written_s = 0.0
        self._drift_ms: int | None = None

    def seen(self, received_at: datetime) -> None:
        now_s = self._loop.time()
        if now_s - self._written_s >= WRITE_EVERY_S:
            self._written_s = now_s
            self._ingest.seen(self._socket.station_id, self._socket.epoch, received_at, self._drift_ms)
            self._drift_ms = None

    def note_drift(self, facts: Sequence[Fact], received_at: datetime) -> None:
        """How far the station's clock is ahead, by the freshest message: a queued one only looks late."""
        for fact in facts:
            occurred_at = _time_of(fact)
            if occurred_at is not None:
                drift_ms = int((occurred_at - received_at).total_seconds() * 1000)
                self._drift_ms = drift_ms if self._drift_ms is None else max(self._drift_ms, drift_ms)


def _time_of(fact: Fact) -> datetime | None:
    if isinstance(fact, ReadingsReported):
        return fact.samples[-1].occurred_at if fact.samples else None
    return fact.stamp.occurred_at if fact.stamp.as_sent else None
