"""A database that restarts, crashes or delays its commits: nothing acknowledged is lost (F-03, F-05, F-13, M-01)."""

import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stations.models import Connector, MeterReading, RawFrame, Transaction, TransactionEvent
from tests.own_database import OwnDatabase, own_database
from tests.running import Server, start_server
from tests.stations.ocpp.opening import Open, OpenStation, is_alive, opener

BEGIN = datetime(2026, 11, 20, 10, tzinfo=UTC)
STATIONS = 6
AWAY_S = 3.0
UNANSWERED_S = 1.5


@pytest.fixture(scope="module")
def database(django_db_setup: None, django_db_blocker: Any) -> Iterator[OwnDatabase]:
    with django_db_blocker.unblock(), own_database() as database:
        yield database


@pytest.fixture(scope="module")
def server(database: OwnDatabase) -> Iterator[Server]:
    with start_server(DATABASE_URL=database.url) as server:
        yield server


@pytest.fixture
def open_here(server: Server, django_db_blocker: Any) -> Iterator[Open]:
    with django_db_blocker.unblock(), opener(server) as connect:
        yield connect


def at(seconds: float) -> str:
    return (BEGIN + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def meter_values(register: int, **more: Any) -> dict[str, Any]:
    value = {"timestamp": at(register), "sampledValue": [{"value": str(register)}]}
    return {"connectorId": 1, "meterValue": [value], **more}


def event(kind: str, seq_no: int) -> dict[str, Any]:
    return {
        "eventType": kind,
        "timestamp": at(seq_no),
        "triggerReason": "MeterValuePeriodic",
        "seqNo": seq_no,
        "transactionInfo": {"transactionId": "own"},
        "meterValue": [{"timestamp": at(seq_no), "sampledValue": [{"value": 100 * seq_no}]}],
        **({"evse": {"id": 1, "connectorId": 1}} if kind == "Started" else {}),
    }


START = {"connectorId": 1, "idTag": "NOBODY", "meterStart": 0, "timestamp": at(0)}
STATUS = {"connectorId": 1, "status": "Charging", "errorCode": "NoError", "timestamp": at(1)}
SECURITY = {"type": "TamperDetectionActivated", "timestamp": at(0)}
FACTS = [
    ("1.6", "MeterValues", meter_values(5)),
    ("1.6", "StatusNotification", STATUS),
    ("1.6", "StartTransaction", START),
    ("1.6", "BootNotification", {"chargePointVendor": "Probe", "chargePointModel": "P1"}),
    ("1.6", "SecurityEventNotification", SECURITY),
    ("1.6", "FirmwareStatusNotification", {"status": "Installed"}),
    ("2.0.1", "TransactionEvent", event("Started", 0)),
    ("2.1", "TransactionEvent", event("Ended", 1)),
    ("2.1", "SecurityEventNotification", SECURITY),
]


@pytest.mark.parametrize(("version", "action", "payload"), FACTS, ids=lambda value: str(value)[:40])
def test_m01_no_fact_is_answered_while_its_commit_is_delayed(
    database: OwnDatabase, open_here: Open, version: str, action: str, payload: dict[str, Any]
) -> None:
    wire = open_here(version)
    with database.commits_delayed():
        wire.send([2, "fact", action, payload])
        if action == "MeterValues":
            wire.send([2, "beat", "Heartbeat", {}])
            assert wire.receive()[1] == "beat"
        with pytest.raises(TimeoutError):
            wire.receive(UNANSWERED_S)
        assert not RawFrame.objects.filter(station=wire.row, message_id="fact").exists()

    assert wire.answer_to("fact")[0] == 3
    assert RawFrame.objects.filter(station=wire.row, message_id="fact", direction="in").count() == 1


def test_m01_updates_and_ends_of_sessions_are_answered_after_a_delayed_commit(
    database: OwnDatabase, open_here: Open
) -> None:
    old, new = open_here("1.6"), open_here("2.0.1")
    number = old.call("StartTransaction", START)["transactionId"]
    new.call("TransactionEvent", event("Started", 0))
    stop = {"transactionId": number, "meterStop": 900, "timestamp": at(60)}
    with database.commits_delayed():
        old.send([2, "stop", "StopTransaction", stop])
        new.send([2, "update", "TransactionEvent", event("Updated", 1)])
        for wire in (old, new):
            with pytest.raises(TimeoutError):
                wire.receive(UNANSWERED_S)
        assert Transaction.objects.get(station=old.row).status == "active"
        assert not TransactionEvent.objects.filter(transaction__station=new.row, seq_no=1).exists()

    assert old.receive()[:2] == [3, "stop"]
    assert new.receive()[:2] == [3, "update"]
    assert Transaction.objects.get(station=old.row).energy_wh == 900
    assert TransactionEvent.objects.filter(transaction__station=new.row, seq_no=1).count() == 1


@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["restart", "crash"])
def test_f05_open_sockets_are_served_on_after_the_database_restarted_and_nothing_answered_is_lost(
    database: OwnDatabase, open_here: Open, number: signal.Signals
) -> None:
    wires = [open_here() for _ in range(STATIONS)]
    transactions = [wire.call("StartTransaction", START)["transactionId"] for wire in wires]
    tellers = [Teller(wire, known) for wire, known in zip(wires, transactions, strict=True)]
    for teller in tellers:
        teller.start()
    time.sleep(0.5)
    try:
        database.stop(number)
        time.sleep(AWAY_S)
    finally:
        database.start()
    answered = [len(teller.answered) for teller in tellers]
    time.sleep(2.0)
    for teller in tellers:
        teller.finish()

    for wire, teller, before in zip(wires, tellers, answered, strict=True):
        assert teller.refused == []
        assert len(teller.answered) > before
        stored = MeterReading.objects.filter(station_id=wire.row.pk).values_list("energy_wh", flat=True)
        assert sorted(int(value or 0) for value in stored) == teller.answered
        session = Transaction.objects.get(station=wire.row)
        assert session.energy_wh == teller.answered[-1]
        assert is_alive(wire)


