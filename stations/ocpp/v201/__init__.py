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
    local_lists,
    outbound,
    provisioning,
    reservations,
    security,
    smart_charging,
    transaction_status,
    transactions,
)

ROUTES: Routes = {
    "Authorize": Decided(authorization.authorize),
    "BootNotification": Decided(provisioning.boot),
    "ClearedChargingLimit": Decided(smart_charging.cleared_limit),
    "DataTransfer": Direct(data_transfer.data_transfer),
    "Heartbeat": Direct(availability.heartbeat),
    "MeterValues": transactions.METER_VALUES,
    "NotifyChargingLimit": Decided(smart_charging.notify_limit),
    "NotifyEVChargingNeeds": Decided(smart_charging.notify_needs),
    "NotifyEVChargingSchedule": Decided(smart_charging.notify_car_schedule),
    "NotifyEvent": Chosen(availability.pick_event_route),
    "NotifyReport": Decided(provisioning.notify_report),
    "ReservationStatusUpdate": Decided(reservations.status_update),
    "ReportChargingProfiles": Decided(smart_charging.report_profiles),
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
    intents.ClearChargingProfile: smart_charging.clear_profiles,
    intents.GetChargingProfiles: smart_charging.get_profiles_201,
    intents.GetCompositeSchedule: smart_charging.get_composite,
    intents.SetChargingProfile: smart_charging.set_profile,
    intents.SendLocalList: local_lists.send,
    intents.GetLocalListVersion: local_lists.get_version,
    intents.GetTransactionStatus: transaction_status.ask,
    intents.Call: outbound.call,
}

ABSORB: Mapping[str, Callable[[Socket, Json, Json, datetime], None]] = {
    "GetVariables": answers.absorb_read,
    "SetVariables": answers.absorb_written,
    "ChangeAvailability": answers.absorb_availability,
    "GetBaseReport": answers.absorb_report_promise,
    "GetReport": answers.absorb_report_promise,
    "ClearChargingProfile": smart_charging.absorb_cleared,
    "GetChargingProfiles": smart_charging.absorb_profiles,
    "GetCompositeSchedule": smart_charging.absorb_composite,
    "SetChargingProfile": smart_charging.absorb_set,
    "SendLocalList": local_lists.absorb_sent,
    "GetLocalListVersion": local_lists.absorb_version,
    "GetTransactionStatus": transaction_status.absorb,
}

interpret = answers.interpret
