"""Conditions that need a person: one open row per station (or organization), kind and subject."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet
from django.db.transaction import atomic

from core import audit, clock
from core.access import Actor, Permission
from core.ids import uuid7
from stations import live
from stations.models import Alert

_OPEN = """
    INSERT INTO stations_alert AS a (id, organization_id, station_id, kind, subject, severity, detail,
                                     count, raised_at, last_at, acknowledged_by)
    VALUES (%s, %s, %s, %s, %s, %s, %s, 1, %s, %s, '')
    ON CONFLICT {once}
    DO UPDATE SET count = a.count + (excluded.last_at > a.last_at)::int,
                  last_at = greatest(a.last_at, excluded.last_at), detail = excluded.detail
    RETURNING a.id, (SELECT site_id FROM stations_chargingstation s WHERE s.id = a.station_id)
"""
OPEN_AT_STATION = _OPEN.format(once="(station_id, kind, subject) WHERE cleared_at IS NULL")
OPEN_OF_ORGANIZATION = _OPEN.format(
    once="(organization_id, kind, subject) WHERE cleared_at IS NULL AND station_id IS NULL"
)


def raise_(
    kind: str,
    *,
    station_id: UUID,
    organization_id: UUID,
    severity: Alert.Severity,
    detail: str,
    at: datetime,
    subject: str = "",
) -> None:
    """Open the alert, or count it again where it is open already and this is a later time."""
    row = [organization_id, station_id, kind, subject[:80], severity.value, detail[:500], at, at]
    _open(OPEN_AT_STATION, row, organization_id, station_id)


def raise_for_organization(
    kind: str, *, organization_id: UUID, severity: Alert.Severity, detail: str, at: datetime, subject: str
) -> None:
    """The same where no station is meant."""
    row = [organization_id, None, kind, subject[:80], severity.value, detail[:500], at, at]
    _open(OPEN_OF_ORGANIZATION, row, organization_id, None)


def clear(kind: str, *, station_id: UUID, at: datetime, subject: str = "") -> bool:
    """The condition has ended; ``False`` where no such alert was open."""
    return _close(Alert.objects.filter(station_id=station_id, kind=kind, subject=subject[:80]), at)


def clear_for_organization(kind: str, *, organization_id: UUID, at: datetime, subject: str) -> bool:
    """The same for an alert without a station."""
    of_kind = Alert.objects.filter(organization_id=organization_id, station=None, kind=kind)
    return _close(of_kind.filter(subject=subject[:80]), at)


def acknowledge(alert: Alert, *, by: Actor) -> Alert:
    """Somebody has seen the alert; whoever was first stays written down."""
    by.require(Permission.ALERTS_ACK, alert)
    with atomic():
        unseen = Alert.objects.filter(pk=alert.pk, acknowledged_at=None)
        if unseen.update(acknowledged_at=clock.now(), acknowledged_by=by.label):
            audit.record("alert.acknowledged", alert, by=by)
            _tell(alert)
    alert.refresh_from_db()
    return alert


def _tell(alert: Alert) -> None:
    live.announce_on_commit(
        "alert", alert.organization_id, alert.id, site_id=alert.limit_id, station_id=alert.station_id
    )


def _open(statement: str, row: list[Any], organization_id: UUID, station_id: UUID | None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, [uuid7(), *row])
        alert_id, site_id = cursor.fetchone()
    live.announce_on_commit("alert", organization_id, alert_id, site_id=site_id, station_id=station_id)


def _close(rows: QuerySet[Alert], at: datetime) -> bool:
    found = rows.filter(cleared_at=None).select_related("station").first()
    if found is None or not Alert.objects.filter(pk=found.pk, cleared_at=None).update(cleared_at=at):
        return False
    _tell(found)
    return True
