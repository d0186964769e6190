"""GetReport and ClearCache (2.0.1 B08, C11)."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from stations.domain import intents
from stations.domain.intents import VariableItem
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import OutboundCall, in_a_row
from stations.ocpp.v201 import outbound
from stations.ocpp.v201.splitting import pieces
from stations.services import completing, reports

CRITERIA: Mapping[str, str] = {
    "active": "Active",
    "available": "Available",
    "enabled": "Enabled",
    "problem": "Problem",
}
KIND = "GetReport"


def get_report(socket: Socket, intent: intents.GetReport) -> OutboundCall:
    """One request, or several where the station takes fewer items; each is a report of its own (P212)."""
    criteria = [outbound.word(CRITERIA, word, "criteria") for word in intent.criteria]
    common: dict[str, Any] = {"componentCriteria": criteria} if criteria else {}
    return report_calls(socket, "GetReport", intent.request_id, common, list(map(wanted, intent.items)))


def report_calls(
    socket: Socket,
    action: str,
    request_id: int,
    common: Json,
    items: list[Json],
    *,
    about: reports.About = reports.About.VARIABLES,
    kind: str = KIND,
) -> OutboundCall:
    """The requests of a report by component and variable; their reports are expected from now on."""
    name = "componentVariable"
    parts = pieces(socket, action, name, items, limited_as="GetReport") if items else [[]]
    calls = []
    for number, part in enumerate(parts):
        own_id = completing.next_request_id() if number else request_id
        keep = partial(reports.expect, socket.station_id, own_id, kind, about=about, group_id=request_id)
        payload = {"requestId": own_id, **common, **({name: part} if part else {})}
        calls.append(OutboundCall(action, payload, keep=keep))
    return in_a_row(calls)


def wanted(item: VariableItem) -> dict[str, Any]:
    """A ComponentVariableType; without a variable it means all of the component."""
    found: dict[str, Any] = {"component": outbound.component(item)}
    if item.variable:
        found["variable"] = outbound.named(item)
    return found


def clear_cache(socket: Socket, intent: intents.ClearCache) -> OutboundCall:
    return OutboundCall("ClearCache", {})
