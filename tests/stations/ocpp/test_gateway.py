"""Gateways and their epochs: who owns a station when processes die, come back or lose the database."""

import os
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from core import bus, clock
from core.access import Actor
from stations import live as live_messages
from stations.domain.intents import ResetStation
from stations.models import Command, Connection, Gateway, Presence
from stations.ocpp.limits import Failures, TokenBuckets
from stations.ocpp.readiness import Readiness
from stations.services import commands
from tests.factories import make_station
from tests.proxy import Proxy, database_behind_proxy
from tests.running import Server, launch, start_server, wait_until_alive
from tests.stations.ocpp.knocking import Charger, next_address
from tests.stations.ocpp.test_life_cycle import close_code, presence
from tests.waiting import eventually


def test_m08_a_socket_whose_epoch_was_taken_elsewhere_is_closed(charger: Charger) -> None:
    with charger.dial() as socket:
        row = presence(charger)
        Presence.objects.filter(pk=row.pk).update(epoch=row.epoch + 1, gateway="elsewhere")
        Gateway.objects.update_or_create(
            id="elsewhere", defaults={"started_at": clock.now(), "seen_at": clock.now()}
        )

        assert close_code(socket) == 1008
    Gateway.objects.filter(id="elsewhere").delete()


def test_m08_a_gateway_that_was_silent_takes_its_stations_back(charger: Charger, alice: Actor) -> None:
    with charger.dial() as socket:
        Presence.objects.filter(station=charger.station).update(connected=False, gateway="")

        eventually(lambda: presence(charger).connected)
        commands.issue(charger.station, ResetStation(kind="on_idle"), by=alice)
        assert socket.next_call()[2] == "Reset"


def test_the_stations_of_a_dead_gateway_become_free(charger: Charger) -> None:
    with charger.dial() as socket:
        socket.boot()
    eventually(lambda: not presence(charger).connected)
    long_ago = clock.now() - timedelta(seconds=30)
    Gateway.objects.create(id="ghost", started_at=long_ago, seen_at=long_ago)
    Presence.objects.filter(station=charger.station).update(connected=True, gateway="ghost")

    eventually(lambda: not presence(charger).connected, within_s=8)


def test_a_killed_process_is_taken_over_by_its_successor(charger: Charger, live: Server) -> None:
    with start_server(gateway_id="phoenix") as first:
        charger.url = first.ocpp_url
        socket = charger.dial()
        first.kill()
        assert presence(charger).connected

        successor = launch(first.port, "phoenix")
        try:
            wait_until_alive(successor)
            eventually(lambda: not presence(charger).connected)
            history = Connection.objects.get(station=charger.station)
            assert (history.outcome, history.reason) == ("closed", "gateway_lost")
            with charger.dial() as again:
                assert "currentTime" in again.call("Heartbeat", {})
        finally:
            successor.stop()
    socket.socket.close()


@pytest.mark.timeout(90)
def test_f23_the_stations_of_a_killed_process_are_freed_in_time_though_it_never_comes_back(
    live: Server, charger: Charger
) -> None:
    with start_server(gateway_id="mortal") as mortal:
        charger.url = mortal.ocpp_url
        socket = charger.dial()
        time.sleep(2.5)  # it has just said that it lives
        mortal.kill()
        assert presence(charger).connected

        eventually(lambda: not presence(charger).connected, within_s=25, what="the station is free")
    socket.socket.close()
    history = Connection.objects.get(station=charger.station)
    assert (history.outcome, history.reason) == ("closed", "gateway_lost")
    charger.url = live.ocpp_url
    with charger.dial() as again:
        assert "currentTime" in again.call("Heartbeat", {})


def test_a_stopped_process_leaves_no_station_online(charger: Charger) -> None:
    with start_server(gateway_id="leaving") as server:
        charger.url = server.ocpp_url
        socket = charger.dial()
        server.stop()

    assert close_code(socket) == 1012
    assert not presence(charger).connected
    assert not Gateway.objects.filter(id="leaving").exists()
    history = Connection.objects.get(station=charger.station)
    assert (history.outcome, history.reason, history.close_code) == ("closed", "restart", 1012)


def test_a_command_that_waited_is_brought_after_the_reconnect(charger: Charger, alice: Actor) -> None:
    reset = ResetStation(kind="on_idle")
    command = commands.issue(charger.station, reset, by=alice, if_offline="wait")
    assert command.status == "pending"

    with charger.dial() as socket:
        call = socket.next_call(timeout_s=5)
        socket.reply(call, {"status": "Accepted"})
        eventually(lambda: Command.objects.get(pk=command.pk).status == "accepted")


