"""One batch from its items to its commit, with every way out when something is wrong with it."""

import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError, connection
from django.db.transaction import atomic

from core import reconnecting
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
LOCKED = "55P03"
CONTENDED_TRIES = 5
APART_S = 0.02
APART_AT_MOST_S = 1.0
CAREFUL_S = 10.0
JITTER_S = 0.02
HELD = 0.6  # of the handler deadline: as long a batch waits for a database that is away


class Blocked(Exception):
    """The item needs a row that somebody else holds, or comes after one that does; nothing of it is stored."""


class Outcome(NamedTuple):
    """How each item ended (``None``: stored), and what to tell whom now that it is committed."""

    errors: list[Exception | None]
    announcements: list[Callable[[], Any]]
    figures: list[Told]


class Writer:
    """Belongs to one thread, whose database connection it keeps.

    ``patience_s`` is how long a batch waits for rows that somebody else holds; then the items that need them
    are :class:`Blocked` and the others stored. ``None`` waits. While the database is away a batch is held, for
    a part of the handler deadline (F-03).
    """

    def __init__(self, *, patience_s: float | None = None) -> None:
        self.repeated = 0
        self.lost_rows = 0
        self.blocked_rows: list[str] = []
        self._patience_s = self._now_s = patience_s
        self._apart_until = 0.0
        self._careful_until = self._held_until = 0.0
        self._tuned: tuple[object, float | None] | None = None
        self._uncounted: dict[UUID, int] = {}

    def store(self, items: Sequence[Item], log: Log) -> Outcome:
        """Write everything; never raises for what an item holds."""
        self._now_s, self._apart_until = self._patience_s, 0.0
        self._held_until = time.monotonic() + HELD * settings.OCPP_HANDLER_DEADLINE
        return self._store(items, log)

    def _store(self, items: Sequence[Item], log: Log) -> Outcome:
        try:
            return self._store_together(items, log)
        except (OperationalError, InterfaceError) as error:
            if _state(error) == LOCKED:
                return self._store_unlocked(items, log)
            if _state(error).startswith(LIMIT_EXCEEDED) or (_state(error) in CONTENDED and len(items) > 1):
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
            time.sleep(random.uniform(0, JITTER_S * 2**tries))
        elif reconnecting.is_lost(error) and time.monotonic() < self._held_until:
            connection.close()
            time.sleep(reconnecting.pause_s(tries) if tries > 1 else 0)
        else:
            raise error
        self.repeated += 1

    @property
    def _careful(self) -> bool:
        return time.monotonic() < self._careful_until

    def _store_apart(self, items: Sequence[Item], log: Log, error: Exception) -> Outcome:
        """Halve what failed until the guilty one stands alone; the log, which may be it, goes by itself."""
        if log:
            self._store_log(log)
            return self._store(items, Log()) if items else Outcome([], [], [])
        if len(items) <= 1:
            if items:
                logger.error(
                    "batch.item_refused", extra={"station": str(items[0].station.station_id)}, exc_info=error
                )
            return Outcome([error] * len(items), [], [])
        return self._store_halves(items)

    def _store_unlocked(self, items: Sequence[Item], log: Log) -> Outcome:
        """Halve until those that need a locked row stand alone, hardly waiting any more, for a bounded time."""
        if not self._apart_until:
            self._now_s, self._apart_until = APART_S, time.monotonic() + APART_AT_MOST_S
        if log:
            self._store_log(log)
        if len(items) <= 1 or time.monotonic() > self._apart_until:
            return _blocked(items)
        return self._store_halves(items)

    def _store_halves(self, items: Sequence[Item]) -> Outcome:
        """Nothing of a station is stored before what it said earlier."""
        first, second = _halves(items)
        one = self._store(first, Log())
        same_station = first[0].station.station_id == second[-1].station.station_id
        is_barred = same_station and any(isinstance(error, Blocked) for error in one.errors)
        two = _blocked(second) if is_barred else self._store(second, Log())
        return _joined(items, first, one, second, two)

    def _store_log(self, log: Log) -> None:
        try:
            self._store_together([], log)
        except (OperationalError, InterfaceError) as error:
            if _state(error) == LOCKED:
                self.blocked_rows += log.rows
                self._uncounted = dict(Counter(self._uncounted) + Counter(log.refusals))
            else:
                self._lose(log, error)
        except Exception as error:  # noqa: BLE001  as in _store: it ends with the row that caused it
            self._store_log_apart(log, error)

    def _store_log_apart(self, log: Log, error: Exception) -> None:
        """Halve the rows until the guilty one stands alone; what is noted beside them goes first."""
        if len(log.rows) <= 1:
            self._lose(log, error)
            return
        middle = len(log.rows) // 2
        for part in (Log([], log.seen, log.refusals), Log(log.rows[:middle]), Log(log.rows[middle:])):
            if part:
                self._store_log(part)

    def _lose(self, log: Log, error: Exception) -> None:
        self.lost_rows += len(log.rows)
        logger.error("batch.log_lost", extra={"rows": len(log.rows), "cause": repr(error)[:300]})

    def _tune(self) -> None:
        """Settings of the session, told again only where one changed: a round trip less for each batch.

        Plans are made once: to plan a batch by its number of rows costs three times what it then takes.
        """
        connection.ensure_connection()
        tuned = (connection.connection, self._now_s)
        if tuned != self._tuned:
            patience_ms = 0 if self._now_s is None else int(self._now_s * 1000)
            run(f"SET lock_timeout = {patience_ms}", ())
            run("SET plan_cache_mode = force_generic_plan", ())
            self._tuned = tuned

    def _write(self, items: Sequence[Item], log: Log) -> Outcome:
        self._tune()
        with atomic():
            shown = gathering.store(items, carefully=self._careful)
            rows = [item.row for item in items if item.row] + log.rows
            if rows:
                copy(frames.COPY, rows)
            uncounted = self._note_sightings(log)
            announcements = [entry[1] for entry in connection.run_on_commit]
            connection.run_on_commit = []
        self._uncounted = uncounted
        return Outcome([None] * len(items), announcements, shown)

    def _note_sightings(self, log: Log) -> dict[UUID, int]:
        """Rows that somebody holds are passed over: a sighting comes again, refusals are kept and returned."""
        if log.seen:
            rows = [(key, seen.epoch, seen.at, seen.drift_ms) for key, seen in sorted(log.seen.items())]
            run(_SEEN, columns_of(rows))
        if not log:
            return self._uncounted
        refusals = Counter(self._uncounted) + Counter(log.refusals)
        if refusals:
            counted = run(_REFUSED, columns_of(sorted(refusals.items())))
            for (key,) in counted:
                del refusals[key]
        return dict(refusals)


