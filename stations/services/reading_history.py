"""Condenses readings to minutes and quarters of an hour, which are kept for years.

A reading may come late, days after it was measured, so what counts is when it was received: every span that
new readings fall into is reckoned again from all of its readings. Running twice changes nothing.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.transaction import atomic

from stations.services import partitions

LAG = timedelta(minutes=2)
"""A reading is committed at the latest this long after its receipt."""
AT_ONCE = timedelta(minutes=30)
SPANS_AT_MOST = 48
STEPS = {"stations_readingminute": timedelta(minutes=1), "stations_readingquarter": timedelta(minutes=15)}


def condense(now: datetime) -> int:
    """Take in what was received since the last time, a bounded part of it; answers with the spans written."""
    written = 0
    for _ in range(SPANS_AT_MOST):
        with atomic():
            since = _mark(now)
            if since is None or since >= now - LAG:
                break
            until = min(since + AT_ONCE, now - LAG)
            written += sum(_take_in(table, step, since, until, now) for table, step in STEPS.items())
            _run("UPDATE stations_readinghistorymark SET received_until = %s", [until])
    return written


def maintain(now: datetime) -> int:
    """Make partitions ahead and drop what is older than its retention; answers with how many."""
    made = partitions.patiently("SELECT stations_make_history_partitions(%s)", [now])
    return made + partitions.patiently(
        "SELECT stations_drop_history_partitions(%s, %s, %s)",
        [now, settings.OCPP_MINUTE_RETENTION_DAYS, settings.OCPP_QUARTER_RETENTION_DAYS],
    )


def _mark(now: datetime) -> datetime | None:
    """Up to which receipt all is taken in; at the first time, the receipt of the oldest reading."""
    mark: datetime | None
    ((mark,),) = _run("SELECT received_until FROM stations_readinghistorymark FOR UPDATE", [])
    if mark is None:
        ((mark,),) = _run("SELECT min(received_at) - interval '1 second' FROM stations_meterreading", [])
    return mark


def _take_in(table: str, step: timedelta, since: datetime, until: datetime, now: datetime) -> int:
    """What is older than the readings' own retention is left as it is: some of its readings may be gone."""
    values = {
        "step": step,
        "since": since,
        "until": until,
        "kept": now - timedelta(days=settings.OCPP_READING_RETENTION_DAYS),
    }
    return len(_run(CONDENSE.format(table=table), values))


def _run(statement: str, values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


CONDENSE = """
WITH touched AS MATERIALIZED (
    SELECT DISTINCT station_id, evse_id, date_bin(%(step)s, occurred_at, 'epoch') AS at
    FROM stations_meterreading
    WHERE received_at > %(since)s AND received_at <= %(until)s AND occurred_at >= %(kept)s
)
INSERT INTO {table} AS h (station_id, evse_id, at, readings, energy_wh, power_w, power_max_w, offered_power_w,
                          soc_percent)
SELECT t.station_id, t.evse_id, t.at, count(*),
       (array_agg(r.energy_wh ORDER BY r.occurred_at DESC) FILTER (WHERE r.energy_wh IS NOT NULL))[1],
       avg(r.power_w), max(r.power_w), avg(r.offered_power_w),
       (array_agg(r.soc_percent ORDER BY r.occurred_at DESC) FILTER (WHERE r.soc_percent IS NOT NULL))[1]
FROM touched t JOIN stations_meterreading r
  ON r.station_id = t.station_id AND r.evse_id = t.evse_id
 AND r.occurred_at >= t.at AND r.occurred_at < t.at + %(step)s
GROUP BY t.station_id, t.evse_id, t.at
ON CONFLICT (station_id, evse_id, at) DO UPDATE SET
    readings = excluded.readings, energy_wh = excluded.energy_wh, power_w = excluded.power_w,
    power_max_w = excluded.power_max_w, offered_power_w = excluded.offered_power_w,
    soc_percent = excluded.soc_percent
RETURNING 1
"""
