"""Frames with something wrong: in the payload, in the frame around it, or in its bytes."""

import copy
import json
import random
from collections.abc import Callable
from typing import Any

STRANGE: tuple[Any, ...] = (
    None, "", " ", "x" * 300, "ä\u2028", "-1", "1e400", "NaN", "1,5", "٣", "9" * 64, "\\", "'; --", "{}", "\u202e",
    "😀" * 90, "%s%n", "../../etc", "1970-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00", "2025-02-30T25:61:61Z", "2025-03-01T10:00:00.123456789123Z", "2025-03-01",
    -1, 0, 255, 65536, 2**31 - 1, 2**31, 2**53, 2**62, 2**63 - 1, 2**63, 10**19, -(2**31) - 1, -(2**63) - 1,
    1.5, -0.0, 1e300, 5e-324, True, False, [], {}, [[]], [{}], ["x"], [None], {"id": 1}, {"a": {"b": {"c": []}}},
    {"id": 2**63, "connectorId": 10**19}, {"unit": "Wh", "multiplier": 10**19}, {"idToken": "x" * 400, "type": "?"},
    "x" * 70_000, ["x"] * 3000, {"vendorId": "v", "deep": [[[[[[]]]]]]},
)  # fmt: skip
RAW = (
    "1e400", "NaN", "-Infinity", "1" + "0" * 25, "1E19", "1e18", "0.1e-300", "123456789012345678901234.5", "-0",
    "1.0", "1.0e2", "99999999999999999999", "-99999999999999999999", "9223372036854775808", "1e-999999999",
    "1e-9999999999999999999999", "0e9999999999999999999999", "0." + "1" * 20_000,
    r'"\u0000"', r'"\ud800"', r'"a\u0000b"', r'"\udc00\ud800"', '"\\u00e4"', "[" * 31 + "]" * 31,
    "[" * 40 + "]" * 40, '{"a":' * 40 + "1" + "}" * 40, "[" * 5000, '{"a":1,"a":2}', '{"":{}}', "1" * 5000,
    "01", "+1", "tru", "'x'", "/**/1", "undefined", '"\t"', '"\x7f"', "[1,]", "",
)  # fmt: skip
KINDS: tuple[Any, ...] = (0, 1, 2, 3, 4, 5, 6, 7, -1, 255, 70_000, 10**20, 2.0, "2", True, None, [], {})
IDS: tuple[Any, ...] = (
    "", "x" * 36, "x" * 255, "x" * 256, "x" * 5000, 1, -1, 10**19, 1.5, None, True, [], {}, "-1", "ä😀", "a\nb",
    '"', "\\", "a\tb", " ", "\u2028", "a\u0000b",
)  # fmt: skip
ACTIONS: tuple[Any, ...] = (
    "", " ", "heartbeat", "Heartbeat ", "NoSuchAction", "x" * 300, "__class__", "Reset", "GetLog", "StartTransaction",
    "TransactionEvent", "NotifySettlement", "BootNotificationRequest", 1, None, [], {}, "Ä", "a\u0000",
)  # fmt: skip

Chance = random.Random
Frame = list[Any]


class _Piece:
    """Stands for JSON text that no value can be written as."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def of(self, text: str) -> str:
        self.texts.append(text)
        return f"@{len(self.texts) - 1}@"

    def into(self, text: str) -> str:
        for number, piece in enumerate(self.texts):
            text = text.replace(f'"@{number}@"', piece)
        return text


def spoilt(frame: Frame, chance: Chance) -> str:
    """The text of the frame with one to three things wrong, or, now and then, nothing."""
    wrong, pieces = copy.deepcopy(frame), _Piece()
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
        _in_payload(wrong, chance, pieces)
    if chance.random() < 0.2:
        chance.choice(AROUND)(wrong, chance, pieces)
    text = pieces.into(json.dumps(wrong, ensure_ascii=chance.random() < 0.5))
    return _in_bytes(text, chance) if chance.random() < 0.15 else text


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a payload, from the outside in."""
    children: Any = ()
    if isinstance(value, dict):
        children = value.items()
    elif isinstance(value, list):
        children = enumerate(value)
    return [found for key, child in children for found in [(*path, key), *places(child, (*path, key))]]


# -- in the payload -------------------------------------------------------------------------------------------


def _in_payload(frame: Frame, chance: Chance, pieces: _Piece) -> None:
    payload = frame[-1]
    if not (found := places(payload)):
        if isinstance(payload, dict):
            payload[chance.choice(("extra", "", "customData"))] = copy.deepcopy(chance.choice(STRANGE))
        return
    *path, last = chance.choice(found)
    for step in path:
        payload = payload[step]
    chance.choice(INSIDE)(payload, last, chance, pieces)


