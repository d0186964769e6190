"""Whatever a station says instead of what it should, it gets a clear answer and disturbs nothing."""

import copy
import random
from typing import Any

import pytest

from stations.models import Connector
from tests.stations.ocpp.asking import VERSIONS_2X
from tests.stations.ocpp.knocking import Charger
from tests.wire.client import CallError, WireStation
from tests.wire.golden import wire

GOLDEN = {
    "Authorize": ["v201/Authorize.rfid"],
    "BootNotification": ["v201/BootNotification.powerup"],
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
    None, "", " ", "x" * 300, "ä\u2028", "-1", "1e400", "1970-01-01T00:00:00Z", -1, 0, 2**31, 2**62, 10**19,
    -(2**63), 1.5, 1e300, True, False, [], {}, [[]], [{}], ["x"], {"id": 1}, {"id": -1, "connectorId": 2**40},
]  # fmt: skip
ROUNDS = 150


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a payload, from the outside in."""
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [found for key, child in children for found in [(*path, key), *places(child, (*path, key))]]


def spoilt(payload: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """The payload with one or two things wrong."""
    wrong = copy.deepcopy(payload)
    for _ in range(chance.choice((1, 1, 2))):
        if not (found := places(wrong)):
            break
        *path, last = chance.choice(found)
        parent: Any = wrong
        for step in path:
            parent = parent[step]
        if chance.random() < 0.25:
            del parent[last]
        else:
            parent[last] = copy.deepcopy(chance.choice(STRANGE))
    return wrong


def code_of(socket: WireStation, action: str, payload: dict[str, Any]) -> str:
    try:
        socket.call(action, payload)
    except CallError as refused:
        return refused.code if refused.description and refused.details == {} else "without a cause"
    return "ok"


@pytest.mark.parametrize("lenient", [False, True], ids=["strict", "lenient"])
@pytest.mark.parametrize("version", VERSIONS_2X)
def test_spoilt_messages_are_never_our_fault_and_cost_no_socket(
    charger: Charger, version: str, lenient: bool
) -> None:
    charger.set(lenient=lenient)
    chance = random.Random(f"{version} {lenient}")
    answered: dict[str, list[dict[str, Any]]] = {}

    with charger.dial(version) as socket:
        socket.boot()
        for _ in range(ROUNDS):
            action = chance.choice(list(GOLDEN))
            payload = spoilt(wire(chance.choice(GOLDEN[action])), chance)
            answered.setdefault(code_of(socket, action, payload), []).append({action: payload})
        socket.call("Heartbeat", {})
        socket.boot()
        final = wire("v201/StatusNotification.faulted", evseId=9, timestamp="2025-03-02T10:00:00Z")
        assert socket.call("StatusNotification", final) == {}

    assert answered.get("InternalError", []) == []
    assert answered.get("GenericError", []) == []
    assert answered.get("without a cause", []) == []
    assert "ok" in answered
    assert len(answered) > 1
    assert Connector.objects.get(evse__station=charger.station, evse__evse_id=9).status == "Faulted"
