"""What 2.1 stations can be told beyond 2.0.1: tokens of any type, a restart that resumes, triggers of a vendor,
network profiles with identity and password.
"""

from collections.abc import Mapping

from core.errors import Invalid
from stations.domain import intents
from stations.ocpp.context import Socket
from stations.ocpp.routing import OutboundCall
from stations.ocpp.v21.profiles import WORDS
from stations.ocpp.v201 import network, reservations
from stations.ocpp.v201 import outbound as v201

RESET: Mapping[str, str] = {**v201.RESET, intents.RESUME: "ImmediateAndResume"}
SPOKEN: Mapping[str, str] = {"1.6": "OCPP16", "2.0.1": "OCPP201", "2.1": "OCPP21"}
CUSTOM = "custom_trigger"
TRIGGER: Mapping[str, str] = {"sign_v2g20_certificate": "SignV2G20Certificate"}


def request_start(socket: Socket, intent: intents.RequestStartTransaction) -> OutboundCall:
    return v201.start_of(intent, WORDS)


def reserve_now(socket: Socket, intent: intents.ReserveNow) -> OutboundCall:
    """Types of tokens and of connectors are open in 2.1."""
    return reservations.reservation_of(intent)


def reset(socket: Socket, intent: intents.ResetStation) -> OutboundCall:
    return v201.reset_of(intent, RESET)


def trigger_message(socket: Socket, intent: intents.TriggerMessage) -> OutboundCall:
    if intent.message == CUSTOM:
        if not intent.custom:
            raise Invalid("Name the vendor's trigger.", field="custom")
        payload = {"requestedMessage": "CustomTrigger", "customTrigger": intent.custom}
        if intent.evse_id is not None:
            return OutboundCall("TriggerMessage", {**payload, "evse": v201.evse(intent.evse_id, None)})
        return OutboundCall("TriggerMessage", payload)
    if intent.message in TRIGGER:
        return OutboundCall("TriggerMessage", {"requestedMessage": TRIGGER[intent.message]})
    return v201.trigger_message(socket, intent)


def set_profile(socket: Socket, intent: intents.SetNetworkProfile) -> OutboundCall:
    own = {"identity": intent.identity, "basicAuthPassword": intent.password}
    return network.profile_of(intent, SPOKEN, **{name: value for name, value in own.items() if value})
