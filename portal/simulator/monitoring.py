"""Monitors, reports by criteria, network profiles and customers' data, as a simulated 2.x station has them."""

from typing import TYPE_CHECKING, Any

from portal.simulator import device_model
from portal.simulator.commands import status
from portal.simulator.journal import Json
from portal.simulator.transport import Reply

if TYPE_CHECKING:
    from portal.simulator.station import SimulatedStation

MOST_SEVERE, LEAST_SEVERE = 0, 9
TOLD_OF_NOBODY = "No data is stored."


def get_report(station: "SimulatedStation", sent: Json) -> Reply:
    """By component and variable; of the criteria only what is wrong is empty here."""
    wanted = sent.get("componentVariable", [])
    if not wanted and sent.get("componentCriteria") == ["Problem"]:
        return status("EmptyResultSet")
    chosen = [one.reported() for one in device_model.variables(station) if _is_wanted(one, wanted)]
    if not chosen:
        return status("EmptyResultSet")
    part = {**_head(station, sent), "reportData": chosen}
    return status("Accepted", lambda: station.call("NotifyReport", part))


def set_monitors(station: "SimulatedStation", sent: Json) -> Reply:
    return Reply({"setMonitoringResult": [_set(station, item) for item in sent["setMonitoringData"]]})


def clear_monitors(station: "SimulatedStation", sent: Json) -> Reply:
    results = []
    for number in sent["id"]:
        found = station.monitors.pop(number, None)
        results.append({"id": number, "status": "NotFound" if found is None else "Accepted"})
    return Reply({"clearMonitoringResult": results})


def get_monitoring_report(station: "SimulatedStation", sent: Json) -> Reply:
    if not station.monitors:
        return status("EmptyResultSet")
    reported = [_reported(station, number, item) for number, item in sorted(station.monitors.items())]
    part = {**_head(station, sent), "monitor": reported}
    return status("Accepted", lambda: station.call("NotifyMonitoringReport", part))


def set_base(station: "SimulatedStation", sent: Json) -> Reply:
    if sent["monitoringBase"] != "All":
        station.monitors.clear()
    return status("Accepted")


def set_level(station: "SimulatedStation", sent: Json) -> Reply:
    return status("Accepted" if MOST_SEVERE <= sent["severity"] <= LEAST_SEVERE else "Rejected")


def customer_information(station: "SimulatedStation", sent: Json) -> Reply:
    """Only its local list names customers here."""
    token = sent.get("idToken", {}).get("idToken")
    entries = station.local_list.entries
    known = entries.get(token.upper()) if token else None
    told = TOLD_OF_NOBODY if known is None else f"Token {token}: {known.status} in the local list."
    if sent["clear"] and token:
        entries.pop(token.upper(), None)
    part = {**_head(station, sent), "data": told if sent["report"] else ""}
    return status("Accepted", lambda: station.call("NotifyCustomerInformation", part))


def set_network_profile(station: "SimulatedStation", sent: Json) -> Reply:
    """Kept, never used: a simulated station stays where it is."""
    if sent["connectionData"]["ocppTransport"] != "JSON":
        return status("Rejected")
    return status("Accepted")


def _set(station: "SimulatedStation", item: Json) -> Json:
    result: Json = {key: item[key] for key in ("type", "severity", "component", "variable")}
    component = item["component"]
    here = [one for one in device_model.variables(station) if one.component == component["name"]]
    if not here:
        return {**result, "status": "UnknownComponent"}
    if item["variable"]["name"] not in {one.name for one in here}:
        return {**result, "status": "UnknownVariable"}
    number = item.get("id") or max(station.monitors, default=0) + 1
    station.monitors[number] = item
    return {**result, "status": "Accepted", "id": number}


def _reported(station: "SimulatedStation", number: int, item: Json) -> Json:
    monitor: dict[str, Any] = {
        "id": number,
        "transaction": item.get("transaction", False),
        "value": item["value"],
        "type": item["type"],
        "severity": item["severity"],
    }
    if station.dialect.version == "2.1":
        monitor["eventNotificationType"] = "CustomMonitor"
    return {"component": item["component"], "variable": item["variable"], "variableMonitoring": [monitor]}


def _head(station: "SimulatedStation", sent: Json) -> Json:
    return {"requestId": sent["requestId"], "seqNo": 0, "generatedAt": station.stamp(station.clock.now())}


def _is_wanted(one: device_model.Variable, wanted: list[Json]) -> bool:
    return not wanted or any(
        item["component"]["name"] == one.component
        and item["component"].get("evse", {}).get("id", one.evse) == one.evse
        and item.get("variable", {}).get("name", one.name) == one.name
        for item in wanted
    )
