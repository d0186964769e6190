"""One token at two stations in the same instant charges at one of them (P123, M-04)."""

import threading
from datetime import timedelta
from typing import Any

import pytest

from core import clock
from stations.models import Transaction
from tests.factories import make_token, unique
from tests.stations.ocpp.asking import VERSIONS
from tests.stations.ocpp.opening import Open, OpenStation

STATIONS = 4


def started(version: str, token: str, seconds: float) -> tuple[str, dict[str, Any]]:
    at = clock.to_wire(clock.now() + timedelta(seconds=seconds))
    if version == "1.6":
        return "StartTransaction", {"connectorId": 1, "idTag": token, "meterStart": 0, "timestamp": at}
    return "TransactionEvent", {
        "eventType": "Started",
        "timestamp": at,
        "triggerReason": "Authorized",
        "seqNo": 0,
        "transactionInfo": {"transactionId": unique("tx")},
        "evse": {"id": 1, "connectorId": 1},
        "idToken": {"idToken": token, "type": "ISO14443"},
    }


def verdict(answer: dict[str, Any]) -> str:
    return str((answer.get("idTagInfo") or answer["idTokenInfo"])["status"])


@pytest.mark.parametrize("version", VERSIONS)
def test_p123_of_starts_in_the_same_instant_one_is_accepted(open_station: Open, version: str) -> None:
    stations = [open_station(version) for _ in range(STATIONS)]
    for turn in range(5):
        token = make_token(stations[0].owner, unique("T")).value
        messages = [started(version, token, -place) for place in range(STATIONS)]
        answers: list[Any] = [None] * STATIONS
        barrier = threading.Barrier(STATIONS)

        def show(
            place: int,
            wire: OpenStation,
            *,
            barrier: Any = barrier,
            messages: Any = messages,
            answers: Any = answers,
        ) -> None:
            barrier.wait(10)
            answers[place] = wire.call(*messages[place])

        threads = [threading.Thread(target=show, args=pair) for pair in enumerate(stations)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        assert sorted(map(verdict, answers)) == ["Accepted"] + ["ConcurrentTx"] * (STATIONS - 1), turn
        again = [wire.call(*message) for wire, message in zip(stations, messages, strict=True)]
        assert again == answers
        Transaction.objects.filter(token_value=token).update(status="orphaned")
        late = open_station(version)
        assert verdict(late.call(*started(version, token, 0))) == "Accepted"
