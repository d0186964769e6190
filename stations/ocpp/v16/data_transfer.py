"""DataTransfer both ways, and texts for displays that take them by it (1.6 sections 4.3 and 5.6)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from core import clock
from core.errors import NotSupported
from stations.domain import intents
from stations.domain.data_transfers import DataTransferred, TransferStatus
from stations.domain.vendor_data import text_of
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import OutboundCall
from stations.ocpp.v16 import fields
from stations.services import data_transfer_rules, data_transfers

STATUS: Mapping[TransferStatus, str] = {
    TransferStatus.ACCEPTED: "Accepted",
    TransferStatus.REJECTED: "Rejected",
    TransferStatus.UNKNOWN_MESSAGE_ID: "UnknownMessageId",
    TransferStatus.UNKNOWN_VENDOR_ID: "UnknownVendorId",
}


def receive(socket: Socket, payload: Json, received_at: datetime) -> Json:
    """Answered even before the boot (P089)."""
    socket.data_masks = data_transfers.masks_of(socket.organization_id)
    event = DataTransferred(
        vendor_id=fields.text(payload, "vendorId"),
        message_id=fields.text(payload, "messageId"),
        data=text_of(payload.get("data")),
    )
    answer = data_transfers.receive(socket, event, received_at)
    said = {"status": STATUS[answer.status]}
    return {**said, "data": answer.data} if answer.data else said


def send(socket: Socket, intent: intents.DataTransfer) -> OutboundCall:
    payload: dict[str, Any] = {"vendorId": intent.vendor_id}
    if intent.message_id:
        payload["messageId"] = intent.message_id
    if intent.data is not None:
        payload["data"] = text_of(intent.data)
    return OutboundCall("DataTransfer", payload)


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
