"""P030 to P043: one owner per station, life signs, sizes, and what happens when sockets come and go."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier

import pytest
from websockets.exceptions import ConnectionClosed

from core.access import Actor
from stations.domain.intents import ResetStation
from stations.models import Alert, ChargingStation, Command, Connection, Presence, SecurityEvent
from stations.services import commands, connections, stations
from tests.factories import make_actor, make_organization, make_station
from tests.running import Server, start_server
from tests.stations.ocpp.knocking import Charger, next_address
from tests.stations.ocpp.raw import PING, TEXT, RawSocket
from tests.waiting import eventually
from tests.wire.client import WireStation

MAX_BYTES = 1_048_576


@pytest.fixture(scope="module")
def second_server(django_db_setup: None) -> Iterator[Server]:
    """Another process with another name on the same database."""
    with start_server(gateway_id="second", OCPP_SETTLE_SECONDS="1") as server:
        yield server


def presence(charger: Charger) -> Presence:
    return Presence.objects.get(station=charger.station)


def close_code(socket: WireStation, within_s: float = 5.0) -> int:
    """The code of the server's close frame, after whatever else it sends."""

    def receive_all() -> None:
        while True:
            socket.receive(within_s)

    with pytest.raises(ConnectionClosed) as ended:
        receive_all()
    assert ended.value.rcvd is not None, "cut without a close frame"
    return ended.value.rcvd.code


def reset(charger: Charger, by: Actor) -> Command:
    station = ChargingStation.objects.get(pk=charger.station.pk)
    return commands.issue(station, ResetStation(kind="on_idle"), by=by)


# -- one owner -------------------------------------------------------------------------------------------------


def test_p030_a_second_socket_wins_and_the_old_one_gets_a_close_frame(charger: Charger) -> None:
    with charger.dial() as old, charger.dial() as new:
        assert close_code(old) == 1008
        assert "currentTime" in new.call("Heartbeat", {})

    history = Connection.objects.filter(station=charger.station).order_by("epoch")
    eventually(lambda: [row.outcome for row in history.all()] == ["closed", "closed"])
    assert [row.reason for row in history] == ["replaced", "closed_by_station"]


def test_p030_the_newcomer_is_served_though_the_old_peer_is_silent(charger: Charger) -> None:
    with RawSocket(charger), charger.dial() as new:
        assert "currentTime" in new.call("Heartbeat", {})


def test_p030_both_addresses_of_a_take_over_are_kept(charger: Charger) -> None:
    other = next_address()
    with charger.dial(), charger.dial(source_address=(other, 0)):
        events = SecurityEvent.objects.filter(station=charger.station, type="DuplicateIdentity")
        eventually(events.exists)
        assert {charger.address, other} <= set(events.get().tech_info.split())


def test_p030_more_than_five_take_overs_in_a_minute_raise_an_alert(charger: Charger) -> None:
    sockets = [charger.dial() for _ in range(7)]
    try:
        alerts = Alert.objects.filter(station=charger.station, kind="duplicate_identity", cleared_at=None)
        eventually(alerts.exists)
    finally:
        for socket in sockets:
            socket.socket.close()


def test_p031_the_late_end_of_an_old_socket_changes_nothing(charger: Charger) -> None:
    with RawSocket(charger) as old, charger.dial() as new:
        epoch = presence(charger).epoch
        old.line.close()
        assert connections.close(charger.station.pk, epoch - 1, 1006, "lost") is None

        time.sleep(0.3)
        assert presence(charger).connected
        assert presence(charger).epoch == epoch
        assert "currentTime" in new.call("Heartbeat", {})


def test_p031_the_end_of_the_newest_socket_marks_the_station_offline(charger: Charger) -> None:
    with charger.dial():
        assert presence(charger).connected
    eventually(lambda: not presence(charger).connected)


