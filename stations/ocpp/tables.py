"""The tables of the negotiated version: what it serves, what it can say, how it understands answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from stations.domain.words import Version
from stations.ocpp import v16, v21, v201
from stations.ocpp.context import Json, Socket
from stations.ocpp.routing import Interpret, Outbound, Routes

Absorb = Callable[[Socket, Json, Json, datetime], None]
"""(socket, our request, the answer, when it came): stores what an answer says; synchronous Django code."""

Objected = Callable[[Socket, str, str, datetime], Callable[[], None] | None]
"""(socket, code, description, when it came): the station could not use our answer (2.1).

Asked on the event loop; what it returns is Django code to be run on the pool.
"""


@dataclass(frozen=True, slots=True)
class Tables:
    routes: Routes
    outbound: Outbound
    interpret: Interpret
    absorb: Mapping[str, Absorb] = field(default_factory=dict)
    objected: Mapping[str, Objected] = field(default_factory=dict)


MODULES: Mapping[Version, Any] = {Version.V16: v16, Version.V201: v201, Version.V21: v21}


def tables_of(version: Version) -> Tables:
    """Looked up at each connection, so that a test may hand out others."""
    module = MODULES[version]
    return Tables(module.ROUTES, module.OUTBOUND, module.interpret, module.ABSORB, module.OBJECTED)
