"""Our CALLs and whatever comes back (ocpp.md P056 to P065, P071, P072, P075, P273)."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from core.errors import Conflict
from stations.domain import intents
from stations.models import Command
from stations.services import commands
from tests.running import Server, start_server
from tests.stations.ocpp.asking import ended
from tests.stations.ocpp.opening import Open, OpenStation, is_alive, logged, opener
from tests.waiting import eventually
from tests.wire.client import CallError

EVERY = pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])


@pytest.fixture(scope="module")
def odd_server(django_db_setup: None) -> Iterator[Server]:
    """A portal with handlers that sleep, raise or talk nonsense, given two seconds each."""
    with start_server(DJANGO_SETTINGS_MODULE="tests.stations.ocpp.odd_settings") as server:
        yield server


@pytest.fixture
def open_odd(odd_server: Server, committed: None) -> Iterator[Open]:
    with opener(odd_server) as connect:
        yield connect


def trigger(wire: OpenStation) -> Command:
    return commands.issue(wire.row, intents.TriggerMessage(message="heartbeat"), by=wire.owner)


def _trigger_often(wire: OpenStation, times: int) -> None:
    for _ in range(times):
        trigger(wire)


def issue_call(wire: OpenStation, action: str, payload: dict[str, Any]) -> Command:
    return commands.issue(wire.row, intents.Call(action=action, payload=payload), by=wire.owner)


@EVERY
def test_p057_a_late_reply_is_marked_and_never_given_to_the_next_call(
    open_station: Open, version: str
) -> None:
    wire = open_station(version, call_timeout_s=5)
    first = trigger(wire)
    late_call = wire.next_call()
    began = time.monotonic()
    assert eventually(lambda: Command.objects.get(pk=first.pk).status == "timed_out", within_s=10)
    assert time.monotonic() - began >= 5

    second = trigger(wire)
    call = wire.next_call()
    wire.reply(late_call, {"status": "Accepted"})
    assert is_alive(wire)
    second.refresh_from_db()
    assert second.status == "sent"
    wire.reply(call, {"status": "Rejected"})

    assert ended(second).status == "rejected"
    assert logged(wire.row, message_id=late_call[1]).verdict == "late"
    first.refresh_from_db()
    assert first.status == "timed_out"


@EVERY
@pytest.mark.parametrize(
    "rest",
    [[], ["NoSuchCode"], ["", "", {}], [None, None, None], ["GenericError", 5, "details"], [7, "x", []]],
)
def test_p059_any_callerror_ends_the_call_as_an_error(
    open_station: Open, version: str, rest: list[Any]
) -> None:
    wire = open_station(version)
    command = trigger(wire)
    call = wire.next_call()

    wire.send([4, call[1], *rest])

    assert ended(command).status == "failed"
    assert command.error
    assert command.error["code"]
    assert is_alive(wire)


@EVERY
def test_p060_one_call_is_outstanding_and_the_others_follow_in_order(
    open_station: Open, version: str
) -> None:
    wire = open_station(version)
    issued = [trigger(wire) for _ in range(4)]
    seen = []
    for _ in issued:
        call = wire.next_call()
        with pytest.raises(TimeoutError):
            wire.next_call(0.2)
        sent = Command.objects.filter(station=wire.row, status="sent").values_list("pk", flat=True)
        assert len(sent) == 1
        seen += sent
        wire.reply(call, {"status": "Accepted"})
    assert seen == [command.pk for command in issued]
    assert all(ended(command).status == "accepted" for command in issued)


@EVERY
def test_p061_calls_of_the_station_are_served_while_ours_is_pending(open_station: Open, version: str) -> None:
    wire = open_station(version)
    command = trigger(wire)
    call = wire.next_call()

    assert is_alive(wire)
    assert "status" in wire.call("DataTransfer", {"vendorId": "nobody"})

    wire.reply(call, {"status": "Accepted"})
    assert ended(command).status == "accepted"


def test_p063_a_slow_handler_delays_neither_our_calls_nor_heartbeats_nor_other_stations(
    open_odd: Open,
) -> None:
    slow, other = open_odd(), open_odd()
    slow.send([2, "slow", "DataTransfer", {"vendorId": "sleep", "data": "1.5"}])
    command = trigger(slow)
    call = slow.next_call()
    began = time.monotonic()

    slow.reply(call, {"status": "Accepted"})
    assert ended(command).status == "accepted"
    slow.send([2, "beat", "Heartbeat", {}])
    assert slow.receive()[1] == "beat"
    assert "status" in other.call("DataTransfer", {"vendorId": "nobody"})

    assert time.monotonic() - began < 1.2
    assert slow.receive()[:2] == [3, "slow"]


def test_p063_a_handler_past_its_deadline_becomes_an_internal_error(open_odd: Open) -> None:
    wire = open_odd()
    wire.send([2, "late", "DataTransfer", {"vendorId": "sleep", "data": "4"}])
    wire.send([2, "next", "DataTransfer", {"vendorId": "nobody"}])

    assert wire.receive()[:3] == [4, "late", "InternalError"]
    assert wire.receive()[:2] == [3, "next"]
    assert logged(wire.row, message_id="late").verdict == "refused:InternalError"


def test_p062_messages_behind_a_slow_one_keep_their_order(open_odd: Open) -> None:
    wire = open_odd()
    wire.send([2, "1", "DataTransfer", {"vendorId": "sleep", "data": "0.3"}])
    wire.send([2, "2", "Authorize", {"idTag": "A"}])
    wire.send([2, "3", "MeterValues", {"connectorId": 1, "meterValue": []}])
    wire.send([2, "4", "NoSuchAction", {}])
    wire.send([2, "5", "DataTransfer", {"vendorId": "nobody"}])
    assert [wire.receive()[1] for _ in range(5)] == ["1", "2", "3", "4", "5"]


def test_p064_a_handler_may_call_the_station_and_wait(open_odd: Open) -> None:
    wire = open_odd()
    wire.send([2, "x", "DataTransfer", {"vendorId": "ask"}])
    call = wire.next_call()
    assert call[2] == "GetLocalListVersion"
    wire.reply(call, {"listVersion": 17})
    assert wire.receive()[:2] == [3, "x"]


@pytest.mark.parametrize("oddity", ["raise", "nonsense"])
def test_p065_a_broken_handler_is_an_internal_error_without_details(open_odd: Open, oddity: str) -> None:
    wire = open_odd()
    with pytest.raises(CallError) as refusal:
        wire.call("DataTransfer", {"vendorId": oddity, "data": "secret_table"})
    assert refusal.value.code == "InternalError"
    assert "secret" not in refusal.value.description
    assert refusal.value.details == {}
    assert is_alive(wire)


def test_l05_a_station_that_never_booted_is_cut_after_the_deadline(open_odd: Open) -> None:
    silent, booted = open_odd(boot=False), open_odd()
    began = time.monotonic()
    with pytest.raises(Exception, match="1008"):
        silent.receive(5)
    assert 1 < time.monotonic() - began < 4
    assert is_alive(booted)


def test_p071_an_answer_that_cannot_be_used_gets_a_callresulterror_on_21(open_station: Open) -> None:
    wire = open_station("2.1")
    command = trigger(wire)
    call = wire.next_call()

    wire.reply(call, {"status": 17})

    assert wire.receive()[:3] == [5, call[1], "TypeConstraintViolation"]
    assert ended(command).status == "failed"
    assert command.error
    assert "status" in command.error["description"]


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
@pytest.mark.parametrize("answer", [{"status": 17}, {}, [], "x", None])
def test_p072_an_answer_that_cannot_be_used_fails_the_command_and_is_not_answered(
    open_station: Open, version: str, answer: Any
) -> None:
    wire = open_station(version)
    command = trigger(wire)
    wire.reply(wire.next_call(), answer)

    assert ended(command).status == "failed"
    assert command.error
    assert command.error["code"] == "invalid_answer"
    assert is_alive(wire)


@EVERY
def test_p088_extra_fields_in_an_answer_do_no_harm(open_station: Open, version: str) -> None:
    wire = open_station(version)
    command = trigger(wire)
    wire.reply(wire.next_call(), {"status": "Accepted", "more": {"of": ["this", 1]}})
    assert ended(command).status == "accepted"


def test_what_breaks_the_schema_is_never_sent_and_names_the_field(open_station: Open) -> None:
    wire = open_station("2.0.1")
    command = issue_call(wire, "Reset", {"type": "Sideways"})
    assert ended(command).status == "failed"
    assert command.error
    assert "type" in command.error["description"]
    with pytest.raises(TimeoutError):
        wire.next_call(0.3)


def test_p273_the_queue_of_a_dead_station_is_bounded_and_delays_no_other(open_station: Open) -> None:
    dead, other = open_station(), open_station()
    with pytest.raises(Conflict, match="waiting"):
        _trigger_often(dead, 60)
    assert Command.objects.filter(station=dead.row).count() <= 51

    command = trigger(other)
    other.reply(other.next_call(), {"status": "Accepted"})
    assert ended(command).status == "accepted"


def test_p033_what_waits_behind_a_pending_call_is_not_sent_on_a_closed_socket(open_station: Open) -> None:
    wire = open_station()
    first, second = trigger(wire), trigger(wire)
    wire.next_call()
    wire.socket.close()

    assert ended(first).error == {
        "code": "disconnected",
        "description": "The connection was lost before the answer. It may have been carried out.",
    }
    second.refresh_from_db()
    assert second.sent_at is None
