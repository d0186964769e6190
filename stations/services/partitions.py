"""Partitions of readings and frames: made ahead, dropped by retention, by functions of the owner (W-33)."""

from datetime import datetime

from django.conf import settings
from django.db import connection


def maintain(now: datetime) -> tuple[int, int]:
    """Make what the next days need and drop what is older than the retention: (made, dropped)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT stations_make_partitions(%s)", [now])
        made = cursor.fetchone()[0]
        cursor.execute(
            "SELECT stations_drop_partitions(%s, %s, %s)",
            [now, settings.OCPP_LOG_RETENTION_DAYS, settings.OCPP_READING_RETENTION_DAYS],
        )
        dropped = cursor.fetchone()[0]
    return int(made), int(dropped)
