"""The RPC session of one socket: what comes in is answered in order, alone or with others' facts.

No task and no lock per message. A CALL waits in the backlog until it may start, then holds a place in the
line of answers until it and all before it are answered. ``Collected`` messages run side by side, a
``Decided`` one alone; so the facts of a station are stored in the order of arrival (P062).
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from functools import partial
from typing import Any, NoReturn

from django.conf import settings

from core import clock
from core.errors import DomainError
from stations.domain.words import Version
from stations.ocpp import frames, schemas
from stations.ocpp.calls import Calls
from stations.ocpp.context import Json, Memory, Socket
from stations.ocpp.errors import Fault, Refused, code_of, refusal_of
from stations.ocpp.exchanges import Exchange, check, is_gated, may_overtake
from stations.ocpp.frames import Frame
from stations.ocpp.ingest import Ingest
from stations.ocpp.pool import Pool
from stations.ocpp.recorder import Recorder
from stations.ocpp.routing import Collected, Decided, Direct
from stations.ocpp.schemas import Kind
from stations.ocpp.tables import tables_of
from stations.ocpp.vitals import Vitals
from stations.services import effects
from stations.services.batches import Item

logger = logging.getLogger(__name__)

BACKLOG_MAX = 64
BACKLOG_BYTES = 2 * 1024 * 1024
LINE_MAX = 64
LINE_BYTES = 2 * 1024 * 1024
LEAST_PATIENCE_S = 0.5
INTERNAL = Refused(Fault.INTERNAL, "The message could not be processed. Try again later.")


class Session:
    """``say`` sends a text without waiting; all methods belong to the event loop."""

    def __init__(self, socket: Socket, say: Callable[[str], None], ingest: Ingest, pool: Pool) -> None:
        self.socket = socket
        self.booted = socket.ever_booted
        self._say = say
        self._ingest = ingest
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._tables = tables_of(socket.version)
        self._recorder = Recorder(socket, ingest)
        self.calls = Calls(socket, say, self._recorder)
        self._integer_ids = socket.tolerates("integer_ids")
        self._verbatim = socket.version is not Version.V16
        self._backlog: deque[Exchange] = deque()
        self._backlog_bytes = 0
        self._line: deque[Exchange] = deque()
        self._line_bytes = 0
        self._alone: Exchange | None = None
        self._closed = False
        self._answered = Memory()
        self._vitals = Vitals(socket, ingest)
        self._timer: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[None] | None = None
        socket.ask = self._ask

    # -- in -------------------------------------------------------------------------------------------

    def receive(self, text: str) -> None:
        """Take one frame. Replies settle at once, CALLs are answered in order; never raises."""
        frame = frames.parse(text, integer_ids=self._integer_ids, verbatim=self._verbatim)
        received_at = clock.now()
        self._vitals.seen(received_at)
        kind = frame.type
        if kind == frames.CALL or (kind == frames.SEND and self.socket.version is Version.V21):
            self._take(Exchange(frame, received_at))
        elif kind in (frames.CALLRESULT, frames.CALLERROR):
            self.calls.settle(frame, received_at)
        elif kind == frames.CALLRESULTERROR and self.socket.version is Version.V21:
            self._note_objection(frame, received_at)
        else:
            self._pass_over(frame, received_at)

    @property
    def full(self) -> bool:
        """Whether reading has to pause until some of the backlog is done."""
        return len(self._backlog) >= BACKLOG_MAX or self._backlog_bytes >= BACKLOG_BYTES

    @property
    def idle(self) -> bool:
        return not self._backlog and not self._line

    async def settled(self, enough: Callable[[], bool]) -> None:
        """Wait until ``enough()``; looked at after each answer."""
        while not self._closed and not enough():
            self._waiter = self._loop.create_future()
            await self._waiter

    def close(self) -> None:
        """The socket is gone: pending CALLs fail at once, what was not begun is only logged (P270)."""
        self._closed = True
        self.socket.ask = None
        self.calls.close()
        for exchange in self._backlog:
            frame = exchange.frame
            self._recorder.received(frame, exchange.received_at, frame.action, "dropped")
        self._backlog.clear()
        if self._timer is not None:
            self._timer.cancel()
        self._wake()

    def _take(self, exchange: Exchange) -> None:
        _, exchange.refused = self._outcome(
            exchange, partial(check, exchange, self.socket, self._tables.routes)
        )
        if exchange.broke_schema:
            self._ingest.refused(self.socket.station_id)
        if may_overtake(exchange, self.socket):
            self._line.appendleft(exchange)
            self._line_bytes += exchange.frame.size
            self._start_now(exchange)
            return
        self._backlog.append(exchange)
        self._backlog_bytes += exchange.frame.size
        self._advance()

    # -- through --------------------------------------------------------------------------------------

    def _advance(self) -> None:
        while self._backlog and not self._closed and self._may_start(self._backlog[0]):
            exchange = self._backlog.popleft()
            self._backlog_bytes -= exchange.frame.size
            self._line.append(exchange)
            self._line_bytes += exchange.frame.size
            self._start_now(exchange)

    def _may_start(self, exchange: Exchange) -> bool:
        if exchange.refused is not None:
            return True
        if type(exchange.route) is Decided:
            return not self._line
        if type(exchange.route) is Collected and self._ingest.full:
            self._ingest.when_room(self._advance)
            return False
        return self._alone is None and len(self._line) < LINE_MAX and self._line_bytes < LINE_BYTES

    def _start_now(self, exchange: Exchange) -> None:
        if exchange.refused is None and is_gated(exchange, self.socket, self.calls.asked):
            exchange.refused = Refused(Fault.SECURITY, "The station is not accepted yet.")
        if exchange.refused is not None:
            self._refuse(exchange, exchange.refused)
            return
        self._watch(exchange)
        if type(exchange.route) is Decided:
            self._decide(exchange, exchange.route)
        elif type(exchange.route) is Collected:
            self._collect(exchange, exchange.route)
        elif type(exchange.route) is Direct:
            self._finish(
                exchange, partial(exchange.route.answer, self.socket, exchange.payload, exchange.received_at)
            )

    def _collect(self, exchange: Exchange, route: Collected) -> None:
        facts = self._attempt(
            exchange, partial(route.decode, self.socket, exchange.payload, exchange.received_at)
        )
        if facts is not None:
            self._vitals.note_drift(facts, exchange.received_at)
            row = self._row(exchange)
            self._ingest.submit(Item(self.socket, facts, row, partial(self._collected, exchange, route)))

    def _collected(self, exchange: Exchange, route: Collected, error: Exception | None) -> None:
        if exchange.text is not None:
            return
        if error is not None:
            self._attempt(exchange, partial(_raise, error))
            return
        self._finish(
            exchange, partial(route.answer, self.socket, exchange.payload, exchange.received_at), logged=True
        )

    def _decide(self, exchange: Exchange, route: Decided) -> None:
        self._alone = exchange
        work = partial(route.handle, self.socket, exchange.payload, exchange.received_at)
        self._pool.submit(work, partial(self._decided, exchange))

    def _decided(self, exchange: Exchange, outcome: "Future[Json]") -> None:
        """The frame is committed before the answer leaves, as the fact was."""
        if self._alone is exchange:
            self._alone = None
        if exchange.text is not None:
            return
        payload = self._attempt(exchange, outcome.result)
        if payload is not None:
            self._ingest.submit(
                Item(self.socket, (), self._row(exchange), partial(self._recorded, exchange, payload))
            )

    def _recorded(self, exchange: Exchange, payload: Json, _error: Exception | None) -> None:
        if exchange.text is None:
            self._finish(exchange, lambda: payload, logged=True)

    def _finish(self, exchange: Exchange, answer: Callable[[], Json], *, logged: bool = False) -> None:
        payload = self._attempt(exchange, answer)
        if payload is None:
            return
        frame = exchange.frame
        if frame.type == frames.SEND:
            text = ""
        else:
            try:
                schemas.check_own(self.socket.version, frame.action, Kind.RESPONSE, payload)
            except Refused as refused:
                logger.error(
                    "ocpp.own_answer_invalid", extra={**self._names(exchange), "cause": refused.description}
                )
                self._refuse(exchange, INTERNAL)
                return
            text = frames.result(frame.message_id or "", payload)
        if not logged:
            self._ingest.log(self._row(exchange))
        if frame.action == "BootNotification":
            self.booted = True
        self._reply(exchange, text)
        if frame.action in self.calls.triggered:
            self._note_triggered(self.calls.triggered.pop(frame.action))

    def _note_triggered(self, word: str) -> None:
        """What a trigger asked for has come and is stored."""
        self._pool.submit(partial(effects.message_received, self.socket.station_id, word), _ignored)

    def _attempt(self, exchange: Exchange, work: Callable[[], Any]) -> Any:
        """What ``work`` returns; ``None`` where it failed, and then the message is refused."""
        value, refused = self._outcome(exchange, work)
        if refused is not None:
            self._refuse(exchange, refused)
        return value

    def _outcome(self, exchange: Exchange, work: Callable[[], Any]) -> tuple[Any, Refused | None]:
        """The one place of this door where every exception ends: it becomes a refusal (P065)."""
        try:
            return work(), None
        except Refused as refused:
            return None, refused
        except DomainError as error:
            return None, refusal_of(error)
        except Exception as error:
            logger.error("ocpp.handler_failed", extra=self._names(exchange), exc_info=error)
            return None, INTERNAL

    # -- out ------------------------------------------------------------------------------------------

    def _refuse(self, exchange: Exchange, refused: Refused) -> None:
        exchange.refused = refused
        self._ingest.log(self._row(exchange))
        self._reply(exchange, self._error_text(exchange, refused))

    def _error_text(self, exchange: Exchange, refused: Refused) -> str:
        """Nothing where no answer is due: to a SEND, and on 1.6 to a message whose id is unreadable."""
        frame, version = exchange.frame, self.socket.version
        if frame.type == frames.SEND or (frame.message_id is None and version is Version.V16):
            return ""
        if frame.message_id is None:
            return frames.error(frames.UNREADABLE_ID, code_of(Fault.MALFORMED, version), refused.description)
        return frames.error(frame.message_id, code_of(refused.fault, version), refused.description)

    def _reply(self, exchange: Exchange, text: str) -> None:
        exchange.text = text
        while self._line and self._line[0].text is not None:
            done = self._line.popleft()
            self._line_bytes -= done.frame.size
            if done.text and not self._closed:
                self._send(done, done.text)
        self._advance()
        self._wake()

    def _send(self, exchange: Exchange, text: str) -> None:
        frame = exchange.frame
        kind = frames.CALLRESULT if text.startswith("[3") else frames.CALLERROR
        latency_us = (time.monotonic_ns() - exchange.began_ns) // 1000
        if self.socket.version is Version.V21:
            self._answered[str(frame.message_id)] = frame.action
        self._recorder.sent(
            kind, frame.message_id or frames.UNREADABLE_ID, frame.action, text, text, latency_us
        )
        self._say(text)

    def _row(self, exchange: Exchange) -> str:
        verdict = "repaired" if exchange.repairs else "ok"
        if exchange.refused is not None:
            verdict = f"refused:{code_of(exchange.refused.fault, self.socket.version)}"
        return self._recorder.line(
            exchange.frame, exchange.received_at, exchange.frame.action, verdict, repairs=exchange.repairs
        )

    def _note_objection(self, frame: Frame, received_at: datetime) -> None:
        """A 2.1 station could not use our answer (P071)."""
        logger.warning(
            "ocpp.answer_refused",
            extra={"station": self.socket.identity, "message_id": frame.message_id, "code": frame.code[:50]},
        )
        action = self._answered.pop(str(frame.message_id), "")
        self._recorder.received(frame, received_at, action, "ok")
        objected = self._tables.objected.get(action)
        work = objected and objected(self.socket, frame.code, frame.description, received_at)
        if work:
            self._pool.submit(work, _ignored)

    def _pass_over(self, frame: Frame, received_at: datetime) -> None:
        """No usable message: logged, and on 2.x answered where an answer can be (P050, P051)."""
        refused = frame.problem or Refused(Fault.UNKNOWN_TYPE, "The message type is not known.")
        version = self.socket.version
        self._recorder.received(frame, received_at, "", f"refused:{code_of(refused.fault, version)}")
        if version is Version.V16 or frame.type in (frames.CALLRESULTERROR, frames.SEND):
            return
        known = frame.type is not None and frame.message_id is not None
        message_id = frame.message_id if known and frame.message_id is not None else frames.UNREADABLE_ID
        code = code_of(refused.fault if known else Fault.MALFORMED, version)
        text = frames.error(message_id, code, refused.description)
        self._recorder.sent(frames.CALLERROR, message_id, "", text, text)
        self._say(text)

    # -- time -----------------------------------------------------------------------------------------

    def _watch(self, exchange: Exchange) -> None:
        if self._timer is None:
            age_s = (time.monotonic_ns() - exchange.began_ns) / 1e9
            delay_s = max(settings.OCPP_HANDLER_DEADLINE - age_s, LEAST_PATIENCE_S)
            self._timer = self._loop.call_later(delay_s, self._look_for_overdue)

    def _look_for_overdue(self) -> None:
        """Answer what is past its deadline; its work may go on and its repetition will find it done (P063)."""
        self._timer = None
        before = time.monotonic_ns() - settings.OCPP_HANDLER_DEADLINE * 1_000_000_000
        for exchange in [e for e in self._line if e.text is None and e.began_ns <= before]:
            logger.error("ocpp.deadline_passed", extra=self._names(exchange))
            if self._alone is exchange:
                self._alone = None
            self._refuse(exchange, INTERNAL)
        waiting = [e.began_ns for e in self._line if e.text is None]
        if waiting and self._timer is None:
            delay_s = max((min(waiting) - before) / 1e9, LEAST_PATIENCE_S)
            self._timer = self._loop.call_later(delay_s, self._look_for_overdue)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _names(self, exchange: Exchange) -> dict[str, Any]:
        frame = exchange.frame
        return {"station": self.socket.identity, "action": frame.action, "message_id": str(frame.message_id)}

    def _ask(self, action: str, payload: Json) -> Json:
        """Call the station from a handler's thread (P064)."""
        asked = asyncio.run_coroutine_threadsafe(self.calls.call(action, payload), self._loop)
        return asked.result().payload


def _raise(error: Exception) -> NoReturn:
    raise error


def _ignored(noted: "Future[None]") -> None:
    """An effect that could not be written is given up by the sweeper in the end."""
    if (error := noted.exception()) is not None:
        logger.warning("ocpp.effect_not_noted", extra={"cause": repr(error)[:200]})
