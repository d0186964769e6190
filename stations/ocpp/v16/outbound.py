"""What we say to 1.6 stations: each intent as the CALL that carries it."""

from collections.abc import Mapping
from typing import Any

from core.errors import Invalid, NotSupported
from stations.domain import intents
from stations.domain.smart_charging import profile_of
from stations.ocpp import raw_calls, raw_profiles
from stations.ocpp.context import Socket
from stations.ocpp.routing import OutboundCall, in_a_row
from stations.ocpp.v16 import passwords, smart_charging
from stations.services import configuration, network_profiles

TOKEN_MAX = 20
VALUE_MAX = 500
RESET: Mapping[str, str] = {"immediate": "Hard", "on_idle": "Soft"}
AVAILABILITY: Mapping[str, str] = {"operative": "Operative", "inoperative": "Inoperative"}
TRIGGER: Mapping[str, str] = {
    "boot_notification": "BootNotification",
    "diagnostics_status_notification": "DiagnosticsStatusNotification",
    "firmware_status_notification": "FirmwareStatusNotification",
    "heartbeat": "Heartbeat",
    "meter_values": "MeterValues",
    "status_notification": "StatusNotification",
}
EXTENDED_TRIGGER: Mapping[str, str] = {
    "log_status_notification": "LogStatusNotification",
    "sign_charging_station_certificate": "SignChargePointCertificate",
}
BASE_REPORT = "base_report"
"""Where the socket remembers which report the answer with all keys completes."""


def request_start(socket: Socket, intent: intents.RequestStartTransaction) -> OutboundCall:
    """The profile of a remote start names no transaction (P251)."""
    if len(intent.token_value) > TOKEN_MAX:
        raise NotSupported(f"OCPP 1.6 takes tokens of at most {TOKEN_MAX} characters.", field="token")
    payload: dict[str, Any] = {"idTag": intent.token_value}
    if intent.evse_id is not None:
        payload["connectorId"] = intent.evse_id
    if intent.charging_profile is not None:
        payload["chargingProfile"] = smart_charging.encode(profile_of(intent.charging_profile))
    return OutboundCall("RemoteStartTransaction", payload)


def request_stop(socket: Socket, intent: intents.RequestStopTransaction) -> OutboundCall:
    if not intent.reference.isdecimal():
        raise Invalid("This session was not begun by OCPP 1.6; it has no number.", field="transaction")
    return OutboundCall("RemoteStopTransaction", {"transactionId": int(intent.reference)})


def reset(socket: Socket, intent: intents.ResetStation) -> OutboundCall:
    if intent.evse_id is not None:
        raise NotSupported("OCPP 1.6 stations can only be restarted as a whole.", field="evse_id")
    if intent.kind == intents.RESUME:
        raise NotSupported("OCPP 1.6 stations cannot resume sessions after a restart.", field="kind")
    return OutboundCall("Reset", {"type": _word(RESET, intent.kind, "kind")})


def unlock_connector(socket: Socket, intent: intents.UnlockConnector) -> OutboundCall:
    return OutboundCall("UnlockConnector", {"connectorId": intent.evse_id})


def change_availability(socket: Socket, intent: intents.ChangeAvailability) -> OutboundCall:
    kind = _word(AVAILABILITY, intent.operational_status, "operational_status")
    return OutboundCall("ChangeAvailability", {"connectorId": intent.evse_id or 0, "type": kind})


def trigger_message(socket: Socket, intent: intents.TriggerMessage) -> OutboundCall:
    """Those of the security extension have an action of their own (P243)."""
    extended = EXTENDED_TRIGGER.get(intent.message)
    message = extended or TRIGGER.get(intent.message)
    if message is None:
        raise NotSupported(f"OCPP 1.6 stations cannot be asked for “{intent.message}”.", field="message")
    payload: dict[str, Any] = {"requestedMessage": message}
    if intent.evse_id:
        payload["connectorId"] = intent.evse_id
    return OutboundCall("ExtendedTriggerMessage" if extended else "TriggerMessage", payload)


def get_variables(socket: Socket, intent: intents.GetVariables) -> OutboundCall:
    """All keys where none is named; else as many at a time as the station takes (P214)."""
    names = list(dict.fromkeys(item.variable for item in intent.items))
    if not names:
        return OutboundCall("GetConfiguration", {})
    size = configuration.keys_per_message(socket.station_id)
    parts = [names[start : start + size] for start in range(0, len(names), size)]
    return in_a_row([OutboundCall("GetConfiguration", {"key": part}) for part in parts])


def set_variables(socket: Socket, intent: intents.SetVariables) -> OutboundCall:
    """One message for each key."""
    if not intent.items:
        raise Invalid("Name at least one variable.", field="items")
    return in_a_row([_change(socket, item) for item in intent.items])


def get_base_report(socket: Socket, intent: intents.GetBaseReport) -> OutboundCall:
    """All keys are the whole report of a 1.6 station; it comes in the answer."""
    socket.memory[BASE_REPORT] = intent.request_id
    return OutboundCall("GetConfiguration", {})


def clear_cache(socket: Socket, intent: intents.ClearCache) -> OutboundCall:
    return OutboundCall("ClearCache", {})


def call(socket: Socket, intent: intents.Call) -> OutboundCall:
    """In the station's own words; the floor of security holds for them too (S-07)."""
    keep = None
    raw_calls.require_sayable(socket.version, intent)
    raw_profiles.check(intent.action, intent.payload)
    if intent.action == "ChangeConfiguration":
        level = str(intent.payload.get("value", "")).strip()
        if str(intent.payload.get("key", "")).lower() == network_profiles.LEVEL and level.isdigit():
            network_profiles.require_level(socket.station_id, int(level))
        keep = passwords.change_of(socket, str(intent.payload.get("key")), str(intent.payload.get("value")))
    return OutboundCall(intent.action, intent.payload, keep=keep)


def _change(socket: Socket, item: intents.VariableItem) -> OutboundCall:
    value = passwords.as_sent(item.variable, item.value or "")
    if len(value) > VALUE_MAX:
        raise Invalid(f"OCPP 1.6 takes values of at most {VALUE_MAX} characters.", field="items")
    keep = passwords.change_of(socket, item.variable, value)
    return OutboundCall("ChangeConfiguration", {"key": item.variable, "value": value}, keep=keep)


def _word(words: Mapping[str, str], asked: str, field: str) -> str:
    if asked not in words:
        raise Invalid(f"“{asked}” is none of {', '.join(words)}.", field=field)
    return words[asked]
