"""The programs of the guides for integrators, run as they stand against a real portal and a charger."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from core import clock
from core.access import Actor
from core.models import Organization
from core.services import deliveries, outbox, webhooks
from stations.models import ChargingStation, Command, Presence, Transaction
from tests import factories
from tests.running import ROOT, Server, free_port
from tests.waiting import eventually

EXAMPLES = ROOT / "docs" / "api" / "examples"
TOKEN = "04A2B3C4D5E6F7"


@pytest.fixture
def owner(live: Server) -> Actor:
    return factories.make_actor(factories.make_organization())


@pytest.fixture
def way_in(live: Server, owner: Actor) -> dict[str, str]:
    key = factories.make_key(Organization.objects.get(pk=owner.organization_id))
    return {**os.environ, "PORTAL": live.http_url, "KEY": key}


@pytest.fixture
def charger(live: Server, owner: Actor) -> Iterator[ChargingStation]:
    """A charger that waits for somebody to start it."""
    station, password = factories.make_station(owner)
    factories.make_token(owner, TOKEN)
    words = ["--identity", station.identity, "--password", password, "--scenario", "idle"]
    command = [sys.executable, "manage.py", "simulate", "--url", live.ocpp_url, *words]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: Presence.objects.filter(pk=station.pk, connected=True).exists(), within_s=20)
        eventually(lambda: station.evses.exists(), within_s=20)
        yield station
    finally:
        process.terminate()
        process.wait(15)


def example(name: str, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / name), *words]
    return subprocess.run(command, env=settings, text=True, capture_output=True, timeout=60, check=False)


def test_the_kiosk_starts_a_session_and_stops_it_and_the_same_order_starts_no_second(
    charger: ChargingStation, way_in: dict[str, str]
) -> None:
    code = charger.evses.get().code
    done = example("kiosk.py", code, TOKEN, "order-1", **way_in, SECONDS="2")
    session = Transaction.objects.get(station=charger)

    assert done.stdout.splitlines()[0] == f"charging: {session.pk}", done.stderr
    assert done.stdout.splitlines()[1].startswith("ended: "), done.stderr
    again = example("kiosk.py", code, TOKEN, "order-1", **way_in, SECONDS="2")
    assert again.stdout.splitlines()[0] == f"charging: {session.pk}", again.stderr
    assert Transaction.objects.filter(station=charger).count() == 1
    starts = Command.objects.filter(station=charger, command="request_start_transaction")
    assert starts.count() == 1


def test_the_kiosk_tells_what_the_api_said(live: Server, way_in: dict[str, str]) -> None:
    done = example("kiosk.py", "NOSUCH", TOKEN, "order-1", **{**way_in, "KEY": "cy_wrong"})

    assert done.returncode == 1
    assert "(401, request " in done.stderr


def test_the_mirror_copies_everything_and_then_what_changed(
    live: Server, owner: Actor, way_in: dict[str, str], tmp_path: Path
) -> None:
    station, _ = factories.make_station(owner)
    first = session_at(station)
    path = str(tmp_path / "warehouse.db")
    mirror(path, way_in)
    assert rows(path) == {str(first.pk): "active"}

    second = session_at(station)
    Transaction.objects.filter(pk=first.pk).update(status="ended", ended_at=first.started_at)
    outbox.relay(patiently=True)
    mirror(path, way_in)

    assert rows(path) == {str(first.pk): "ended", str(second.pk): "active"}


def test_a_mirror_that_was_away_too_long_copies_anew(
    live: Server, owner: Actor, way_in: dict[str, str], tmp_path: Path
) -> None:
    session = session_at(factories.make_station(owner)[0])
    path = str(tmp_path / "warehouse.db")
    mirror(path, way_in)
    with sqlite3.connect(path) as warehouse:
        warehouse.execute("DELETE FROM sessions")
        warehouse.execute("UPDATE place SET sequence = 999999999")  # one that does not exist yet: 410 as well
    mirror(path, way_in)

    assert rows(path) == {str(session.pk): "active"}


def session_at(station: ChargingStation) -> Transaction:
    now = clock.now()
    return Transaction.objects.create(
        organization=station.organization,
        site=station.site,
        station=station,
        reference=factories.unique("ref"),
        token_value=TOKEN,
        started_at=now,
        last_event_at=now,
        event_count=1,
    )


def mirror(path: str, way_in: dict[str, str]) -> None:
    done = example("mirror.py", path, "--once", **way_in)
    assert done.returncode == 0, done.stderr


def rows(path: str) -> dict[str, str]:
    with sqlite3.connect(path) as warehouse:
        return dict(warehouse.execute("SELECT id, status FROM sessions"))


@contextmanager
def receiving(port: int, secret: str, place: Path) -> Iterator["subprocess.Popen[str]"]:
    environment = {**os.environ, "SECRET": secret, "LEDGER": str(place / "webhooks.db")}
    command = [sys.executable, str(EXAMPLES / "receiver.py"), str(port)]
    process = subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        eventually(lambda: listens(port), within_s=10)
        yield process
    finally:
        process.terminate()
        process.wait(10)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_receiver_takes_what_is_genuine_once_and_nothing_else(
    committed: None, settings: Any, tmp_path: Path
) -> None:
    owner = factories.make_actor(factories.make_organization())
    port = free_port()
    settings.EGRESS_ALLOW = (f"127.0.0.1:{port}",)
    target = f"http://127.0.0.1:{port}/"
    hook, secret = webhooks.create({"url": target, "types": ["station.created"]}, by=owner)
    with receiving(port, secret, tmp_path) as process:
        station, _ = factories.make_station(owner)
        outbox.relay(patiently=True)
        eventually(lambda: deliveries.run() and hook.deliveries.filter(status="delivered").exists())
        delivery = hook.deliveries.get()
        webhooks.redeliver(delivery, by=owner)
        deliveries.run()
        forged = requests.post(target, data=b"{}", headers=forgery(), timeout=10)
        assert process.stdout is not None
        told = process.stdout.readline()

    sequence, kind, data = told.split(" ", 2)
    assert (int(sequence), kind) == (delivery.event_id, "station.created")
    assert json.loads(data)["station"] == str(station.pk)
    assert forged.status_code == 401
    with sqlite3.connect(tmp_path / "webhooks.db") as ledger:
        assert ledger.execute("SELECT count(*) FROM events").fetchone() == (1,)
    assert delivery.attempts.count() == 2


def forgery() -> dict[str, str]:
    return {
        "webhook-id": "1",
        "webhook-timestamp": str(int(time.time())),
        "webhook-signature": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    }
