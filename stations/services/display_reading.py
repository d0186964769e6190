"""Reading back what a station shows once it has taken a message: the proof that it is there."""

import logging
from uuid import UUID

from core.access import system
from core.errors import DomainError
from stations.domain.intents.displays import GetDisplayMessages
from stations.models import ChargingStation
from stations.services import commands

logger = logging.getLogger(__name__)


def read_back(station_id: UUID, number: int) -> None:
    """Ask for that message. Where it cannot be asked now, the effect stays unseen and the message accepted."""
    station = ChargingStation.objects.get(pk=station_id)
    try:
        commands.issue(station, GetDisplayMessages(numbers=(number,)), by=system("displays"))
    except DomainError as error:
        logger.warning("displays.not_read_back", extra={"station": station.identity, "cause": error.message})
