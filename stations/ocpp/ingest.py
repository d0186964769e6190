"""The group commit of this process: facts of all its stations go to the database together (DESIGN section 5).

One thread writes; while it commits, the next batch gathers. With little to do it commits at once, under load
it waits a few milliseconds for more. Facts push back on the sockets when too many wait; log rows give way,
oldest first, and are counted. Facts that need a row which somebody else holds are set aside (``aside.py``).
"""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import connections

from stations.ocpp import metrics, threads
from stations.ocpp.announcer import Announcer
from stations.ocpp.aside import Aside
from stations.services.batches import Blocked, Item, Outcome, Seen, Writer
from stations.services.batches.items import Log

ITEMS_MAX = 4000
BYTES_MAX = 64 * 1024 * 1024
BATCH_MAX = 1000
PATIENCE_S = 0.2
STUCK_S = 30.0
LOG_ROWS_MAX = 20_000
LOG_BYTES_MAX = 64 * 1024 * 1024
LOG_ROWS_AT_ONCE = 500
LOG_SECONDS = 0.5
BUSY_FROM = 4
WINDOW_PER_ITEM_S = 0.0005
WINDOW_MAX_S = 0.02


class Ingest:
    """``submit`` and ``log`` belong to the event loop; the writing thread is started by the first of them."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._rows: deque[str] = deque()
        # Bytes that came, and bytes that were taken: each counted by one thread, so that no lock is needed.
        self._items_in = self._items_out = 0
        self._rows_in = self._rows_out = 0
        self._idle = False
        self._seen: dict[UUID, Seen] = {}
        self._refusals: dict[UUID, int] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._writing_since: float | None = None
        self._connection: Any = None
        self._stopping = False
        self._resume: dict[Callable[[], None], None] = {}
        self._announcer = Announcer()
        self._aside = Aside(self._hand_over)
        metrics.watch("facts_waiting", lambda: len(self._items))
        metrics.watch("log_rows_waiting", lambda: len(self._rows))

    # -- on the event loop ----------------------------------------------------------------------------

    @property
    def full(self) -> bool:
        aside = self._aside
        bytes_waiting = self._items_in - self._items_out + aside.bytes
        return len(self._items) >= ITEMS_MAX or aside.count >= ITEMS_MAX or bytes_waiting >= BYTES_MAX

    def when_room(self, resume: Callable[[], None]) -> None:
        """Call back once, after the next batch, however often it is asked."""
        self._resume[resume] = None

    def submit(self, item: Item) -> None:
        """Write with the next batch; ``item.done`` is called on the loop after the commit."""
        item.arrived_s = time.monotonic()
        self._items.append(item)
        self._items_in += len(item.row)
        if self._thread is None or not self._thread.is_alive():
            self._start()
        if self._idle:
            self._idle = False  # one call wakes it, whatever comes before it is awake
            self._wake.set()

    def log(self, row: str) -> None:
        """Write within a second. The oldest rows give way when too many wait."""
        self._rows.append(row)
        self._rows_in += len(row)
        while len(self._rows) > LOG_ROWS_MAX or self._rows_in - self._rows_out > LOG_BYTES_MAX:
            self._drop_oldest()
        if self._thread is None:
            self._start()
        elif self._idle and len(self._rows) >= LOG_ROWS_AT_ONCE:
            self._wake.set()

    def seen(self, station_id: UUID, epoch: int, at: datetime, drift_ms: int | None) -> None:
        """The station was heard of; written with the log."""
        with self._lock:
            self._seen[station_id] = Seen(epoch, at, drift_ms)

    def refused(self, station_id: UUID) -> None:
        """A message of the station was refused by its schema; counted with the log."""
        with self._lock:
            self._refusals[station_id] = self._refusals.get(station_id, 0) + 1

    def cut_if_stuck(self) -> None:
        """Free the writers where they wait on a line that is dead (F-05); to be called now and then."""
        now_s = time.monotonic()
        self._aside.cut_if_stuck(now_s, STUCK_S)
        if self._writing_since is not None and now_s - self._writing_since > STUCK_S:
            self._writing_since = now_s
            metrics.count_event("writer_cut", threads.cut(self._connection))

    def stop(self, timeout_s: float = 5.0) -> None:
        """Write what waits and end (promises M-12)."""
        thread = self._thread
        if thread is None:
            return
        self._stopping = True
        self._wake.set()
        thread.join(timeout_s)
        self._aside.wait(timeout_s)
        self._announcer.stop()
        self._thread = None
        self._stopping = False

    def _start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="ocpp-ingest", daemon=True)
        self._thread.start()

    def _drop_oldest(self) -> None:
        with contextlib.suppress(IndexError):  # the writer has just taken them all
            self._rows_in -= len(self._rows.popleft())
            metrics.count_event("log_rows_dropped")

    def _tell(self, batch: Sequence[Item], errors: Sequence[Exception | None]) -> None:
        for item, error in zip(batch, errors, strict=True):
            item.done(error)
        waiting, self._resume = self._resume, {}
        for resume in waiting:
            resume()

    # -- on the writing thread ------------------------------------------------------------------------

    def _run(self) -> None:
        writer = Writer(patience_s=PATIENCE_S)
        self._connection = connections["default"]
        last_size = 0
        flushed_s = time.monotonic()
        while True:
            self._await_work(flushed_s, last_size)
            batch = self._take_items()
            log = self._take_log(bool(batch) or self._is_log_due(flushed_s))
            if batch or log:
                self._write(writer, batch, log)
            if log or not self._rows:
                flushed_s = time.monotonic()
            last_size = len(batch)
            if self._stopping and not self._items and not self._rows:
                writer.close()
                return

    def _await_work(self, flushed_s: float, last_size: int) -> None:
        self._idle = True
        if not self._items and not self._stopping:
            self._wake.wait(max(0.0, flushed_s + LOG_SECONDS - time.monotonic()))
        self._idle = False
        self._wake.clear()
        if not self._stopping and (wait_s := window_s(last_size)):
            time.sleep(wait_s)

    def _is_log_due(self, flushed_s: float) -> bool:
        late = time.monotonic() >= flushed_s + LOG_SECONDS
        return late or self._stopping or len(self._rows) >= LOG_ROWS_AT_ONCE

    def _take_items(self) -> list[Item]:
        batch = [self._items.popleft() for _ in range(min(len(self._items), BATCH_MAX))]
        self._items_out += sum([len(item.row) for item in batch])
        return [item for item in batch if not self._aside.follows(item)] if self._aside.count else batch

    def _take_log(self, due: bool) -> Log:
        if not due:
            return Log()
        rows: list[str] = []
        with contextlib.suppress(IndexError):  # the loop has dropped some meanwhile
            rows.extend(self._rows.popleft() for _ in range(len(self._rows)))
        self._rows_out += sum([len(row) for row in rows])
        with self._lock:
            log = Log(rows, self._seen, self._refusals)
            self._seen, self._refusals = {}, {}
        return log

    def _write(self, writer: Writer, batch: list[Item], log: Log) -> None:
        self._writing_since = time.monotonic()
        outcome = writer.store(batch, log)
        self._writing_since = None
        self._note_troubles(writer)
        blocked = [item for item, error in zip(batch, outcome.errors, strict=True) if _is_blocked(error)]
        if blocked:
            self._aside.put(blocked)
            batch = [
                item for item, error in zip(batch, outcome.errors, strict=True) if not _is_blocked(error)
            ]
            outcome = outcome._replace(errors=[error for error in outcome.errors if not _is_blocked(error)])
        self._hand_over(batch, outcome)

    def _hand_over(self, batch: Sequence[Item], outcome: Outcome) -> None:
        """Tell what was stored, or was not; called by both writing threads."""
        if batch:
            metrics.BATCH_SIZE.observe(len(batch))
        now = time.monotonic()
        told = zip(batch, outcome.errors, strict=True)
        metrics.count_commit([now - item.arrived_s for item, error in told if error is None])
        self._announcer.take(outcome.announcements, outcome.figures)
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self._loop.call_soon_threadsafe(self._tell, batch, outcome.errors)

    def _note_troubles(self, writer: Writer) -> None:
        if writer.repeated:
            metrics.count_event("batches_repeated", writer.repeated)
            writer.repeated = 0
        if writer.lost_rows:
            metrics.count_event("log_rows_lost", writer.lost_rows)
            writer.lost_rows = 0
        if writer.blocked_rows:
            self._rows.extendleft(reversed(writer.blocked_rows))
            self._rows_out -= sum([len(row) for row in writer.blocked_rows])
            writer.blocked_rows = []


def window_s(last_size: int) -> float:
    """How long to wait for company after a batch of that size: not at all while there is little to do."""
    return min(WINDOW_MAX_S, last_size * WINDOW_PER_ITEM_S) if last_size >= BUSY_FROM else 0.0


def _is_blocked(error: Exception | None) -> bool:
    return isinstance(error, Blocked)


@lru_cache(maxsize=1)
def current() -> Ingest:
    """The one of this process."""
    return Ingest()
