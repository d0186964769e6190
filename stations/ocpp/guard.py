"""What a JSON parser lets through and we do not (P074, security L-10).

A normal frame is passed by a handful of scans over its bytes. Whatever could hide one of the faults is
looked at again, slowly and exactly; so the scans may be wrong in one direction only.
"""

import json
import math
import re
from decimal import Decimal
from itertools import accumulate
from typing import Any, NoReturn

import orjson

from stations.domain.nesting import ALL_BUT_BRACKETS, MAX_DEPTH, is_deep

MAX_DIGITS = 20
MAX_NUMBER = 400
MAX_MEMBERS = 10_000
EXACT_DIGITS = 15
INT64_MAX = 2**63 - 1

_DIGITS_TO_ZERO = bytes(ord("0") if 48 <= byte <= 57 else byte for byte in range(256))
_LONG_NUMBER = b"0" * (EXACT_DIGITS + 1)
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"')
_HUGE_EXPONENT = re.compile(r"[eE][+-]?0*[1-9][0-9]{3}")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class Unsafe(Exception):
    """JSON that is refused whatever its meaning; the text says why."""


def is_plain(raw: bytes, parsed: Any) -> bool:
    """Whether the scans show that the frame is harmless and that its numbers were parsed exactly.

    Without a backslash a quote only ever delimits a text, so a dropped duplicate key is a missing quote.
    """
    return (
        b"\\" not in raw
        and (len(raw) < MAX_MEMBERS or raw.count(b",") < MAX_MEMBERS)
        and not is_deep(raw)
        and _LONG_NUMBER not in raw.translate(_DIGITS_TO_ZERO, b".")
        and raw.count(b'"') == orjson.dumps(parsed).count(b'"')
    )


def parse_exactly(raw: bytes) -> Any:
    """Parse with every check; numbers with a fraction come as :class:`Decimal`, digits as they were sent.

    Raises :class:`Unsafe` for JSON of a kind that we refuse and :class:`ValueError` for what is no JSON.
    """
    if is_deep(bare := _STRINGS.sub(b"", raw)) and _nesting(bare) > MAX_DEPTH:
        raise Unsafe("is nested too deeply")
    parsed = json.loads(
        raw.decode(),
        object_pairs_hook=_object,
        parse_int=_integer,
        parse_float=_number,
        parse_constant=_constant,
    )
    _check_values(parsed)
    return parsed


def _nesting(bare: bytes) -> int:
    brackets = bare.translate(None, ALL_BUT_BRACKETS)
    return max(accumulate(1 if bracket in b"[{" else -1 for bracket in brackets), default=0)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Unsafe("has a duplicate key")
    if len(members) > MAX_MEMBERS:
        raise Unsafe("has too many members")
    return members


def _integer(text: str) -> int | Decimal:
    """Beyond 64 bits it comes as :class:`Decimal`, since neither columns nor the fast writer hold such integers."""
    if len(text.lstrip("-")) > MAX_DIGITS:
        raise Unsafe("has an integer of too many digits")
    number = int(text)
    return number if abs(number) <= INT64_MAX else Decimal(text)


def _number(text: str) -> Decimal:
    """What is too small for a double is refused as what is too large: no column holds it as it was sent."""
    if len(text) > MAX_NUMBER:
        raise Unsafe("has a number of too many digits")
    size = float(text)
    if math.isinf(size) or _HUGE_EXPONENT.search(text):
        raise Unsafe("has a number beyond double range")
    number = Decimal(text)
    if number and not size:
        raise Unsafe("has a number beyond double range")
    return number


def _constant(text: str) -> NoReturn:
    raise Unsafe("has a number that is none")


def _check_values(parsed: Any) -> None:
    waiting = [parsed]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            if _UNSTORABLE.search(value):
                raise Unsafe("has a character that text cannot hold")
        elif isinstance(value, dict):
            waiting.extend(value)
            waiting.extend(value.values())
        elif isinstance(value, list):
            if len(value) > MAX_MEMBERS:
                raise Unsafe("has too many members")
            waiting.extend(value)
