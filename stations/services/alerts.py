"""Conditions that need a person: one open row per station, kind and subject."""

from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.transaction import atomic

from core import audit, clock
from core.access import Actor, Permission
from core.ids import uuid7
from stations import live
from stations.models import Alert


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
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO stations_alert AS a (id, organization_id, station_id, kind, subject, severity, detail,
                                             count, raised_at, last_at, acknowledged_by)
            VALUES (%s, %s, %s, %s, %s, %s, %s, 1, %s, %s, '')
            ON CONFLICT (station_id, kind, subject) WHERE cleared_at IS NULL
            DO UPDATE SET count = a.count + (excluded.last_at > a.last_at)::int,
                          last_at = greatest(a.last_at, excluded.last_at), detail = excluded.detail
            RETURNING a.id, (SELECT site_id FROM stations_chargingstation s WHERE s.id = a.station_id)
            """,
            [uuid7(), organization_id, station_id, kind, subject[:80], severity.value, detail[:500], at, at],
        )
        alert_id, site_id = cursor.fetchone()
    live.announce_on_commit("alert", organization_id, alert_id, site_id=site_id, station_id=station_id)


def clear(kind: str, *, station_id: UUID, at: datetime, subject: str = "") -> bool:
    """The condition has ended; ``False`` where no such alert was open."""
    open_ = Alert.objects.filter(station_id=station_id, kind=kind, subject=subject[:80], cleared_at=None)
    found = open_.select_related("station").first()
    if found is None or not Alert.objects.filter(pk=found.pk, cleared_at=None).update(cleared_at=at):
        return False
    _tell(found)
    return True


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
        "alert", alert.organization_id, alert.id, site_id=alert.station.site_id, station_id=alert.station_id
    )
