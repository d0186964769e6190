"""What prices of sessions are made from, read for many of them by the same few queries.

A look at thousands of running sessions would otherwise wait for the database some times for each.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Q

from core.errors import Invalid
from stations.domain.holding_back import Limit
from stations.domain.metering import EXPORT_REGISTER, exported_wh
from stations.domain.smart_charging import ChargingProfile, Purpose, profile_of
from stations.models import Evse, MeterReading, ProfileSpan, Transaction, TransactionEvent

logger = logging.getLogger(__name__)

COLUMNS = ("occurred_at", "energy_wh", "power_w", "current_l1_a", "current_l2_a", "current_l3_a", "flags")
AHEAD = timedelta(days=1)
"""How far a station's clock may be ahead of ours for its readings to be looked for."""


class Reading(NamedTuple):
    """The figures of one meter value that prices look at."""

    at: datetime
    energy_wh: Decimal | None
    power_w: Decimal | None
    current_l1_a: Decimal | None
    current_l2_a: Decimal | None
    current_l3_a: Decimal | None
    flags: Sequence[str] | None


@dataclass(slots=True)
class Material:
    """All of one session in order of time: its readings, registers of what it gave back, words for what it did.

    ``limits`` are profiles of ours that its station had then.
    """

    readings: list[Reading] = field(default_factory=list)
    exported: dict[datetime, Decimal] = field(default_factory=dict)
    states: list[tuple[datetime, str]] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)


def gather(sessions: Sequence[Transaction]) -> Mapping[UUID, Material]:
    """By their keys. What is before the start or after the end of a session is in it as well."""
    found: dict[UUID, Material] = defaultdict(Material)
    if sessions:
        _read(sessions, found)
        _read_exports(sessions, found)
        _read_events([one.pk for one in sessions if one.number is None], found)
        _read_connectors([one for one in sessions if one.number is not None], found)
        _read_limits(sessions, found)
    return found


def _span(sessions: Iterable[Transaction]) -> dict[str, Any]:
    """Bounds of time for all of them, so that few partitions are looked into."""
    latest = [at for one in sessions for at in (one.ended_at, one.measured_at, one.last_event_at) if at]
    return {
        "transaction_id__in": [one.pk for one in sessions],
        "occurred_at__gte": min(one.started_at for one in sessions),
        "occurred_at__lte": max(latest) + AHEAD,
    }


def _read(sessions: Sequence[Transaction], found: Mapping[UUID, Material]) -> None:
    rows = MeterReading.objects.filter(**_span(sessions)).order_by("transaction_id", "occurred_at", "id")
    for key, *figures in rows.values_list("transaction_id", *COLUMNS):
        found[key].readings.append(Reading(*figures))


def _read_exports(sessions: Sequence[Transaction], found: Mapping[UUID, Material]) -> None:
    """What the cars gave back until each reading that tells it (V2G), in Wh of the register."""
    rows = MeterReading.objects.filter(**_span(sessions), samples__contains=[{"measurand": EXPORT_REGISTER}])
    told = rows.order_by("transaction_id", "id").values_list("transaction_id", "occurred_at", "samples")
    for key, at, samples in told:
        if (wh := exported_wh(samples)) is not None:
            found[key].exported[at] = wh
        else:
            found[key].exported.pop(at, None)


def _read_events(keys: Sequence[UUID], found: Mapping[UUID, Material]) -> None:
    """What 2.x sessions said of themselves, by time and number."""
    rows = TransactionEvent.objects.filter(transaction_id__in=keys).exclude(charging_state="")
    rows = rows.exclude(kind="Ended").order_by("transaction_id", "occurred_at", "seq_no")
    for key, at, word in rows.values_list("transaction_id", "occurred_at", "charging_state"):
        found[key].states.append((at, word))


def _read_connectors(sessions: Sequence[Transaction], found: Mapping[UUID, Material]) -> None:
    """What the connectors of 1.6 sessions did, beginning with what each did as its session began.

    A cable that was left in after the session before says so still: of this one nothing has flowed yet.
    """
    placed = [one for one in sessions if one.evse_id is not None]
    if not placed:
        return
    columns: dict[str, Any] = {
        "keys": [one.pk for one in placed],
        "evses": [one.evse_id for one in placed],
        "connectors": [one.connector_id or 1 for one in placed],
        "starts": [one.started_at for one in placed],
        "ends": [one.ended_at for one in placed],
    }
    with connection.cursor() as cursor:
        cursor.execute(_OF_CONNECTORS, columns)
        for key, at, word, before in cursor.fetchall():
            left_in = before and word == "Finishing"
            found[key].states.append((at, "Preparing" if left_in else word))


def _read_limits(sessions: Sequence[Transaction], found: Mapping[UUID, Material]) -> None:
    """Profiles for the whole station, for the EVSE, or for the session itself."""
    earliest = min(one.started_at for one in sessions)
    rows = ProfileSpan.objects.filter(
        Q(until=None) | Q(until__gt=earliest), station_id__in={one.station_id for one in sessions}
    )
    kept = [(one, profile) for one in rows if (profile := _readable(one)) is not None]
    if not kept:
        return
    numbers = dict(Evse.objects.filter(pk__in=[one.evse_id for one in sessions]).values_list("pk", "evse_id"))
    for session in sessions:
        places = (0, numbers.get(session.evse_id) if session.evse_id else None)
        found[session.pk].limits = [
            Limit(profile, one.evse_id, one.since, one.until)
            for one, profile in kept
            if one.station_id == session.station_id
            and one.evse_id in places
            and (one.until is None or one.until > session.started_at)
            and one.transaction_id == (session.pk if profile.purpose == Purpose.TX else None)
        ]


def _readable(span: ProfileSpan) -> ChargingProfile | None:
    """What was kept in other words by an earlier release limits nobody, and keeps no price from being reckoned."""
    try:
        return profile_of(span.content)
    except Invalid:
        logger.warning("profile_span.unreadable", extra={"span": span.pk})
        return None


_OF_CONNECTORS = """
SELECT t.id, c.at, c.status, c.before
FROM unnest(%(keys)s::uuid[], %(evses)s::uuid[], %(connectors)s::int[], %(starts)s::timestamptz[],
    %(ends)s::timestamptz[]) AS t(id, evse_id, connector_id, started_at, ended_at)
CROSS JOIN LATERAL (
    (SELECT s.at, s.status, s.id, true AS before FROM stations_connectorstate s
        WHERE s.evse_id = t.evse_id AND s.connector_id = t.connector_id AND s.at <= t.started_at
        ORDER BY s.at DESC, s.id DESC LIMIT 1)
    UNION ALL
    SELECT s.at, s.status, s.id, false FROM stations_connectorstate s
        WHERE s.evse_id = t.evse_id AND s.connector_id = t.connector_id AND s.at > t.started_at
            AND (t.ended_at IS NULL OR s.at <= t.ended_at)
) c
ORDER BY t.id, c.at, c.id
"""
