"""Several processes and one that is being replaced (P271, P272), and what a message costs (P274)."""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import psutil
import pytest
import requests
from websockets.exceptions import ConnectionClosed

from core.access import Actor
from core.models import Organization
from stations.models import Command, MeterReading, RawFrame, Transaction
from tests.factories import make_key, make_station
from tests.running import Server, start_server
from tests.stations.ocpp.knocking import Charger, next_address
from tests.wire.client import WireStation
from tests.wire.golden import wire

CHARGERS = 8
READINGS = 40
PAUSE_S = 0.06
AT = "2025-03-01T1{hour}:{minute:02}:00Z"


@pytest.fixture
def chargers(live: Server, alice: Actor) -> list[Charger]:
    return [Charger(live.ocpp_url, *make_station(alice), next_address()) for _ in range(CHARGERS)]


@pytest.fixture
def second(django_db_setup: None) -> Iterator[Server]:
    """Another process of the same portal, which a deploy replaces."""
    with start_server(gateway_id="replaced", OCPP_DRAIN_SPREAD="3") as server:
        yield server


class Speaker:
    """A charger with a session to tell, message after message, without waiting for answers."""

    def __init__(self, charger: Charger, url: str) -> None:
        self.charger = charger
        charger.url = url
        self.socket = charger.dial("2.0.1")
        self.socket.boot()
        self.unanswered = {str(number): said for number, said in enumerate(messages())}
        self.closed: tuple[int, float] | None = None

    def speak(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            for number, payload in list(self.unanswered.items()):
                self.socket.send([2, number, "TransactionEvent", payload])
                time.sleep(PAUSE_S)

    def listen(self) -> None:
        """Take what is answered until the connection is closed by the other side."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                frame = self.socket.receive(30)
                assert frame[0] == 3, frame
                self.unanswered.pop(frame[1])
        self.closed = self.socket.socket.protocol.close_code, time.monotonic()

    def say_again(self, url: str) -> None:
        """As a station does: whatever was not answered, and what was answered last as well."""
        self.charger.url = url
        with self.charger.dial("2.0.1") as socket:
            for payload in [*self.unanswered.values(), messages()[0]]:
                socket.call("TransactionEvent", payload)


def messages() -> list[dict[str, Any]]:
    begun = wire(
        "v201/TransactionEvent.started", transactionInfo={"transactionId": "t", "chargingState": "Charging"}
    )
    return [{**begun, "seqNo": 0}, *map(event, range(1, READINGS + 1)), event(READINGS + 1, "Ended")]


def event(seq_no: int, kind: str = "Updated") -> dict[str, Any]:
    at = AT.format(hour=seq_no // 60, minute=seq_no % 60)
    value = {
        "value": 1000 + 100 * seq_no,
        "context": "Transaction.End" if kind == "Ended" else "Sample.Periodic",
    }
    info = {"transactionId": "t"} | (
        {"stoppedReason": "Local"} if kind == "Ended" else {"chargingState": "Charging"}
    )
    return wire(
        "v201/TransactionEvent.updated", eventType=kind, timestamp=at, seqNo=seq_no, transactionInfo=info,
        meterValue=[{"timestamp": at, "sampledValue": [value]}],
    )  # fmt: skip


def test_p271_a_deploy_closes_1012_over_a_spread_and_nothing_is_lost_or_stored_twice(
    live: Server, second: Server, chargers: list[Charger]
) -> None:
    speakers = [Speaker(charger, second.ocpp_url) for charger in chargers]
    threads = [
        threading.Thread(target=work) for speaker in speakers for work in (speaker.listen, speaker.speak)
    ]
    for thread in threads:
        thread.start()
    time.sleep(5 * PAUSE_S)
    second.process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join(30)
    second.process.wait(10)

    closed = [speaker.closed for speaker in speakers if speaker.closed]
    times = [at for _, at in closed]
    assert [code for code, _ in closed] == [1012] * CHARGERS
    assert max(times) - min(times) > 0.5
    assert any(speaker.unanswered for speaker in speakers)
    for speaker in speakers:
        speaker.say_again(live.ocpp_url)
        session = Transaction.objects.get(station=speaker.charger.station)
        readings = MeterReading.objects.filter(station_id=speaker.charger.station.pk, transaction=session.pk)
        assert (session.status, session.event_count) == ("ended", READINGS + 2)
        assert session.energy_wh == Decimal(100 * (READINGS + 1))
        assert readings.count() == len({one["timestamp"] for one in messages() if one.get("meterValue")})


def test_p272_a_command_reaches_a_station_at_another_process_and_its_answer_comes_back(
    live: Server, second: Server, chargers: list[Charger], alice: Actor
) -> None:
    charger, away, *_ = chargers
    charger.url = second.ocpp_url
    key = make_key(Organization.objects.get(pk=alice.organization_id))
    with charger.dial("2.1") as socket:
        socket.boot()
        answers: list[Any] = []
        asking = threading.Thread(target=lambda: answers.append(reset(live, key, charger)))
        asking.start()
        call = socket.next_call()
        socket.reply(call, {"status": "Accepted"})
        asking.join(20)

    began = time.monotonic()
    offline = reset(live, key, away)

    assert call[2] == "Reset"
    assert (answers[0]["status"], answers[0]["response"]) == ("accepted", {"status": "Accepted"})
    assert (offline["status"], offline["error"]["code"]) == ("failed", "offline")
    assert time.monotonic() - began < 5
    assert Command.objects.filter(station=charger.station).count() == 1


def reset(server: Server, key: str, charger: Charger) -> dict[str, Any]:
    """The command after at most 15 s, as the process answers that the station is not connected to."""
    answer = requests.post(
        f"{server.http_url}/api/v1/stations/{charger.station.pk}/commands/",
        json={"command": "reset", "kind": "on_idle"},
        headers={"Authorization": f"Bearer {key}", "Prefer": "wait=15"},
        timeout=20,
    )
    told: dict[str, Any] = answer.json()
    return told


def test_p274_a_thousand_stations_with_a_message_every_ten_seconds_take_half_a_core(
    live: Server, chargers: list[Charger]
) -> None:
    """By the CPU time of the gateway: a hundred messages a second may cost 5 ms each, log and validation included."""
    rounds = 50
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(charger.dial(version))
            for charger, version in zip(chargers, ("1.6", "2.0.1", "2.1", "1.6") * 2, strict=True)
        ]
        for socket in sockets:
            socket.boot()
            say_usual(socket, 0)
        process = psutil.Process(live.process.pid)
        before = process.cpu_times()
        for number in range(1, rounds + 1):
            for socket in sockets:
                say_usual(socket, number)
        after = process.cpu_times()

    count = 2 * rounds * CHARGERS
    cpu_s = after.user + after.system - before.user - before.system
    stations = [charger.station.pk for charger in chargers]
    time.sleep(1.5)
    assert RawFrame.objects.filter(station__in=stations, direction="in").count() == count + 3 * CHARGERS
    assert 0 < cpu_s / count * 100 <= 0.5


def say_usual(socket: WireStation, number: int) -> None:
    """A heartbeat and a reading of ten measurands."""
    socket.call("Heartbeat", {})
    at = AT.format(hour=number // 60, minute=number % 60)
    words = [
        "Energy.Active.Import.Register", "Power.Active.Import", "Current.Import", "Voltage", "SoC",
        "Power.Active.Export", "Frequency", "Power.Offered", "Current.Offered", "Power.Factor",
    ]  # fmt: skip
    old = socket.version == "1.6"
    sampled = [{"value": str(number) if old else number, "measurand": word} for word in words]
    value = {"timestamp": at, "sampledValue": sampled}
    socket.call("MeterValues", {"connectorId" if old else "evseId": 1, "meterValue": [value]})
