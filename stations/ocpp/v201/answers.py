"""What stations' answers to our CALLs mean, and what of them is kept."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from stations.domain.events import VariableReported
from stations.domain.words import CommandStatus
from stations.models import Report
from stations.ocpp.context import Json, Socket
from stations.ocpp.v201 import fields, passwords
from stations.services import (
    availability,
    device_model,
    network_profiles,
    reading_back,
    reports,
    variable_changes,
)
from stations.services.device_model import Written

GOOD = frozenset(
    {"Accepted", "AcceptedCanceled", "Processing", "RebootRequired", "Scheduled", "Unlocked", "Unpublished"}
)
ALSO_GOOD: Mapping[str, frozenset[str]] = {
    "ClearChargingProfile": frozenset({"Unknown"}),
    "GetChargingProfiles": frozenset({"NoProfiles"}),
    "GetDisplayMessages": frozenset({"Unknown"}),
    "GetInstalledCertificateIds": frozenset({"NotFound"}),
}
"""What means that nothing was there to be done or told."""

WRITTEN: Mapping[str, Written] = {"Accepted": Written.NOW, "RebootRequired": Written.AFTER_RESTART}


LISTS: Mapping[str, str] = {
    "SetVariables": "setVariableResult",
    "SetVariableMonitoring": "setMonitoringResult",
    "ClearVariableMonitoring": "clearMonitoringResult",
}
"""Answers in which every item has a word of its own."""

WORD: Mapping[str, str] = {"SetVariables": "attributeStatus"}


def interpret(action: str, response: Json) -> str:
    """How the command ended. Of variables read, one is enough; of variables set, all must be taken (P213)."""
    return (CommandStatus.ACCEPTED if _is_good(action, response) else CommandStatus.REJECTED).value


def _is_good(action: str, response: Json) -> bool:
    if action == "GetVariables":
        return any(item.get("attributeStatus") in GOOD for item in response.get("getVariableResult", ()))
    if action in LISTS:
        word = WORD.get(action, "status")
        return all(item.get(word) in GOOD for item in response.get(LISTS[action], ()))
    good = GOOD | ALSO_GOOD.get(action, frozenset())
    return "status" not in response or response["status"] in good


def absorb_read(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    """Values that GetVariables brought become the station's variables."""
    read = [
        item for item in response.get("getVariableResult", ()) if item.get("attributeStatus") == "Accepted"
    ]
    device_model.store(socket, [_variable(item, item.get("attributeValue", "")) for item in read], at)


def absorb_written(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    """Values that SetVariables placed; those that need a restart are shown as pending (P216)."""
    values = {_name(item): item.get("attributeValue", "") for item in request.get("setVariableData", ())}
    taken = [
        (_variable(item, values[_name(item)]), WRITTEN[item["attributeStatus"]])
        for item in response.get("setVariableResult", ())
        if item.get("attributeStatus") in WRITTEN and _name(item) in values
    ]
    device_model.write(socket, taken, at)
    variable_changes.taken(socket, [item for item, _ in taken])
    _tell_refused(socket, response.get("setVariableResult", ()))
    if network_profiles.wrote_priority([(item.component, item.variable) for item, _ in taken]):
        reading_back.network_priority(socket)
    passwords.conclude(socket, response.get("setVariableResult", ()))


def absorb_availability(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    """A station that is as wished already reports no new state."""
    if response.get("status") == "Accepted":
        evse_id, _ = fields.place(request)
        availability.settle_if_so(socket, evse_id)


def absorb_report_promise(socket: Socket, request: Json, response: Json, at: datetime) -> None:
    """Parts of a report will follow, unless the answer says otherwise."""
    if isinstance(request.get("requestId"), int):
        kind = str(request.get("reportBase", "GetReport"))
        reports.answered(
            socket, Report.About.VARIABLES, request["requestId"], kind, str(response.get("status", ""))
        )


def _tell_refused(socket: Socket, results: Iterable[Json]) -> None:
    refused = [
        (_variable(item, ""), fields.status_and_reason(item, "attributeStatus", "attributeStatusInfo"))
        for item in results
        if item.get("attributeStatus") not in WRITTEN
    ]
    variable_changes.refused(socket, refused)


def _name(item: Json) -> tuple[object, ...]:
    component, variable = item["component"], item["variable"]
    return (
        str(component["name"]).lower(),
        str(component.get("instance", "")).lower(),
        fields.place(component),
        str(variable["name"]).lower(),
        str(variable.get("instance", "")).lower(),
        item.get("attributeType", "Actual"),
    )


def _variable(item: Json, value: str) -> VariableReported:
    component, variable = item["component"], item["variable"]
    evse_id, connector_id = fields.place(component)
    return VariableReported(
        component=fields.text(component, "name"),
        component_instance=fields.text(component, "instance"),
        evse_id=evse_id,
        connector_id=connector_id,
        variable=fields.text(variable, "name"),
        variable_instance=fields.text(variable, "instance"),
        attribute=item.get("attributeType", "Actual"),
        value=value,
    )
