"""Stations that ought to be connected and are not."""

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef
from django.db.transaction import atomic

from stations.models import Alert, ChargingStation
from stations.services import alerts

PATIENCE = timedelta(minutes=5)
KIND = "offline"


def watch(now: datetime) -> int:
    """Raise an alert for each station that has been away for five minutes, clear those that are back."""
    return _raise_missing(now) + _clear_returned(now)


def _raise_missing(now: datetime) -> int:
    known = Alert.objects.filter(station=OuterRef("pk"), kind=KIND, cleared_at=None)
    away = ChargingStation.objects.live().filter(
        ~Exists(known), enabled=True, presence__connected=False, presence__disconnected_at__lt=now - PATIENCE
    )
    rows = list(away.select_related("presence")[:500])
    for station in rows:
        with atomic():
            alerts.raise_(
                KIND,
                station_id=station.id,
                organization_id=station.organization_id,
                severity=Alert.Severity.WARNING,
                detail=f"No connection since {station.presence.disconnected_at:%Y-%m-%d %H:%M} UTC.",
                at=now,
            )
    return len(rows)


def _clear_returned(now: datetime) -> int:
    back = Alert.objects.filter(kind=KIND, cleared_at=None, station__presence__connected=True)
    ids = list(back.values_list("station_id", flat=True)[:500])
    return sum(alerts.clear(KIND, station_id=station_id, at=now) for station_id in ids)