def _leave_out(parent: Any, last: Any, _chance: Chance, _pieces: _Piece) -> None:
    del parent[last]


def _write_raw(parent: Any, last: Any, chance: Chance, pieces: _Piece) -> None:
    parent[last] = pieces.of(chance.choice(RAW))


def _replace(parent: Any, last: Any, chance: Chance, _pieces: _Piece) -> None:
    parent[last] = copy.deepcopy(chance.choice(STRANGE))


def _respell(parent: Any, last: Any, chance: Chance, _pieces: _Piece) -> None:
    if isinstance(parent[last], str):
        ways: tuple[Callable[[str], str], ...] = (
            str.lower, str.upper, lambda text: f" {text} ", lambda text: text * 40, lambda text: text[:-1],
        )  # fmt: skip
        parent[last] = chance.choice(ways)(parent[last])
    elif isinstance(parent[last], int | float):
        parent[last] = str(parent[last])


def _rename(parent: Any, last: Any, chance: Chance, _pieces: _Piece) -> None:
    if isinstance(parent, dict):
        parent[chance.choice((str(last).lower(), str(last) + " ", "a" * 300, "ü", ""))] = parent.pop(last)


def _add(parent: Any, _last: Any, chance: Chance, _pieces: _Piece) -> None:
    if isinstance(parent, dict):
        name = chance.choice(("customData", "extra", "", "a" * 300, "ü", "__proto__"))
        parent[name] = copy.deepcopy(chance.choice(STRANGE))


def _multiply(parent: Any, last: Any, chance: Chance, _pieces: _Piece) -> None:
    if isinstance(parent, list):
        parent.extend(copy.deepcopy(parent) * chance.choice((1, 5, 60)))
    else:
        parent[last] = [parent[last]]


def _nest(parent: Any, last: Any, chance: Chance, _pieces: _Piece) -> None:
    for _ in range(chance.choice((1, 2, 20, 30, 40))):
        parent[last] = [parent[last]] if chance.random() < 0.5 else {"a": parent[last]}


INSIDE = (_leave_out, _write_raw, _replace, _replace, _replace, _respell, _rename, _add, _multiply, _nest)


# -- around the payload ---------------------------------------------------------------------------------------


def _other_kind(frame: Frame, chance: Chance, _pieces: _Piece) -> None:
    frame[0] = chance.choice(KINDS)


def _other_id(frame: Frame, chance: Chance, _pieces: _Piece) -> None:
    frame[1] = chance.choice(IDS)


def _other_action(frame: Frame, chance: Chance, _pieces: _Piece) -> None:
    frame[min(2, len(frame) - 1)] = chance.choice(ACTIONS)


def _raw_head(frame: Frame, chance: Chance, pieces: _Piece) -> None:
    frame[chance.randrange(len(frame))] = pieces.of(chance.choice(RAW))


def _shorten(frame: Frame, chance: Chance, _pieces: _Piece) -> None:
    del frame[chance.randrange(len(frame)) :]


def _lengthen(frame: Frame, chance: Chance, _pieces: _Piece) -> None:
    frame.insert(chance.randrange(len(frame) + 1), copy.deepcopy(chance.choice(STRANGE)))


def _no_object(frame: Frame, chance: Chance, _pieces: _Piece) -> None:
    frame[-1] = copy.deepcopy(chance.choice(STRANGE))


AROUND = (_other_kind, _other_id, _other_action, _raw_head, _shorten, _lengthen, _no_object)


# -- in the bytes ---------------------------------------------------------------------------------------------


def _in_bytes(text: str, chance: Chance) -> str:
    """What is no UTF-8 any more never gets past the server; here it becomes the sign for that."""
    raw = bytearray(text[:20_000].encode(errors="replace"))
    for _ in range(chance.choice((1, 1, 2, 8))):
        at = chance.randrange(len(raw) + 1) if raw else 0
        kind = chance.randrange(4)
        if kind == 0:
            raw[at : at + chance.choice((1, 1, 5, 400))] = b""
        elif kind == 1:
            raw[at:at] = bytes([chance.choice(b'[]{}",:\\0-e.\x00\x1f \n\xff')])
        elif kind == 2 and at < len(raw):
            raw[at] ^= 1 << chance.randrange(8)
        else:
            raw[at:at] = raw[max(0, at - chance.choice((1, 8, 200))) : at]
    return raw.decode(errors="replace")
