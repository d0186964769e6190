"""What follows when a command has ended, however it ended: one line for each command that others wait for."""

from collections.abc import Callable, Mapping

from stations.domain.intents.data_transfers import DataTransfer
from stations.domain.intents.displays import ClearDisplayMessage, GetDisplayMessages, SetDisplayMessage
from stations.domain.intents.reservations import CancelReservation, ReserveNow
from stations.domain.intents.station_tariffs import ChangeTransactionTariff, SetDefaultTariff
from stations.models import Command
from stations.services import data_transfers, displays, reservations, station_tariffs

AFTERWARDS: Mapping[str, Callable[[Command], None]] = {
    ReserveNow.name: reservations.command_settled,
    CancelReservation.name: reservations.command_settled,
    SetDisplayMessage.name: displays.message_settled,
    GetDisplayMessages.name: displays.reading_settled,
    DataTransfer.name: data_transfers.transfer_settled,
    SetDefaultTariff.name: station_tariffs.default_settled,
    ChangeTransactionTariff.name: station_tariffs.change_settled,
    ClearDisplayMessage.name: displays.clearing_settled,
}


def follow(command: Command) -> None:
    """Tell whom the end of the command concerns, inside the transaction that ends it."""
    if afterwards := AFTERWARDS.get(command.command):
        afterwards(command)
