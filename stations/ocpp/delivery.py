"""Brings commands to one station: claimed, said, and settled with what came of it (M-09)."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from django.db import DataError
from django.db.transaction import atomic

from core import clock
from core.errors import DomainError, NotSupported
from stations.domain.intents import Intent
from stations.domain.words import CommandStatus, Registration
from stations.ocpp import metrics, pool, schemas
from stations.ocpp.calls import CallFailed, Calls
from stations.ocpp.context import Json, Socket
from stations.ocpp.errors import Refused
from stations.ocpp.routing import OutboundCall
from stations.ocpp.schemas import Kind
from stations.ocpp.tables import Tables
from stations.ocpp.threads import AWAY
from stations.services import answering, commands, data_transfers, learning, provisioning

logger = logging.getLogger(__name__)

# Not to be asked of a station that is not accepted yet (2.0.1 B02.FR.05, 1.6 section 4.2).
ONLY_ACCEPTED = frozenset(
    {"RemoteStartTransaction", "RemoteStopTransaction", "RequestStartTransaction", "RequestStopTransaction"}
)

UNKNOWN_TO_STATION = frozenset({"NotImplemented", "NotSupported"})


class Ending(NamedTuple):
    """How a command ended, and what was answered to each of its messages."""

    status: CommandStatus
    error: Mapping[str, Any] | None = None
    message_id: str = ""
    answered: tuple[tuple[OutboundCall, Json], ...] = ()

    @property
    def response(self) -> Json | None:
        """The answers as one: their lists follow one another (P212)."""
        payloads = [payload for _, payload in self.answered]
        return _joined(payloads) if payloads else None


class Deliveries:
    """The commands in hand for one socket."""

    def __init__(self, socket: Socket, calls: Calls, tables: Tables) -> None:
        self._socket = socket
        self._calls = calls
        self._tables = tables
        self._pool = pool.commands()
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._stopped = False

    def deliver(self, command_id: UUID) -> None:
        """Say it when its turn comes. What finds no room stays pending and is offered again."""
        if self._stopped or command_id in self._tasks or self._calls.full:
            return
        task = asyncio.create_task(self._deliver(command_id))
        self._tasks[command_id] = task
        task.add_done_callback(lambda _done: self._tasks.pop(command_id, None))

    def stop(self) -> None:
        """Begin no more; what is outstanding goes on."""
        self._stopped = True

    async def _deliver(self, command_id: UUID) -> None:
        began_s = time.monotonic()
        try:
            async with self._calls.turn():
                if self._stopped or self._calls.closed:
                    return
                call = await self._pool.perform(partial(self._prepare, command_id))
                if call is None:
                    return
                ending = await self._exchange(call)
            outcome = await self._pool.perform(partial(self._settle, command_id, call, ending))
            metrics.COMMAND_SECONDS.labels(outcome.value).observe(time.monotonic() - began_s)
        except AWAY as error:
            logger.warning(
                "ocpp.command_not_settled",
                extra={
                    "station": self._socket.identity,
                    "command": str(command_id),
                    "cause": repr(error)[:200],
                },
            )

    def _prepare(self, command_id: UUID) -> OutboundCall | None:
        """On a thread: translate, then claim, so that what cannot be said was never sent."""
        try:
            intent = commands.wish(command_id, epoch=self._socket.epoch)
            call = self._translated(intent) if intent is not None else None
            claimed = call is not None and self._claim(command_id, call)
        except NotSupported as error:
            ending = Ending(CommandStatus.NOT_SUPPORTED, _error("not_supported", error.message))
        except DomainError as error:
            ending = Ending(CommandStatus.FAILED, _error(error.code, error.message))
        except Refused as refused:
            ending = Ending(CommandStatus.FAILED, _error("invalid_request", refused.description))
        else:
            return call if claimed else None
        commands.settle(command_id, ending.status, error=ending.error)
        return None

    def _claim(self, command_id: UUID, call: OutboundCall) -> bool:
        """One statement by itself, where nothing else has to be kept with it."""
        keeps = [part.keep for part in (call, *call.more) if part.keep is not None]
        if not keeps:
            return commands.claim(command_id, epoch=self._socket.epoch)
        with atomic():
            claimed = commands.claim(command_id, epoch=self._socket.epoch)
            for keep in keeps if claimed else ():
                keep()
        return claimed

    def _translated(self, intent: Intent) -> OutboundCall:
        translate = self._tables.outbound.get(type(intent))
        if translate is None:
            raise NotSupported(f"OCPP {self._socket.version} has no “{intent.name}”.")
        call = translate(self._socket, intent)
        for part in (call, *call.more):
            schemas.check_own(self._socket.version, part.action, Kind.REQUEST, part.payload)
        self._check_registration(call.action)
        if call.action == "DataTransfer":
            self._socket.data_masks = data_transfers.masks_of(self._socket.organization_id)
        return call

    def _check_registration(self, action: str) -> None:
        registration = self._socket.registration
        if registration == Registration.REJECTED:
            raise NotAccepted("The station is rejected; nothing is said to it.")
        if registration != Registration.ACCEPTED and action in ONLY_ACCEPTED:
            raise NotAccepted("The station is not accepted yet.")

    async def _exchange(self, call: OutboundCall) -> Ending:
        answered: list[tuple[OutboundCall, Json]] = []
        message_id = ""
        try:
            for part in (call, *call.more):
                result = await self._calls.exchange(part.action, part.payload)
                message_id = message_id or result.message_id
                answered.append((part, result.payload))
                if call.builds_up and self._is_refusal(part, result.payload):
                    break
        except CallFailed as failed:
            status = CommandStatus.TIMED_OUT if failed.code == "timeout" else CommandStatus.FAILED
            error = _error(failed.code, failed.description)
            return Ending(status, error, message_id or failed.message_id, tuple(answered))
        word = self._tables.interpret(call.action, _joined([payload for _, payload in answered]))
        return Ending(CommandStatus(word), None, message_id, tuple(answered))

    def _is_refusal(self, part: OutboundCall, payload: Json) -> bool:
        return self._tables.interpret(part.action, payload) != CommandStatus.ACCEPTED

    def _settle(self, command_id: UUID, call: OutboundCall, ending: Ending) -> CommandStatus:
        """On a thread: store what the answers say, then how the command ended; answers with that."""
        ending = self._absorbed(command_id, call, ending)
        if ending.error is not None and ending.error["code"] in UNKNOWN_TO_STATION:
            provisioning.note_unsupported(self._socket.station_id, call.action)
            learning.from_refusal(command_id, call.action, str(ending.error["code"]), clock.now())
        commands.settle(
            command_id,
            ending.status,
            response=ending.response,
            error=ending.error,
            action=call.action,
            message_id=ending.message_id,
        )
        return ending.status

    def _absorbed(self, command_id: UUID, call: OutboundCall, ending: Ending) -> Ending:
        """Keep what the answers say; one that says the impossible fails the command instead of leaving it open."""
        absorb = self._tables.absorb.get(call.action)
        if absorb is None:
            return ending
        try:
            with answering.about(command_id):
                for part, payload in ending.answered:
                    absorb(self._socket, part.payload, payload, clock.now())
        except DomainError as error:
            return ending._replace(status=CommandStatus.FAILED, error=_error("invalid_answer", error.message))
        except DataError:  # beyond a column; the answer is in the log
            why = "The answer holds a figure that cannot be kept."
            return ending._replace(status=CommandStatus.FAILED, error=_error("invalid_answer", why))
        return ending


class NotAccepted(DomainError):
    """The station's registration does not allow it."""

    code = "not_accepted"


def _error(code: str, description: str) -> dict[str, str]:
    return {"code": code, "description": description}


def _joined(payloads: Sequence[Json]) -> Json:
    if len(payloads) == 1:
        return payloads[0]
    whole: dict[str, Any] = {}
    for payload in payloads:
        for name, value in payload.items():
            before = whole.get(name)
            whole[name] = [*before, *value] if isinstance(before, list) and isinstance(value, list) else value
    return whole
