"""What can be wrong with a station in the field, each on request."""

import copy
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

Json = dict[str, Any]

MALFORMED_FRAMES = (
    "not json",
    "{}",
    "[]",
    "[2]",
    '[2,"m1"]',
    '[2,"m2",7,{}]',
    '[2,"m3","Heartbeat",[]]',
    '[9,"m4","Heartbeat",{}]',
    '[2,"m5","Heartbeat",{"a":NaN}]',
    '[2,"m6","Heartbeat",{"a":1,"a":2}]',
    "[" * 200 + "]" * 200,
    '[3,"nobody-asked",{}]',
)
CASE_FIELDS = frozenset({"status", "connectorStatus", "chargingState", "context", "unit", "reason"})


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """Faults of a station's software; the default is a well-behaved one."""

    duplicates: bool = False
    shuffled: bool = False
    wrong_case: bool = False
    kilowatt_hours: bool = False
    integer_ids: bool = False
    malformed: bool = False
    mute: bool = False
    ignores_remote_start: bool = False
    fails_updates: bool = False
    answers_after_s: float = 0.0
    clock_error: timedelta = timedelta(0)

    def spoil(self, payload: Json) -> Json:
        """The payload as this station would write it."""
        if not (self.wrong_case or self.kilowatt_hours):
            return payload
        spoilt = copy.deepcopy(payload)
        _walk(spoilt, self)
        return spoilt


def _walk(node: Any, faults: Misbehaviour) -> None:
    if isinstance(node, list):
        for child in node:
            _walk(child, faults)
    elif isinstance(node, dict):
        if faults.kilowatt_hours:
            _to_kilowatt_hours(node)
        for key, child in node.items():
            if faults.wrong_case and key in CASE_FIELDS and isinstance(child, str):
                node[key] = child.lower()
            _walk(child, faults)


def _to_kilowatt_hours(sample: Json) -> None:
    unit = sample.get("unitOfMeasure")
    if sample.get("unit") == "Wh":
        sample.update(unit="kWh", value=f"{int(sample['value']) / 1000:.3f}")
    elif isinstance(unit, dict) and unit.get("unit") == "Wh":
        sample.update(unitOfMeasure={"unit": "kWh"}, value=sample["value"] / 1000)
