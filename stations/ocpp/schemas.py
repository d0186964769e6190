"""The schemas of all versions, compiled once per process, and what a payload may do wrong against them."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import jsonschema_rs
import orjson

from core import clock
from stations.domain.timestamps import UnreadableTime, stamp
from stations.domain.words import Version
from stations.ocpp.context import Json
from stations.ocpp.errors import Fault, Refused

Path = tuple[str | int, ...]

FOLDERS: Mapping[Version, str] = {Version.V16: "v16", Version.V201: "v201", Version.V21: "v21"}
WITHOUT_LENGTH = frozenset({"signedMeterData", "exiRequest", "exiResponse"})
"""Fields that are relayed or kept whatever their length (P174, P241)."""

FAULT_OF: Mapping[str, Fault] = {
    "required": Fault.MISSING,
    "minItems": Fault.MISSING,
    "maxItems": Fault.MISSING,
    "type": Fault.TYPE,
    "format": Fault.TYPE,
    "additionalProperties": Fault.FORMAT,
}
TEXT_OF: Mapping[str, str] = {
    "required": "Field {} is missing.",
    "minItems": "List {} has too few items.",
    "maxItems": "List {} has too many items.",
    "type": "Field {} has the wrong type.",
    "format": "Field {} is not a time.",
    "additionalProperties": "Field {} is not part of this message.",
}
ORDER = (Fault.MISSING, Fault.TYPE, Fault.FORMAT, Fault.VALUE)
SHOWN_NAME_MAX = 50
LABEL_MAX = 120


class Kind(StrEnum):
    REQUEST = "Request"
    RESPONSE = "Response"


@dataclass(frozen=True, slots=True)
class Deviation:
    """One way in which a payload departs from its schema; ``keyword`` is JSON Schema's."""

    keyword: str
    path: Path
    detail: Mapping[str, Any]

    @property
    def fault(self) -> Fault:
        return FAULT_OF.get(self.keyword, Fault.VALUE)

    @property
    def label(self) -> str:
        """The fault in a few words, for the log."""
        return f"{self.keyword}:{shown(self.path)}"[:LABEL_MAX]

    def refusal(self) -> Refused:
        text = TEXT_OF.get(self.keyword, "Field {} has a value outside of its limits.")
        return Refused(self.fault, text.format(shown(self.path)))


class Schema:
    """One message of one version, compiled."""

    __slots__ = ("_validator", "accepts", "document")

    def __init__(self, document: dict[str, Any]) -> None:
        _lift_lengths(document)
        self.document = document
        self._validator = jsonschema_rs.validator_for(
            document, validate_formats=True, formats={"date-time": is_time, "uri": _anything}
        )
        self.accepts = self._validator.is_valid

    def deviations(self, payload: Any) -> list[Deviation]:
        """All departures, in the order in which they are reported (ocpp.md section 3)."""
        found = [deviation for error in self._validator.iter_errors(payload) for deviation in _of(error)]
        return sorted(found, key=lambda deviation: ORDER.index(deviation.fault))

    def node(self, path: Path) -> Mapping[str, Any]:
        """The part of the schema that describes a place in the payload; empty where there is none."""
        node: Any = self.document
        for step in path:
            node = self._resolved(node)
            node = (
                node.get("items", {}) if isinstance(step, int) else node.get("properties", {}).get(step, {})
            )
        return self._resolved(node)

    def is_required(self, path: Path) -> bool:
        return bool(path) and path[-1] in self.node(path[:-1]).get("required", ())

    def _resolved(self, node: Any) -> Mapping[str, Any]:
        while "$ref" in node:
            node = self.document["definitions"][node["$ref"].rpartition("/")[2]]
        resolved: Mapping[str, Any] = node
        return resolved


def schema_of(version: Version, action: str, kind: Kind) -> Schema | None:
    """The schema of a message; ``None`` where this version of OCPP knows no such action."""
    return _all(version).get((action, kind))


def load() -> None:
    """Compile the schemas of every version now, 0.1 s, instead of at its first message."""
    for version in Version:
        _all(version)


def is_known(version: Version, action: str) -> bool:
    """Whether this version of OCPP has such an action, in either direction (P068)."""
    return (action, Kind.REQUEST) in _all(version)


@cache
def _names() -> frozenset[str]:
    return frozenset(action for version in Version for action, _kind in _all(version))


def is_known_anywhere(action: str) -> bool:
    """Whether any version of OCPP has the action."""
    return action in _names()


def check_own(version: Version, action: str, kind: Kind, payload: Json) -> None:
    """What we send is always strict. Raises :class:`Refused` naming the field."""
    schema = schema_of(version, action, kind)
    if schema is None:
        raise Refused(Fault.NOT_IMPLEMENTED, f"OCPP {version} has no {action}.")
    if not schema.accepts(payload):
        raise schema.deviations(payload)[0].refusal()


def shown(path: Sequence[str | int]) -> str:
    """A path for people: ``meterValue[0].timestamp``. Odd names are cut and cleaned."""
    parts = [f"[{step}]" if isinstance(step, int) else f".{_clean(step)}" for step in path]
    return "".join(parts).lstrip(".") or "(all)"


def is_time(text: str) -> bool:
    """Whether we can read it as a time (P109): ``Z``, offset or none, any fraction, any case."""
    if len(text) < 16 or text[4] != "-" or text[7] != "-":
        return False
    with contextlib.suppress(ValueError):
        datetime.fromisoformat(text)
        return True
    with contextlib.suppress(UnreadableTime):
        stamp(text, clock.EARLIEST_PLAUSIBLE)
        return True
    return False


def document(version: Version, action: str, kind: Kind = Kind.REQUEST) -> dict[str, Any]:
    """The JSON Schema itself, for descriptions of our own."""
    file = files("ocpp") / FOLDERS[version] / "schemas" / f"{action}{kind}.json"
    parsed: dict[str, Any] = orjson.loads(file.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    return parsed


@lru_cache
def _all(version: Version) -> Mapping[tuple[str, Kind], Schema]:
    folder = files("ocpp") / FOLDERS[version] / "schemas"
    return {
        _named(file.name): Schema(orjson.loads(file.read_bytes().removeprefix(b"\xef\xbb\xbf")))
        for file in folder.iterdir()
        if file.name.endswith(".json")
    }


def _named(file_name: str) -> tuple[str, Kind]:
    name = file_name.removesuffix(".json")
    if name.endswith(Kind.RESPONSE):
        return name.removesuffix(Kind.RESPONSE), Kind.RESPONSE
    return name.removesuffix(Kind.REQUEST), Kind.REQUEST


def _of(error: jsonschema_rs.ValidationError) -> list[Deviation]:
    path: Path = tuple(error.instance_path)
    keyword, detail = error.kind.name, error.kind.as_dict()
    if keyword == "required":
        return [Deviation(keyword, (*path, detail["property"]), detail)]
    if keyword == "additionalProperties":
        return [Deviation(keyword, (*path, name), {}) for name in detail["unexpected"]]
    return [Deviation(keyword, path, detail)]


def _lift_lengths(node: Any) -> None:
    if isinstance(node, list):
        for item in node:
            _lift_lengths(item)
    elif isinstance(node, dict):
        for name, value in node.items():
            if name in WITHOUT_LENGTH and isinstance(value, dict):
                value.pop("maxLength", None)
            _lift_lengths(value)


def _clean(name: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in name[:SHOWN_NAME_MAX])


def _anything(_text: str) -> bool:
    return True
