"""DataTransfer both ways (2.0.1 P01, P02)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from stations.domain import intents
from stations.domain.data_transfers import DataTransferred, TransferStatus
from stations.domain.vendor_data import text_of
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import OutboundCall
from stations.ocpp.v201 import fields
from stations.services import data_transfers

STATUS: Mapping[TransferStatus, str] = {
    TransferStatus.ACCEPTED: "Accepted",
    TransferStatus.REJECTED: "Rejected",
    TransferStatus.UNKNOWN_MESSAGE_ID: "UnknownMessageId",
    TransferStatus.UNKNOWN_VENDOR_ID: "UnknownVendorId",
}


def receive(socket: Socket, payload: Json, received_at: datetime) -> Json:
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
        payload["data"] = intent.data
    return OutboundCall("DataTransfer", payload)
