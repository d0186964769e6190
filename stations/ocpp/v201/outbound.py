"""What we say to 2.0.1 stations: each intent as the CALL that carries it."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from core.errors import Invalid, NotSupported
from stations.domain import intents
from stations.domain.intents import MonitorItem, VariableItem
from stations.domain.smart_charging import profile_of
from stations.ocpp import raw_calls, raw_profiles
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import OutboundCall
from stations.ocpp.v201 import network, passwords, profiles
from stations.ocpp.v201.splitting import split
from stations.services import reports

TOKEN_TYPES = frozenset(
    {"Central", "eMAID", "ISO14443", "ISO15693", "KeyCode", "Local", "MacAddress", "NoAuthorization"}
)
RESET: Mapping[str, str] = {"immediate": "Immediate", "on_idle": "OnIdle"}
OPERATIONAL: Mapping[str, str] = {"operative": "Operative", "inoperative": "Inoperative"}
REPORT: Mapping[str, str] = {
    "configuration_inventory": "ConfigurationInventory",
    "full_inventory": "FullInventory",
    "summary_inventory": "SummaryInventory",
}
TRIGGER: Mapping[str, str] = {
    "boot_notification": "BootNotification",
    "log_status_notification": "LogStatusNotification",
    "firmware_status_notification": "FirmwareStatusNotification",
    "heartbeat": "Heartbeat",
    "meter_values": "MeterValues",
    "sign_charging_station_certificate": "SignChargingStationCertificate",
    "sign_v2g_certificate": "SignV2GCertificate",
    "status_notification": "StatusNotification",
    "transaction_event": "TransactionEvent",
    "sign_combined_certificate": "SignCombinedCertificate",
    "publish_firmware_status_notification": "PublishFirmwareStatusNotification",
}
ABOUT_CONNECTORS = "status_notification"


def request_start(socket: Socket, intent: intents.RequestStartTransaction) -> OutboundCall:
    if intent.token_type not in TOKEN_TYPES:
        raise NotSupported(f"OCPP 2.0.1 has no tokens of the type “{intent.token_type}”.", field="token")
    return start_of(intent)


def start_of(intent: intents.RequestStartTransaction, words: profiles.Words = profiles.WORDS) -> OutboundCall:
    """RequestStartTransaction, whatever types of tokens the version knows."""
    payload: dict[str, Any] = {
        "idToken": {"idToken": intent.token_value, "type": intent.token_type},
        "remoteStartId": intent.remote_start_id,
    }
    if intent.evse_id is not None:
        payload["evseId"] = intent.evse_id
    if intent.charging_profile is not None:
        payload["chargingProfile"] = profiles.encode(profile_of(intent.charging_profile), words)
    return OutboundCall("RequestStartTransaction", payload)


def request_stop(socket: Socket, intent: intents.RequestStopTransaction) -> OutboundCall:
    return OutboundCall("RequestStopTransaction", {"transactionId": intent.reference})


def reset(socket: Socket, intent: intents.ResetStation) -> OutboundCall:
    if intent.kind == intents.RESUME:
        raise NotSupported("OCPP 2.0.1 stations cannot resume sessions after a restart.", field="kind")
    return reset_of(intent, RESET)


def reset_of(intent: intents.ResetStation, kinds: Mapping[str, str]) -> OutboundCall:
    """Reset, whatever kinds of it the version knows."""
    payload: dict[str, Any] = {"type": word(kinds, intent.kind, "kind")}
    if intent.evse_id is not None:
        payload["evseId"] = intent.evse_id
    return OutboundCall("Reset", payload)


def unlock_connector(socket: Socket, intent: intents.UnlockConnector) -> OutboundCall:
    return OutboundCall("UnlockConnector", {"evseId": intent.evse_id, "connectorId": intent.connector_id})


def change_availability(socket: Socket, intent: intents.ChangeAvailability) -> OutboundCall:
    payload: dict[str, Any] = {
        "operationalStatus": word(OPERATIONAL, intent.operational_status, "operational_status")
    }
    if intent.evse_id is not None:
        payload["evse"] = evse(intent.evse_id, intent.connector_id)
    return OutboundCall("ChangeAvailability", payload)


def trigger_message(socket: Socket, intent: intents.TriggerMessage) -> OutboundCall:
    message = TRIGGER.get(intent.message)
    if message is None:
        raise NotSupported(
            f"OCPP {socket.version} stations cannot be asked for “{intent.message}”.", field="message"
        )
    payload: dict[str, Any] = {"requestedMessage": message}
    if intent.evse_id is not None:
        # A connector may be named for its state only, and has to be (F06.FR.12, F06.FR.13).
        connector_id = (intent.connector_id or 1) if intent.message == ABOUT_CONNECTORS else None
        payload["evse"] = evse(intent.evse_id, connector_id)
    return OutboundCall("TriggerMessage", payload)


def get_variables(socket: Socket, intent: intents.GetVariables) -> OutboundCall:
    if not intent.items:
        raise NotSupported("Name the variables to read, or ask for a whole report.", field="items")
    items = [variable(item) for item in intent.items]
    return split(socket, "GetVariables", "getVariableData", items)


def set_variables(socket: Socket, intent: intents.SetVariables) -> OutboundCall:
    items = [{**variable(item), "attributeValue": item.value or ""} for item in intent.items]
    keep = passwords.change_of(socket, items)
    return replace(split(socket, "SetVariables", "setVariableData", items), keep=keep)


def get_base_report(socket: Socket, intent: intents.GetBaseReport) -> OutboundCall:
    base = word(REPORT, intent.kind, "kind")
    payload = {"requestId": intent.request_id, "reportBase": base}
    keep = partial(reports.expect, socket.station_id, intent.request_id, base)
    return OutboundCall("GetBaseReport", payload, keep=keep)


def call(socket: Socket, intent: intents.Call) -> OutboundCall:
    raw_calls.require_sayable(socket.version, intent)
    changed = intent.payload.get("setVariableData", ()) if intent.action == "SetVariables" else ()
    network.check_raw(socket, intent.action, intent.payload)
    raw_profiles.check(intent.action, intent.payload)
    return OutboundCall(intent.action, intent.payload, keep=passwords.change_of(socket, changed))


def word(words: Mapping[str, str], asked: str, field: str) -> str:
    """The version's word. Raises :class:`Invalid` naming the field."""
    if asked not in words:
        raise Invalid(f"“{asked}” is none of {', '.join(words)}.", field=field)
    return words[asked]


def evse(evse_id: int, connector_id: int | None) -> Json:
    """An EVSEType."""
    return {"id": evse_id} if connector_id is None else {"id": evse_id, "connectorId": connector_id}


def variable(item: VariableItem) -> dict[str, Any]:
    """Component, variable and attribute as GetVariables and SetVariables name them."""
    if not item.component:
        raise Invalid(f"Name the component of “{item.variable}”.", field="items")
    data: dict[str, Any] = {"component": component(item), "variable": named(item)}
    if item.attribute != "Actual":
        data["attributeType"] = item.attribute
    return data


def component(item: VariableItem | MonitorItem) -> dict[str, Any]:
    """A ComponentType."""
    found: dict[str, Any] = {"name": item.component}
    if item.component_instance:
        found["instance"] = item.component_instance
    if item.evse_id is not None:
        found["evse"] = evse(item.evse_id, item.connector_id)
    return found


def named(item: VariableItem | MonitorItem) -> dict[str, Any]:
    """A VariableType."""
    return {"name": item.variable, **({"instance": item.instance} if item.instance else {})}
