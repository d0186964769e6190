"""OCPP 1.6J with its security extension at the door: what is served, what is said, and what answers mean."""

from collections.abc import Callable, Mapping
from datetime import datetime

from stations.domain import intents
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import Decided, Direct, Outbound, Routes
from stations.ocpp.v16 import (
    answers,
    authorization,
    local_lists,
    outbound,
    provisioning,
    reports,
    reservations,
    smart_charging,
    transactions,
)

ROUTES: Routes = {
    "Authorize": Decided(authorization.authorize),
    "BootNotification": Decided(provisioning.boot),
    "DataTransfer": Direct(provisioning.data_transfer),
    "DiagnosticsStatusNotification": reports.seen("diagnostics_status_notification"),
    "FirmwareStatusNotification": reports.seen("firmware_status_notification"),
    "Heartbeat": Direct(provisioning.heartbeat),
    "LogStatusNotification": reports.seen("log_status_notification"),
    "MeterValues": transactions.METER_VALUES,
    "SecurityEventNotification": Decided(reports.security_event),
    "SignedFirmwareStatusNotification": reports.seen("firmware_status_notification"),
    "StartTransaction": Decided(transactions.start_transaction),
    "StatusNotification": reports.STATUS,
    "StopTransaction": Decided(transactions.stop_transaction),
}

OUTBOUND: Outbound = {
    intents.RequestStartTransaction: outbound.request_start,
    intents.RequestStopTransaction: outbound.request_stop,
    intents.ResetStation: outbound.reset,
    intents.UnlockConnector: outbound.unlock_connector,
    intents.ChangeAvailability: outbound.change_availability,
    intents.TriggerMessage: outbound.trigger_message,
    intents.GetVariables: outbound.get_variables,
    intents.SetVariables: outbound.set_variables,
    intents.GetBaseReport: outbound.get_base_report,
    intents.ReserveNow: reservations.reserve_now,
    intents.CancelReservation: reservations.cancel_reservation,
    intents.ClearChargingProfile: smart_charging.clear_profiles,
    intents.GetCompositeSchedule: smart_charging.get_composite,
    intents.SetChargingProfile: smart_charging.set_profile,
    intents.SendLocalList: local_lists.send,
    intents.GetLocalListVersion: local_lists.get_version,
    intents.Call: outbound.call,
}

ABSORB: Mapping[str, Callable[[Socket, Json, Json, datetime], None]] = {
    "GetConfiguration": answers.absorb_configuration,
    "ChangeConfiguration": answers.absorb_change,
    "ChangeAvailability": answers.absorb_availability,
    "ClearChargingProfile": smart_charging.absorb_cleared,
    "GetCompositeSchedule": smart_charging.absorb_composite,
    "SetChargingProfile": smart_charging.absorb_set,
    "SendLocalList": local_lists.absorb_sent,
    "GetLocalListVersion": local_lists.absorb_version,
}

interpret = answers.interpret
