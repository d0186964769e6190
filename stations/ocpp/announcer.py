"""Tells watchers what was committed, on a thread of its own: a broker that hangs delays no station.

Figures of an EVSE are told at most twice a second, the newest only (security L-17).
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from core import bus
from stations import live
from stations.ocpp import metrics
from stations.services.batches import Told

logger = logging.getLogger(__name__)

WAITING_MAX = 10_000
FIGURES_SECONDS = 0.5


class Announcer:
    """Bounded; what finds no room is dropped and counted, the next look at a page shows it anyway."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], Any]] = deque(maxlen=WAITING_MAX)
        self._figures: dict[UUID, Told] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._stopping = False

    def take(self, announcements: list[Callable[[], Any]], figures: Iterable[Told]) -> None:
        """Announce soon."""
        with self._lock:
            overflow = len(self._waiting) + len(announcements) - WAITING_MAX
            self._waiting.extend(announcements)
            self._figures.update((one.shown.evse_pk, one) for one in figures)
        if overflow > 0:
            metrics.count_event("announcements_dropped", overflow)
        if announcements or self._figures:
            self._start()
        if announcements:
            self._wake.set()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="ocpp-announcer", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        told_s = 0.0
        while not self._stopping:
            self._wake.wait(FIGURES_SECONDS)
            self._wake.clear()
            while self._waiting:
                self._announce(self._waiting.popleft())
            if time.monotonic() - told_s >= FIGURES_SECONDS:
                self._tell_figures()
                told_s = time.monotonic()

    def _announce(self, announcement: Callable[[], Any]) -> None:
        try:
            announcement()
        except Exception:
            logger.exception("announcer.failed")

    def _tell_figures(self) -> None:
        with self._lock:
            figures, self._figures = self._figures, {}
        bus.announce_all(
            (live.topic_of(one.station.organization_id), _message(one)) for one in figures.values()
        )


def _message(told: Told) -> bus.Message:
    shown = told.shown
    return live.figures(
        shown.evse_pk,
        station_id=told.station.station_id,
        site_id=told.station.site_id,
        power_w=shown.power_w,
        energy_wh=shown.energy_wh,
        soc_percent=shown.soc_percent,
        at=shown.at,
    )
