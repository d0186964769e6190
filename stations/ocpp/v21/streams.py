"""Periodic event streams (2.1 N): opened and closed by CALLs, filled by SENDs that get no reply (P070, P258)."""

from datetime import datetime, timedelta
from typing import Any

from stations.domain import intents, timestamps
from stations.domain.monitoring import StreamOpened, StreamReceived
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import OutboundCall
from stations.ocpp.v201 import fields
from stations.services import streams

LONGEST_S = 10 * 365 * 86_400
TOO_MANY = {"status": "Rejected", "statusInfo": {"reasonCode": "TooManyStreams"}}


def open_stream(socket: Socket, payload: Json, received_at: datetime) -> Json:
    opened = _opened(payload["constantStreamData"])
    return {"status": "Accepted"} if streams.open_(socket, opened, received_at) else TOO_MANY


def close_stream(socket: Socket, payload: Json, received_at: datetime) -> Json:
    streams.close(socket, fields.whole(payload["id"], "id"), received_at)
    return {}


def notify(socket: Socket, payload: Json, received_at: datetime) -> Json:
    """No reply of any kind leaves: the session sends none to a SEND."""
    base = timestamps.stamp_or_receipt(
        payload.get("basetime"), received_at, lenient=socket.lenient, field="basetime"
    ).occurred_at
    values = tuple((_at(base, entry.get("t")), str(entry.get("v", ""))) for entry in payload["data"])
    received = StreamReceived(
        number=fields.whole(payload["id"], "id"),
        pending=fields.whole(payload["pending"], "pending"),
        values=values,
    )
    streams.store(socket, received, received_at)
    return {}


def adjust(socket: Socket, intent: intents.AdjustEventStream) -> OutboundCall:
    params: dict[str, Any] = {}
    if intent.interval_s is not None:
        params["interval"] = intent.interval_s
    if intent.values is not None:
        params["values"] = intent.values
    return OutboundCall("AdjustPeriodicEventStream", {"id": intent.stream, "params": params})


def get_streams(socket: Socket, intent: intents.GetEventStreams) -> OutboundCall:
    return OutboundCall("GetPeriodicEventStream", {})


def absorb_adjusted(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    if response.get("status") == "Accepted":
        params = request.get("params") or {}
        streams.adjusted(socket, request["id"], params.get("interval"), params.get("values"))


def absorb_list(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    streams.listed(socket, [_opened(data) for data in response.get("constantStreamData") or ()], at)


def _opened(data: Json) -> StreamOpened:
    params = data.get("params") or {}
    return StreamOpened(
        number=fields.whole(data["id"], "id"),
        monitor_number=fields.whole(data["variableMonitoringId"], "variableMonitoringId"),
        interval_s=fields.whole_or_none(params, "interval"),
        values=fields.whole_or_none(params, "values"),
    )


def _at(base: datetime, offset: Any) -> datetime:
    """``t`` counts seconds from the base time; what is absurd counts as the base itself."""
    seconds = fields.decimal(offset)
    return base + timedelta(seconds=float(seconds)) if seconds and abs(seconds) < LONGEST_S else base
