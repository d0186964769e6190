"""ReserveNow and CancelReservation (1.6 sections 5.13 and 5.2)."""

from typing import Any

from core import clock
from core.errors import NotSupported
from stations.domain import intents
from stations.ocpp.context import Socket
from stations.ocpp.routing import OutboundCall
from stations.ocpp.v16.outbound import TOKEN_MAX
from stations.services import configuration

ANY_CONNECTOR = "ReserveConnectorZeroSupported"


def reserve_now(socket: Socket, intent: intents.ReserveNow) -> OutboundCall:
    if intent.connector_type:
        raise NotSupported("OCPP 1.6 reserves by connector, not by type.", field="connector_type")
    if len(intent.token_value) > TOKEN_MAX:
        raise NotSupported(f"OCPP 1.6 takes tokens of at most {TOKEN_MAX} characters.", field="token")
    if intent.evse_id is None and configuration.value_of(socket.station_id, ANY_CONNECTOR) != "true":
        raise NotSupported("This station cannot reserve any one connector. Name the EVSE.", field="evse_id")
    payload: dict[str, Any] = {
        "connectorId": intent.evse_id or 0,
        "expiryDate": clock.to_wire(intent.expires_at),
        "idTag": intent.token_value,
        "reservationId": intent.number,
    }
    if intent.group_value:
        payload["parentIdTag"] = intent.group_value[:TOKEN_MAX]
    return OutboundCall("ReserveNow", payload)


def cancel_reservation(socket: Socket, intent: intents.CancelReservation) -> OutboundCall:
    return OutboundCall("CancelReservation", {"reservationId": intent.number})
