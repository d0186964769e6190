"""Whose a row is that stands at a station, for :mod:`core.access`."""

from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from stations.models.stations import ChargingStation


class AtStation:
    """Of an organization of its own, seen by who sees the station's site."""

    if TYPE_CHECKING:
        station: ChargingStation

    @property
    def limit_id(self) -> UUID | None:
        return self.station.site_id


class OfStation(AtStation):
    """Of the station's organization."""

    @property
    def organization_id(self) -> UUID:
        return self.station.organization_id
