"""The door's threshold: decides on an upgrade before it is accepted, then hands the socket to the consumer.

Order (P009): limits, edge, identity, credentials, listener and profile, sub-protocol. Then the epoch is
taken in the database, and only then the upgrade is accepted.
"""

import logging
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from http import HTTPStatus
from typing import Any

from django.conf import settings

from core import clock
from stations.domain.words import Registration
from stations.ocpp import admission, gateway, metrics, upgrade
from stations.ocpp.admission import Admitted, Refused
from stations.ocpp.consumer import StationConsumer
from stations.ocpp.context import NO_PONG, TOLERANCES, Socket
from stations.ocpp.gateway import Gateway
from stations.ocpp.lines import Line
from stations.ocpp.readiness import random_wait_s
from stations.ocpp.threads import AWAY
from stations.ocpp.upgrade import Upgrade
from stations.services import connections, registrations
from stations.services.connections import Candidate, Opened, Place
from stations.services.refusals import TOO_MANY_TRIES, Refusal, TakeOver

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Coroutine[Any, Any, None]]

CHALLENGE = (b"WWW-Authenticate", b'Basic realm="ocpp"')
WORD_OF = {gateway.REPLACED: "replaced", gateway.BARRED: "barred", gateway.UNREADY: "not_ready"}
CODE_WORD = {1001: "restart", 1012: "restart"}
SOON_S = (5, 20)
NOT_COUNTED = frozenset({429, 503})


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application of ``/ocpp/``; serves WebSockets only."""
    if (await receive())["type"] != "websocket.connect":
        return
    here = gateway.current()
    request = upgrade.read(scope)
    try:
        _check_limits(here, request)
        admission.refuse_early(request)
        async with here.turnstile.turn(receive) as in_time:
            candidate, admitted = await _decide(here, request, in_time=in_time)
            socket = await _open(here, request, candidate, admitted)
    except Refused as refused:
        _note(here, request, refused)
        await _refuse(scope, send, refused)
        return
    await _serve(here, socket, admitted, scope, receive, send)


async def _decide(here: Gateway, request: Upgrade, *, in_time: bool) -> tuple[Candidate, Admitted]:
    if not in_time:
        raise _busy()
    if not await here.ready():
        raise _away()
    try:
        candidate = await _find(here, request)
    except AWAY as error:
        raise _not_now(here) from error
    admitted = admission.admit(request, candidate, clock.now())
    assert candidate is not None
    return candidate, admitted


def _check_limits(here: Gateway, request: Upgrade) -> None:
    """Neither a hash nor a query is spent on a caller that knocks too often (P022)."""
    wait_s = here.limits.wait_s(request.shown_identity, request.address)
    if wait_s:
        detail = "Too many refused tries in a minute; the next one counts when the minute is over."
        raise Refused(429, TOO_MANY_TRIES, detail, retry_after_s=int(wait_s) + 1)
    if not here.limits.may_knock(request.address):
        raise Refused(429, "too_fast", "Too many connections a second from its address.", retry_after_s=1)


async def _find(here: Gateway, request: Upgrade) -> Candidate | None:
    """The station of exactly this identity; an impossible one is looked up all the same, for equal work."""
    found = await here.threads.run(connections.find, request.identity or "")
    if found is None and settings.OCPP_AUTO_REGISTER and request.identity:
        found = await _register(here, request, request.identity)
    return found if found is not None and found.identity == request.identity else None


async def _register(here: Gateway, request: Upgrade, identity: str) -> Candidate | None:
    password = admission.brought_password(request)
    if password is None and (request.sent_credentials or not settings.OCPP_ALLOW_UNAUTHENTICATED):
        raise Refused(401, "no_credential", "It is not known here and brought no password to register with.")
    encrypted = request.edge is not None and request.edge.encrypted
    await here.threads.run(registrations.register, identity, password, encrypted=encrypted)
    return await here.threads.run(connections.find, identity)


async def _open(here: Gateway, request: Upgrade, candidate: Candidate, admitted: Admitted) -> Socket:
    try:
        opened = await here.threads.run(
            registrations.enter,
            candidate,
            password=admitted.password,
            presented=request.login.password if request.login else b"",
            version=admitted.version.value,
            gateway=here.id,
            address=request.address,
            offered=request.shown_offer,
        )
    except AWAY as error:
        raise _not_now(here) from error
    here.announce(Place(candidate.id, candidate.organization_id, candidate.site_id))
    _tell_of_take_over(here, request, candidate, opened)
    return _socket(here, request, candidate, admitted, opened.epoch)


def _tell_of_take_over(here: Gateway, request: Upgrade, candidate: Candidate, opened: Opened) -> None:
    if not opened.taken_over or opened.previous_epoch is None:
        return
    if opened.previous_gateway != here.id:
        here.ask_to_close(opened.previous_gateway, candidate.id, opened.previous_epoch)
    here.journal.taken_over(
        TakeOver(
            at=clock.now(),
            station_id=candidate.id,
            organization_id=candidate.organization_id,
            old_address=opened.previous_address,
            new_address=request.address,
        )
    )


def _socket(here: Gateway, request: Upgrade, candidate: Candidate, admitted: Admitted, epoch: int) -> Socket:
    own, treatment = candidate, candidate.treatment
    ping = treatment.ping_interval_s
    return Socket(
        station_id=own.id,
        organization_id=own.organization_id,
        site_id=own.site_id,
        identity=own.identity,
        version=admitted.version,
        epoch=epoch,
        gateway=here.id,
        registration=Registration(own.registration),
        lenient=treatment.lenient,
        tolerances=frozenset(word for word in TOLERANCES if own.tolerates(word)),
        subprotocol=admitted.subprotocol,
        address=request.address,
        ever_booted=own.booted_at is not None,
        energy_factor=treatment.energy_factor,
        max_power_w=own.max_power_w,
        call_timeout_s=treatment.call_timeout_s or settings.OCPP_CALL_TIMEOUT,
        ping_interval_s=settings.OCPP_PING_INTERVAL if ping is None else ping,
        pong_required=not treatment.tolerances.get(NO_PONG, False),
        heartbeat_interval_s=own.heartbeat_interval_s or settings.OCPP_HEARTBEAT_INTERVAL,
    )


class Ending:
    """Passes messages on and notes how the socket ends, and by whose will."""

    __slots__ = ("_receive", "_send", "code", "detail", "reason")

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.code: int | None = None
        self.reason = ""
        self.detail = ""

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "websocket.disconnect" and not self.reason:
            self.code = message.get("code")
            cause = message.get("chargeyard.cause") or "peer"
            self.reason = "closed_by_station" if cause == "peer" else cause
            self.detail = upgrade.printable(message.get("reason") or "")
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "websocket.close":
            if self.reason:
                return
            self.code, self.detail = message.get("code", 1000), message.get("reason") or ""
            self.reason = WORD_OF.get(self.detail) or CODE_WORD.get(self.code or 0, "closed_by_us")
        await self._send(message)

    async def hang_up(self, code: int, reason: str) -> None:
        await self.send({"type": "websocket.close", "code": code, "reason": reason})


async def _serve(
    here: Gateway, socket: Socket, admitted: Admitted, scope: Scope, receive: Receive, send: Send
) -> None:
    ending = Ending(receive, send)
    line = Line(socket, admitted.password.id if admitted.password else None, ending.hang_up)
    try:
        await send(_acceptance(socket))
        here.join(line)
        consumer = StationConsumer()
        await consumer(
            {**scope, "chargeyard.socket": socket, "chargeyard.line": line}, ending.receive, ending.send
        )
    finally:
        here.leave(line, ending.code, ending.reason or "lost", ending.detail)


def _acceptance(socket: Socket) -> Message:
    return {
        "type": "websocket.accept",
        "subprotocol": socket.subprotocol,
        "chargeyard.ping_interval": socket.ping_interval_s,
        "chargeyard.pong_required": socket.pong_required,
    }


def _away() -> Refused:
    return Refused(503, "not_ready", "The database cannot be reached.", retry_after_s=random_wait_s())


def _not_now(here: Gateway) -> Refused:
    """The database did not answer in time: too many come at once, or it is away."""
    if here.readiness.good:
        return _busy()
    return _away()


def _busy() -> Refused:
    return Refused(503, "busy", "Too many stations connect at once.", retry_after_s=random_wait_s(SOON_S))


def _note(here: Gateway, request: Upgrade, refused: Refused) -> None:
    """Count the failure and keep it for the pages; the Authorization header is never kept."""
    if refused.status not in NOT_COUNTED:
        here.limits.failed(request.shown_identity, request.address)
    metrics.count_event(f"refused_{refused.reason}")
    logger.info(
        "ocpp.refused",
        extra={"station": request.shown_identity, "address": request.address, "reason": refused.reason},
    )
    here.journal.refused(
        Refusal(
            at=clock.now(),
            identity=request.shown_identity,
            address=request.address,
            status=refused.status,
            reason=refused.reason,
            detail=refused.detail,
            offered=request.shown_offer,
        )
    )


async def _refuse(scope: Scope, send: Send, refused: Refused) -> None:
    """A real status where the server can give one, else the plain refusal of ASGI (403)."""
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    body = f"{HTTPStatus(refused.status).phrase}\n".encode()
    headers = [(b"Content-Type", b"text/plain; charset=utf-8"), (b"Content-Length", str(len(body)).encode())]
    if refused.status == HTTPStatus.UNAUTHORIZED:
        headers.append(CHALLENGE)
    if refused.retry_after_s is not None:
        headers.append((b"Retry-After", str(refused.retry_after_s).encode()))
    await send({"type": "websocket.http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})
