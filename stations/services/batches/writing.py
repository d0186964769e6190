"""One batch from its items to its commit, with every way out when something is wrong with it."""

import logging
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError, connection
from django.db.transaction import atomic

from stations.services import frames
from stations.services.batches import gathering
from stations.services.batches.columns import columns_of, run
from stations.services.batches.copying import copy
from stations.services.batches.gathering import Told
from stations.services.batches.items import Item, Log

logger = logging.getLogger(__name__)

UNIQUE = "23505"
LIMIT_EXCEEDED = "54"  # the one class of operational errors that an item can cause
CONTENDED = frozenset({"40001", "40P01", "57014"})
CONTENDED_TRIES = 5
CAREFUL_S = 10.0
JITTER_S = 0.02


class Outcome(NamedTuple):
    """How each item ended (``None``: stored), and what to tell whom now that it is committed."""

    errors: list[Exception | None]
    announcements: list[Callable[[], Any]]
    figures: list[Told]


class Writer:
    """Belongs to one thread, whose database connection it keeps."""

    def __init__(self) -> None:
        self.repeated = 0
        self.lost_rows = 0
        self._careful_until = 0.0

    def store(self, items: Sequence[Item], log: Log) -> Outcome:
        """Write everything; never raises for what an item holds."""
        try:
            return self._store_together(items, log)
        except (OperationalError, InterfaceError) as error:
            if _state(error).startswith(LIMIT_EXCEEDED):
                return self._store_apart(items, log, error)
            logger.error("batch.failed", extra={"items": len(items), "cause": repr(error)[:300]})
            self.lost_rows += len(log.rows)
            return Outcome([error] * len(items), [], [])
        except Exception as error:  # noqa: BLE001  whatever an item does to its batch ends with that item
            return self._store_apart(items, log, error)

    def close(self) -> None:
        connection.close()

    def _store_together(self, items: Sequence[Item], log: Log) -> Outcome:
        tries = 0
        while True:
            try:
                return self._write(items, log)
            except (DatabaseError, InterfaceError) as error:
                tries += 1
                self._prepare_repetition(error, tries)

    def _prepare_repetition(self, error: Exception, tries: int) -> None:
        """Get ready for another try, or raise what stands in its way."""
        state = _state(error)
        if isinstance(error, IntegrityError) and state == UNIQUE and not self._careful:
            self._careful_until = time.monotonic() + CAREFUL_S
        elif state in CONTENDED and tries < CONTENDED_TRIES:
            time.sleep(random.uniform(0, JITTER_S * tries))
        elif tries == 1 and not self._is_connected():
            connection.close()
        else:
            raise error
        self.repeated += 1

    @property
    def _careful(self) -> bool:
        return time.monotonic() < self._careful_until

    def _is_connected(self) -> bool:
        raw = connection.connection
        return raw is not None and not raw.closed and not raw.broken

    def _store_apart(self, items: Sequence[Item], log: Log, error: Exception) -> Outcome:
        """Halve what failed until the guilty one stands alone; the log goes by itself."""
        if log:
            self._store_log(log)
        if len(items) <= 1:
            if items:
                logger.error(
                    "batch.item_refused", extra={"station": str(items[0].station.station_id)}, exc_info=error
                )
            return Outcome([error] * len(items), [], [])
        middle = len(items) // 2
        first, second = self.store(items[:middle], Log()), self.store(items[middle:], Log())
        return Outcome(
            first.errors + second.errors,
            first.announcements + second.announcements,
            first.figures + second.figures,
        )

    def _store_log(self, log: Log) -> None:
        try:
            self._store_together([], log)
        except (DatabaseError, InterfaceError) as error:
            self.lost_rows += len(log.rows)
            logger.error("batch.log_lost", extra={"rows": len(log.rows), "cause": repr(error)[:300]})

    def _write(self, items: Sequence[Item], log: Log) -> Outcome:
        with atomic():
            shown = gathering.store(items, carefully=self._careful)
            rows = [item.row for item in items if item.row] + log.rows
            if rows:
                copy(frames.COPY, rows)
            _note_sightings(log)
            announcements = [entry[1] for entry in connection.run_on_commit]
            connection.run_on_commit = []
        return Outcome([None] * len(items), announcements, shown)


def _state(error: Exception) -> str:
    return getattr(error.__cause__, "sqlstate", None) or ""


def _note_sightings(log: Log) -> None:
    if log.seen:
        rows = [(key, seen.epoch, seen.at, seen.drift_ms) for key, seen in sorted(log.seen.items())]
        run(_SEEN, columns_of(rows))
    if log.refusals:
        run(_REFUSED, columns_of(sorted(log.refusals.items())))


_SEEN = """
UPDATE stations_presence p SET last_seen_at = greatest(p.last_seen_at, v.at),
    clock_drift_ms = coalesce(v.drift_ms, p.clock_drift_ms)
FROM unnest(%s::uuid[], %s::bigint[], %s::timestamptz[], %s::bigint[]) AS v(station_id, epoch, at, drift_ms)
WHERE p.station_id = v.station_id AND p.epoch = v.epoch
"""

_REFUSED = """
UPDATE stations_chargingstation s SET schema_refusals = s.schema_refusals + v.number
FROM unnest(%s::uuid[], %s::int[]) AS v(station_id, number) WHERE s.id = v.station_id
"""
