"""StatusNotification (1.6 section 4.9) and SecurityEventNotification."""

from collections.abc import Sequence
from datetime import datetime

from stations.domain import timestamps
from stations.domain.events import ConnectorStatusReported, SecurityEventReported
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import Collected
from stations.ocpp.v16 import fields
from stations.services import security_events


def decode_status(socket: Socket, payload: Json, received_at: datetime) -> Sequence[ConnectorStatusReported]:
    evse_id = fields.evse_id(payload)
    return [
        ConnectorStatusReported(
            evse_id=evse_id,
            connector_id=fields.CONNECTOR if evse_id else 0,
            status=fields.text(payload, "status", 40),
            stamp=timestamps.stamp_or_receipt(payload.get("timestamp"), received_at, lenient=socket.lenient),
            error_code=fields.text(payload, "errorCode", 60),
            info=fields.text(payload, "info"),
            vendor_id=fields.text(payload, "vendorId"),
            vendor_error_code=fields.text(payload, "vendorErrorCode", 60),
        )
    ]


def nothing(socket: Socket, payload: Json, received_at: datetime) -> Json:
    """The empty answer that most reports get."""
    return {}


def security_event(socket: Socket, payload: Json, received_at: datetime) -> Json:
    event = SecurityEventReported(
        type=fields.text(payload, "type", 50),
        stamp=timestamps.stamp_or_receipt(payload.get("timestamp"), received_at, lenient=socket.lenient),
        tech_info=fields.text(payload, "techInfo"),
    )
    security_events.store(socket, event)
    return {}


STATUS = Collected(decode_status, nothing)
