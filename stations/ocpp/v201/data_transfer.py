"""DataTransfer (2.0.1 P02). No vendor's messages are understood here."""

from datetime import datetime

from stations.ocpp.context import Json, Socket


def data_transfer(socket: Socket, payload: Json, received_at: datetime) -> Json:
    return {"status": "UnknownVendorId"}
