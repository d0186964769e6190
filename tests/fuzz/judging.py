"""Whether what came back to a handful of frames is what may come back."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from stations.domain.words import Version

CALL, CALLRESULT, CALLERROR, CALLRESULTERROR = 2, 3, 4, 5
EVERYWHERE = {
    "NotImplemented", "NotSupported", "ProtocolError", "SecurityError", "PropertyConstraintViolation",
    "TypeConstraintViolation",
}  # fmt: skip
CODES = {
    Version.V16: EVERYWHERE | {"FormationViolation", "OccurenceConstraintViolation"},
    Version.V201: EVERYWHERE
    | {"FormatViolation", "OccurrenceConstraintViolation", "RpcFrameworkError", "MessageTypeNotSupported"},
}
CODES[Version.V21] = CODES[Version.V201]
"""What may be answered (section 3 of the wire format). InternalError and GenericError say that we failed."""
UNREADABLE = "-1"


def complaints(version: Version, texts: Sequence[str], said: Sequence[Any]) -> Iterator[str]:
    """What is wrong with what was said after these frames came."""
    for frame in said:
        yield from _about(version, frame)
    due = Counter(key for key in map(owed, texts) if key is not None)
    given = Counter(_key(frame[1]) for frame in said)
    for key, count in due.items():
        if given[key] < count:
            yield f"{count - given[key]} answers to {key[:60]} are missing"
    named = any(_key(UNREADABLE) in text for text in texts)
    if version is Version.V16 and given[_key(UNREADABLE)] > due[_key(UNREADABLE)] and not named:
        yield "1.6 has no answer to what is unreadable"
    others = sum(given.values()) - sum(due.values())
    unreadable = sum(owed(text) is None for text in texts)
    if others > unreadable:
        yield f"{others} answers where at most {unreadable} are due: {said}"


def owed(text: str) -> str | None:
    """The id of a CALL that has to be answered; ``None`` where nothing readable has to be."""
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(frame, list) or len(frame) < 2 or type(frame[0]) is not int or frame[0] != CALL:
        return None
    return _key(frame[1]) if isinstance(frame[1], str) and _is_usable(frame[1]) else None


def _is_usable(message_id: str) -> bool:
    return 0 < len(message_id) <= 255 and not any(
        character == "\x00" or "\ud800" <= character <= "\udfff" for character in message_id
    )


def _key(message_id: Any) -> str:
    return json.dumps(message_id)


def _about(version: Version, frame: Any) -> Iterator[str]:
    if frame[0] == CALLRESULT:
        if len(frame) != 3 or not isinstance(frame[2], dict):
            yield f"not a CALLRESULT: {frame}"
    elif frame[0] == CALLERROR:
        yield from _about_error(version, frame)
    else:
        yield f"not an answer: {frame}"


def _about_error(version: Version, frame: Any) -> Iterator[str]:
    if len(frame) != 5 or frame[4] != {}:
        yield f"details in {frame}"
    if frame[2] not in CODES[version]:
        yield f"the code {frame[2]}: {frame[3]}"
    if not 0 < len(frame[3]) <= 255:
        yield f"a description of {len(frame[3])} characters"
