"""OCPP 1.6J with its security extension at the door: what is served, what is said, and what answers mean."""

from collections.abc import Callable, Mapping
from datetime import datetime

from stations.domain import intents
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import Decided, Direct, Outbound, Routes
from stations.ocpp.v16 import (
    answers,
    authorization,
    data_transfer,
    outbound,
    provisioning,
    reports,
    reservations,
    transactions,
)

ROUTES: Routes = {
    "Authorize": Decided(authorization.authorize),
    "BootNotification": Decided(provisioning.boot),
    "DataTransfer": Decided(data_transfer.receive),
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
    intents.SetDisplayMessage: data_transfer.display_text,
    intents.DataTransfer: data_transfer.send,
    intents.Call: outbound.call,
}

ABSORB: Mapping[str, Callable[[Socket, Json, Json, datetime], None]] = {
    "GetConfiguration": answers.absorb_configuration,
    "ChangeConfiguration": answers.absorb_change,
    "ChangeAvailability": answers.absorb_availability,
}

interpret = answers.interpret
