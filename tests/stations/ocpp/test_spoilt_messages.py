"""Whatever a station says instead of what it should, it gets a clear answer and disturbs nothing (P051, P065, P074)."""

import copy
import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from stations.models import Connector
from tests.running import Server
from tests.stations.ocpp.asking import VERSIONS
from tests.stations.ocpp.knocking import Charger
from tests.wire.client import WireStation
from tests.wire.golden import wire

GOLDEN_16: Mapping[str, Sequence[str]] = {
    "Authorize": ["v16/Authorize.rfid"],
    "BootNotification": ["v16/BootNotification.plain"],
    "DataTransfer": ["v16/DataTransfer.unknown_vendor"],
    "FirmwareStatusNotification": ["v16/FirmwareStatusNotification.idle"],
    "MeterValues": ["v16/MeterValues.bare", "v16/MeterValues.three_phases"],
    "SecurityEventNotification": ["v16/SecurityEventNotification.tamper"],
    "StartTransaction": ["v16/StartTransaction.plain"],
    "StatusNotification": ["v16/StatusNotification.available", "v16/StatusNotification.faulted"],
    "StopTransaction": ["v16/StopTransaction.local", "v16/StopTransaction.with_data"],
}
GOLDEN_2X: Mapping[str, Sequence[str]] = {
    "Authorize": ["v201/Authorize.rfid"],
    "BootNotification": ["v201/BootNotification.powerup"],
    "DataTransfer": ["v16/DataTransfer.unknown_vendor"],
    "MeterValues": ["v201/MeterValues.outlet"],
    "NotifyEvent": ["v201/NotifyEvent.lock_failure", "v21/NotifyEvent.connector_occupied"],
    "NotifyReport": ["v201/NotifyReport.first_part", "v201/NotifyReport.last_part"],
    "SecurityEventNotification": ["v201/SecurityEventNotification.tampered"],
    "StatusNotification": ["v201/StatusNotification.available"],
    "TransactionEvent": [
        "v201/TransactionEvent.started",
        "v201/TransactionEvent.updated",
        "v201/TransactionEvent.ended",
    ],
}
STRANGE: list[Any] = [
    None, "", " ", "x" * 300, "ä\u2028", "-1", "1e400", "1970-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00", "2025-02-30T25:61:61Z", "2025-03-01T10:00:00.123456789123Z", "NaN", "1,5", "٣",
    "9" * 64, "1e-400", "-0", "\\", "'; --", "{}", "\u202e", "😀" * 90, -1, 0, 255, 65536, 2**31 - 1, 2**31, 2**53,
    2**62, 2**63, 10**19, -(2**31) - 1, -(2**63) - 1, 1.5, -0.0, 1e300, 5e-324, True, False, [], {}, [[]], [{}],
    ["x"], [None], {"id": 1}, {"id": -1, "connectorId": 2**40}, {"id": 2**63, "connectorId": 10**19},
    {"unit": "Wh", "multiplier": 10**19}, {"unit": "Wh", "multiplier": -(10**19)}, {"unit": "K", "multiplier": 300},
    {"idToken": "", "type": "NoAuthorization"}, {"idToken": "x" * 400, "type": "Central"},
]  # fmt: skip
RAW = (
    "1e400", "NaN", "-Infinity", "1" + "0" * 25, "1E19", "1e18", "0.1e-300", "123456789012345678901234.5",
    "-0", "1.0", "1.0e2", "99999999999999999999", "-99999999999999999999", r'"\u0000"', r'"\ud800"', r'"a\u0000b"',
    '"\\u00e4"', "[" * 40 + "]" * 40, '{"a":1,"a":2}', '{"":{}}', "1" * 5000,
)  # fmt: skip
ROUNDS = 220

Path = tuple[Any, ...]


def places(value: Any, path: Path = ()) -> list[Path]:
    """Every place in a payload, from the outside in."""
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [found for key, child in children for found in [(*path, key), *places(child, (*path, key))]]


def spoil(payload: dict[str, Any], chance: random.Random) -> str:
    """The text of the payload with one to three things wrong."""
    wrong, raw = copy.deepcopy(payload), list[str]()
    for _ in range(chance.choice((1, 1, 2, 3))):
        if not (found := places(wrong)):
            break
        *path, last = chance.choice(found)
        parent: Any = wrong
        for step in path:
            parent = parent[step]
        _spoil_at(parent, last, chance, raw)
    text = json.dumps(wrong, ensure_ascii=chance.random() < 0.5)
    for number, piece in enumerate(raw):
        text = text.replace(f'"@{number}@"', piece)
    return text


def _spoil_at(parent: Any, last: Any, chance: random.Random, raw: list[str]) -> None:
    kind = chance.random()
    if kind < 0.15:
        del parent[last]
    elif kind < 0.35:
        raw.append(chance.choice(RAW))
        parent[last] = f"@{len(raw) - 1}@"
    elif kind < 0.45 and isinstance(parent[last], str):
        parent[last] = chance.choice(
            (str.lower, str.upper, lambda text: f" {text} ", lambda text: text * 40)
        )(parent[last])
    elif kind < 0.5 and isinstance(parent, dict):
        parent[chance.choice(("customData", "extra", "", "a" * 300, "ü"))] = chance.choice(STRANGE)
    elif kind < 0.55 and isinstance(parent, list):
        parent.extend(copy.deepcopy(parent) * 5)
    else:
        parent[last] = copy.deepcopy(chance.choice(STRANGE))


def code_of(socket: WireStation, number: int, action: str, text: str) -> str:
    """How the message was answered; each has to be."""
    socket.send(f'[2,"{number}","{action}",{text}]')
    answer = socket.answer_to(str(number))
    if answer[0] == 3:
        return "ok"
    return answer[2] if answer[3] and answer[4] == {} else "without a cause"


def example(chance: random.Random, version: str) -> tuple[str, dict[str, Any]]:
    """A right message; a good part of them belongs to one session."""
    golden = GOLDEN_16 if version == "1.6" else GOLDEN_2X
    action = chance.choice(list(golden))
    return action, wire(chance.choice(golden[action]))


@pytest.mark.parametrize("lenient", [False, True], ids=["strict", "lenient"])
@pytest.mark.parametrize("version", VERSIONS)
def test_p065_spoilt_messages_are_never_our_fault_and_cost_no_socket(
    live: Server, charger: Charger, version: str, lenient: bool
) -> None:
    charger.set(lenient=lenient)
    chance = random.Random(f"{version} {lenient}")
    answered: dict[str, list[str]] = {}
    log_before = live.log.stat().st_size

    with charger.dial(version) as socket:
        socket.boot()
        for number in range(ROUNDS):
            action, payload = example(chance, version)
            text = spoil(payload, chance)
            answered.setdefault(code_of(socket, number, action, text), []).append(f"{action} {text}")
        socket.call("Heartbeat", {})
        socket.boot()
        folder, connector = ("v16", {"connectorId": 9}) if version == "1.6" else ("v201", {"evseId": 9})
        final = wire(f"{folder}/StatusNotification.faulted", timestamp="2025-03-02T10:00:00Z", **connector)
        assert socket.call("StatusNotification", final) == {}

    for code in ("InternalError", "GenericError", "without a cause"):
        assert answered.get(code, []) == []
    assert {"ok", "TypeConstraintViolation"} <= set(answered)
    assert Connector.objects.get(evse__station=charger.station, evse__evse_id=9).status == "Faulted"
    assert "Traceback" not in live.log.read_bytes()[log_before:].decode(errors="replace")
