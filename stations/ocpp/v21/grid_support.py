"""Controls for the grid: set, read, cleared, reported (block R)."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from stations.domain import intents, timestamps
from stations.domain.grid_support import FIELD_OF, Control, ControlsReported, GridEventKind, GridEventReported
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import OutboundCall
from stations.ocpp.v201 import fields
from stations.services import grid_support

REPORTED: dict[str, tuple[str, str]] = {
    "curve": ("curve", ""),
    "enterService": ("enterService", "EnterService"),
    "fixedPFAbsorb": ("fixedPF", "FixedPFAbsorb"),
    "fixedPFInject": ("fixedPF", "FixedPFInject"),
    "fixedVar": ("fixedVar", "FixedVar"),
    "freqDroop": ("freqDroop", "FreqDroop"),
    "gradient": ("gradient", "Gradients"),
    "limitMaxDischarge": ("limitMaxDischarge", "LimitMaxDischarge"),
}
"""Lists of ReportDERControl: the field of an entry that holds its settings, and the type of control."""


def set_der_control(socket: Socket, intent: intents.SetDerControl) -> OutboundCall:
    payload = {
        "isDefault": intent.is_default,
        "controlId": intent.control_id,
        "controlType": intent.control_type,
        FIELD_OF[intent.control_type]: dict(intent.settings),
    }
    return OutboundCall("SetDERControl", payload)


def get_der_control(socket: Socket, intent: intents.GetDerControl) -> OutboundCall:
    payload: dict[str, Any] = {"requestId": intent.request_id, **_named(intent)}
    if intent.is_default is not None:
        payload["isDefault"] = intent.is_default
    return OutboundCall("GetDERControl", payload)


def clear_der_control(socket: Socket, intent: intents.ClearDerControl) -> OutboundCall:
    return OutboundCall("ClearDERControl", {"isDefault": intent.is_default, **_named(intent)})


def absorb_set(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    """What the station took is kept, with what it replaces."""
    if response.get("status") != "Accepted":
        return
    kind = str(request.get("controlType", ""))
    control = Control(
        control_id=str(request.get("controlId", "")),
        control_type=kind,
        settings=request.get(FIELD_OF.get(kind, ""), {}),
        is_default=bool(request.get("isDefault")),
    )
    grid_support.installed(socket, control, _ids(response), at)


def absorb_cleared(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    if response.get("status") == "Accepted":
        grid_support.cleared(
            socket,
            control_id=str(request.get("controlId", "")),
            control_type=str(request.get("controlType", "")),
            is_default=bool(request.get("isDefault")),
            at=at,
        )


def report(socket: Socket, payload: Json, received_at: datetime) -> Json:
    part = ControlsReported(
        request_id=fields.whole(payload["requestId"], "requestId", largest=fields.INT64_MAX),
        controls=tuple(_reported(payload)),
        to_be_continued=bool(payload.get("tbc", False)),
    )
    grid_support.report(socket, part, received_at)
    return {}


def alarm(socket: Socket, payload: Json, received_at: datetime) -> Json:
    ended = bool(payload.get("alarmEnded", False))
    event = GridEventReported(
        kind=GridEventKind.ALARM_ENDED if ended else GridEventKind.ALARM,
        subject=fields.text(payload, "controlType", 36),
        stamp=timestamps.stamp_or_receipt(payload.get("timestamp"), received_at, lenient=socket.lenient),
        fault=fields.text(payload, "gridEventFault", 30),
        info=fields.text(payload, "extraInfo", 200),
    )
    grid_support.note(socket, event)
    return {}


def start_stop(socket: Socket, payload: Json, received_at: datetime) -> Json:
    event = GridEventReported(
        kind=GridEventKind.STARTED if payload.get("started") else GridEventKind.STOPPED,
        subject=fields.text(payload, "controlId", 36),
        stamp=timestamps.stamp_or_receipt(payload.get("timestamp"), received_at, lenient=socket.lenient),
        superseded_ids=_ids(payload),
    )
    grid_support.note(socket, event)
    return {}


def _named(intent: intents.GetDerControl | intents.ClearDerControl) -> dict[str, str]:
    named = {"controlType": intent.control_type, "controlId": intent.control_id}
    return {name: value for name, value in named.items() if value}


def _ids(parent: Json) -> tuple[str, ...]:
    return tuple(str(one)[:36] for one in parent.get("supersededIds") or ())


def _reported(payload: Json) -> Iterator[Control]:
    for name, (inner, kind) in REPORTED.items():
        for entry in payload.get(name) or ():
            yield Control(
                control_id=fields.text(entry, "id", 36),
                control_type=kind or fields.text(entry, "curveType", 30),
                settings=fields.plain(entry.get(inner) or {}),
                is_default=bool(entry.get("isDefault", False)),
                is_superseded=bool(entry.get("isSuperseded", False)),
            )
