"""Partitions of readings and frames: made ahead, dropped by retention, by functions of the owner (W-33).

Each of these functions waits for a lock at most a second (migration 0036), for whoever writes or reads queues
behind it; where somebody holds the table it is tried again a little later, and after that at the next turn.
"""

import logging
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import OperationalError, connection
from django.db.transaction import atomic
from psycopg.errors import LockNotAvailable

logger = logging.getLogger(__name__)
PAUSES_S = (0.5, 1.0, 2.0)


def maintain(now: datetime) -> tuple[int, int]:
    """Make what the next days need and drop what is older than the retention: (made, dropped)."""
    made = patiently("SELECT stations_make_partitions(%s)", [now])
    dropped = patiently(
        "SELECT stations_drop_partitions(%s, %s, %s)",
        [now, settings.OCPP_LOG_RETENTION_DAYS, settings.OCPP_READING_RETENTION_DAYS],
    )
    return made, dropped


def patiently(statement: str, values: Sequence[Any]) -> int:
    """The number that the function answers with; 0, and a line in the log, where somebody held a table throughout."""
    for pause_s in (*PAUSES_S, None):
        try:
            with atomic(), connection.cursor() as cursor:
                cursor.execute(statement, values)
                return int(cursor.fetchone()[0])
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable):
                raise
        if pause_s is not None:
            time.sleep(pause_s)
    logger.warning("partitions.held", extra={"statement": statement})
    return 0
