"""OCPP-J frames: parsed by the order of ocpp.md section 2, and written."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from core.ids import uuid7
from stations.ocpp import guard
from stations.ocpp.context import Json
from stations.ocpp.errors import DESCRIPTION_MAX, Fault, Refused

CALL, CALLRESULT, CALLERROR, CALLRESULTERROR, SEND = 2, 3, 4, 5, 6
MESSAGE_ID_MAX = 255
UNREADABLE_ID = "-1"

MessageId = str | int

_HEAD = re.compile(rb'\s*\[\s*([0-9]{1,3})\s*,\s*("(?:[^"\\]|\\.)*"|-?[0-9]{1,20})\s*[,\]]')


@dataclass(slots=True)
class Frame:
    """One frame from a station. ``problem`` says why it is not usable as what it is.

    ``code`` and ``description`` belong to types 4 and 5. ``message_id`` is ``None`` where unreadable.
    """

    text: str
    size: int
    type: int | None = None
    message_id: MessageId | None = None
    action: str = ""
    payload: Any = None
    code: str = ""
    description: str = ""
    problem: Refused | None = None


def parse(text: str, *, integer_ids: bool = False, verbatim: bool = False) -> Frame:
    """Read a frame; never raises.

    ``integer_ids`` takes integers as message ids (P054); ``verbatim`` keeps the text of every number, for
    the versions of OCPP whose ``customData`` and vendors' bodies have to come through as sent (P086).
    """
    raw = text.encode()
    frame = Frame(text, len(raw))
    try:
        parsed = orjson.loads(text)
        if not guard.is_plain(raw, parsed) or (
            verbatim and (b"customData" in raw or b'"DataTransfer"' in raw)
        ):
            parsed = guard.parse_exactly(raw)
    except ValueError:
        parsed = _parse_doubtful(raw, frame)
    except guard.Unsafe as fault:
        _read_head(raw, frame, fault)
    if frame.problem is None:
        _read(frame, parsed, integer_ids)
    return frame


def call(message_id: str, action: str, payload: Json) -> str:
    """The text of a CALL."""
    return dumps([CALL, message_id, action, payload])


def result(message_id: MessageId, payload: Json) -> str:
    """The text of a CALLRESULT."""
    return dumps([CALLRESULT, message_id, payload])


def error(message_id: MessageId, code: str, description: str, *, kind: int = CALLERROR) -> str:
    """The text of a CALLERROR or CALLRESULTERROR; details stay empty (P073)."""
    return dumps([kind, message_id, code, description[:DESCRIPTION_MAX], {}])


def new_id() -> str:
    """A message id of ours: 36 characters."""
    return str(uuid7())


def dumps(value: Any) -> str:
    """JSON text; :class:`decimal.Decimal` keeps its digits."""
    return orjson.dumps(value, default=_raw_number).decode()


def _raw_number(value: Any) -> orjson.Fragment:
    return orjson.Fragment(str(value).encode())


def _parse_doubtful(raw: bytes, frame: Frame) -> Any:
    """What the fast parser refused: no JSON at all, or JSON of a kind that we refuse."""
    try:
        return guard.parse_exactly(raw)
    except guard.Unsafe as fault:
        _read_head(raw, frame, fault)
    except ValueError:
        frame.problem = Refused(Fault.MALFORMED, "The text is not JSON.")
    return None


def _read_head(raw: bytes, frame: Frame, fault: guard.Unsafe) -> None:
    frame.problem = Refused(Fault.FORMAT, f"The message {fault}.")
    head = _HEAD.match(raw)
    if head is None:
        return
    frame.type = int(head[1])
    try:
        frame.message_id = _usable_id(guard.parse_exactly(head[2]), False)
    except (guard.Unsafe, ValueError):
        frame.message_id = None


def _read(frame: Frame, parsed: Any, integer_ids: bool) -> None:
    if not isinstance(parsed, list) or not parsed or type(parsed[0]) is not int:
        frame.problem = Refused(Fault.MALFORMED, "The message is not a list that begins with a message type.")
        return
    frame.type = parsed[0]
    frame.message_id = _usable_id(parsed[1] if len(parsed) > 1 else None, integer_ids)
    if frame.type in (CALL, SEND):
        _read_call(frame, parsed)
    elif frame.type == CALLRESULT:
        _read_result(frame, parsed)
    elif frame.type in (CALLERROR, CALLRESULTERROR):
        _read_error(frame, parsed)
    else:
        frame.problem = Refused(Fault.UNKNOWN_TYPE, "The message type is not known.")


def _usable_id(value: Any, integer_ids: bool) -> MessageId | None:
    if isinstance(value, str):
        return value if 0 < len(value) <= MESSAGE_ID_MAX else None
    return value if integer_ids and type(value) is int else None


def _read_call(frame: Frame, parsed: list[Any]) -> None:
    action = parsed[2] if len(parsed) > 2 else None
    frame.action = action[:60] if isinstance(action, str) else ""
    frame.payload = parsed[3] if len(parsed) > 3 else None
    if frame.message_id is None:
        frame.problem = Refused(Fault.MALFORMED, "The message id is not readable.")
    elif len(parsed) != 4:
        frame.problem = Refused(Fault.MALFORMED, "The message has not four elements.")
    elif not isinstance(action, str):
        frame.problem = Refused(Fault.MALFORMED, "The action is not a text.")
    elif not isinstance(frame.payload, dict):
        frame.problem = Refused(Fault.FORMAT, "The payload is not an object.")


def _read_result(frame: Frame, parsed: list[Any]) -> None:
    frame.payload = parsed[2] if len(parsed) > 2 else None
    if not isinstance(frame.payload, dict):
        frame.problem = Refused(Fault.FORMAT, "The payload of the answer is not an object.")


def _read_error(frame: Frame, parsed: list[Any]) -> None:
    """Whatever is missing or of the wrong kind, the CALL ends as an error (P059)."""
    texts = [value if isinstance(value, str) else "" for value in parsed[2:4]]
    frame.code, frame.description = (*texts, "", "")[:2]
    frame.code = frame.code or Fault.GENERIC.value
    frame.payload = parsed[4] if len(parsed) > 4 and isinstance(parsed[4], Mapping) else {}
