"""OCPP 2.1 at the door: the difference to 2.0.1.

Longer tokens of open types, further measurands and trigger reasons are data to the handlers of 2.0.1; what
this version adds to its messages (costs, limits, severity) is accepted by its schemas.
"""

from stations.domain import intents
from stations.ocpp import v201
from stations.ocpp.routing import Outbound, Routes
from stations.ocpp.v21 import outbound

ROUTES: Routes = {**v201.ROUTES}

OUTBOUND: Outbound = {
    **v201.OUTBOUND,
    intents.RequestStartTransaction: outbound.request_start,
    intents.ReserveNow: outbound.reserve_now,
}

ABSORB = v201.ABSORB

interpret = v201.interpret
