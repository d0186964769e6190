"""What follows when a command has ended, however it ended: one line for each command that others wait for."""

from collections.abc import Callable, Mapping
from uuid import UUID

from stations.domain import intents
from stations.models import Command
from stations.services import (
    data_transfers,
    displays,
    firmware,
    grid_support,
    logs,
    reservations,
    station_tariffs,
)
from stations.services.certificates import outcomes
from stations.services.local_lists import holding as local_lists

AFTER_CALLS: Mapping[str, Callable[[Command], None]] = {
    "ChangeTransactionTariff": station_tariffs.change_called,
    "DataTransfer": data_transfers.transfer_settled,
    "GetLocalListVersion": local_lists.command_settled,
    "SendLocalList": local_lists.command_settled,
    "SetDefaultTariff": station_tariffs.default_called,
}
"""By the action on the wire, where it concerns more than who said it. Others are followed by the door, from the answer,
or are numbered by us beforehand, which a raw call is not."""


LEFT_UNCERTAIN = frozenset({"GetLocalListVersion", "SendLocalList"})
"""What an answer that breaks its schema makes uncertain; of anything else it leaves nothing behind."""


def call_settled(command: Command) -> None:
    """A raw call has what it says in common with the command for the same."""
    action = str(command.parameters.get("action"))
    is_broken = (command.error or {}).get("code") == "invalid_answer"
    afterwards = AFTER_CALLS.get(action)
    if afterwards and (action in LEFT_UNCERTAIN or not is_broken):
        afterwards(command)


AFTERWARDS: Mapping[str, Callable[[Command], None]] = {
    intents.Call.name: call_settled,
    intents.CancelReservation.name: reservations.command_settled,
    intents.ChangeTransactionTariff.name: station_tariffs.change_settled,
    intents.ClearDisplayMessage.name: displays.clearing_settled,
    intents.DataTransfer.name: data_transfers.transfer_settled,
    intents.GetDerControl.name: grid_support.reading_settled,
    intents.GetDisplayMessages.name: displays.reading_settled,
    intents.GetLocalListVersion.name: local_lists.command_settled,
    intents.GetLog.name: logs.command_ended,
    intents.PublishFirmware.name: firmware.command_ended,
    intents.ReserveNow.name: reservations.command_settled,
    intents.RotatePassword.name: outcomes.password_sent,
    intents.SendLocalList.name: local_lists.command_settled,
    intents.SendSignedCertificate.name: outcomes.certificate_sent,
    intents.SetDefaultTariff.name: station_tariffs.default_settled,
    intents.SetDisplayMessage.name: displays.message_settled,
    intents.UpdateFirmware.name: firmware.command_ended,
}


def follow(command_id: UUID, name: str) -> None:
    """Tell whom the end of a command of that name concerns, inside the transaction that ends it."""
    if afterwards := AFTERWARDS.get(name):
        afterwards(Command.objects.get(pk=command_id))
