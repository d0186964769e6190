"""Figures of a fleet for days, sites and stations: energy, sessions, revenue, utilization, uptime.

A session counts on the day of its start, with all of its energy and its final cost. The time that it occupies its
EVSE counts on the days on which that time passed. A station counts from the day it was made until it was retired, and
for the site at which it stands now.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count

from core import clock
from core.access import Actor
from stations.models import ChargingStation

LONGEST_SESSION_DAYS = 31
Span = tuple[datetime, datetime]
Spot = tuple[int, int]
"""Which span and which unit, each by its place in what was asked for."""


@dataclass(frozen=True, slots=True)
class Revenue:
    """The final costs of the sessions in one currency; VAT that is not known is not in the sum that needs it."""

    currency: str
    sessions: int
    excl_vat: Decimal
    incl_vat: Decimal


@dataclass(slots=True)
class Figures:
    """Of one unit within one span. ``service_s`` is how long its stations were there, ``evse_s`` the same for EVSEs."""

    sessions: int = 0
    energy_wh: Decimal = Decimal(0)
    occupied_s: int = 0
    service_s: int = 0
    evse_s: int = 0
    connected_s: int = 0
    revenue: list[Revenue] = field(default_factory=list)

    @property
    def utilization_percent(self) -> Decimal | None:
        """The part of the time in which an EVSE was occupied; ``None`` where there was none."""
        return _percent(self.occupied_s, self.evse_s)

    @property
    def uptime_percent(self) -> Decimal | None:
        """The part of the time in which the stations were connected; ``None`` where there were none."""
        return _percent(self.connected_s, self.service_s)


def measure(units: Sequence[Sequence[UUID]], spans: Sequence[Span], *, by: Actor) -> dict[Spot, Figures]:
    """The figures of each unit (some stations) in each span; what the actor cannot see counts nothing."""
    found: dict[Spot, Figures] = {
        (span, unit): Figures() for span in range(len(spans)) for unit in range(len(units))
    }
    asked = _asked(units, spans, by)
    with connection.cursor() as cursor:
        cursor.execute(_SESSIONS, asked)
        for span, unit, sessions, energy_wh in cursor.fetchall():
            found[span, unit].sessions, found[span, unit].energy_wh = sessions, energy_wh
        cursor.execute(_REVENUE, asked)
        for span, unit, *told in cursor.fetchall():
            found[span, unit].revenue.append(Revenue(*told))
        cursor.execute(_OCCUPIED, asked)
        for span, unit, seconds in cursor.fetchall():
            found[span, unit].occupied_s = int(seconds)
        cursor.execute(_SERVICE, asked)
        for span, unit, *served in cursor.fetchall():
            figures = found[span, unit]
            figures.service_s, figures.evse_s, figures.connected_s = (int(seconds) for seconds in served)
    return found


def _asked(units: Sequence[Sequence[UUID]], spans: Sequence[Span], by: Actor) -> Mapping[str, Any]:
    unit_of = {station: unit for unit, stations in enumerate(units) for station in stations}
    rows = list(
        ChargingStation.objects.visible_to(by)
        .filter(pk__in=unit_of)
        .annotate(evse_count=Count("evses"))
        .values_list("pk", "created_at", "retired_at", "evse_count")
    )
    now = clock.now()
    return {
        "organization": by.home,
        "sites": None if by.limited_to is None else list(by.limited_to),
        "now": now,
        "lookback": LONGEST_SESSION_DAYS,
        "starts": [start for start, _ in spans],
        "ends": [min(end, max(start, now)) for start, end in spans],
        "stations": [row[0] for row in rows],
        "units": [unit_of[row[0]] for row in rows],
        "made": [row[1] for row in rows],
        "gone": [row[2] or now for row in rows],
        "evses": [row[3] for row in rows],
    }


def _percent(part: int, whole: int) -> Decimal | None:
    if not whole:
        return None
    return min(Decimal(100), (Decimal(part) * 100 / whole).quantize(Decimal("0.01")))


_SPANS = """
unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[]) WITH ORDINALITY AS s (starts, ends, n)
"""
_STATIONS = "unnest(%(stations)s::uuid[], %(units)s::int[]) AS m (station_id, unit)"
_OWN = """
t.organization_id = %(organization)s AND (%(sites)s::uuid[] IS NULL OR t.site_id = ANY(%(sites)s::uuid[]))
"""
_BEGUN = f"""
FROM {_SPANS}
JOIN stations_transaction t ON {_OWN} AND t.started_at >= s.starts AND t.started_at < s.ends
JOIN {_STATIONS} ON m.station_id = t.station_id
"""
_SESSIONS = f"SELECT s.n - 1, m.unit, count(*), coalesce(sum(t.energy_wh), 0) {_BEGUN} GROUP BY 1, 2"
_REVENUE = f"""
SELECT s.n - 1, m.unit, c.currency, count(*), coalesce(sum(c.excl_vat), 0), coalesce(sum(c.incl_vat), 0)
{_BEGUN}
JOIN stations_sessioncost c ON c.transaction_id = t.id AND c.state = 'final' AND c.currency <> ''
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
_OCCUPIED = f"""
SELECT s.n - 1, m.unit, sum(extract(epoch FROM least(o.until, s.ends) - greatest(t.started_at, s.starts)))
FROM {_SPANS}
JOIN stations_transaction t ON {_OWN} AND t.started_at < s.ends
    AND t.started_at > s.starts - make_interval(days => %(lookback)s)
JOIN {_STATIONS} ON m.station_id = t.station_id
CROSS JOIN LATERAL (SELECT CASE WHEN t.status = 'active' THEN %(now)s::timestamptz
    ELSE coalesce(t.ended_at, t.last_event_at) END AS until) o
WHERE o.until > greatest(t.started_at, s.starts)
GROUP BY 1, 2
"""
_SERVICE = f"""
WITH online AS (
    SELECT c.station_id,
        range_agg(tstzrange(c.opened_at, greatest(c.opened_at, coalesce(c.closed_at, %(now)s)))) AS times
    FROM stations_connection c
    WHERE c.station_id = ANY(%(stations)s::uuid[]) AND c.outcome <> 'refused'
        AND c.opened_at < (SELECT max(ends) FROM {_SPANS})
        AND coalesce(c.closed_at, %(now)s) > (SELECT min(starts) FROM {_SPANS})
    GROUP BY c.station_id
)
SELECT s.n - 1, m.unit, sum(w.seconds), sum(w.seconds * m.evses), sum(coalesce(u.seconds, 0))
FROM {_SPANS}
CROSS JOIN unnest(%(stations)s::uuid[], %(units)s::int[], %(made)s::timestamptz[], %(gone)s::timestamptz[],
    %(evses)s::int[]) AS m (station_id, unit, made, gone, evses)
LEFT JOIN online ON online.station_id = m.station_id
CROSS JOIN LATERAL (SELECT greatest(m.made, s.starts) AS begins, least(m.gone, s.ends) AS ends) p
CROSS JOIN LATERAL (SELECT extract(epoch FROM p.ends - p.begins) AS seconds) w
LEFT JOIN LATERAL (
    SELECT sum(extract(epoch FROM upper(r) - lower(r))) AS seconds
    FROM unnest(online.times * tstzmultirange(tstzrange(p.begins, greatest(p.begins, p.ends)))) AS r
) u ON true
WHERE p.ends > p.begins
GROUP BY 1, 2
"""
