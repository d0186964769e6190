"""What 2.1 adds to monitoring: monitors against a target, streams of values, customers by tokens of any type."""

from collections.abc import Mapping
from typing import Any

from stations.domain import intents
from stations.domain.intents import MonitorItem
from stations.ocpp.context import Socket
from stations.ocpp.routing import OutboundCall
from stations.ocpp.v201 import customers
from stations.ocpp.v201 import monitoring as v201
from stations.ocpp.v201.splitting import split

TYPES: Mapping[str, str] = {
    **v201.TYPES,
    "target_delta": "TargetDelta",
    "target_delta_relative": "TargetDeltaRelative",
}


def set_monitors(socket: Socket, intent: intents.SetVariableMonitoring) -> OutboundCall:
    return split(socket, "SetVariableMonitoring", "setMonitoringData", list(map(_rule, intent.items)))


def ask_customer(socket: Socket, intent: intents.CustomerInformation) -> OutboundCall:
    return customers.asking(socket, intent)


def _rule(item: MonitorItem) -> dict[str, Any]:
    data = v201.rule(item, TYPES)
    rhythm = {"interval": item.stream_interval_s, "values": item.stream_values}
    asked = {name: value for name, value in rhythm.items() if value is not None}
    return {**data, "periodicEventStream": asked} if asked else data
