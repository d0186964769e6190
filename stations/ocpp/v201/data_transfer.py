"""DataTransfer both ways (2.0.1 P01, P02)."""

from datetime import datetime

from stations.domain import intents
from stations.domain.data_transfers import DataTransferred
from stations.domain.vendor_data import text_of
from stations.ocpp import vendor_messages
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import OutboundCall
from stations.ocpp.v201 import fields


def receive(socket: Socket, payload: Json, received_at: datetime) -> Json:
    event = DataTransferred(
        vendor_id=fields.text(payload, "vendorId"),
        message_id=fields.text(payload, "messageId"),
        data=text_of(payload.get("data")),
    )
    return vendor_messages.receive(socket, event, received_at)


def send(socket: Socket, intent: intents.DataTransfer) -> OutboundCall:
    """Data of any kind goes as it is."""
    return vendor_messages.call_of(intent, intent.data)
