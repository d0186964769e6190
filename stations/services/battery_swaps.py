"""Batteries that stations hand out and take back (OCPP 2.1 block S)."""

import hashlib
from datetime import datetime

import orjson
from django.db.transaction import atomic

from stations import live
from stations.domain.grid_support import BatteriesSwapped
from stations.domain.station import StationSide
from stations.models import BatterySwap
from stations.services import effects


def store(station: StationSide, event: BatteriesSwapped, received_at: datetime) -> None:
    """Keep what was swapped; a repeat changes nothing."""
    digest = hashlib.sha256(orjson.dumps(event.batteries, option=orjson.OPT_SORT_KEYS)).digest()[:16]
    row = BatterySwap(
        station_id=station.station_id,
        request_id=event.request_id,
        kind=event.kind[:20],
        token_value=event.token_value[:255],
        token_type=event.token_type[:20],
        batteries=list(event.batteries),
        digest=digest,
        received_at=received_at,
    )
    with atomic():
        BatterySwap.objects.bulk_create([row], ignore_conflicts=True)
        effects.batteries_swapped(station.station_id, event.request_id, event.kind)
        live.announce_on_commit(
            "station",
            station.organization_id,
            station.station_id,
            site_id=station.site_id,
            station_id=station.station_id,
        )