@pytest.mark.parametrize("moves", [False, True], ids=["same process", "another process"])
def test_p032_after_the_switch_commands_reach_the_new_socket_only(
    charger: Charger, second_server: Server, alice: Actor, moves: bool
) -> None:
    with charger.dial() as old:
        charger.url = second_server.ocpp_url if moves else charger.url
        with charger.dial() as new:
            command = reset(charger, alice)
            call = new.next_call()
            assert call[2] == "Reset"
            new.reply(call, {"status": "Accepted"})
            assert close_code(old) == 1008
            assert not old.calls

            eventually(lambda: Command.objects.get(pk=command.pk).status == "accepted")


def test_p033_a_call_pending_on_a_closing_socket_fails_at_once(charger: Charger, alice: Actor) -> None:
    with charger.dial() as socket:
        command = reset(charger, alice)
        assert socket.next_call()[2] == "Reset"

    eventually(lambda: Command.objects.get(pk=command.pk).status == "failed", within_s=2)
    command.refresh_from_db()
    assert command.error["code"] == "disconnected"
    with charger.dial() as socket, pytest.raises(TimeoutError):
        socket.next_call(timeout_s=2.5)


@pytest.mark.parametrize("act", ["disable", "retire"])
def test_s13_a_station_taken_out_of_service_is_disconnected_within_5_s(
    charger: Charger, alice: Actor, act: str
) -> None:
    with charger.dial() as socket:
        if act == "retire":
            stations.retire(charger.station, by=alice)
        else:
            charger.set(enabled=False)  # behind the service's back: found by the sweep
        assert close_code(socket) == 1008

    assert charger.knock().status == (404 if act == "retire" else 403)


# -- life signs ------------------------------------------------------------------------------------------------


def test_p034_pings_come_at_the_interval_of_the_station(charger: Charger) -> None:
    charger.set(ping_interval_s=1)
    with RawSocket(charger) as socket:
        began_at = time.monotonic()
        assert socket.receive().opcode == PING
        assert 0.5 < time.monotonic() - began_at < 2


def test_p034_no_ping_comes_where_the_interval_is_0(charger: Charger) -> None:
    charger.set(ping_interval_s=0)
    with RawSocket(charger) as socket, pytest.raises(TimeoutError):
        socket.receive(timeout_s=2)


def test_p034_pings_of_the_station_are_answered(charger: Charger) -> None:
    with charger.dial() as socket:
        assert socket.socket.ping().wait(2)


def test_p035_a_silent_station_is_kept_for_three_heartbeat_intervals(charger: Charger) -> None:
    charger.set(ping_interval_s=0, heartbeat_interval_s=1)
    with charger.dial() as socket:
        socket.boot()
        time.sleep(3.2)
        assert "currentTime" in socket.call("Heartbeat", {})


def test_p036_a_station_that_never_answers_pings_is_kept_where_it_is_flagged(charger: Charger) -> None:
    charger.set(ping_interval_s=1, tolerances={"no_pong": True})
    with RawSocket(charger) as socket:
        assert [socket.receive().opcode for _ in range(4)] == [PING] * 4


def test_f17_a_half_open_socket_is_noticed_within_two_ping_intervals(charger: Charger) -> None:
    charger.set(ping_interval_s=1)
    with RawSocket(charger) as socket:
        assert socket.receive().opcode == PING
        assert socket.receive(timeout_s=1.9).close_code == 1011
    eventually(lambda: not presence(charger).connected)


# -- frames ----------------------------------------------------------------------------------------------------


def test_p037_deflate_is_not_negotiated_and_reserved_bits_close_with_1002(charger: Charger) -> None:
    offer = [("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")]
    with RawSocket(charger, headers=offer) as socket:
        assert socket.reply.all("Sec-WebSocket-Extensions") == []
        socket.send(TEXT, b'[2,"1","Heartbeat",{}]', first_bits=0xC0)
        assert socket.receive().close_code == 1002

    with charger.dial() as again:
        assert "currentTime" in again.call("Heartbeat", {})


def test_p038_a_binary_frame_closes_with_1003(charger: Charger) -> None:
    with charger.dial() as socket:
        socket.send(b'[2,"1","Heartbeat",{}]')
        assert close_code(socket) == 1003


