"""A row that somebody else holds delays the messages that need it, and no others (P063; M-01, M-04, M-19)."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
import pytest
from django.db import connections

from core import clock
from stations.models import (
    ChargingStation,
    Connector,
    Evse,
    MeterReading,
    RawFrame,
    Transaction,
    TransactionEvent,
)
from stations.ocpp.pool import HANDLER_THREADS
from tests.stations.ocpp.opening import Open, OpenStation, is_alive

HOLD = {
    "evse": "SELECT 1 FROM stations_evse WHERE station_id = %s FOR UPDATE",
    "connector": """SELECT 1 FROM stations_connector c JOIN stations_evse e ON e.id = c.evse_id
        WHERE e.station_id = %s FOR UPDATE OF c""",
    "transaction": "SELECT 1 FROM stations_transaction WHERE station_id = %s FOR UPDATE",
    "presence": "SELECT 1 FROM stations_presence WHERE station_id = %s FOR UPDATE",
}


@contextmanager
def held(row: str, station: ChargingStation) -> Iterator[Callable[[], None]]:
    """Another connection holds the station's rows; call what is handed out to let go."""
    parameters = connections["default"].get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    with psycopg.connect(**{name: parameters[name] for name in names if name in parameters}) as other:
        assert other.execute(HOLD[row], [station.pk]).rowcount > 0
        yield other.rollback


def meter_values(register: int, **more: Any) -> dict[str, Any]:
    value = {"timestamp": clock.to_wire(clock.now()), "sampledValue": [{"value": str(register)}]}
    return {"connectorId": 1, "meterValue": [value], **more}


def status(word: str) -> dict[str, Any]:
    return {"connectorId": 1, "status": word, "errorCode": "NoError"}


def begin(wire: OpenStation) -> int:
    started = {
        "connectorId": 1, "idTag": "NOBODY", "meterStart": 0, "timestamp": clock.to_wire(clock.now())
    }  # fmt: skip
    number: int = wire.call("StartTransaction", started)["transactionId"]
    wire.call("StatusNotification", status("Charging"))
    return number


def event(kind: str, seq_no: int) -> dict[str, Any]:
    return {
        "eventType": kind,
        "timestamp": clock.to_wire(clock.now()),
        "triggerReason": "MeterValuePeriodic",
        "seqNo": seq_no,
        "transactionInfo": {"transactionId": "locked-1"},
        "meterValue": [{"timestamp": clock.to_wire(clock.now()), "sampledValue": [{"value": 100 * seq_no}]}],
        **({"evse": {"id": 1, "connectorId": 1}} if kind == "Started" else {}),
    }


def disturb_nobody(bystanders: list[OpenStation], number_of_rounds: int = 3) -> None:
    """Facts of others sent now are answered now."""
    for turn in range(number_of_rounds):
        for place, wire in enumerate(bystanders):
            wire.send([2, f"b{turn}", "MeterValues", meter_values(turn * 10 + place)])
        for wire in bystanders:
            assert wire.receive(5.0) == [3, f"b{turn}", {}]


@pytest.mark.parametrize("row", ["evse", "transaction"])
def test_p063_a_locked_row_delays_only_the_readings_that_need_it(open_station: Open, row: str) -> None:
    wire, bystanders = open_station(), [open_station() for _ in range(6)]
    number = begin(wire)

    with held(row, wire.row) as let_go:
        wire.send([2, "first", "MeterValues", meter_values(1000, transactionId=number)])
        disturb_nobody(bystanders)
        wire.send([2, "second", "MeterValues", meter_values(2000, transactionId=number)])
        disturb_nobody(bystanders)
        with pytest.raises(TimeoutError):
            wire.receive(0.2)
        assert not MeterReading.objects.filter(station_id=wire.row.pk).exists()
        let_go()
        assert [wire.receive() for _ in range(2)] == [[3, "first", {}], [3, "second", {}]]

    assert MeterReading.objects.filter(station_id=wire.row.pk).count() == 2
    assert Transaction.objects.get(station=wire.row).energy_wh == 2000
    assert RawFrame.objects.filter(station=wire.row, direction="in", action="MeterValues").count() == 2


def test_p063_a_locked_connector_keeps_the_order_of_its_station(open_station: Open) -> None:
    wire, bystanders = open_station(), [open_station() for _ in range(3)]
    number = begin(wire)

    with held("connector", wire.row) as let_go:
        wire.send([2, "s1", "StatusNotification", status("SuspendedEV")])
        disturb_nobody(bystanders)
        wire.send([2, "m", "MeterValues", meter_values(500, transactionId=number)])
        wire.send([2, "s2", "StatusNotification", status("Finishing")])
        disturb_nobody(bystanders)
        assert Connector.objects.get(evse__station=wire.row).status == "Charging"
        assert not MeterReading.objects.filter(station_id=wire.row.pk).exists()
        let_go()
        assert [wire.receive()[:2] for _ in range(3)] == [[3, "s1"], [3, "m"], [3, "s2"]]

    assert Connector.objects.get(evse__station=wire.row).status == "Finishing"


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_p063_a_locked_transaction_delays_only_its_own_events(open_station: Open, version: str) -> None:
    wire, bystanders = open_station(version), [open_station() for _ in range(3)]
    wire.call("TransactionEvent", event("Started", 0))

    with held("transaction", wire.row) as let_go:
        for number in (1, 2, 3):
            wire.send([2, f"e{number}", "TransactionEvent", event("Updated", number)])
        disturb_nobody(bystanders)
        assert TransactionEvent.objects.filter(transaction__station=wire.row).count() == 1
        let_go()
        assert [wire.receive() for _ in range(3)] == [[3, f"e{number}", {}] for number in (1, 2, 3)]

    transaction = Transaction.objects.get(station=wire.row)
    assert (transaction.event_count, transaction.energy_wh, transaction.last_seq_no) == (4, 300, 3)


