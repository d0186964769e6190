"""Swapping batteries (block S)."""

from datetime import datetime

from stations.domain import intents
from stations.domain.grid_support import BatteriesSwapped
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import OutboundCall
from stations.ocpp.v201 import fields
from stations.services import battery_swaps


def request_battery_swap(socket: Socket, intent: intents.RequestBatterySwap) -> OutboundCall:
    token = {"idToken": intent.token_value, "type": intent.token_type}
    return OutboundCall("RequestBatterySwap", {"requestId": intent.request_id, "idToken": token})


def battery_swap(socket: Socket, payload: Json, received_at: datetime) -> Json:
    token = fields.token(payload)
    event = BatteriesSwapped(
        request_id=fields.whole(payload["requestId"], "requestId", largest=fields.INT64_MAX),
        kind=fields.text(payload, "eventType", 20),
        token_value=token.value if token else "",
        token_type=token.type if token else "",
        batteries=tuple(fields.plain(payload.get("batteryData") or [])),
    )
    battery_swaps.store(socket, event, received_at)
    return {}
