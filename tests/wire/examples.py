"""Valid payloads of every message, built from its schema: the smallest one, and one with every field."""

import csv
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from core import clock

FOLDER = {"1.6": "v16", "2.0.1": "v201", "2.1": "v21"}
DEPTH_MAX = 8
SENDS = frozenset({"NotifyPeriodicEventStream"})
"""What gets no answer, and so has one schema only."""


class Action(NamedTuple):
    """One row of the table of all actions; ``direction`` is ``CS->CSMS``, ``CSMS->CS`` or ``both``."""

    version: str
    action: str
    direction: str


def actions(*directions: str) -> list[Action]:
    """The actions that go in one of these directions, of all versions."""
    with (Path(__file__).parent / "actions.csv").open(newline="") as file:
        rows = [Action(row["version"], row["action"], row["direction"]) for row in csv.DictReader(file)]
    return [row for row in rows if row.direction in directions]


def smallest(version: str, action: str, kind: str = "Request") -> dict[str, Any]:
    """Only what is required."""
    document = schema(version, action, kind)
    return dict(_example(document, document, everything=False))


def fullest(version: str, action: str, kind: str = "Request") -> dict[str, Any]:
    """Every field but ``customData``."""
    document = schema(version, action, kind)
    return dict(_example(document, document, everything=True))


@cache
def schema(version: str, action: str, kind: str = "Request") -> dict[str, Any]:
    """The schema of the message as its publisher gives it."""
    folder = files("ocpp") / FOLDER[version] / "schemas"
    suffix = {"Request": "", "Response": "Response"}[kind] if version == "1.6" else kind
    name = action if action in SENDS else f"{action}{suffix}"
    document: dict[str, Any] = json.loads((folder / f"{name}.json").read_text("utf-8-sig"))
    return document


def _example(
    node: Mapping[str, Any], document: Mapping[str, Any], *, everything: bool, depth: int = 0
) -> Any:
    if "$ref" in node:
        node = document["definitions"][node["$ref"].rpartition("/")[2]]
    if "enum" in node:
        return node["enum"][0]
    kind = node.get("type")
    if kind == "object" or "properties" in node:
        wanted = node.get("properties", {})
        if not everything or depth >= DEPTH_MAX:
            wanted = {name: wanted[name] for name in node.get("required", ())}
        return {
            name: _example(inner, document, everything=everything, depth=depth + 1)
            for name, inner in wanted.items()
            if name != "customData"
        }
    if kind == "array":
        one = _example(node["items"], document, everything=everything, depth=depth + 1)
        return [one] * max(1, node.get("minItems", 1))
    return _plain(kind, node)


def _plain(kind: Any, node: Mapping[str, Any]) -> Any:
    if kind == "string":
        return (
            clock.to_wire(clock.now())
            if node.get("format") == "date-time"
            else "1"[: node.get("maxLength", 9)]
        )
    if kind == "boolean":
        return False
    return min(max(1, int(node.get("minimum", 1))), int(node.get("maximum", 1)))
