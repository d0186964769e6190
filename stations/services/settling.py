"""What follows when a command has ended, however it ended: one line for each command that others wait for."""

from collections.abc import Callable, Mapping
from uuid import UUID

from stations.domain.intents.local_lists import GetLocalListVersion, SendLocalList
from stations.domain.intents.reservations import CancelReservation, ReserveNow
from stations.models import Command
from stations.services import reservations
from stations.services.local_lists import holding as local_lists

AFTERWARDS: Mapping[str, Callable[[Command], None]] = {
    ReserveNow.name: reservations.command_settled,
    CancelReservation.name: reservations.command_settled,
    SendLocalList.name: local_lists.command_settled,
    GetLocalListVersion.name: local_lists.command_settled,
}


def follow(command_id: UUID, name: str) -> None:
    """Tell whom the end of a command of that name concerns, inside the transaction that ends it."""
    if afterwards := AFTERWARDS.get(name):
        afterwards(Command.objects.get(pk=command_id))
