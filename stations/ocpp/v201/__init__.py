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
    customers,
    data_transfer,
    device_model,
    monitoring,
    network,
    outbound,
    provisioning,
    security,
    transactions,
)

ROUTES: Routes = {
    "Authorize": Decided(authorization.authorize),
    "BootNotification": Decided(provisioning.boot),
    "DataTransfer": Direct(data_transfer.data_transfer),
    "Heartbeat": Direct(availability.heartbeat),
    "MeterValues": transactions.METER_VALUES,
    "NotifyCustomerInformation": Decided(customers.notify),
    "NotifyEvent": Chosen(availability.pick_event_route),
    "NotifyMonitoringReport": Decided(monitoring.notify_report),
    "NotifyReport": Decided(provisioning.notify_report),
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
    intents.GetReport: device_model.get_report,
    intents.ClearCache: device_model.clear_cache,
    intents.SetVariableMonitoring: monitoring.set_monitors,
    intents.ClearVariableMonitoring: monitoring.clear_monitors,
    intents.GetMonitoringReport: monitoring.get_report,
    intents.SetMonitoringBase: monitoring.set_base,
    intents.SetMonitoringLevel: monitoring.set_level,
    intents.CustomerInformation: customers.ask,
    intents.SetNetworkProfile: network.set_profile,
    intents.Call: outbound.call,
}

ABSORB: Mapping[str, Callable[[Socket, Json, Json, datetime], None]] = {
    "GetVariables": answers.absorb_read,
    "SetVariables": answers.absorb_written,
    "ChangeAvailability": answers.absorb_availability,
    "GetBaseReport": answers.absorb_report_promise,
    "GetReport": answers.absorb_report_promise,
    "SetVariableMonitoring": monitoring.absorb_set,
    "ClearVariableMonitoring": monitoring.absorb_cleared,
    "GetMonitoringReport": monitoring.absorb_report_promise,
    "SetMonitoringBase": monitoring.absorb_base,
    "SetMonitoringLevel": monitoring.absorb_level,
    "CustomerInformation": customers.absorb_promise,
    "SetNetworkProfile": network.absorb_profile,
}

interpret = answers.interpret
