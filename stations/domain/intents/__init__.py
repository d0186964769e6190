"""What we want from a station, imperative and version-neutral (OCPP 2.0.1 words in snake case).

An intent is stored with its command as JSON (:func:`to_json`) and translated at the door, by the table
of the version that the station is connected with. One module for each functional block.
"""

from collections.abc import Mapping
from typing import Any

from core.errors import Invalid
from stations.domain.intents.base import Intent, restored, to_json
from stations.domain.intents.certificates import (
    DeleteCertificate,
    GetInstalledCertificates,
    InstallCertificate,
    RenewCertificate,
    RotatePassword,
    SendSignedCertificate,
)
from stations.domain.intents.data_transfers import DataTransfer
from stations.domain.intents.device_model import (
    ClearCache,
    GetBaseReport,
    GetReport,
    GetVariables,
    SetVariables,
    VariableItem,
)
from stations.domain.intents.displays import (
    ClearDisplayMessage,
    CostUpdated,
    GetDisplayMessages,
    SetDisplayMessage,
)
from stations.domain.intents.firmware import GetLog, PublishFirmware, UnpublishFirmware, UpdateFirmware
from stations.domain.intents.grid_support import (
    ClearDerControl,
    GetDerControl,
    RequestBatterySwap,
    SetDerControl,
)
from stations.domain.intents.local_lists import GetLocalListVersion, SendLocalList
from stations.domain.intents.monitoring import (
    AdjustEventStream,
    ClearVariableMonitoring,
    CustomerInformation,
    GetEventStreams,
    GetMonitoringReport,
    MonitorItem,
    SetMonitoringBase,
    SetMonitoringLevel,
    SetVariableMonitoring,
)
from stations.domain.intents.network import SetNetworkProfile
from stations.domain.intents.raw import Call
from stations.domain.intents.remote_control import (
    RESUME,
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
from stations.domain.intents.station_tariffs import (
    ChangeTransactionTariff,
    ClearTariffs,
    GetTariffs,
    NotifyWebPaymentStarted,
    SetDefaultTariff,
)
from stations.domain.intents.transaction_status import GetTransactionStatus

__all__ = [
    "INTENTS",
    "RESUME",
    "AdjustEventStream",
    "AfrrSignal",
    "Call",
    "CancelReservation",
    "ChangeAvailability",
    "ChangeTransactionTariff",
    "ClearCache",
    "ClearChargingProfile",
    "ClearDerControl",
    "ClearDisplayMessage",
    "ClearTariffs",
    "ClearVariableMonitoring",
    "CostUpdated",
    "CustomerInformation",
    "DataTransfer",
    "DeleteCertificate",
    "GetBaseReport",
    "GetChargingProfiles",
    "GetCompositeSchedule",
    "GetDerControl",
    "GetDisplayMessages",
    "GetEventStreams",
    "GetInstalledCertificates",
    "GetLocalListVersion",
    "GetLog",
    "GetMonitoringReport",
    "GetReport",
    "GetTariffs",
    "GetTransactionStatus",
    "GetVariables",
    "InstallCertificate",
    "Intent",
    "MonitorItem",
    "NotifyAllowedEnergyTransfer",
    "NotifyWebPaymentStarted",
    "PublishFirmware",
    "RenewCertificate",
    "RequestBatterySwap",
    "RequestStartTransaction",
    "RequestStopTransaction",
    "ReserveNow",
    "ResetStation",
    "RotatePassword",
    "SendLocalList",
    "SendSignedCertificate",
    "SetChargingProfile",
    "SetDefaultTariff",
    "SetDerControl",
    "SetDisplayMessage",
    "SetMonitoringBase",
    "SetMonitoringLevel",
    "SetNetworkProfile",
    "SetVariableMonitoring",
    "SetVariables",
    "TriggerMessage",
    "UnlockConnector",
    "UnpublishFirmware",
    "UpdateDynamicSchedule",
    "UpdateFirmware",
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
        UpdateFirmware,
        PublishFirmware,
        UnpublishFirmware,
        GetLog,
        SendSignedCertificate,
        InstallCertificate,
        DeleteCertificate,
        GetInstalledCertificates,
        RenewCertificate,
        RotatePassword,
        GetReport,
        ClearCache,
        SetVariableMonitoring,
        ClearVariableMonitoring,
        GetMonitoringReport,
        SetMonitoringBase,
        SetMonitoringLevel,
        CustomerInformation,
        AdjustEventStream,
        GetEventStreams,
        SetNetworkProfile,
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
