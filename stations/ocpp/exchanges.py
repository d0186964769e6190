"""One CALL or SEND of a station, judged before it is handled: version, route, schema, registration."""

import time
from collections.abc import Collection
from datetime import datetime

from stations.domain.words import Version
from stations.ocpp import frames, lenient, schemas
from stations.ocpp.context import Json, Repaired, Socket
from stations.ocpp.errors import Fault, Refused
from stations.ocpp.frames import Frame
from stations.ocpp.routing import Chosen, Collected, Decided, Direct, Routes
from stations.ocpp.schemas import Kind


class Exchange:
    """One CALL or SEND of the station on its way through. ``text`` is the answer once there is one."""

    __slots__ = (
        "began_ns",
        "broke_schema",
        "frame",
        "payload",
        "received_at",
        "refused",
        "repairs",
        "route",
        "text",
    )

    def __init__(self, frame: Frame, received_at: datetime) -> None:
        self.frame = frame
        self.received_at = received_at
        self.began_ns = time.monotonic_ns()
        self.payload: Json = frame.payload
        self.route: Direct | Collected | Decided | None = None
        self.refused: Refused | None = None
        self.repairs: tuple[str, ...] = ()
        self.broke_schema = False
        self.text: str | None = None


def check(exchange: Exchange, socket: Socket, routes: Routes) -> None:
    """Find the route and judge the payload. Raises :class:`Refused`."""
    frame, version = exchange.frame, socket.version
    if frame.problem is not None:
        raise frame.problem
    schema = schemas.schema_of(version, frame.action, Kind.REQUEST)
    if schema is None:
        raise Refused(Fault.NOT_IMPLEMENTED, f"OCPP {version} has no such action.")
    if frame.type == frames.CALL and schemas.schema_of(version, frame.action, Kind.RESPONSE) is None:
        raise Refused(Fault.UNKNOWN_TYPE, f"{frame.action} is sent without an answer, as type 6 (SEND).")
    route = routes.get(frame.action)
    if route is None:
        raise Refused(Fault.NOT_SUPPORTED, f"{frame.action} is not offered here.")
    if not schema.accepts(frame.payload):
        exchange.payload = _repaired(exchange, schema, socket)
    exchange.route = route.pick(exchange.payload) if isinstance(route, Chosen) else route


def may_overtake(exchange: Exchange, socket: Socket) -> bool:
    """A heartbeat says nothing that another message could depend on (P063)."""
    return (
        exchange.frame.action == "Heartbeat"
        and type(exchange.route) is Direct
        and (socket.accepted or socket.version is Version.V16)
    )


def is_gated(exchange: Exchange, socket: Socket, asked: Collection[str]) -> bool:
    """Whether a 2.x station that is not accepted says what we did not ask for (P104, P105)."""
    return not (
        socket.accepted
        or socket.version is Version.V16
        or exchange.frame.action == "BootNotification"
        or exchange.frame.action in asked
    )


def _repaired(exchange: Exchange, schema: schemas.Schema, socket: Socket) -> Json:
    action, payload = exchange.frame.action, exchange.frame.payload
    if not socket.lenient and not lenient.ends_session(action, payload):
        deviations = schema.deviations(payload)
        exchange.broke_schema = True
        exchange.repairs = tuple(deviation.label for deviation in deviations[: lenient.REPAIRS_MAX])
        raise deviations[0].refusal()
    exchange.repairs = lenient.repair(schema, socket.version, action, payload, exchange.received_at)
    return Repaired(payload, exchange.repairs)
