"""OCPP 2.1 at the door: the difference to 2.0.1.

Longer tokens of open types, further measurands and trigger reasons are data to the handlers of 2.0.1; what
this version adds to its messages (costs, limits, severity) is accepted by its schemas.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

from stations.domain import intents
from stations.ocpp import v201
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import Decided, Outbound, Routes
from stations.ocpp.v21 import monitoring, outbound, streams

ROUTES: Routes = {
    **v201.ROUTES,
    "ClosePeriodicEventStream": Decided(streams.close_stream),
    "NotifyPeriodicEventStream": Decided(streams.notify),
    "OpenPeriodicEventStream": Decided(streams.open_stream),
}

OUTBOUND: Outbound = {
    **v201.OUTBOUND,
    intents.RequestStartTransaction: outbound.request_start,
    intents.ResetStation: outbound.reset,
    intents.TriggerMessage: outbound.trigger_message,
    intents.SetVariableMonitoring: monitoring.set_monitors,
    intents.CustomerInformation: monitoring.ask_customer,
    intents.AdjustEventStream: streams.adjust,
    intents.GetEventStreams: streams.get_streams,
    intents.SetNetworkProfile: outbound.set_profile,
}

ABSORB: Mapping[str, Callable[[Socket, Json, Json, datetime], None]] = {
    **v201.ABSORB,
    "AdjustPeriodicEventStream": streams.absorb_adjusted,
    "GetPeriodicEventStream": streams.absorb_list,
}

interpret = v201.interpret