def test_p063_a_locked_presence_delays_nobody(open_station: Open) -> None:
    wire, bystanders = open_station(), [open_station() for _ in range(3)]

    with held("presence", wire.row):
        for turn in range(3):
            assert wire.call("MeterValues", meter_values(turn)) == {}
            disturb_nobody(bystanders)
            with pytest.raises(TimeoutError):
                wire.receive(0.6)  # the signs of life are written meanwhile


def test_m19_what_waits_for_a_locked_row_is_bounded_and_all_answered(open_station: Open) -> None:
    wire, bystanders = open_station(), [open_station() for _ in range(2)]
    number = begin(wire)

    with held("evse", wire.row) as let_go:
        for place in range(300):
            wire.send([2, f"n{place}", "MeterValues", meter_values(place, transactionId=number)])
        disturb_nobody(bystanders)
        let_go()
        assert [wire.receive()[1] for _ in range(300)] == [f"n{place}" for place in range(300)]

    assert Evse.objects.get(station=wire.row).energy_wh == 299
    assert is_alive(wire)


@pytest.mark.parametrize("row", ["evse", "transaction"])
def test_m04_an_end_that_waits_for_a_locked_row_frees_its_thread_and_is_said_again(
    open_station: Open, row: str
) -> None:
    """More ends wait than there are threads; a bystander's start needs one of them."""
    ending, bystanders = [open_station() for _ in range(HANDLER_THREADS)], [open_station() for _ in range(2)]
    stops = [
        {"transactionId": begin(wire), "meterStop": 700, "timestamp": clock.to_wire(clock.now())}
        for wire in ending
    ]

    with ExitStack() as stack:
        holders = [stack.enter_context(held(row, wire.row)) for wire in ending]
        for wire, stop in zip(ending, stops, strict=True):
            wire.send([2, "stop", "StopTransaction", stop])
        assert all(begin(wire) > 0 for wire in bystanders)
        answers = [wire.receive() for wire in ending]
        for let_go in holders:
            let_go()

    assert {(answer[0], answer[1], answer[2]) for answer in answers} == {(4, "stop", "InternalError")}
    assert not TransactionEvent.objects.filter(transaction__station=ending[0].row, kind="Ended").exists()
    again = [wire.call("StopTransaction", stop) for wire, stop in zip(ending, stops, strict=True)]
    assert again == [wire.call("StopTransaction", stop) for wire, stop in zip(ending, stops, strict=True)]
    for wire in ending:
        transaction = Transaction.objects.get(station=wire.row)
        assert (transaction.status, transaction.energy_wh, transaction.event_count) == ("ended", 700, 2)
        assert transaction.flags == ["not_authorized"]


def test_m04_a_start_at_a_locked_evse_is_refused_in_time_and_begins_once_later(open_station: Open) -> None:
    wire, bystander = open_station(), open_station()
    wire.call("StatusNotification", status("Available"))
    started = {
        "connectorId": 1, "idTag": "NOBODY", "meterStart": 0, "timestamp": clock.to_wire(clock.now())
    }  # fmt: skip

    with held("evse", wire.row) as let_go:
        wire.send([2, "start", "StartTransaction", started])
        assert begin(bystander) > 0
        refused = wire.receive()
        let_go()

    assert refused[:3] == [4, "start", "InternalError"]
    assert not Transaction.objects.filter(station=wire.row).exists()
    first, second = wire.call("StartTransaction", started), wire.call("StartTransaction", started)
    assert first == second
    assert Transaction.objects.get(station=wire.row).number == first["transactionId"]


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_m04_an_end_of_2x_at_a_locked_row_is_refused_in_time_and_stored_once(
    open_station: Open, version: str
) -> None:
    wire = open_station(version)
    wire.call("TransactionEvent", event("Started", 0))
    end = event("Ended", 1)

    with held("transaction", wire.row) as let_go:
        wire.send([2, "end", "TransactionEvent", end])
        refused = wire.receive()
        let_go()

    assert refused[:3] == [4, "end", "InternalError"]
    assert [wire.call("TransactionEvent", end) for _ in range(2)] == [{}, {}]
    transaction = Transaction.objects.get(station=wire.row)
    assert (transaction.status, transaction.event_count, transaction.energy_wh) == ("ended", 2, 100)
