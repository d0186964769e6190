"""How worker and timetable wait for Valkey: every few seconds, for ever, saying once that it is away.

Celery's own way says it at each try and asks more and more rarely, up to half a minute late.
"""

import logging
from typing import Any

from celery.beat import PersistentScheduler
from celery.worker import consumer
from celery.worker.state import maybe_shutdown

from core.outage import valkey

ASK_AGAIN = {"interval_start": 1, "interval_step": 1, "interval_max": 5}


class Consumer(consumer.Consumer):  # type: ignore[misc]  # celery ships no types
    """The worker's ear."""

    def ensure_connected(self, conn: Any) -> Any:
        conn.ensure_connection(_away, callback=maybe_shutdown, **ASK_AGAIN)
        self.first_connection_attempt = False
        valkey.over()
        return conn


class Scheduler(PersistentScheduler):  # type: ignore[misc]
    """The timetable's mouth."""

    def _ensure_connected(self) -> Any:
        connection = self.connection.ensure_connection(_away, **ASK_AGAIN)
        valkey.over()
        return connection


class SaidByOutage(logging.Filter):
    """Leaves out what Celery says of a lost connection, which :mod:`core.outage` has said."""

    def filter(self, record: logging.LogRecord) -> bool:
        if consumer.consumer.CONNECTION_RETRY not in (record.args or ()):
            return True
        valkey.lost(ConnectionError())
        return False


def _away(error: Exception, _interval_s: float) -> None:
    valkey.lost(error)


logging.getLogger(consumer.consumer.__name__).addFilter(SaidByOutage())
