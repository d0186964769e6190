"""How worker and timetable wait for Valkey: every few seconds, for ever, saying once that it is away.

Celery's own way says it at each try and asks more and more rarely, up to half a minute late.
"""

import logging
import warnings
from typing import Any

from celery.beat import PersistentScheduler, SchedulingError
from celery.exceptions import CPendingDeprecationWarning
from celery.worker import consumer
from celery.worker.state import maybe_shutdown
from kombu.exceptions import OperationalError

from core.outage import valkey

logger = logging.getLogger(__name__)

ASK_AGAIN = {"interval_start": 1, "interval_step": 1, "interval_max": 5}


class Consumer(consumer.Consumer):  # type: ignore[misc]  # celery ships no types
    """The worker's ear."""

    def on_connection_error_before_connected(self, error: Exception) -> None:
        """It was lost again while the ear was still being opened."""
        valkey.lost(error)

    def on_connection_error_after_connected(self, error: Exception) -> None:
        with warnings.catch_warnings():  # of a default that another version of Celery will have
            warnings.simplefilter("ignore", CPendingDeprecationWarning)
            super().on_connection_error_after_connected(error)

    def ensure_connected(self, conn: Any) -> Any:
        conn.ensure_connection(_away, callback=maybe_shutdown, **ASK_AGAIN)
        self.first_connection_attempt = False
        valkey.over()
        return conn


class Scheduler(PersistentScheduler):  # type: ignore[misc]
    """The timetable's mouth."""

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """What is due while nobody takes it is said again when it is due the next time."""
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except SchedulingError as error:
            if isinstance(error.__context__, OperationalError):
                valkey.lost(error.__context__)
            else:
                logger.exception("beat.not_sent", extra={"task": entry.task})
        else:
            valkey.over()

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
