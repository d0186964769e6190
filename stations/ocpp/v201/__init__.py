"""OCPP 2.0.1 at the door: what is served, what is said, and what answers mean."""

from collections.abc import Callable, Mapping
from datetime import datetime

from stations.domain import intents
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import Chosen, Decided, Direct, Outbound, Routes
from stations.ocpp.v201 import (
    answers,
    authorization,
    availability,
    data_transfer,
    displays,
    outbound,
    provisioning,
    reservations,
    security,
    transactions,
)

ROUTES: Routes = {
    "Authorize": Decided(authorization.authorize),
    "BootNotification": Decided(provisioning.boot),
    "DataTransfer": Decided(data_transfer.receive),
    "Heartbeat": Direct(availability.heartbeat),
    "MeterValues": transactions.METER_VALUES,
    "NotifyDisplayMessages": Decided(displays.notify),
    "NotifyEvent": Chosen(availability.pick_event_route),
    "NotifyReport": Decided(provisioning.notify_report),
    "ReservationStatusUpdate": Decided(reservations.status_update),
    "SecurityEventNotification": Decided(security.security_event),
    "StatusNotification": availability.STATUS,
    "TransactionEvent": Chosen(transactions.pick_route),
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
    intents.SetDisplayMessage: displays.set_display_message,
    intents.GetDisplayMessages: displays.get_display_messages,
    intents.ClearDisplayMessage: displays.clear_display_message,
    intents.CostUpdated: displays.cost_updated,
    intents.DataTransfer: data_transfer.send,
    intents.Call: outbound.call,
}

ABSORB: Mapping[str, Callable[[Socket, Json, Json, datetime], None]] = {
    "GetVariables": answers.absorb_read,
    "SetVariables": answers.absorb_written,
    "ChangeAvailability": answers.absorb_availability,
    "GetBaseReport": answers.absorb_report_promise,
    "GetReport": answers.absorb_report_promise,
    "SetDisplayMessage": displays.absorb_set,
}

interpret = answers.interpret
