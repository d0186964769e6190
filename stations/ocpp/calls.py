"""Our own CALLs on one socket: one outstanding at a time, the others wait in order (P056 to P060)."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from core import clock
from stations.domain.words import Version
from stations.ocpp import frames, lenient, masking, schemas
from stations.ocpp.context import Json, Memory, Socket
from stations.ocpp.errors import Refused, code_of
from stations.ocpp.frames import Frame
from stations.ocpp.recorder import Recorder
from stations.ocpp.schemas import Kind

LATE_REMEMBERED = 16

# What a station that is not accepted yet may send because of these (P105).
LEADS_TO = {
    "GetBaseReport": ("NotifyReport",),
    "GetReport": ("NotifyReport",),
    "GetChargingProfiles": ("ReportChargingProfiles",),
    "GetMonitoringReport": ("NotifyMonitoringReport",),
    "GetLog": ("LogStatusNotification",),
    "PublishFirmware": ("PublishFirmwareStatusNotification",),
    "UpdateFirmware": ("FirmwareStatusNotification",),
}
TRIGGERS = {
    "SignChargingStationCertificate": "SignCertificate",
    "SignV2GCertificate": "SignCertificate",
    "SignV2G20Certificate": "SignCertificate",
    "SignCombinedCertificate": "SignCertificate",
    "SignChargePointCertificate": "SignCertificate",
}
UNUSUAL_WORDS = {
    "SignV2GCertificate": "sign_v2g_certificate",
    "SignV2G20Certificate": "sign_v2g20_certificate",
    "SignChargePointCertificate": "sign_charging_station_certificate",
}
CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


class CallFailed(Exception):
    """A CALL of ours that got no usable answer. ``code`` is the OCPP code, or a word of ours.

    Ours are ``timeout``, ``disconnected``, ``busy`` (too many wait), ``invalid_request`` and ``invalid_answer``.
    """

    def __init__(self, code: str, description: str, message_id: str = "") -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description
        self.message_id = message_id


@dataclass(frozen=True, slots=True)
class CallResult:
    """What a station answered, and to which message of ours."""

    payload: Json
    message_id: str


@dataclass(slots=True)
class _Pending:
    message_id: str
    action: str
    began_ns: int
    answer: "asyncio.Future[Frame]"
    secrets: frozenset[str] = frozenset()


class Calls:
    """The way out. ``say`` sends a text without waiting.

    ``asked`` are the actions that a station not accepted yet may send because we asked; ``triggered`` those
    that a trigger awaits, with its word in commands, until they come.
    """

    def __init__(self, socket: Socket, say: Callable[[str], None], recorder: Recorder) -> None:
        self.asked: set[str] = set()
        self.triggered: dict[str, str] = {}
        self._socket = socket
        self._say = say
        self._recorder = recorder
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._pending: _Pending | None = None
        self._late = Memory()
        self._closed = False

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def full(self) -> bool:
        return self._waiting >= int(settings.OCPP_COMMAND_QUEUE_MAX)

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for our turn to call; held while a CALL is prepared and outstanding."""
        self._waiting += 1
        try:
            async with self._turn:
                yield
        finally:
            self._waiting -= 1

    async def call(self, action: str, payload: Json, timeout_s: float | None = None) -> CallResult:
        """Wait for our turn, send and wait for the answer. Raises :class:`CallFailed`."""
        if self.full:
            raise CallFailed("busy", "Too many messages wait for this station.")
        try:
            schemas.check_own(self._socket.version, action, Kind.REQUEST, payload)
        except Refused as refused:
            raise CallFailed("invalid_request", refused.description) from refused
        async with self.turn():
            return await self.exchange(action, payload, timeout_s)

    async def exchange(self, action: str, payload: Json, timeout_s: float | None = None) -> CallResult:
        """Send now and wait; for whoever holds the turn and has checked the payload."""
        if self._closed:
            raise CallFailed("disconnected", "The connection is closed.")
        patience_s = timeout_s or self._socket.call_timeout_s
        answer: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        pending = self._pending = _Pending(frames.new_id(), action, time.monotonic_ns(), answer)
        self._expect(action, payload)
        self._send(pending, payload)
        try:
            async with asyncio.timeout(patience_s):
                frame = await answer
        except TimeoutError:
            self._remember_late(pending)
            raise CallFailed("timeout", f"No answer within {patience_s:g} s.", pending.message_id) from None
        finally:
            self._pending = None
        return self._understood(pending, frame)

    def settle(self, frame: Frame, received_at: datetime) -> None:
        """A reply has come. Only that to our pending CALL counts (P056); a late one is marked (P057)."""
        pending = self._pending
        if pending is not None and frame.message_id == pending.message_id and not pending.answer.done():
            latency_us = (time.monotonic_ns() - pending.began_ns) // 1000
            verdict = "ok"
            masking.without(frame, pending.secrets)
            if frame.problem is not None:
                verdict = f"refused:{code_of(frame.problem.fault, self._socket.version)}"
            self._recorder.received(frame, received_at, pending.action, verdict, latency_us=latency_us)
            pending.answer.set_result(frame)
            return
        late = self._late.pop(str(frame.message_id), None)
        if late is None:
            self._recorder.received(frame, received_at, "", "dropped")
            return
        masking.without(frame, late.secrets)
        self._recorder.received(frame, received_at, late.action, "late")

    def close(self) -> None:
        """The socket is gone: whatever waits for an answer fails at once (P033)."""
        self._closed = True
        if self._pending is not None and not self._pending.answer.done():
            self._pending.answer.set_exception(
                CallFailed(
                    "disconnected",
                    "The connection was lost before the answer. It may have been carried out.",
                    self._pending.message_id,
                )
            )

    def _remember_late(self, pending: _Pending) -> None:
        self._late[pending.message_id] = pending
        while len(self._late) > LATE_REMEMBERED:
            self._late.popitem(last=False)

    def _send(self, pending: _Pending, payload: Json) -> None:
        text = frames.call(pending.message_id, pending.action, payload)
        head = [frames.CALL, pending.message_id, pending.action]
        shown = masking.loggable_own(text, pending.action, payload, head, self._socket.data_masks)
        if shown != text:
            pending.secrets = masking.secrets_of(payload, pending.action, self._socket.data_masks)
        self._recorder.sent(frames.CALL, pending.message_id, pending.action, text, shown)
        self._say(text)

    def _expect(self, action: str, payload: Json) -> None:
        self.asked.update(LEADS_TO.get(action, ()))
        if action in ("TriggerMessage", "ExtendedTriggerMessage"):
            wanted = str(payload.get("requestedMessage"))
            word = UNUSUAL_WORDS.get(wanted) or CAPITAL.sub("_", wanted).lower()
            for leads_to in _messages_of(wanted):
                self.asked.add(leads_to)
                self.triggered[leads_to] = word

    def _understood(self, pending: _Pending, frame: Frame) -> CallResult:
        if frame.type != frames.CALLRESULT:
            raise CallFailed(frame.code[:50], frame.description[:255], pending.message_id)
        refused = frame.problem or self._deviation(pending.action, frame.payload)
        if refused is None:
            return CallResult(frame.payload, pending.message_id)
        if self._socket.version is Version.V21:
            self._object(pending, refused)
        raise CallFailed("invalid_answer", refused.description, pending.message_id)

    def _deviation(self, action: str, payload: dict[str, Any]) -> Refused | None:
        """What is wrong with an answer; extra fields never are (P088)."""
        version = self._socket.version
        schema = schemas.schema_of(version, action, Kind.RESPONSE)
        if schema is None or schema.accepts(payload):
            return None
        try:
            if self._socket.lenient:
                lenient.repair(schema, version, action, payload, clock.now())
                return None
            lenient.drop_unknown(schema, payload)
        except Refused as refused:
            return refused
        left = schema.deviations(payload)
        return left[0].refusal() if left else None

    def _object(self, pending: _Pending, refused: Refused) -> None:
        """Tell a 2.1 station that its answer could not be processed (P071)."""
        code = code_of(refused.fault, self._socket.version)
        text = frames.error(pending.message_id, code, refused.description, kind=frames.CALLRESULTERROR)
        self._recorder.sent(frames.CALLRESULTERROR, pending.message_id, pending.action, text, text)
        self._say(text)


def _messages_of(wanted: str) -> tuple[str, ...]:
    """What a trigger brings; 2.x stations may tell their state by an event (P196)."""
    if wanted == "StatusNotification":
        return "StatusNotification", "NotifyEvent"
    return (TRIGGERS.get(wanted, wanted),)