@pytest.mark.timeout(120)
def test_f05_a_start_and_an_end_said_while_the_database_restarts_are_stored_once(
    database: OwnDatabase, open_here: Open
) -> None:
    starting, ending = open_here(), open_here()
    known = ending.call("StartTransaction", START)["transactionId"]
    stop = {"transactionId": known, "meterStop": 700, "timestamp": at(60)}
    database.stop()
    try:
        starting.send([2, "start", "StartTransaction", START])
        ending.send([2, "stop", "StopTransaction", stop])
        time.sleep(AWAY_S)
    finally:
        database.start()

    began, ended = starting.receive(25), ending.receive(25)

    assert (began[:2], ended[:2]) == ([3, "start"], [3, "stop"])
    assert starting.call("StartTransaction", START) == began[2]
    assert Transaction.objects.get(station=starting.row).number == began[2]["transactionId"]
    assert ending.call("StopTransaction", stop) == ended[2]
    session = Transaction.objects.get(station=ending.row)
    assert (session.status, session.energy_wh, session.event_count) == ("ended", 700, 2)


def test_the_order_of_a_station_is_kept_over_a_restart(database: OwnDatabase, open_here: Open) -> None:
    wire = open_here()
    words = ["Preparing", "Charging", "SuspendedEV", "Charging", "Finishing", "Available"] * 5
    database.stop()
    try:
        for place, word in enumerate(words):
            status = {"connectorId": 1, "status": word, "errorCode": "NoError"}
            wire.send([2, f"s{place}", "StatusNotification", status])
    finally:
        database.start()

    assert [wire.receive(25)[:2] for _ in words] == [[3, f"s{place}"] for place in range(len(words))]
    assert Connector.objects.get(evse__station=wire.row).status == "Available"
    frames = RawFrame.objects.filter(station=wire.row, action="StatusNotification", direction="in")
    assert list(frames.order_by("at", "id").values_list("message_id", flat=True)) == [
        f"s{place}" for place in range(len(words))
    ]


class Teller(threading.Thread):
    """A station that says one reading after the other, each once the one before was answered."""

    def __init__(self, wire: OpenStation, transaction: int) -> None:
        super().__init__(daemon=True)
        self.answered: list[int] = []
        self.refused: list[Any] = []
        self._wire = wire
        self._transaction = transaction
        self._over = threading.Event()

    def run(self) -> None:
        register = 0
        while not self._over.is_set():
            register += 1
            self._wire.send(
                [2, str(register), "MeterValues", meter_values(register, transactionId=self._transaction)]
            )
            frame = self._wire.receive(30)
            (self.answered if frame[0] == 3 else self.refused).append(register)
            time.sleep(0.02)

    def finish(self) -> None:
        self._over.set()
        self.join(35)
        assert not self.is_alive()
