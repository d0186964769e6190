"""Facts whose rows somebody else holds: set aside, so that the group commit goes on for all others (P063).

What waits here keeps the order of its station: later facts of the same station wait behind it. A thread that
lives while something waits tries again until the handler deadline; what was not stored by then is refused,
and the station sends it again. It never works on a station of which the group commit has facts in hand.
"""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from uuid import UUID

from django.conf import settings
from django.db import connections

from stations.ocpp import metrics, threads
from stations.services.batches import Blocked, Item, Outcome, Writer
from stations.services.batches.items import Log

ITEMS_MAX = 4000
AT_ONCE = 500
PATIENCE_S = 0.2

Tell = Callable[[Sequence[Item], Outcome], None]


class Aside:
    """``tell`` is called on the waiting thread with what was stored or given up."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._queues: OrderedDict[UUID, deque[Item]] = OrderedDict()
        self._count = self._bytes = 0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._writing_since: float | None = None
        self._wrapper: object | None = None
        metrics.watch("facts_set_aside", lambda: self._count)

    @property
    def count(self) -> int:
        return self._count

    @property
    def bytes(self) -> int:
        return self._bytes

    def follows(self, item: Item) -> bool:
        """Whether earlier facts of its station wait here; then it waits behind them."""
        if not self._queues or not item.facts:
            return False
        with self._lock:
            if item.station.station_id not in self._queues:
                return False
            self._append(item)
            return True

    def put(self, items: Sequence[Item]) -> None:
        """Try these again, in their order, until they are stored or too old."""
        metrics.count_event("facts_set_aside", len(items))
        with self._lock:
            for item in items:
                self._append(item)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ocpp-aside", daemon=True)
                self._thread.start()

    def wait(self, timeout_s: float) -> None:
        """Until nothing waits any more, or that long."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    def cut_if_stuck(self, now_s: float, after_s: float) -> None:
        """Free the thread where it waits on a line that is dead (F-05)."""
        if self._writing_since is not None and now_s - self._writing_since > after_s:
            self._writing_since = now_s
            metrics.count_event("writer_cut", threads.cut(self._wrapper))

    def _append(self, item: Item) -> None:
        self._queues.setdefault(item.station.station_id, deque()).append(item)
        self._count += 1
        self._bytes += len(item.row)

    # -- on the waiting thread ------------------------------------------------------------------------

    def _run(self) -> None:
        writer = Writer(patience_s=PATIENCE_S)
        self._wrapper = connections["default"]
        while batch := self._next():
            self._writing_since = time.monotonic()
            outcome = writer.store(batch, Log())
            self._writing_since = None
            self._settle(batch, outcome)
        writer.close()

    def _next(self) -> list[Item]:
        """The oldest of each station, as many as fit; the thread ends where nothing is left."""
        with self._lock:
            batch = [item for queue in self._queues.values() for item in queue][:AT_ONCE]
            if not batch:
                self._thread = None
            return batch

    def _settle(self, batch: Sequence[Item], outcome: Outcome) -> None:
        """Let go of what is stored, refused or too old; stations that are still blocked go to the end."""
        too_old_s = time.monotonic() - settings.OCPP_HANDLER_DEADLINE
        done: list[Item] = []
        errors: list[Exception | None] = []
        with self._lock:
            for item, error in zip(batch, outcome.errors, strict=True):
                key = item.station.station_id
                if isinstance(error, Blocked) and item.arrived_s > too_old_s:
                    self._queues.move_to_end(key)
                    continue
                self._remove(key, item)
                done.append(item)
                errors.append(error)
        self._tell(done, Outcome(errors, outcome.announcements, outcome.figures))

    def _remove(self, key: UUID, item: Item) -> None:
        queue = self._queues[key]
        queue.remove(item)
        if not queue:
            del self._queues[key]
        self._count -= 1
        self._bytes -= len(item.row)
