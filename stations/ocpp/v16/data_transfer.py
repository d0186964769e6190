"""DataTransfer both ways, and texts for displays that take them by it (1.6 sections 4.3 and 5.6)."""

from datetime import datetime

from core import clock
from core.errors import NotSupported
from stations.domain import intents
from stations.domain.data_transfers import DataTransferred
from stations.domain.vendor_data import text_of
from stations.ocpp import vendor_messages
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import OutboundCall
from stations.ocpp.v16 import fields
from stations.services import data_transfer_rules


def receive(socket: Socket, payload: Json, received_at: datetime) -> Json:
    event = DataTransferred(
        vendor_id=fields.text(payload, "vendorId"),
        message_id=fields.text(payload, "messageId"),
        data=text_of(payload.get("data")),
    )
    return vendor_messages.receive(socket, event, received_at)


def send(socket: Socket, intent: intents.DataTransfer) -> OutboundCall:
    """Data is text in 1.6, whatever it holds."""
    return vendor_messages.call_of(intent, None if intent.data is None else text_of(intent.data))


def display_text(socket: Socket, intent: intents.SetDisplayMessage) -> OutboundCall:
    """By the operator's rule for stations of this vendor; OCPP 1.6 has no message for it."""
    first = intent.texts[0]
    values = {
        "text": first.text,
        "language": first.language,
        "until": clock.to_wire(intent.ends_at) if intent.ends_at else "",
        "priority": intent.priority,
    }
    found = data_transfer_rules.display_body(socket.station_id, values)
    if found is None:
        raise NotSupported(
            "OCPP 1.6 has no message for displays. Write a data transfer rule for stations of this vendor first."
        )
    rule, body = found
    return send(socket, intents.DataTransfer(vendor_id=rule.vendor_id, message_id=rule.message_id, data=body))
