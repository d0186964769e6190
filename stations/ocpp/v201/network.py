"""SetNetworkProfile (2.0.1 B09), and the floor of security for what experts send (S-07)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from core.errors import Invalid, NotSupported
from stations.domain import intents
from stations.models import NetworkProfile
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import OutboundCall
from stations.ocpp.v201 import fields
from stations.services import network_profiles

SPOKEN: Mapping[str, str] = {"1.6": "OCPP16", "2.0.1": "OCPP20"}
APN: Mapping[str, str] = {
    "apn": "apn",
    "user": "apnUserName",
    "password": "apnPassword",
    "sim_pin": "simPin",
    "preferred_network": "preferredNetwork",
    "only_preferred": "useOnlyPreferredNetwork",
    "authentication": "apnAuthentication",
}
VPN: Mapping[str, str] = {
    "server": "server",
    "user": "user",
    "group": "group",
    "password": "password",
    "vpn_key": "key",
    "type": "type",
}
HIGHEST_LEVEL = 3


def set_profile(socket: Socket, intent: intents.SetNetworkProfile) -> OutboundCall:
    if intent.confirm_downgrade:
        raise NotSupported(
            "OCPP 2.0.1 knows no way back to a lower security profile.", field="confirm_downgrade"
        )
    if intent.identity or intent.password:
        raise NotSupported(
            "OCPP 2.0.1 profiles hold neither identity nor password of the station.", field="identity"
        )
    return profile_of(intent, SPOKEN)


def profile_of(intent: intents.SetNetworkProfile, spoken: Mapping[str, str], **more: Any) -> OutboundCall:
    """SetNetworkProfile, whatever versions of OCPP the version can name."""
    version = spoken.get(intent.ocpp_version)
    if version is None:
        raise NotSupported(f"A profile cannot name OCPP {intent.ocpp_version} here.", field="ocpp_version")
    data: dict[str, Any] = {
        "ocppVersion": version,
        "ocppTransport": "JSON",
        "ocppCsmsUrl": intent.url,
        "messageTimeout": intent.message_timeout_s,
        "securityProfile": intent.security_profile,
        "ocppInterface": intent.interface,
        **more,
    }
    if intent.apn:
        data["apn"] = {APN[name]: _plain(name, value) for name, value in intent.apn.items() if name in APN}
    if intent.vpn:
        data["vpn"] = {VPN[name]: value for name, value in intent.vpn.items() if name in VPN}
    return OutboundCall("SetNetworkProfile", {"configurationSlot": intent.slot, "connectionData": data})


def check_raw(socket: Socket, action: str, payload: Json) -> None:
    """What an expert sends in the station's words keeps the floor of security too. Raises :class:`Conflict`."""
    if action == "SetNetworkProfile":
        data = payload.get("connectionData")
        if isinstance(data, Mapping) and isinstance(data.get("securityProfile"), int):
            if not 0 <= data["securityProfile"] <= HIGHEST_LEVEL:
                raise Invalid(f"A security profile is a number from 0 to {HIGHEST_LEVEL}.", field="payload")
            network_profiles.require_level(socket.station_id, data["securityProfile"])
    if action == "SetVariables":
        for item in payload.get("setVariableData", ()):
            value = str(item.get("attributeValue", "")).strip()
            if str(item["variable"]["name"]).lower() == network_profiles.LEVEL and value.isdigit():
                network_profiles.require_level(socket.station_id, int(value))


def absorb_profile(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    """What the slot holds from now on, or why the station did not take it."""
    data = request.get("connectionData") or {}
    told = NetworkProfile(
        slot=int(request.get("configurationSlot", 0)),
        url=fields.text(data, "ocppCsmsUrl", 2000),
        interface=fields.text(data, "ocppInterface", 20),
        message_timeout_s=data.get("messageTimeout"),
        security_profile=data.get("securityProfile"),
        identity=fields.text(data, "identity", 48),
    )
    status = str(response.get("status", ""))
    network_profiles.keep_answer(socket, told, status, fields.status_and_reason(response, ""), at)


def _plain(name: str, value: Any) -> Any:
    return int(value) if name == "sim_pin" else value
