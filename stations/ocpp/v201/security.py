"""SecurityEventNotification (2.0.1 A04)."""

from datetime import datetime

from stations.domain import timestamps
from stations.domain.events import SecurityEventReported
from stations.ocpp.context import Json, Socket
from stations.ocpp.v201 import fields
from stations.services import security_events


def security_event(socket: Socket, payload: Json, received_at: datetime) -> Json:
    stamp = timestamps.stamp_or_receipt(payload.get("timestamp"), received_at, lenient=socket.lenient)
    event = SecurityEventReported(
        type=fields.text(payload, "type", 50), stamp=stamp, tech_info=fields.text(payload, "techInfo")
    )
    security_events.store(socket, event)
    return {}
