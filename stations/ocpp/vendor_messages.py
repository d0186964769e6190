"""DataTransfer as the versions share it (1.6 sections 4.3 and 5.6, 2.0.1 P01 and P02)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from stations.domain import intents
from stations.domain.data_transfers import DataTransferred, TransferStatus
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import OutboundCall
from stations.services import data_transfers

ACTION = "DataTransfer"
STATUS: Mapping[TransferStatus, str] = {
    TransferStatus.ACCEPTED: "Accepted",
    TransferStatus.REJECTED: "Rejected",
    TransferStatus.UNKNOWN_MESSAGE_ID: "UnknownMessageId",
    TransferStatus.UNKNOWN_VENDOR_ID: "UnknownVendorId",
}


def receive(socket: Socket, event: DataTransferred, received_at: datetime) -> Json:
    """Answered even before the boot (P089); the operator's masks are looked up before anything is logged."""
    socket.data_masks = data_transfers.masks_of(socket.organization_id)
    answer = data_transfers.receive(socket, event, received_at)
    said = {"status": STATUS[answer.status]}
    return {**said, "data": answer.data} if answer.data else said


def call_of(intent: intents.DataTransfer, data: Any) -> OutboundCall:
    """``data`` as the version carries it; ``None`` leaves it out."""
    payload: dict[str, Any] = {"vendorId": intent.vendor_id}
    if intent.message_id:
        payload["messageId"] = intent.message_id
    if data is not None:
        payload["data"] = data
    return OutboundCall(ACTION, payload)