def test_watchers_are_told_when_a_station_comes_and_goes(charger: Charger) -> None:
    topic = live_messages.topic_of(charger.station.organization_id)
    with bus._client().pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe(topic)
        with charger.dial():
            assert _told(listener, charger)
        assert _told(listener, charger)


def _told(listener: object, charger: Charger) -> bool:
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        message = listener.get_message(timeout=0.2)  # type: ignore[attr-defined]
        if message and str(charger.station.pk).encode() in message["data"]:
            return True
    return False


# -- without the database ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cut_off(django_db_setup: None) -> Iterator[tuple[Server, Proxy]]:
    """A portal whose way to the database can be shut."""
    with (
        database_behind_proxy(os.environ["DATABASE_URL"]) as (proxy, url),
        start_server(DATABASE_URL=url, OCPP_UNREADY_AFTER="4") as server,
    ):
        yield server, proxy


def test_m10_without_the_database_upgrades_get_503_and_sockets_1013_until_it_is_back(
    cut_off: tuple[Server, Proxy], alice: Actor, address: str
) -> None:
    server, proxy = cut_off
    charger = Charger(server.ocpp_url, *make_station(alice), address)
    with charger.dial() as socket:
        assert "currentTime" in socket.call("Heartbeat", {})
        proxy.hang()
        eventually(lambda: _status(charger) == 503, within_s=25)
        reply = charger.knock(address=next_address())
        assert 30 <= int(reply.header("Retry-After") or 0) <= 120
        assert close_code(socket, within_s=45) == 1013

    proxy.restore()
    eventually(lambda: _status(charger) == 101, within_s=20)
    with charger.dial() as socket:
        assert "currentTime" in socket.call("Heartbeat", {})


def _status(charger: Charger) -> int | None:
    """What an upgrade is answered with; nothing while the handshake hangs with the database."""
    try:
        return charger.knock(address=next_address()).status
    except TimeoutError:
        return None


def test_f05_after_a_restart_of_the_database_the_next_station_is_served(
    cut_off: tuple[Server, Proxy], alice: Actor, address: str
) -> None:
    server, proxy = cut_off
    charger = Charger(server.ocpp_url, *make_station(alice), address)
    assert charger.knock().status == 101

    proxy.cut()

    assert charger.knock().status == 101


def test_m10_readiness_is_lost_after_thirty_seconds_and_returns_with_three_good_probes() -> None:
    readiness = Readiness()
    lost = [readiness.record(good=False, now_s=second) for second in range(0, 40, 2)]
    assert lost.index(True) == 15
    assert lost.count(True) == 1
    assert not readiness.ready

    for _ in range(2):
        readiness.record(good=True, now_s=41)
        assert not readiness.ready
    readiness.record(good=True, now_s=45)
    assert readiness.ready
    assert not readiness.away


def test_m10_a_short_outage_does_not_cost_readiness() -> None:
    readiness = Readiness()
    for second in range(3):
        readiness.record(good=False, now_s=second)
    assert readiness.away
    readiness.record(good=True, now_s=4)
    assert readiness.ready
    assert not readiness.away


# -- limits ---------------------------------------------------------------------------------------------------


def test_l03_upgrades_of_an_address_are_counted_with_a_burst() -> None:
    now = [0.0]
    buckets = TokenBuckets(rate_per_s=20, burst=40, clock=lambda: now[0])

    assert [buckets.take("a") for _ in range(41)] == [True] * 40 + [False]
    assert buckets.take("b")
    now[0] = 1.0
    assert [buckets.take("a") for _ in range(21)] == [True] * 20 + [False]


def test_l02_refused_tries_are_forgotten_after_a_minute() -> None:
    now = [0.0]
    failures = Failures(allowed=20, clock=lambda: now[0])
    for _ in range(20):
        failures.add("a")

    assert failures.wait_s("a") == 60
    assert failures.wait_s("b") == 0
    now[0] = 60.0
    assert failures.wait_s("a") == 0


def test_limits_keep_a_bounded_number_of_callers() -> None:
    failures = Failures(allowed=1)
    for number in range(25_000):
        failures.add(number)

    assert len(failures._windows) == 20_000
