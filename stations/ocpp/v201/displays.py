"""Messages on displays and the running cost (2.0.1 blocks O and I)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from core import clock
from core.errors import NotSupported
from stations.domain import intents, timestamps
from stations.domain.displays import DisplayContent, DisplaysReported, DisplayText
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import OutboundCall
from stations.ocpp.v201 import fields
from stations.ocpp.v201.fields import INT64_MAX
from stations.services import display_reading, displays

PRIORITIES: Mapping[str, str] = {
    "always_front": "AlwaysFront",
    "in_front": "InFront",
    "normal_cycle": "NormalCycle",
}
STATES: Mapping[str, str] = {word.lower(): word for word in ("Charging", "Faulted", "Idle", "Unavailable")}
FORMATS: Mapping[str, str] = {word.lower(): word for word in ("ASCII", "HTML", "URI", "UTF8")}
_PRIORITY_OF = {wire: word for word, wire in PRIORITIES.items()}
_TEXT_MAX = 1024


def set_display_message(socket: Socket, intent: intents.SetDisplayMessage) -> OutboundCall:
    unknown = [one.format for one in intent.texts if one.format not in FORMATS]
    if unknown or len(intent.texts) > 1 or (intent.state and intent.state not in STATES):
        raise NotSupported(
            "OCPP 2.0.1 takes one text of the formats ascii, html, uri and utf8, and the states charging, "
            "faulted, idle and unavailable."
        )
    return message_of(intent)


def message_of(intent: intents.SetDisplayMessage) -> OutboundCall:
    """SetDisplayMessage, whatever states and formats the version knows."""
    first, *others = [_wording(one) for one in intent.texts]
    message: dict[str, Any] = {
        "id": intent.number,
        "priority": PRIORITIES[intent.priority],
        "message": first,
        **_when(intent),
    }
    if others:
        message["messageExtra"] = others
    if intent.component:
        message["display"] = _component(intent)
    return OutboundCall("SetDisplayMessage", {"message": message})


def get_display_messages(socket: Socket, intent: intents.GetDisplayMessages) -> OutboundCall:
    payload: dict[str, Any] = {"requestId": intent.request_id}
    if intent.numbers:
        payload["id"] = list(intent.numbers)
    if intent.priority:
        payload["priority"] = PRIORITIES[intent.priority]
    if intent.state:
        payload["state"] = intent.state.capitalize()
    return OutboundCall("GetDisplayMessages", payload)


def clear_display_message(socket: Socket, intent: intents.ClearDisplayMessage) -> OutboundCall:
    return OutboundCall("ClearDisplayMessage", {"id": intent.number})


def cost_updated(socket: Socket, intent: intents.CostUpdated) -> OutboundCall:
    return OutboundCall(
        "CostUpdated", {"totalCost": float(intent.total_cost), "transactionId": intent.reference}
    )


def absorb_set(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    """What the station took is read back: its report is what pages show."""
    number = (request.get("message") or {}).get("id")
    if response.get("status") == "Accepted" and isinstance(number, int):
        display_reading.read_back(socket.station_id, number)


def notify(socket: Socket, payload: Json, received_at: datetime) -> Json:
    part = DisplaysReported(
        request_id=fields.whole(payload["requestId"], "requestId", largest=INT64_MAX),
        messages=tuple(
            _reported(socket, info, received_at)
            for info in payload.get("messageInfo") or ()
            if isinstance(info, Mapping)
        ),
        to_be_continued=bool(payload.get("tbc", False)),
    )
    displays.report(socket, part, received_at)
    return {}


def _wording(one: DisplayText) -> dict[str, str]:
    wording = {"format": one.format.upper(), "content": one.text}
    return {**wording, "language": one.language} if one.language else wording


def _when(intent: intents.SetDisplayMessage) -> dict[str, Any]:
    when: dict[str, Any] = {}
    if intent.state:
        when["state"] = intent.state.capitalize()
    if intent.starts_at is not None:
        when["startDateTime"] = clock.to_wire(intent.starts_at)
    if intent.ends_at is not None:
        when["endDateTime"] = clock.to_wire(intent.ends_at)
    if intent.reference:
        when["transactionId"] = intent.reference
    return when


def _component(intent: intents.SetDisplayMessage) -> dict[str, Any]:
    component: dict[str, Any] = {"name": intent.component}
    if intent.component_instance:
        component["instance"] = intent.component_instance
    if intent.evse_id is not None:
        component["evse"] = {"id": intent.evse_id}
    return component


def _reported(socket: Socket, info: Json, received_at: datetime) -> DisplayContent:
    display = info.get("display")
    component = display if isinstance(display, Mapping) else {}
    evse_id, _ = fields.place(component)
    priority = fields.text(info, "priority", 30)
    return DisplayContent(
        number=fields.whole(info["id"], "messageInfo.id"),
        priority=_PRIORITY_OF.get(priority, priority),
        texts=tuple(_told(one) for one in (info.get("message"), *(info.get("messageExtra") or ())) if one),
        state=fields.text(info, "state", 30).lower(),
        starts_at=_instant(socket, info, "startDateTime", received_at),
        ends_at=_instant(socket, info, "endDateTime", received_at),
        transaction_reference=fields.reference(fields.text(info, "transactionId")),
        component=fields.text(component, "name", 50),
        component_instance=fields.text(component, "instance", 50),
        evse_id=evse_id,
    )


def _told(one: Json) -> DisplayText:
    return DisplayText(
        text=fields.text(one, "content", _TEXT_MAX),
        language=fields.text(one, "language", 8),
        format=fields.text(one, "format", 20).lower(),
    )


def _instant(socket: Socket, info: Json, name: str, received_at: datetime) -> datetime | None:
    if not info.get(name):
        return None
    return timestamps.stamp_or_receipt(info[name], received_at, lenient=socket.lenient).occurred_at
