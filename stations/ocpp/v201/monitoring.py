"""Monitors: set, cleared, reported; base and level of monitoring (2.0.1 N02 to N06)."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from core.errors import NotSupported
from stations.domain import intents, timestamps
from stations.domain.intents import MonitorItem
from stations.domain.monitoring import MonitorReported, PartReceived
from stations.models import Report
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import OutboundCall, in_a_row
from stations.ocpp.v201 import device_model, fields, outbound
from stations.ocpp.v201.splitting import pieces, split
from stations.services import monitors, reports

TYPES: Mapping[str, str] = {
    "upper_threshold": "UpperThreshold",
    "lower_threshold": "LowerThreshold",
    "delta": "Delta",
    "periodic": "Periodic",
    "periodic_clock_aligned": "PeriodicClockAligned",
}
CRITERIA: Mapping[str, str] = {
    "threshold": "ThresholdMonitoring",
    "delta": "DeltaMonitoring",
    "periodic": "PeriodicMonitoring",
}
BASES: Mapping[str, str] = {
    "all": "All",
    "factory_default": "FactoryDefault",
    "hard_wired_only": "HardWiredOnly",
}
INT64_MAX = 2**63 - 1
CUSTOM = "CustomMonitor"
FILTERED = "chosen monitors"


def set_monitors(socket: Socket, intent: intents.SetVariableMonitoring) -> OutboundCall:
    items = [rule(item, TYPES) for item in intent.items]
    return split(socket, "SetVariableMonitoring", "setMonitoringData", items)


def rule(item: MonitorItem, types: Mapping[str, str]) -> dict[str, Any]:
    """A SetMonitoringDataType, whatever types of monitors the version knows."""
    if item.type not in types:
        raise NotSupported(f"This version of OCPP has no monitors of the type “{item.type}”.", field="items")
    data: dict[str, Any] = {
        "value": float(item.value),
        "type": types[item.type],
        "severity": item.severity,
        "component": outbound.component(item),
        "variable": outbound.named(item),
    }
    if item.transaction:
        data["transaction"] = True
    if item.number is not None:
        data["id"] = item.number
    return data


def clear_monitors(socket: Socket, intent: intents.ClearVariableMonitoring) -> OutboundCall:
    parts = pieces(socket, "ClearVariableMonitoring", "id", list(intent.numbers))
    return in_a_row([OutboundCall("ClearVariableMonitoring", {"id": part}) for part in parts])


def get_report(socket: Socket, intent: intents.GetMonitoringReport) -> OutboundCall:
    criteria = [outbound.word(CRITERIA, word, "criteria") for word in intent.criteria]
    return device_model.report_calls(
        socket,
        "GetMonitoringReport",
        intent.request_id,
        {"monitoringCriteria": criteria} if criteria else {},
        list(map(device_model.wanted, intent.items)),
        about=Report.About.MONITORS,
        kind=FILTERED if criteria or intent.items else monitors.EVERYTHING,
    )


def set_base(socket: Socket, intent: intents.SetMonitoringBase) -> OutboundCall:
    return OutboundCall("SetMonitoringBase", {"monitoringBase": outbound.word(BASES, intent.base, "base")})


def set_level(socket: Socket, intent: intents.SetMonitoringLevel) -> OutboundCall:
    return OutboundCall("SetMonitoringLevel", {"severity": intent.severity})


def notify_report(socket: Socket, payload: Json, received_at: datetime) -> Json:
    found = [
        monitor
        for data in payload.get("monitor") or ()
        if isinstance(data, Mapping)
        for monitor in _monitors(data)
    ]
    monitors.store_part(socket, part_of(socket, payload, received_at), found, received_at)
    return {}


def part_of(socket: Socket, payload: Json, received_at: datetime) -> PartReceived:
    """Which part of which report a message is; ``tbc`` absent means the last."""
    generated = timestamps.stamp_or_receipt(
        payload.get("generatedAt"), received_at, lenient=socket.lenient, field="generatedAt"
    )
    return PartReceived(
        request_id=fields.whole(payload["requestId"], "requestId", largest=INT64_MAX),
        seq_no=fields.whole(payload["seqNo"], "seqNo"),
        to_be_continued=bool(payload.get("tbc", False)),
        generated_at=generated.occurred_at,
    )


def absorb_set(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    """Monitors that the station took, by the ids that it gave; the answers stand in the order asked."""
    pairs = zip(request.get("setMonitoringData", ()), response.get("setMonitoringResult", ()), strict=False)
    taken = [
        _monitor({**asked, "id": answer["id"]}, asked, kind=CUSTOM)
        for asked, answer in pairs
        if answer.get("status") == "Accepted" and isinstance(answer.get("id"), int)
    ]
    monitors.keep_set(socket, taken, at)


def absorb_cleared(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    """Monitors that are gone, also those that the station does not find any more."""
    gone = ("Accepted", "NotFound")
    results = response.get("clearMonitoringResult", ())
    monitors.clear(socket, [item["id"] for item in results if item.get("status") in gone], at)


def absorb_report_promise(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    if isinstance(request.get("requestId"), int):
        status = str(response.get("status", ""))
        reports.answered(socket, Report.About.MONITORS, request["requestId"], FILTERED, status)


def absorb_base(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    if response.get("status") == "Accepted":
        monitors.base_set(socket, str(request.get("monitoringBase", "")), at)


def absorb_level(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    level = fields.severity(request.get("severity"))
    if response.get("status") == "Accepted" and level is not None:
        monitors.level_set(socket, level, at)


def _monitors(data: Json) -> Iterator[MonitorReported]:
    for entry in data.get("variableMonitoring") or ():
        if isinstance(entry, Mapping) and isinstance(entry.get("id"), int):
            yield _monitor(entry, data, kind=fields.text(entry, "eventNotificationType", 30))


def _monitor(entry: Json, place: Json, *, kind: str) -> MonitorReported:
    component, variable = place.get("component") or {}, place.get("variable") or {}
    evse_id, connector_id = fields.place(component, "component.evse")
    value = entry.get("value")
    return MonitorReported(
        number=fields.whole(entry["id"], "id", largest=INT64_MAX),
        component=fields.text(component, "name", 50),
        component_instance=fields.text(component, "instance", 50),
        variable=fields.text(variable, "name", 50),
        variable_instance=fields.text(variable, "instance", 50),
        evse_id=evse_id,
        connector_id=connector_id,
        type=fields.text(entry, "type", 30),
        value=None if value is None else fields.decimal(value),
        severity=fields.severity(entry.get("severity")),
        transaction_only=bool(entry.get("transaction", False)),
        kind=kind,
    )
