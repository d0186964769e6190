"""P070, P258: periodic event streams of 2.1, whose values come by SEND and get no reply."""

from typing import Any

import pytest

from core.access import Actor
from stations.domain import intents
from stations.models import EventStream, MonitoringState, StreamValue
from tests.factories import make_actor, make_organization
from tests.stations.ocpp.asking import ask
from tests.stations.ocpp.knocking import Charger
from tests.wire.client import CallError, WireStation
from tests.wire.golden import wire

VALUES = "v21/NotifyPeriodicEventStream.two_values"


def say(socket: WireStation, payload: dict[str, Any], message_id: str = "s1") -> None:
    """A SEND; the answered heartbeat behind it tells that it is through, and that no reply came before."""
    socket.send([6, message_id, "NotifyPeriodicEventStream", payload])
    socket.send([2, f"after-{message_id}", "Heartbeat", {}])
    first = socket.receive()
    assert first[:2] == [3, f"after-{message_id}"], f"a reply came to a SEND: {first}"


def behind(socket: WireStation) -> None:
    """What was sent before is stored: a message that overtakes nothing is answered."""
    status = {
        "timestamp": "2025-03-01T10:00:00Z",
        "connectorStatus": "Available",
        "evseId": 1,
        "connectorId": 1,
    }
    socket.call("StatusNotification", status)


def test_p258_a_restart_closes_the_streams_of_before(charger: Charger) -> None:
    opened = wire("v21/OpenPeriodicEventStream.temperature")
    with charger.dial("2.1") as socket:
        socket.boot()
        socket.call("OpenPeriodicEventStream", opened)
        socket.boot()
        before = EventStream.objects.get(station=charger.station)
        socket.call("OpenPeriodicEventStream", opened)

    assert before.closed_at is not None
    again = EventStream.objects.get(station=charger.station, closed_at=None)
    assert (again.number, again.pk != before.pk) == (opened["constantStreamData"]["id"], True)


def test_p258_a_stream_is_opened_filled_and_closed(charger: Charger) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        opened = socket.call("OpenPeriodicEventStream", wire("v21/OpenPeriodicEventStream.temperature"))
        say(socket, wire(VALUES, pending=4))
        say(socket, wire(VALUES, pending=4), "s2")
        behind(socket)
        stream = EventStream.objects.get(station=charger.station)
        closed = socket.call("ClosePeriodicEventStream", wire("v21/ClosePeriodicEventStream.plain"))

    assert (opened, closed) == ({"status": "Accepted"}, {})
    assert (stream.number, stream.monitor_number, stream.interval_s, stream.values_per_message) == (
        3,
        8,
        60,
        2,
    )
    assert (stream.last_value, stream.pending, stream.closed_at) == ("41.5", 4, None)
    values = StreamValue.objects.filter(stream=stream).order_by("occurred_at")
    assert [(v.value, v.occurred_at.second) for v in values] == [("40.5", 0), ("41.5", 30)]
    stream.refresh_from_db()
    assert stream.closed_at is not None


def test_p258_values_of_an_unknown_stream_are_dropped_and_counted(charger: Charger) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        say(socket, wire(VALUES))
        say(socket, wire(VALUES), "s2")
        behind(socket)

    assert MonitoringState.objects.get(station=charger.station).unknown_stream_messages == 2
    assert not StreamValue.objects.filter(stream__station=charger.station).exists()


@pytest.mark.parametrize(
    "payload",
    [{}, {"id": 3}, {"id": "three", "pending": 0, "basetime": "x", "data": []}, {"id": 3, "moon": 1}],
)
def test_p070_an_invalid_send_gets_no_reply_either(charger: Charger, payload: dict[str, Any]) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        socket.call("OpenPeriodicEventStream", wire("v21/OpenPeriodicEventStream.temperature"))
        say(socket, payload)
        behind(socket)

    assert not StreamValue.objects.filter(stream__station=charger.station).exists()


