"""ReserveNow, CancelReservation and ReservationStatusUpdate (2.0.1 block H)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from core import clock
from core.errors import NotSupported
from stations.domain import intents
from stations.domain.reservations import ReservationEnded, ReservationStatus
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import OutboundCall
from stations.ocpp.v201 import fields
from stations.ocpp.v201.authorization import GROUP_TYPE
from stations.ocpp.v201.outbound import TOKEN_TYPES
from stations.services import reservations

ENDED: Mapping[str, ReservationStatus] = {
    "Expired": ReservationStatus.EXPIRED,
    "Removed": ReservationStatus.REMOVED,
    "NoTransaction": ReservationStatus.EXPIRED,
}
"""The last word is of 2.1: the token was shown in time and nothing followed."""
CONNECTOR_TYPES = frozenset(
    {
        "cCCS1", "cCCS2", "cG105", "cTesla", "cType1", "cType2", "s309-1P-16A", "s309-1P-32A", "s309-3P-16A",
        "s309-3P-32A", "sBS1361", "sCEE-7-7", "sType2", "sType3", "Other1PhMax16A", "Other1PhOver16A", "Other3Ph",
        "Pan", "wInductive", "wResonant", "Undetermined", "Unknown",
    }
)  # fmt: skip


def reserve_now(socket: Socket, intent: intents.ReserveNow) -> OutboundCall:
    if intent.token_type not in TOKEN_TYPES:
        raise NotSupported(f"OCPP 2.0.1 has no tokens of the type “{intent.token_type}”.", field="token")
    if intent.connector_type and intent.connector_type not in CONNECTOR_TYPES:
        raise NotSupported(
            f"OCPP 2.0.1 has no connector type “{intent.connector_type}”.", field="connector_type"
        )
    return reservation_of(intent)


def reservation_of(intent: intents.ReserveNow) -> OutboundCall:
    """ReserveNow, whatever types of tokens and connectors the version knows."""
    payload: dict[str, Any] = {
        "id": intent.number,
        "expiryDateTime": clock.to_wire(intent.expires_at),
        "idToken": {"idToken": intent.token_value, "type": intent.token_type},
    }
    if intent.evse_id is not None:
        payload["evseId"] = intent.evse_id
    if intent.connector_type:
        payload["connectorType"] = intent.connector_type
    if intent.group_value:
        payload["groupIdToken"] = {"idToken": intent.group_value, "type": GROUP_TYPE}
    return OutboundCall("ReserveNow", payload)


def cancel_reservation(socket: Socket, intent: intents.CancelReservation) -> OutboundCall:
    return OutboundCall("CancelReservation", {"reservationId": intent.number})


def status_update(socket: Socket, payload: Json, received_at: datetime) -> Json:
    word = fields.text(payload, "reservationUpdateStatus", 40)
    reservations.end(
        socket,
        ReservationEnded(
            number=fields.whole(payload["reservationId"], "reservationId"),
            status=ENDED.get(word, ReservationStatus.REMOVED),
            detail=word,
        ),
    )
    return {}
