"""Payloads with one thing wrong: a value of the wrong type, or one outside of its limits."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from tests.wire.examples import fullest, schema, smallest

WITHOUT_LENGTH = frozenset({"signedMeterData", "exiRequest", "exiResponse"})
"""What is taken whatever its length (P174, P241)."""
Path = tuple[str | int, ...]


def of_wrong_type(version: str, action: str, kind: str = "Request") -> Any:
    """An example in which one plain value is of another type; ``None`` where the message has no fields."""
    for payload, path, node in _places(version, action, kind):
        wrong = 17 if _kind(node) == "string" else "x"
        return _with(payload, path, wrong)
    return {"customData": 17} if "customData" in schema(version, action, kind).get("properties", {}) else None


def of_wrong_value(version: str, action: str, kind: str = "Request") -> Any:
    """An example with a word outside of its list, or else a text that is too long; ``None`` where neither can be."""
    places = list(_places(version, action, kind))
    for payload, path, node in places:
        if "enum" in node:
            return _with(payload, path, "NoSuchWord")
    for payload, path, node in places:
        if "maxLength" in node and path[-1] not in WITHOUT_LENGTH:
            return _with(payload, path, "x" * (node["maxLength"] + 1))
    return None


def _places(version: str, action: str, kind: str) -> Iterator[tuple[Any, Path, Mapping[str, Any]]]:
    """Every plain value of the smallest example, then of the fullest, with its part of the schema."""
    document = schema(version, action, kind)
    for payload in (smallest(version, action, kind), fullest(version, action, kind)):
        if "eventType" in payload and action == "TransactionEvent":
            payload["eventType"] = "Updated"  # what ends a session is repaired rather than refused
        for path, node in _leaves(payload, document, document, ()):
            if path != ("eventType",):
                yield payload, path, node


def _leaves(
    value: Any, node: Mapping[str, Any], document: Mapping[str, Any], path: Path
) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    if "$ref" in node:
        node = document["definitions"][node["$ref"].rpartition("/")[2]]
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in node.get("properties", {}):
                yield from _leaves(inner, node["properties"][name], document, (*path, name))
    elif isinstance(value, list):
        yield from _leaves(value[0], node["items"], document, (*path, 0))
    else:
        yield path, node


def _kind(node: Mapping[str, Any]) -> str:
    return "string" if "enum" in node else str(node.get("type"))


def _with(payload: Any, path: Path, value: Any) -> Any:
    changed = copy.deepcopy(payload)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed
