"""Asking a station what it made of what was written to it."""

from django.db.transaction import atomic

from core import access
from core.errors import DomainError
from stations.domain.intents import GetVariables, VariableItem
from stations.domain.station import StationSide
from stations.models import ChargingStation
from stations.services import commands
from stations.services.network_profiles import ACTIVE, CONTROLLER, PRIORITY


def network_priority(station: StationSide) -> None:
    """The priority of its network profiles was written. Without an answer the page shows what was set."""
    items = tuple(VariableItem(component=CONTROLLER, variable=name) for name in (PRIORITY, ACTIVE))
    try:
        with atomic():
            commands.issue(
                ChargingStation.objects.get(pk=station.station_id),
                GetVariables(items=items),
                by=access.system("network_profiles"),
                reason="The priority of the network profiles was written.",
            )
    except DomainError:
        # A full queue: it can be read by hand.
        return
