"""What a station has to tell of one afternoon: one or two sessions on one EVSE, message by message."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

BEGAN = datetime(2025, 3, 1, 10, tzinfo=UTC)
TOKENS = ("04A1B2C3D4", "04E5F60718")
"""One for each session that ends, so that no token charges twice at a time."""
STRANGER = "STRANGER"
"""An unknown one, for the session that is never ended."""
WH_PER_MINUTE = 150
ROOM_MINUTES = 60


@dataclass
class Message:
    """One message of a session. ``session`` counts from 0; on 1.6 all but the first need its number."""

    session: int
    action: str
    payload: dict[str, Any]
    begins: bool = False


@dataclass
class Story:
    """Messages in the order in which a station without faults tells them; the Wh of each session that ends."""

    version: str
    messages: list[Message] = field(default_factory=list)
    ended_wh: list[int] = field(default_factory=list)


def story(version: str, number: int) -> Story:
    """The same number is the same story."""
    chance = random.Random(number)
    told = Story(version)
    count = chance.choice((1, 2, 2))
    register_wh = chance.choice((0, 1000, 2_000_000))
    for session in range(count):
        begin = session * ROOM_MINUTES
        minutes = sorted({begin, *chance.sample(range(begin + 1, begin + 50), chance.choice((1, 1, 2, 3)))})
        ends = session < count - 1 or chance.random() < 0.8
        if ends:
            told.ended_wh.append((minutes[-1] - begin) * WH_PER_MINUTE)
        write = _numbered if version == "1.6" else _evented
        token = TOKENS[session] if ends else STRANGER
        told.messages += write(session, minutes, register_wh, token, ends=ends, chance=chance)
        register_wh += (minutes[-1] - begin) * WH_PER_MINUTE
    return told


def _numbered(
    session: int, minutes: list[int], register_wh: int, token: str, *, ends: bool, chance: random.Random
) -> list[Message]:
    """StartTransaction, MeterValues and StopTransaction."""

    def register_at(minute: int) -> int:
        return register_wh + (minute - minutes[0]) * WH_PER_MINUTE

    def value(minute: int, context: str) -> dict[str, Any]:
        sampled = [{"value": str(register_at(minute)), "context": context}]
        if chance.random() < 0.5:
            sampled.append({"value": "7.2", "measurand": "Power.Active.Import", "unit": "kW"})
        return {"timestamp": _at(minute), "sampledValue": sampled}

    start = {
        "connectorId": 1, "idTag": token, "meterStart": register_wh, "timestamp": _at(minutes[0]),
    }  # fmt: skip
    messages = [Message(session, "StartTransaction", start, begins=True)]
    for minute in minutes[1:-1] if ends else minutes[1:]:
        read = {"connectorId": 1, "meterValue": [value(minute, "Sample.Periodic")]}
        messages.append(Message(session, "MeterValues", read))
    if ends:
        stop = {
            "meterStop": register_at(minutes[-1]),
            "timestamp": _at(minutes[-1]),
            "reason": "EVDisconnected",
        }
        if chance.random() < 0.5:
            stop["idTag"] = token
        if chance.random() < 0.5:
            stop["transactionData"] = [value(minutes[-1], "Transaction.End")]
        messages.append(Message(session, "StopTransaction", stop))
    return messages


def _evented(
    session: int, minutes: list[int], register_wh: int, token: str, *, ends: bool, chance: random.Random
) -> list[Message]:
    """TransactionEvent, the token in one of the first two."""
    shown_at = chance.randrange(2)
    messages = []
    for seq_no, minute in enumerate(minutes):
        first, last = seq_no == 0, ends and seq_no == len(minutes) - 1
        kind = "Started" if first else "Ended" if last else "Updated"
        info: dict[str, Any] = {"transactionId": f"session-{session}"}
        info |= {"stoppedReason": "EVDisconnected"} if last else {"chargingState": "Charging"}
        payload: dict[str, Any] = {
            "eventType": kind,
            "timestamp": _at(minute),
            "triggerReason": "CablePluggedIn" if first else "EVDeparted" if last else "MeterValuePeriodic",
            "seqNo": seq_no,
            "transactionInfo": info,
        }
        if first:
            payload["evse"] = {"id": 1, "connectorId": 1}
        if seq_no == shown_at:
            payload["idToken"] = {"idToken": token, "type": "ISO14443"}
        if first or last or chance.random() < 0.8:
            payload["meterValue"] = [
                _measured(minute, register_wh + (minute - minutes[0]) * WH_PER_MINUTE, kind)
            ]
        messages.append(Message(session, "TransactionEvent", payload, begins=first))
    return messages


def _measured(minute: int, register_wh: int, kind: str) -> dict[str, Any]:
    contexts = {"Started": "Transaction.Begin", "Ended": "Transaction.End"}
    context = contexts.get(kind, "Sample.Periodic")
    sampled = [
        {"value": register_wh, "context": context},
        {"value": 9000 - minute, "measurand": "Power.Active.Import", "context": context},
    ]
    return {"timestamp": _at(minute), "sampledValue": sampled}


def _at(minute: int) -> str:
    return (BEGAN + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%SZ")
