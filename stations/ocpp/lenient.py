"""Repairs of cosmetic faults (ocpp.md section 4): each is named, none touches the raw log."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from hashlib import blake2b
from typing import Any

from core import clock
from stations.domain.words import Version
from stations.ocpp.context import Json
from stations.ocpp.guard import INT64_MAX
from stations.ocpp.schemas import Deviation, Path, Schema, shown

KEY_FIELDS_16: Mapping[str, tuple[Path, ...]] = {
    "StartTransaction": (("connectorId",), ("idTag",), ("meterStart",), ("timestamp",)),
    "StopTransaction": (("transactionId",), ("meterStop",), ("timestamp",)),
    "Authorize": (("idTag",),),
    "MeterValues": (("connectorId",),),
}
KEY_FIELDS_2X: Mapping[str, tuple[Path, ...]] = {
    "TransactionEvent": (("eventType",), ("timestamp",), ("seqNo",), ("transactionInfo", "transactionId")),
    "Authorize": (("idToken", "idToken"),),
}
IDENTIFIERS = frozenset({"idTag", "parentIdTag", "idToken", "transactionId"})
"""Texts that name something: never cut plainly, since the beginning may name another thing."""

IDENTIFIER_MAX = 64
REPAIR_MAX = 120
REPAIRS_MAX = 50
ROUNDS = 8


def ends_session(action: str, payload: Json) -> bool:
    """Whether refusing this message would lose money; so it is repaired in strict as well."""
    if action == "TransactionEvent":
        return str(payload.get("eventType")).strip().lower() == "ended"
    return action == "StopTransaction"


def repair(
    schema: Schema, version: Version, action: str, payload: dict[str, Any], received_at: datetime
) -> tuple[str, ...]:
    """Mend the payload in place and name what was done.

    Raises :class:`Refused` for the first fault that is not cosmetic.
    """
    keys = (KEY_FIELDS_16 if version is Version.V16 else KEY_FIELDS_2X).get(action, ())
    ends = ends_session(action, payload)
    mending = _Mending(schema, payload, keys, clock.to_wire(received_at), ends=ends)
    for _ in range(ROUNDS):
        fresh = [deviation for deviation in schema.deviations(payload) if mending.is_open(deviation)]
        if not fresh:
            break
        for deviation in fresh:
            mending.mend(deviation)
        mending.forget_items()
    return tuple(dict.fromkeys(mending.repairs))[:REPAIRS_MAX]


def drop_unknown(schema: Schema, payload: dict[str, Any]) -> tuple[str, ...]:
    """Take extra fields out of a station's answer, which never matter (P088)."""
    mending = _Mending(schema, payload, (), "")
    for deviation in schema.deviations(payload):
        if deviation.keyword == "additionalProperties":
            mending.mend(deviation)
    return tuple(mending.repairs[:REPAIRS_MAX])


@dataclass(slots=True)
class _Mending:
    schema: Schema
    payload: Any
    keys: tuple[Path, ...]
    received_at: str
    ends: bool = False
    repairs: list[str] = field(default_factory=list)
    settled: set[tuple[str, Path]] = field(default_factory=set)
    left_out: set[Path] = field(default_factory=set)

    def is_open(self, deviation: Deviation) -> bool:
        return (deviation.keyword, deviation.path) not in self.settled

    def mend(self, deviation: Deviation) -> None:
        mend = _MENDERS.get(deviation.keyword)
        if mend is None:
            raise deviation.refusal()
        if deviation.keyword != "required" and not self.holds(deviation.path):
            return  # went with something around it
        if deviation.keyword != "required" and self._is_blank_option(deviation.path):
            self.drop(deviation.path, "empty")
        else:
            mend(self, deviation)
        self.settled.add((deviation.keyword, deviation.path))

    def is_key(self, path: Path) -> bool:
        return any(path == key[: len(path)] or key == path[: len(key)] for key in self.keys)

    def note(self, what: str, path: Path) -> None:
        self.repairs.append(f"{what}:{shown(path)}"[:REPAIR_MAX])

    def value(self, path: Path) -> Any:
        place = self.payload
        for step in path:
            place = place[step] if _holds(place, step) else None
        return place

    def holds(self, path: Path) -> bool:
        return not path or _holds(self.value(path[:-1]), path[-1])

    def put(self, path: Path, value: Any, what: str) -> None:
        self.value(path[:-1])[path[-1]] = value
        self.note(what, path)

    def _is_blank_option(self, path: Path) -> bool:
        value = self.value(path)
        blank = value is None or value == [] or (isinstance(value, str) and not value.strip())
        return blank and bool(path) and not self.schema.is_required(path) and not isinstance(path[-1], int)

    def leave_out(self, path: Path, what: str) -> bool:
        """Do without the item of a list, or else the option, that the path leads into; ``False``: there is none."""
        while path and not isinstance(path[-1], int):
            if not self.schema.is_required(path):
                self.drop(path, what)
                return True
            path = path[:-1]
        if path:
            self.left_out.add(path)
            self.note(what, path)
        return bool(path)

    def forget_items(self) -> None:
        """Once a round is over, since what follows an item in its list changes its place."""
        for path in sorted(
            self.left_out, key=lambda path: (len(path), str(path[:-1]), path[-1]), reverse=True
        ):
            if self.holds(path):
                del self.value(path[:-1])[path[-1]]
        if self.left_out:
            self.left_out.clear()
            self.settled.clear()

    def drop(self, path: Path, what: str) -> None:
        parent = self.value(path[:-1])
        if _holds(parent, path[-1]):
            del parent[path[-1]]
            self.note(what, path)


