"""What we want from a station, imperative and version-neutral (OCPP 2.0.1 words in snake case).

An intent is stored with its command as JSON (:func:`to_json`) and translated at the door, by the table
of the version that the station is connected with. One module for each functional block.
"""

from collections.abc import Mapping
from typing import Any

from core.errors import Invalid
from stations.domain.intents.base import Intent, restored, to_json
from stations.domain.intents.data_transfers import DataTransfer
from stations.domain.intents.device_model import GetBaseReport, GetVariables, SetVariables, VariableItem
from stations.domain.intents.displays import (
    ClearDisplayMessage,
    CostUpdated,
    GetDisplayMessages,
    SetDisplayMessage,
)
from stations.domain.intents.grid_support import (
    ClearDerControl,
    GetDerControl,
    RequestBatterySwap,
    SetDerControl,
)
from stations.domain.intents.raw import Call
from stations.domain.intents.remote_control import (
    ChangeAvailability,
    RequestStartTransaction,
    RequestStopTransaction,
    ResetStation,
    TriggerMessage,
    UnlockConnector,
)
from stations.domain.intents.reservations import CancelReservation, ReserveNow
from stations.domain.intents.station_tariffs import (
    ChangeTransactionTariff,
    ClearTariffs,
    GetTariffs,
    NotifyWebPaymentStarted,
    SetDefaultTariff,
)

__all__ = [
    "INTENTS",
    "Call",
    "CancelReservation",
    "ChangeAvailability",
    "ChangeTransactionTariff",
    "ClearDerControl",
    "ClearDisplayMessage",
    "ClearTariffs",
    "CostUpdated",
    "DataTransfer",
    "GetBaseReport",
    "GetDerControl",
    "GetDisplayMessages",
    "GetTariffs",
    "GetVariables",
    "Intent",
    "NotifyWebPaymentStarted",
    "RequestBatterySwap",
    "RequestStartTransaction",
    "RequestStopTransaction",
    "ReserveNow",
    "ResetStation",
    "SetDefaultTariff",
    "SetDerControl",
    "SetDisplayMessage",
    "SetVariables",
    "TriggerMessage",
    "UnlockConnector",
    "VariableItem",
    "from_json",
    "to_json",
]

INTENTS: Mapping[str, type[Intent]] = {
    kind.name: kind
    for kind in (
        RequestStartTransaction,
        RequestStopTransaction,
        ResetStation,
        UnlockConnector,
        ChangeAvailability,
        TriggerMessage,
        GetVariables,
        SetVariables,
        GetBaseReport,
        ReserveNow,
        CancelReservation,
        SetDerControl,
        GetDerControl,
        ClearDerControl,
        RequestBatterySwap,
        SetDisplayMessage,
        GetDisplayMessages,
        ClearDisplayMessage,
        CostUpdated,
        DataTransfer,
        SetDefaultTariff,
        ChangeTransactionTariff,
        GetTariffs,
        ClearTariffs,
        NotifyWebPaymentStarted,
        Call,
    )
}


def from_json(name: str, parameters: Mapping[str, Any]) -> Intent:
    """The intent that :func:`to_json` stored. Raises :class:`Invalid` for an unknown name or parameter."""
    kind = INTENTS.get(name)
    if kind is None:
        raise Invalid(f"There is no command “{name}”.", field="command")
    return restored(kind, parameters)