def _state(error: Exception) -> str:
    return getattr(error.__cause__, "sqlstate", None) or ""


def _halves(items: Sequence[Item]) -> tuple[list[Item], list[Item]]:
    """Two parts with all of a station in one of them; of a single station the earlier and the later ones."""
    keys = list(dict.fromkeys(item.station.station_id for item in items))
    if len(keys) == 1:
        return list(items[: len(items) // 2]), list(items[len(items) // 2 :])
    early = set(keys[: len(keys) // 2])
    first = [item for item in items if item.station.station_id in early]
    return first, [item for item in items if item.station.station_id not in early]


def _joined(
    items: Sequence[Item], first: Sequence[Item], one: Outcome, second: Sequence[Item], two: Outcome
) -> Outcome:
    """The outcome of both halves, in the order of the items."""
    errors = dict(zip([*first, *second], one.errors + two.errors, strict=True))
    return Outcome(
        [errors[item] for item in items], one.announcements + two.announcements, one.figures + two.figures
    )


def _blocked(items: Sequence[Item]) -> Outcome:
    return Outcome([Blocked("A row is held by somebody else.") for _ in items], [], [])


_SEEN = """
UPDATE stations_presence p SET last_seen_at = greatest(p.last_seen_at, v.at),
    clock_drift_ms = coalesce(v.drift_ms, p.clock_drift_ms)
FROM unnest(%s::uuid[], %s::bigint[], %s::timestamptz[], %s::bigint[]) AS v(station_id, epoch, at, drift_ms)
JOIN LATERAL (SELECT station_id FROM stations_presence WHERE station_id = v.station_id
    FOR NO KEY UPDATE SKIP LOCKED) AS free USING (station_id)
WHERE p.station_id = v.station_id AND p.epoch = v.epoch
"""

_REFUSED = """
UPDATE stations_chargingstation s SET schema_refusals = s.schema_refusals + v.number
FROM unnest(%s::uuid[], %s::int[]) AS v(station_id, number)
JOIN LATERAL (SELECT id FROM stations_chargingstation WHERE id = v.station_id
    FOR NO KEY UPDATE SKIP LOCKED) AS free ON true
WHERE s.id = v.station_id
RETURNING s.id
"""