def _holds(place: Any, step: str | int) -> bool:
    return (isinstance(place, dict) and step in place) or (
        isinstance(place, list) and isinstance(step, int) and step < len(place)
    )


def _mend_missing(mending: _Mending, deviation: Deviation) -> None:
    if mending.is_key(deviation.path):
        raise deviation.refusal()
    if _is_measured(deviation.path):
        mending.leave_out(deviation.path, "missing")
    elif isinstance(mending.value(deviation.path[:-1]), dict):
        neutral = _neutral(mending.schema.node(deviation.path), mending.received_at)
        mending.put(deviation.path, neutral, "missing")


def _is_measured(path: Path) -> bool:
    """No figure is made up for a meter."""
    return path[-1] == "value" and "sampledValue" in path


def _neutral(node: Mapping[str, Any], received_at: str) -> Any:
    if node.get("format") == "date-time":
        return received_at
    empty: Mapping[str, Callable[[], Any]] = {
        "array": list, "object": dict, "integer": int, "number": int, "boolean": bool,
    }  # fmt: skip
    return empty.get(str(node.get("type")), str)()


def _mend_type(mending: _Mending, deviation: Deviation) -> None:
    value = mending.value(deviation.path)
    if value is None and deviation.path and _is_measured(deviation.path):
        mending.leave_out(deviation.path, "missing")
        return
    if value is None and deviation.path and not mending.is_key(deviation.path):
        neutral = _neutral(mending.schema.node(deviation.path), mending.received_at)
        mending.put(deviation.path, neutral, "missing")
        return
    for wanted in deviation.detail["types"]:
        convert = _CONVERTERS.get(wanted)
        converted = convert(value) if convert else None
        if converted is not None:
            mending.put(deviation.path, converted, "type")
            return
    _do_without(mending, deviation, "type")


def _to_integer(value: Any) -> int | Decimal | None:
    """Beyond 64 bits it stays :class:`Decimal`, as from a number in the frame."""
    number = _to_number(value)
    if number is None or number != int(number):
        return None
    return int(number) if abs(number) <= INT64_MAX else number


def _to_number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < 300 else None


def _to_text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float | Decimal) else None


def _to_boolean(value: Any) -> bool | None:
    return {"true": True, "false": False}.get(value.strip().lower()) if isinstance(value, str) else None


_CONVERTERS: Mapping[str, Callable[[Any], Any]] = {
    "integer": _to_integer,
    "number": _to_number,
    "string": _to_text,
    "boolean": _to_boolean,
}


def _mend_time(mending: _Mending, deviation: Deviation) -> None:
    if mending.is_key(deviation.path):
        raise deviation.refusal()
    mending.put(deviation.path, mending.received_at, "time")


def _mend_unknown(mending: _Mending, deviation: Deviation) -> None:
    mending.drop(deviation.path, "unknown")


def _mend_word(mending: _Mending, deviation: Deviation) -> None:
    """A word that is meant for a listed one becomes it, another is kept as it is."""
    value = mending.value(deviation.path)
    plain = value.strip().lower() if isinstance(value, str) else None
    meant = [option for option in deviation.detail["options"] if str(option).lower() == plain]
    if meant:
        mending.put(deviation.path, meant[0], "spelling")
    elif mending.is_key(deviation.path) and deviation.path[-1] == "eventType":
        raise deviation.refusal()
    else:
        mending.note("word", deviation.path)


def _mend_length(mending: _Mending, deviation: Deviation) -> None:
    text: str = mending.value(deviation.path)
    if deviation.path[-1] not in IDENTIFIERS:
        text = text[: deviation.detail["limit"]]
    elif len(text) > IDENTIFIER_MAX:
        digest = blake2b(text.encode(), digest_size=16).hexdigest()
        text = f"{text[: IDENTIFIER_MAX - 33]}~{digest}"
    mending.put(deviation.path, text, "length")


def _mend_range(mending: _Mending, deviation: Deviation) -> None:
    _do_without(mending, deviation, "range")


def _do_without(mending: _Mending, deviation: Deviation, what: str) -> None:
    """An end of a session loses the item or option that is no use; every other message is refused for it."""
    useful = mending.is_key(deviation.path) or not mending.ends
    if useful or not mending.leave_out(deviation.path, what):
        raise deviation.refusal()


def _mend_few(mending: _Mending, deviation: Deviation) -> None:
    mending.note("few", deviation.path)


_MENDERS: Mapping[str, Callable[[_Mending, Deviation], None]] = {
    "required": _mend_missing,
    "type": _mend_type,
    "format": _mend_time,
    "additionalProperties": _mend_unknown,
    "enum": _mend_word,
    "maxLength": _mend_length,
    "maximum": _mend_range,
    "minimum": _mend_range,
    "minItems": _mend_few,
}
