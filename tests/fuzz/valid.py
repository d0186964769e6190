"""Random payloads that their schema allows: any of its enumerations, any choice of optional fields.

Names that tie messages together (transactions, EVSEs, tokens, requests) take few values, so that messages
of one station meet.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from tests.wire.examples import schema

WORDS: Mapping[str, Sequence[Any]] = {
    "transactionId": ["A", "B", "C"],
    "idTag": ["ALICE", "BOB", "x", "ÄÖ"],
    "idToken": ["ALICE", "bob", "", "x"],
    "parentIdTag": ["GROUP"],
    "evseId": [0, 1, 2, 3],
    "connectorId": [0, 1, 2],
    "seqNo": range(12),
    "requestId": [1, 2, 3],
    "reservationId": [1, 2],
    "meterStart": [0, 1000, 999_999_999],
    "meterStop": [0, 1500, 2**31 - 1],
    "value": ["0", "1", "1500", "1.5", "-3", "0.000001", "12345678901234567890.5", "1e3", "ABC", ""],
    "multiplier": [0, 3, -3, 1],
    "unit": ["Wh", "kWh", "W", "A", "Percent"],
    "stackLevel": [0, 1, 5],
    "vendorId": ["v", "org.example"],
}
TIMES = (
    "2025-03-01T10:00:00Z",
    "2025-03-01T10:00:00.123456789Z",
    "2025-03-01T11:30:00+01:00",
    "2025-03-01t10:00:00z",
    "1970-01-01T00:00:00Z",
    "2099-12-31T23:59:59Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
)
TEXTS = ("1", "a", "Überlandstraße", "\U0001f50c", " ", "x" * 2000, "2025-03-01T10:00:00Z", "-1", "{}", "")
NUMBERS = (0, 1, 2, 7, 16, 100, 22_000, 2**31 - 1, -1)
DECIMALS = (0, 0.1, 1.5, 16, 22_000.0, 1e6, -2.5)
MOST_DEPTH = 9


def payload(version: str, action: str, chance: random.Random, kind: str = "Request") -> dict[str, Any]:
    """A payload of the action; integers for the transactions of 1.6."""
    document = schema(version, action, kind)
    return dict(_Example(document, chance, density=chance.choice((0.0, 0.3, 0.7, 1.0))).of(document))


class _Example:
    def __init__(self, document: Mapping[str, Any], chance: random.Random, density: float) -> None:
        self._document = document
        self._chance = chance
        self._density = density

    def of(self, node: Mapping[str, Any], name: str = "", depth: int = 0) -> Any:
        if "$ref" in node:
            node = self._document["definitions"][node["$ref"].rpartition("/")[2]]
        if "enum" in node:
            return self._chance.choice(node["enum"])
        kind = node.get("type")
        if kind == "object" or "properties" in node:
            return self._object(node, depth)
        if kind == "array":
            least = max(1, node.get("minItems", 1))
            most = min(least + 2, node.get("maxItems", least + 2))
            count = self._chance.randint(least, max(least, most))
            return [self.of(node["items"], name, depth + 1) for _ in range(count)]
        return self._plain(kind, node, name)

    def _object(self, node: Mapping[str, Any], depth: int) -> dict[str, Any]:
        required = node.get("required", ())
        density = self._density if depth < MOST_DEPTH else 0.0
        wanted = {
            name: inner
            for name, inner in node.get("properties", {}).items()
            if name in required or self._chance.random() < density
        }
        made = {name: self.of(inner, name, depth + 1) for name, inner in wanted.items()}
        if "customData" in made:
            made["customData"] = {"vendorId": "v", "Odd_Name": [1.10, {"k": None}]}
        return made

    def _plain(self, kind: Any, node: Mapping[str, Any], name: str) -> Any:
        if kind == "boolean":
            return self._chance.random() < 0.5
        if kind == "string":
            return self._text(node, name)
        return self._number(kind, node, name)

    def _text(self, node: Mapping[str, Any], name: str) -> str:
        if node.get("format") == "date-time":
            return self._chance.choice(TIMES)
        known = [word for word in WORDS.get(name, ()) if isinstance(word, str)]
        text: str = self._chance.choice(known or TEXTS)
        return text[: node.get("maxLength", len(text))]

    def _number(self, kind: Any, node: Mapping[str, Any], name: str) -> Any:
        known = [word for word in WORDS.get(name, ()) if not isinstance(word, str)]
        if not known and name == "transactionId":
            known = [1, 2, 3]
        value = self._chance.choice(known or (NUMBERS if kind == "integer" else DECIMALS))
        value = max(value, node.get("minimum", value))
        return min(value, node.get("maximum", value))
