"""P165 over the door: an old and a new socket of a station tell of one transaction at the same time."""

from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import pytest

from stations.models import MeterReading, Transaction, TransactionEvent
from tests.stations.ocpp.knocking import Charger
from tests.stations.ocpp.test_locked_rows import held
from tests.waiting import eventually
from tests.wire.client import WireStation

TOKEN = "04A1B2C3D4"
AT = "2026-11-20T10:{minute:02}:00Z"


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def event(kind: str, seq_no: int) -> dict[str, Any]:
    at = AT.format(minute=seq_no)
    begins = {
        "evse": {"id": 1, "connectorId": 1},
        "idToken": {"idToken": TOKEN, "type": "ISO14443"},
        "triggerReason": "Authorized",
    }
    return {
        "eventType": kind,
        "timestamp": at,
        "triggerReason": "MeterValuePeriodic",
        "seqNo": seq_no,
        "transactionInfo": {"transactionId": "twice-told"},
        "meterValue": [{"timestamp": at, "sampledValue": [{"value": 100 * seq_no}]}],
        **(begins if kind == "Started" else {}),
    }


def stop(number: int) -> dict[str, Any]:
    return {"transactionId": number, "meterStop": 400, "timestamp": AT.format(minute=9)}


def begin(charger: Charger, version: str) -> WireStation:
    wire = charger.dial(version)
    assert wire.boot()["status"] == "Accepted"
    return wire


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_p165_events_over_an_old_and_a_new_socket_at_once_are_as_in_sequence(
    charger: Charger, sockets: ExitStack, version: str
) -> None:
    old = sockets.enter_context(begin(charger, version))
    old.call("TransactionEvent", event("Started", 0))

    with held("transaction", charger.station) as let_go:
        old.send([2, "old-1", "TransactionEvent", event("Updated", 1)])
        old.send([2, "old-3", "TransactionEvent", event("Ended", 3)])
        new = sockets.enter_context(begin(charger, version))
        for kind, seq_no in (("Updated", 2), ("Updated", 1), ("Ended", 3)):
            new.send([2, f"new-{seq_no}", "TransactionEvent", event(kind, seq_no)])
        with pytest.raises(TimeoutError):
            new.receive(0.3)
        let_go()
        assert [new.receive()[:2] for _ in range(3)] == [[3, "new-2"], [3, "new-1"], [3, "new-3"]]

    row = Transaction.objects.get(station=charger.station)
    eventually(lambda: TransactionEvent.objects.filter(transaction=row).count() == 4, what="all four events")
    row.refresh_from_db()
    assert (row.status, row.event_count, row.energy_wh, row.token_value) == ("ended", 4, Decimal(300), TOKEN)
    assert (row.flags, row.conflicts.count()) == (["not_authorized"], 0)
    assert MeterReading.objects.filter(station_id=charger.station.pk).count() == 4


def test_p165_one_stop_over_an_old_and_a_new_socket_at_once_ends_once(
    charger: Charger, sockets: ExitStack
) -> None:
    old = sockets.enter_context(begin(charger, "1.6"))
    start = {"connectorId": 1, "idTag": TOKEN, "meterStart": 0, "timestamp": AT.format(minute=0)}
    number = old.call("StartTransaction", start)["transactionId"]

    with held("transaction", charger.station) as let_go:
        old.send([2, "old", "StopTransaction", stop(number)])
        new = sockets.enter_context(begin(charger, "1.6"))
        new.send([2, "new", "StopTransaction", stop(number)])
        with pytest.raises(TimeoutError):
            new.receive(0.3)
        let_go()
        assert new.receive()[:2] == [3, "new"]

    row = Transaction.objects.get(station=charger.station)
    assert (row.status, row.energy_wh, row.flags) == ("ended", Decimal(400), ["not_authorized"])
    assert row.conflicts.count() == 0
    assert TransactionEvent.objects.filter(transaction=row).count() == row.event_count == 2
