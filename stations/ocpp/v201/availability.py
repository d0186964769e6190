"""Heartbeat, StatusNotification and NotifyEvent (2.0.1 G01, G02, N07)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from core import clock
from stations.domain import timestamps
from stations.domain.events import ConnectorStatusReported, StationEventReported
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import Collected, Decided
from stations.ocpp.v201 import fields
from stations.services import monitoring

AVAILABILITY = "AvailabilityState"
CONNECTOR = "Connector"


def heartbeat(socket: Socket, payload: Json, received_at: datetime) -> Json:
    return {"currentTime": clock.to_wire(clock.now())}


def decode_status(socket: Socket, payload: Json, received_at: datetime) -> Sequence[ConnectorStatusReported]:
    stamp = timestamps.stamp_or_receipt(payload.get("timestamp"), received_at, lenient=socket.lenient)
    return [
        ConnectorStatusReported(
            evse_id=fields.whole(payload["evseId"], "evseId"),
            connector_id=fields.whole(payload["connectorId"], "connectorId"),
            status=fields.text(payload, "connectorStatus", 40),
            stamp=stamp,
        )
    ]


def nothing(socket: Socket, payload: Json, received_at: datetime) -> Json:
    """The empty answer that most reports get."""
    return {}


def pick_event_route(payload: Json) -> Collected | Decided:
    """The hot path where all entries are connector states (P196); others are looked at one by one."""
    entries = payload.get("eventData")
    if isinstance(entries, list) and entries and all(_is_connector_state(entry) for entry in entries):
        return CONNECTOR_STATES
    return EVENTS


def decode_connector_states(
    socket: Socket, payload: Json, received_at: datetime
) -> Sequence[ConnectorStatusReported]:
    return [_connector_state(socket, entry, received_at) for entry in payload["eventData"]]


def notify_event(socket: Socket, payload: Json, received_at: datetime) -> Json:
    entries = [entry for entry in payload["eventData"] if isinstance(entry, Mapping)]
    states = [_connector_state(socket, e, received_at) for e in entries if _is_connector_state(e)]
    events = [_event(socket, e, received_at) for e in entries if not _is_connector_state(e)]
    generated = timestamps.stamp_or_receipt(payload.get("generatedAt"), received_at, lenient=True)
    monitoring.store(socket, states, events, generated=generated)
    return {}


def _is_connector_state(entry: Any) -> bool:
    if not isinstance(entry, Mapping):
        return False
    component, variable = entry.get("component"), entry.get("variable")
    return (
        isinstance(variable, Mapping)
        and variable.get("name") == AVAILABILITY
        and isinstance(component, Mapping)
        and component.get("name") == CONNECTOR
        and isinstance(evse := component.get("evse"), Mapping)
        and "connectorId" in evse
    )


def _connector_state(socket: Socket, entry: Json, received_at: datetime) -> ConnectorStatusReported:
    evse_id, connector_id = fields.place(entry["component"])
    return ConnectorStatusReported(
        evse_id=evse_id or 0,
        connector_id=connector_id or 0,
        status=fields.text(entry, "actualValue", 40),
        stamp=timestamps.stamp_or_receipt(entry.get("timestamp"), received_at, lenient=socket.lenient),
        error_code=fields.text(entry, "techCode", 60),
        info=fields.text(entry, "techInfo", 255),
    )


def _event(socket: Socket, entry: Json, received_at: datetime) -> StationEventReported:
    component, variable = entry.get("component") or {}, entry.get("variable") or {}
    evse_id, connector_id = fields.place(component, "component.evse")
    return StationEventReported(
        event_id=fields.whole(entry.get("eventId") or 0, "eventId", largest=fields.INT64_MAX),
        trigger=fields.text(entry, "trigger", 40),
        component=fields.text(component, "name", 50),
        component_instance=fields.text(component, "instance", 50),
        variable=fields.text(variable, "name", 50),
        variable_instance=fields.text(variable, "instance", 50),
        actual_value=str(entry.get("actualValue", "")),
        stamp=timestamps.stamp_or_receipt(entry.get("timestamp"), received_at, lenient=socket.lenient),
        evse_id=evse_id,
        connector_id=connector_id,
        cleared=bool(entry.get("cleared", False)),
        severity=fields.severity(entry.get("severity")),
        tech_code=fields.text(entry, "techCode", 50),
        tech_info=fields.text(entry, "techInfo", 500),
        transaction=fields.reference(fields.text(entry, "transactionId")),
        monitor_number=fields.whole_or_none(entry, "variableMonitoringId"),
        kind=fields.text(entry, "eventNotificationType", 30),
        cause=fields.whole_or_none(entry, "cause"),
    )


STATUS = Collected(decode_status, nothing)
CONNECTOR_STATES = Collected(decode_connector_states, nothing)
EVENTS = Decided(notify_event)