def test_p038_a_lenient_station_may_send_text_in_binary_frames(charger: Charger) -> None:
    charger.set(tolerances={"binary_frames": True})
    with charger.dial() as socket:
        socket.send(b'[2,"1","Heartbeat",{}]')
        assert socket.answer_to("1")[0] == 3
        socket.send(b"\xff\xfe")
        assert close_code(socket) == 1007


def transfer_of(size: int) -> str:
    head, tail = '[2,"big","DataTransfer",{"vendorId":"probe","data":"', '"}]'
    return head + "x" * (size - len(head) - len(tail)) + tail


@pytest.mark.parametrize("fragments", [1, 5])
def test_p039_a_message_of_exactly_the_limit_is_processed(charger: Charger, fragments: int) -> None:
    text = transfer_of(MAX_BYTES)
    step = len(text) // fragments + 1
    parts = [text[start : start + step] for start in range(0, len(text), step)]
    with charger.dial() as socket:
        socket.boot()
        socket.socket.send(parts if fragments > 1 else text)
        assert socket.answer_to("big")[0] in (3, 4)


@pytest.mark.parametrize("fragmented", [False, True])
def test_p039_one_byte_more_closes_with_1009(charger: Charger, fragmented: bool) -> None:
    text = transfer_of(MAX_BYTES + 1)
    with charger.dial() as socket:
        with suppress(ConnectionClosed):  # the server may close before the last byte has left
            socket.socket.send([text[:900_000], text[900_000:]] if fragmented else text)
        assert close_code(socket) == 1009

    closed = Connection.objects.filter(station=charger.station, close_code=1009)
    eventually(closed.exists)


# -- coming back -----------------------------------------------------------------------------------------------


def test_p040_a_station_accepted_earlier_is_served_without_a_boot(charger: Charger) -> None:
    with charger.dial() as socket:
        socket.boot()
    with charger.dial() as socket:
        status = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
        assert socket.call("StatusNotification", status) == {}
        assert "currentTime" in socket.call("Heartbeat", {})


def test_p041_after_such_a_reconnect_status_and_boot_are_triggered_once(
    charger: Charger, second_server: Server
) -> None:
    with charger.dial() as socket:
        socket.boot()
    charger.url = second_server.ocpp_url
    asked = []
    with charger.dial() as socket:
        while len(asked) < 2:
            call = socket.next_call(timeout_s=8)
            asked.append((call[2], call[3].get("requestedMessage")))
            socket.reply(call, {"status": "Accepted"})
        with pytest.raises(TimeoutError):
            socket.next_call(timeout_s=2)

    assert sorted(asked) == [("TriggerMessage", "BootNotification"), ("TriggerMessage", "StatusNotification")]


def test_p042_first_status_messages_of_many_stations_all_get_a_result(live: Server, committed: None) -> None:
    alice = make_actor(make_organization())
    chargers = [Charger(live.ocpp_url, *make_station(alice), next_address()) for _ in range(40)]
    together = Barrier(len(chargers))

    def come_back(charger: Charger) -> dict[str, object]:
        with charger.dial() as socket:
            socket.boot()
            together.wait(30)
            status = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
            return socket.call("StatusNotification", status)

    with ThreadPoolExecutor(len(chargers)) as threads:
        assert list(threads.map(come_back, chargers)) == [{}] * len(chargers)


def test_p043_a_thousand_reconnects_leak_nothing(charger: Charger, live: Server) -> None:
    def cycle(times: int) -> None:
        for _ in range(times):
            assert charger.knock().status == 101

    def footprint() -> tuple[int, int]:
        process = Path(f"/proc/{live.process.pid}")
        pages = int((process / "statm").read_text().split()[1])
        return len(os.listdir(process / "fd")), pages * os.sysconf("SC_PAGE_SIZE")

    cycle(200)
    time.sleep(1)
    handles, memory = footprint()
    cycle(1000)

    eventually(lambda: footprint()[0] <= handles + 5, within_s=10)
    assert footprint()[1] < memory + 8 * 2**20
    eventually(lambda: not presence(charger).connected)
