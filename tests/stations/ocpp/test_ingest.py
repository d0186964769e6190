"""The group commit: order, isolation, nothing answered before its commit (P164, P270, P273; M-01, F-13)."""

import asyncio
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.db import connection, connections

from stations.domain.events import (
    ConnectorStatusReported,
    MeterSample,
    ReadingsReported,
    Stamp,
    TransactionEventReported,
)
from stations.domain.station import StationRef
from stations.domain.words import Registration
from stations.models import Connector, MeterReading, RawFrame, Transaction
from stations.ocpp import ingest, metrics
from stations.services import frames, transactions
from stations.services.batches import Item, Writer, gathering
from stations.services.batches.items import Log
from tests import factories
from tests.own_database import in_use
from tests.proxy import database_behind_proxy
from tests.stations.ocpp.opening import Open, OpenStation, is_alive, logged
from tests.waiting import eventually

BEGIN = datetime(2026, 11, 20, 10, tzinfo=UTC)
VERSIONS = pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])


def at(seconds: float) -> str:
    return (BEGIN + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def meter_values(register: int, seconds: float, number: int | None = None) -> dict[str, Any]:
    value = {"timestamp": at(seconds), "sampledValue": [{"value": str(register)}]}
    payload: dict[str, Any] = {"connectorId": 1, "meterValue": [value]}
    return payload if number is None else {**payload, "transactionId": number}


def start(wire: OpenStation) -> int:
    begun = {"connectorId": 1, "idTag": "NOBODY", "meterStart": 0, "timestamp": at(0)}
    number: int = wire.call("StartTransaction", begun)["transactionId"]
    return number


@contextmanager
def locked(table: str) -> Iterator[None]:
    """Nobody can write to the table meanwhile."""
    parameters = connections["default"].get_connection_params()
    wanted = {
        key: parameters[key] for key in ("dbname", "user", "password", "host", "port") if key in parameters
    }
    with psycopg.connect(**wanted) as other:
        other.execute(f"LOCK TABLE {table} IN SHARE MODE")
        yield
        other.rollback()


@pytest.mark.parametrize("table", ["stations_meterreading", "stations_rawframe"])
def test_m01_a_fact_is_answered_after_its_commit_and_a_heartbeat_before(
    open_station: Open, table: str
) -> None:
    wire = open_station()
    with locked(table):
        wire.send([2, "fact", "MeterValues", meter_values(5, 0)])
        wire.send([2, "beat", "Heartbeat", {}])
        assert wire.receive()[1] == "beat"
        with pytest.raises(TimeoutError):
            wire.receive(1.0)
        assert not MeterReading.objects.filter(station_id=wire.row.pk).exists()

    assert wire.receive() == [3, "fact", {}]
    assert MeterReading.objects.filter(station_id=wire.row.pk).count() == 1
    assert RawFrame.objects.filter(station=wire.row, message_id="fact", direction="in").count() == 1


def test_m01_a_decision_is_answered_after_its_frame_is_stored(open_station: Open) -> None:
    wire = open_station()
    number = start(wire)
    frame = RawFrame.objects.get(station=wire.row, action="StartTransaction", direction="in")
    assert frame.verdict == "ok"
    assert Transaction.objects.get(station=wire.row).number == number


def test_pipelined_messages_of_a_station_are_stored_in_their_order(open_station: Open) -> None:
    wire = open_station()
    number = start(wire)
    words = ["Preparing", "Charging", "SuspendedEV", "Charging", "Finishing"]
    for place, word in enumerate(words):
        status = {"connectorId": 1, "status": word, "errorCode": "NoError", "timestamp": at(place)}
        wire.send([2, f"s{place}", "StatusNotification", status])
        wire.send([2, f"m{place}", "MeterValues", meter_values(1000 * place, place, number)])
    stop = {"transactionId": number, "meterStop": 9000, "timestamp": at(60)}
    wire.send([2, "stop", "StopTransaction", stop])
    status = {"connectorId": 1, "status": "Available", "errorCode": "NoError", "timestamp": at(61)}
    wire.send([2, "free", "StatusNotification", status])

    answers = [wire.receive()[:2] for _ in range(12)]

    assert answers == [[3, f"{kind}{place}"] for place in range(5) for kind in "sm"] + [
        [3, "stop"],
        [3, "free"],
    ]
    assert Connector.objects.get(evse__station=wire.row).status == "Available"
    transaction = Transaction.objects.get(station=wire.row)
    assert (transaction.status, transaction.energy_wh) == ("ended", 9000)
    assert transaction.readings.count() == 5


def test_f13_repeated_messages_beside_new_ones_add_nothing_twice(open_station: Open) -> None:
    wire = open_station()
    number = start(wire)
    for turn in range(3):
        for place in range(turn * 3, 6 + turn * 3):
            wire.send([2, f"{turn}-{place}", "MeterValues", meter_values(100 * place, place, number)])
    assert all(wire.receive()[0] == 3 for _ in range(18))
    transaction = Transaction.objects.get(station=wire.row)
    assert transaction.readings.count() == 12
    assert transaction.energy_wh == 1100


def item_of(station: Any, facts: Any, results: list[Any], text: str = "{}") -> Item:
    row = frames.line(datetime.now(UTC), f"{station.pk}\t1", "in", 2, "x", "Test", len(text), "ok", text)
    side = StationRef(station_id=station.pk, organization_id=station.organization_id, site_id=station.site_id)
    return Item(side, facts, row, results.append)  # type: ignore[arg-type]


def readings(energy: str) -> list[ReadingsReported]:
    sample = MeterSample(occurred_at=BEGIN, samples=[{"value": energy}], energy_wh=Decimal(energy))
    return [ReadingsReported(evse_id=1, samples=(sample,), received_at=BEGIN)]


def test_m01_a_row_that_cannot_be_stored_does_not_harm_its_neighbours(committed: None) -> None:
    owner = factories.make_actor(factories.make_organization())
    stations = [factories.make_station(owner)[0] for _ in range(9)]
    poisoned = {3, 4, 8}
    items = [
        item_of(station, readings("1e15" if place in poisoned else "5"), [])
        for place, station in enumerate(stations)
    ]
    spare = frames.line(datetime.now(UTC), f"{stations[0].pk}\t1", "out", 3, "y", "Test", 2, "ok", "[]")

    outcome = Writer().store(items, Log(rows=[spare]))

    assert {place for place, error in enumerate(outcome.errors) if error is not None} == poisoned
    for place, station in enumerate(stations):
        stored = 0 if place in poisoned else 1
        assert MeterReading.objects.filter(station_id=station.pk).count() == stored
        assert RawFrame.objects.filter(station=station, direction="in").count() == stored
    assert RawFrame.objects.filter(station=stations[0], message_id="y").count() == 1


@pytest.mark.parametrize("poison", ["\x00", "\ud83d"], ids=["a NUL", "half of a character"])
def test_p270_a_log_row_that_cannot_be_stored_takes_no_other_with_it(committed: None, poison: str) -> None:
    station, _ = factories.make_station(factories.make_actor(factories.make_organization()))
    rows = [
        frames.line(datetime.now(UTC), f"{station.pk}\t1", "out", 3, str(place), "Test", 2, "ok", text)
        for place, text in enumerate(["[]"] * 5 + [poison] + ["[]"] * 5)
    ]
    writer = Writer()

    outcome = writer.store([item_of(station, readings("5"), [])], Log(rows, refusals={station.pk: 2}))

    assert (outcome.errors, writer.lost_rows) == ([None], 1)
    kept = RawFrame.objects.filter(station=station, direction="out").values_list("message_id", flat=True)
    assert sorted(kept, key=int) == ["0", "1", "2", "3", "4", "6", "7", "8", "9", "10"]
    station.refresh_from_db()
    assert station.schema_refusals == 2


def test_f05_a_lost_connection_is_opened_again_and_the_batch_written_once(committed: None) -> None:
    owner = factories.make_actor(factories.make_organization())
    station, _ = factories.make_station(owner)
    writer = Writer()
    assert writer.store([item_of(station, readings("5"), [])], Log()).errors == [None]
    connection.connection.close()

    outcome = writer.store([item_of(station, readings("6"), [])], Log())

    assert outcome.errors == [None]
    assert MeterReading.objects.filter(station_id=station.pk).count() == 2


def test_m04_batches_that_lock_each_others_rows_are_all_stored(committed: None) -> None:
    owner = factories.make_actor(factories.make_organization())
    stations = [factories.make_station(owner)[0] for _ in range(20)]

    def states(word: str, seconds: float) -> list[ConnectorStatusReported]:
        moment = datetime.now(UTC) + timedelta(seconds=seconds)
        stamp = Stamp(occurred_at=moment, received_at=moment)
        return [ConnectorStatusReported(evse_id=1, connector_id=1, status=word, stamp=stamp)]

    errors: list[Any] = []

    def write(order: list[Any], word: str) -> None:
        writer = Writer()
        for turn in range(5):
            batch = [item_of(station, states(f"{word}{turn}", turn), []) for station in order]
            errors.extend(writer.store(batch, Log()).errors)
        writer.close()

    threads = [
        threading.Thread(target=write, args=(order, word))
        for order, word in ((stations, "a"), (stations[::-1], "b"), (stations[10:] + stations[:10], "c"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(errors) == 300
    assert not any(errors)
    assert Connector.objects.filter(evse__station__in=stations).count() == 20


@VERSIONS
def test_p270_both_directions_are_stored_with_size_verdict_socket_and_time_taken(
    open_station: Open, version: str
) -> None:
    wire = open_station(version)
    sent = '[2,"α-1","DataTransfer",{"vendorId":"ünï","data":"a\\tb \\\\ c"}]'
    wire.send(sent)
    answer = wire.receive()

    came = logged(wire.row, message_id="α-1")
    assert (came.type, came.action, came.verdict, came.text) == (2, "DataTransfer", "ok", sent)
    assert came.size_bytes == len(sent.encode())
    went = logged(wire.row, direction="out", message_id="α-1")
    assert (went.type, went.action, went.verdict) == (3, "DataTransfer", "ok")
    assert str(answer[2]["status"]) in went.text
    assert went.latency_us is not None
    assert went.latency_us > 0
    wire.row.presence.refresh_from_db()
    assert came.epoch == went.epoch == wire.row.presence.epoch
    assert abs((came.at - datetime.now(UTC)).total_seconds()) < 60


def test_p270_a_long_frame_is_kept_as_its_beginning_with_length_and_digest(open_station: Open) -> None:
    wire = open_station()
    text = f'[2,"long","DataTransfer",{{"vendorId":"x","data":"{"y" * 100_000}"}}]'
    wire.send(text)
    assert wire.receive()[1] == "long"

    frame = logged(wire.row, message_id="long")
    assert frame.size_bytes == len(text)
    assert frame.text == text[:65536]
    assert frame.sha256 is not None
    assert len(bytes(frame.sha256)) == 32


def test_p164_the_answer_time_does_not_grow_with_the_events_of_a_session(open_station: Open) -> None:
    wire = open_station()
    number = start(wire)
    few = [_answer_time(wire, number, place) for place in range(40)]
    transaction = Transaction.objects.get(station=wire.row)
    _add_history(wire, transaction.pk, 60_000)
    many = [_answer_time(wire, number, 70_000 + place) for place in range(40)]
    assert median(many) < 5 * median(few) + 0.02


def _answer_time(wire: OpenStation, number: int, seconds: int) -> float:
    began = time.perf_counter()
    wire.call("MeterValues", meter_values(seconds, seconds, number))
    return time.perf_counter() - began


def _add_history(wire: OpenStation, transaction_id: uuid.UUID, count: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO stations_meterreading (station_id, transaction_id, evse_id, occurred_at, received_at, digest,
                                               context, energy_wh, samples)
            SELECT %s, %s, 1, %s::timestamptz + make_interval(secs => n), now(), n, 'Sample.Periodic', n, '[]'
            FROM generate_series(100, %s) AS n
            """,
            [wire.row.pk, transaction_id, BEGIN, 100 + count],
        )


def test_m19_facts_push_back_and_are_all_answered_though_more_came_than_the_backlog_holds(
    open_station: Open,
) -> None:
    wire = open_station()
    with locked("stations_meterreading"):
        for place in range(300):
            wire.send([2, f"n{place}", "MeterValues", meter_values(place, place)])
        time.sleep(0.5)
    assert [wire.receive()[1] for _ in range(300)] == [f"n{place}" for place in range(300)]
    assert MeterReading.objects.filter(station_id=wire.row.pk).count() == 300


@pytest.mark.parametrize(
    ("last_size", "wait_ms"), [(0, 0), (1, 0), (3, 0), (4, 2), (20, 10), (40, 20), (1000, 20)]
)
def test_the_window_is_shut_while_idle_and_opens_to_20_ms_under_load(last_size: int, wait_ms: int) -> None:
    assert ingest.window_s(last_size) * 1000 == pytest.approx(wait_ms)


def test_p063_what_comes_during_a_commit_is_committed_as_one_batch(open_station: Open) -> None:
    wires = [open_station() for _ in range(4)]
    with locked("stations_meterreading"):
        wires[0].send([2, "first", "MeterValues", meter_values(0, 0)])
        time.sleep(0.1)
        for place in range(1, 9):
            for wire in wires:
                wire.send([2, f"n{place}", "MeterValues", meter_values(place, place)])
        time.sleep(0.05)
    assert wires[0].receive()[1] == "first"
    for wire in wires:
        assert [wire.receive()[1] for _ in range(8)] == [f"n{place}" for place in range(1, 9)]

    ids = [wire.row.pk for wire in wires]
    commits = RawFrame.objects.filter(station_id__in=ids, action="MeterValues", direction="in")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(DISTINCT xmin::text), count(*) FROM stations_rawframe WHERE station_id = ANY(%s) "
            "AND action = 'MeterValues' AND direction = 'in'",
            [ids],
        )
        transactions_used, rows = cursor.fetchone()
    assert (commits.count(), rows) == (33, 33)
    assert transactions_used < 8


def test_the_last_sign_of_life_is_written_for_the_newest_socket_only(open_station: Open) -> None:
    wire = open_station()
    assert is_alive(wire)

    def seen() -> bool:
        wire.row.presence.refresh_from_db()
        return wire.row.presence.last_seen_at is not None

    assert eventually(seen)


def test_f05_a_writer_on_a_dead_line_is_freed_though_nothing_more_arrives(
    committed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full queues pause the sockets, so whoever frees the writer must not wait for the next message."""
    monkeypatch.setattr(ingest, "STUCK_S", 0.3)
    station, _ = factories.make_station(factories.make_actor(factories.make_organization()))
    with database_behind_proxy(os.environ["DATABASE_URL"]) as (proxy, url), in_use(url):
        results: list[Any] = []

        async def write() -> None:
            writing = ingest.Ingest()
            writing.submit(item_of(station, readings("5"), results))
            await _until(lambda: len(results) == 1)
            proxy.hang()
            writing.submit(item_of(station, readings("6"), results))
            await asyncio.sleep(0.6)
            assert len(results) == 1
            writing.cut_if_stuck()
            proxy.restore()
            await _until(lambda: len(results) == 2)
            await asyncio.to_thread(writing.stop)

        asyncio.run(write())

    assert results == [None, None]
    assert metrics._events["writer_cut"] == 1
    assert MeterReading.objects.filter(station_id=station.pk).count() == 2


async def _until(done: Callable[[], bool], within_s: float = 10.0) -> None:
    await asyncio.to_thread(eventually, done, within_s=within_s)


@pytest.mark.parametrize("evse", [None, {"id": 1}, {"id": 1, "connectorId": 1}], ids=str)
def test_an_update_that_names_its_own_evse_again_takes_the_short_way(
    committed: None, monkeypatch: pytest.MonkeyPatch, evse: dict[str, int] | None
) -> None:
    """Most stations name it in every event, and the long way costs thirty times as much."""
    station, _ = factories.make_station(factories.make_actor(factories.make_organization()))
    side = StationRef(station_id=station.pk, organization_id=station.organization_id, site_id=station.site_id)
    transactions.apply_event(side, event_of(0, "Started", {"id": 1, "connectorId": 1}))
    monkeypatch.setattr(gathering.single, "apply_event", lambda *_: pytest.fail("the long way"))

    item = replace(item_of(station, [event_of(1, "Updated", evse)], []), station=speaking(side))

    assert Writer().store([item], Log()).errors == [None]

    transaction = Transaction.objects.get(station=station)
    assert (transaction.event_count, transaction.last_seq_no, transaction.connector_id) == (2, 1, 1)


def test_an_update_that_names_another_evse_takes_the_long_way(
    committed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    station, _ = factories.make_station(factories.make_actor(factories.make_organization()))
    side = StationRef(station_id=station.pk, organization_id=station.organization_id, site_id=station.site_id)
    transactions.apply_event(side, event_of(0, "Started", {"id": 1, "connectorId": 1}))
    taken: list[Any] = []
    monkeypatch.setattr(gathering.single, "apply_event", lambda *event: taken.append(event))

    item = replace(item_of(station, [event_of(1, "Updated", {"id": 2})], []), station=speaking(side))
    Writer().store([item], Log())

    assert len(taken) == 1


def speaking(side: StationRef) -> Any:
    """The station as its socket knows it."""
    known = {
        name: getattr(side, name) for name in ("station_id", "organization_id", "site_id", "max_power_w")
    }
    return SimpleNamespace(**known, registration=Registration.ACCEPTED, epoch=1, memory={})


def event_of(seq_no: int, kind: str, evse: dict[str, int] | None) -> TransactionEventReported:
    moment = datetime.now(UTC)
    named = evse or {}
    return TransactionEventReported(
        kind=kind,
        reference="short",
        seq_no=seq_no,
        trigger_reason="MeterValuePeriodic",
        stamp=Stamp(occurred_at=moment, received_at=moment),
        evse_id=named.get("id"),
        connector_id=named.get("connectorId"),
        charging_state="Charging",
    )
