"""`up --gateways 2`: one port, two processes, one truth of who is connected where (M-08, F-23, F-27)."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from websockets.exceptions import ConnectionClosed

from core.access import Actor
from core.models import Organization
from portal import runtime
from stations.models import ChargingStation, Connection, Gateway, Presence, RawFrame
from tests.factories import make_actor, make_key, make_organization, make_station
from tests.own_database import in_use
from tests.portal.up import Up, until
from tests.stations.ocpp.knocking import Charger, next_address
from tests.waiting import eventually
from tests.wire.client import WireStation

CHARGERS = 12
TOKEN = "a token of the gateways"
FREE_WITHIN_S = 25
KEYS = "t1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


class Fleet:
    """Two gateways, chargers that dialled the one port, and who holds whom."""

    def __init__(self, up: Up) -> None:
        self.up = up
        self.owner: Actor = make_actor(make_organization())
        self.key = make_key(Organization.objects.get(pk=self.owner.organization_id))
        self.sockets: dict[ChargingStation, WireStation] = {}

    def dial(self) -> ChargingStation:
        station, password = make_station(self.owner)
        url = f"ws://127.0.0.1:{self.up.port}/ocpp"
        socket = Charger(url, station, password, next_address()).dial("2.0.1")
        assert socket.boot()["status"] == "Accepted"
        self.sockets[station] = socket
        return station

    def holders(self) -> dict[ChargingStation, str]:
        rows = Presence.objects.filter(station__in=self.sockets, connected=True).select_related("station")
        return {row.station: row.gateway for row in rows}

    def process(self, gateway: str) -> psutil.Process | None:
        return self.up.part(f"--gateway-id {gateway}")

    def reset(self, station: ChargingStation) -> dict[str, Any]:
        """By the API, at whichever process takes this connection."""
        answer = requests.post(
            f"http://127.0.0.1:{self.up.port}/api/v1/stations/{station.pk}/commands/",
            json={"command": "reset", "kind": "on_idle"},
            headers={"Authorization": f"Bearer {self.key}", "Prefer": "wait=10"},
            timeout=20,
        )
        told: dict[str, Any] = answer.json()
        return told

    def command(self, station: ChargingStation) -> dict[str, Any]:
        """A reset that the station accepts; what the API told in the end."""
        told: list[dict[str, Any]] = []
        asking = threading.Thread(target=lambda: told.append(self.reset(station)))
        asking.start()
        socket = self.sockets[station]
        socket.reply(socket.next_call(), {"status": "Accepted"})
        asking.join(20)
        return told[0]


@pytest.fixture(scope="module")
def fleet(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    data_dir: Path = tmp_path_factory.mktemp("gateways") / "data"
    up = Up(data_dir, "--gateways", "2", DATA_KEYS=KEYS, METRICS_TOKEN=TOKEN)
    try:
        up.wait_ready()
        lines = (data_dir / runtime.RUNTIME_FILE).read_text().splitlines()
        [url] = [line.partition("=")[2].strip("'\"") for line in lines if line.startswith("DATABASE_URL=")]
        with django_db_blocker.unblock(), in_use(url):
            fleet = Fleet(up)
            for _ in range(CHARGERS):
                fleet.dial()
            yield fleet
    finally:
        up.stop()


def test_both_processes_hold_chargers_of_the_one_port_under_names_of_their_own(fleet: Fleet) -> None:
    while len(set(fleet.holders().values())) < 2 and len(fleet.sockets) < 5 * CHARGERS:
        fleet.dial()  # the kernel hands them out at random

    held = Counter(fleet.holders().values())

    assert len(held) == 2
    assert sum(held.values()) == len(fleet.sockets)
    assert {one.id for one in Gateway.objects.all()} == set(held)
    assert all(fleet.process(name) for name in held)
    assert all(name.endswith((f":{fleet.up.port}:1", f":{fleet.up.port}:2")) for name in held)


def test_whichever_process_is_asked_tells_the_figures_of_both(fleet: Fleet) -> None:
    held = {name: float(count) for name, count in Counter(fleet.holders().values()).items()}

    def told() -> dict[str, float]:
        answer = requests.get(
            f"http://127.0.0.1:{fleet.up.port}/metrics",
            headers={"Authorization": f"Bearer {TOKEN}", "Connection": "close"},
            timeout=5,
        )
        families = list(text_string_to_metric_families(answer.text))
        assert len({one.name for one in families}) == len(families)
        return {
            sample.labels["gateway"]: sample.value
            for one in families
            for sample in one.samples
            if sample.name == "ocpp_connections"
        }

    assert eventually(lambda: [told() for _ in range(6)] == [held] * 6, within_s=20)


def test_figures_of_a_process_that_was_killed_long_ago_are_taken_away(fleet: Fleet) -> None:
    left = fleet.up.data_dir / "figures" / "killed.prom"
    left.write_text("")
    os.utime(left, (time.time() - 7200,) * 2)

    eventually(lambda: not left.exists(), within_s=15)


def test_p272_a_command_taken_by_either_process_reaches_the_station_wherever_it_is(fleet: Fleet) -> None:
    for station in list(fleet.sockets)[:8]:
        assert fleet.command(station)["status"] == "accepted"
        calls = RawFrame.objects.filter(station=station, direction="out", action="Reset")
        assert eventually(calls.count) == 1


@pytest.mark.timeout(150)
def test_f23_of_a_killed_process_the_stations_are_freed_and_it_is_started_again(fleet: Fleet) -> None:
    holders = fleet.holders()
    victim = next(iter(holders.values()))
    lost = [station for station, name in holders.items() if name == victim]
    kept = [station for station, name in holders.items() if name != victim]
    epochs = dict(Presence.objects.filter(station__in=lost).values_list("station_id", "epoch"))
    process = fleet.process(victim)
    assert process is not None

    os.kill(process.pid, signal.SIGKILL)
    began = time.monotonic()

    freed = Presence.objects.filter(station__in=lost, connected=False)
    eventually(lambda: freed.count() == len(lost), within_s=FREE_WITHIN_S)
    assert until(lambda: (found := fleet.process(victim)) and found.pid != process.pid, 30)
    ended = Connection.objects.filter(station__in=lost)
    assert {(one.outcome, one.reason) for one in ended} == {("closed", "gateway_lost")}
    for station in kept:
        assert "currentTime" in fleet.sockets[station].call("Heartbeat", {})
    for station in lost:
        with pytest.raises(ConnectionClosed):
            fleet.sockets[station].call("Heartbeat", {})
        del fleet.sockets[station]

    assert until(lambda: _held_by(fleet, victim), 40), "the new process takes no station"
    assert fleet.command(_held_by(fleet, victim)[0])["status"] == "accepted"
    assert all(Presence.objects.get(station_id=key).epoch == epoch for key, epoch in epochs.items())
    assert time.monotonic() - began < 60


def _held_by(fleet: Fleet, gateway: str) -> list[ChargingStation]:
    """The stations of that process, after one more has dialled."""
    fleet.dial()
    return [station for station, name in fleet.holders().items() if name == gateway]
