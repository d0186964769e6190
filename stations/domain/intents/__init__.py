"""What we want from a station, imperative and version-neutral (OCPP 2.0.1 words in snake case).

An intent is stored with its command as JSON (:func:`to_json`) and translated at the door, by the table
of the version that the station is connected with. One module for each functional block.
"""

from collections.abc import Mapping
from typing import Any

from core.errors import Invalid
from stations.domain.intents.base import Intent, restored, to_json
from stations.domain.intents.device_model import GetBaseReport, GetVariables, SetVariables, VariableItem
from stations.domain.intents.grid_support import (
    ClearDerControl,
    GetDerControl,
    RequestBatterySwap,
    SetDerControl,
)
from stations.domain.intents.local_lists import GetLocalListVersion, SendLocalList
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
from stations.domain.intents.smart_charging import (
    AfrrSignal,
    ClearChargingProfile,
    GetChargingProfiles,
    GetCompositeSchedule,
    NotifyAllowedEnergyTransfer,
    SetChargingProfile,
    UpdateDynamicSchedule,
    UsePriorityCharging,
)
from stations.domain.intents.transaction_status import GetTransactionStatus

__all__ = [
    "INTENTS",
    "AfrrSignal",
    "Call",
    "CancelReservation",
    "ChangeAvailability",
    "ClearChargingProfile",
    "ClearDerControl",
    "GetBaseReport",
    "GetChargingProfiles",
    "GetCompositeSchedule",
    "GetDerControl",
    "GetLocalListVersion",
    "GetTransactionStatus",
    "GetVariables",
    "Intent",
    "NotifyAllowedEnergyTransfer",
    "RequestBatterySwap",
    "RequestStartTransaction",
    "RequestStopTransaction",
    "ReserveNow",
    "ResetStation",
    "SendLocalList",
    "SetChargingProfile",
    "SetDerControl",
    "SetVariables",
    "TriggerMessage",
    "UnlockConnector",
    "UpdateDynamicSchedule",
    "UsePriorityCharging",
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
        SetChargingProfile,
        ClearChargingProfile,
        GetChargingProfiles,
        GetCompositeSchedule,
        UsePriorityCharging,
        UpdateDynamicSchedule,
        NotifyAllowedEnergyTransfer,
        AfrrSignal,
        SendLocalList,
        GetLocalListVersion,
        GetTransactionStatus,
        Call,
    )
}


def from_json(name: str, parameters: Mapping[str, Any]) -> Intent:
    """The intent that :func:`to_json` stored. Raises :class:`Invalid` for an unknown name or parameter."""
    kind = INTENTS.get(name)
    if kind is None:
        raise Invalid(f"There is no command “{name}”.", field="command")
    return restored(kind, parameters)