def test_a_stream_opened_twice_is_one_and_under_another_monitor_another(charger: Charger) -> None:
    open_ = wire("v21/OpenPeriodicEventStream.temperature")
    other = wire("v21/OpenPeriodicEventStream.temperature")
    other["constantStreamData"]["variableMonitoringId"] = 9
    with charger.dial("2.1") as socket:
        socket.boot()
        socket.call("OpenPeriodicEventStream", open_)
        socket.call("OpenPeriodicEventStream", open_)
        once = EventStream.objects.filter(station=charger.station).count()
        socket.call("OpenPeriodicEventStream", other)

    assert once == 1
    rows = EventStream.objects.filter(station=charger.station).order_by("id")
    assert [(row.monitor_number, row.closed_at is None) for row in rows] == [(8, False), (9, True)]


def test_closing_a_stream_that_is_not_open_is_answered(charger: Charger) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        assert socket.call("ClosePeriodicEventStream", {"id": 77}) == {}


@pytest.mark.parametrize("action", ["OpenPeriodicEventStream", "ClosePeriodicEventStream"])
def test_p080_a_stream_without_number_is_refused(charger: Charger, action: str) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        with pytest.raises(CallError) as refused:
            socket.call(action, {})

    assert refused.value.code == "OccurrenceConstraintViolation"


def test_201_has_no_streams(charger: Charger) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        with pytest.raises(CallError) as refused:
            socket.call("OpenPeriodicEventStream", wire("v21/OpenPeriodicEventStream.temperature"))

    assert refused.value.code == "NotImplemented"


def test_tc_n_105_an_open_stream_takes_another_rhythm(charger: Charger, alice: Actor) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        socket.call("OpenPeriodicEventStream", wire("v21/OpenPeriodicEventStream.temperature"))
        intent = intents.AdjustEventStream(stream=3, interval_s=10, values=5)
        call, taken = ask(charger, socket, alice, intent, {"status": "Accepted"})
        other = intents.AdjustEventStream(stream=3, interval_s=1)
        _, refused = ask(charger, socket, alice, other, {"status": "Rejected"})

    assert call[2:] == ["AdjustPeriodicEventStream", {"id": 3, "params": {"interval": 10, "values": 5}}]
    assert (taken.status, refused.status) == ("accepted", "rejected")
    stream = EventStream.objects.get(station=charger.station)
    assert (stream.interval_s, stream.values_per_message) == (10, 5)


def test_tc_n_107_the_list_of_open_streams_puts_ours_right(charger: Charger, alice: Actor) -> None:
    listed = {"constantStreamData": [{"id": 5, "variableMonitoringId": 1, "params": {"interval": 30}}]}
    with charger.dial("2.1") as socket:
        socket.boot()
        socket.call("OpenPeriodicEventStream", wire("v21/OpenPeriodicEventStream.temperature"))
        call, command = ask(charger, socket, alice, intents.GetEventStreams(), listed)
        _, empty = ask(charger, socket, alice, intents.GetEventStreams(), {})

    assert call[2:] == ["GetPeriodicEventStream", {}]
    assert (command.status, empty.status) == ("accepted", "accepted")
    rows = EventStream.objects.filter(station=charger.station).order_by("number")
    assert [(row.number, row.closed_at is None) for row in rows] == [(3, False), (5, False)]


def test_a_stranger_sees_no_stream_and_no_value(charger: Charger, alice: Actor) -> None:
    charlie = make_actor(make_organization(), name="charlie")
    with charger.dial("2.1") as socket:
        socket.boot()
        socket.call("OpenPeriodicEventStream", wire("v21/OpenPeriodicEventStream.temperature"))

    assert EventStream.objects.visible_to(alice).filter(station=charger.station).exists()
    assert not EventStream.objects.visible_to(charlie).filter(station=charger.station).exists()
    assert not StreamValue.objects.visible_to(charlie).filter(stream__station=charger.station).exists()


def test_p070_values_of_a_stream_sent_as_a_call_are_refused_with_the_reason(charger: Charger) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        values = {"id": 1, "pending": 0, "basetime": "2026-11-20T10:00:00Z", "data": [{"t": 0, "v": "1"}]}
        socket.send([2, "as-a-call", "NotifyPeriodicEventStream", values])

        answer = socket.answer_to("as-a-call")

    assert answer[:3] == [4, "as-a-call", "MessageTypeNotSupported"]
    assert "type 6 (SEND)" in answer[3]
