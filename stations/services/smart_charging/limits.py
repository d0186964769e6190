"""Limits of others that stations tell of (2.0.1 K12, K13)."""

from datetime import datetime
from typing import Any

from django.db.transaction import atomic

from stations.domain import smart_charging
from stations.domain.smart_charging import LimitCleared, LimitNotified, Purpose
from stations.domain.station import StationSide
from stations.models import ChargingLimit, InstalledProfile
from stations.services.smart_charging.profiles import tell

MAX_LIMITS = 100


def notified(station: StationSide, event: LimitNotified, at: datetime) -> None:
    """It holds from now on; one of the same source at the same place is replaced."""
    place: dict[str, Any] = {
        "station_id": station.station_id,
        "evse_id": event.evse_id,
        "source": event.source[:20],
    }
    rows = ChargingLimit.objects.filter(station_id=station.station_id)
    with atomic():
        if not rows.filter(**place).exists() and rows.count() >= MAX_LIMITS:
            rows.exclude(cleared_at=None).delete()
            if rows.count() >= MAX_LIMITS:
                return
        ChargingLimit.objects.update_or_create(
            **place,
            defaults={
                "grid_critical": event.grid_critical,
                "local_generation": event.local_generation,
                "schedules": [smart_charging.to_json(schedule) for schedule in event.schedules],
                "notified_at": at,
                "cleared_at": None,
            },
        )
        tell(station)


def cleared(station: StationSide, event: LimitCleared, at: datetime) -> None:
    """It is over, with the profiles by which the station had shown it."""
    limits = ChargingLimit.objects.filter(
        station_id=station.station_id, source=event.source[:20], cleared_at=None
    )
    shown = InstalledProfile.objects.filter(
        station_id=station.station_id, source=event.source[:20], purpose=Purpose.EXTERNAL.value
    )
    if event.evse_id is not None:
        limits, shown = limits.filter(evse_id=event.evse_id), shown.filter(evse_id=event.evse_id)
    with atomic():
        limits.update(cleared_at=at)
        shown.delete()
        tell(station)
