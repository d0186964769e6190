"""The REST API: reads of one station, and events told to webhooks.

Reads: connections of a process of its own ask for a station's detail as fast as they are answered; what counts is the
CPU that the portal's process takes for each, since load and portal share the cores. Webhooks: events are committed at
once, Celery's worker and beat send them to local targets in another process, which counts every id.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from benchmarks import builds
from benchmarks.harness import ROOT, CpuMeter, MachineMeter, Place, Row, others_during

CONNECTIONS = 8
TARGETS = 3
EVENTS = 10_000


def run(place: Place, *, quick: bool) -> list[Row]:
    builds.make_stations(1, "API")
    with builds.portal(place) as build:
        reads = [_reads(place, build, 3 if quick else 10, tag) for tag in (False, True)]
    return [*reads, _fan_out(place, 500 if quick else EVENTS)]


def _reads(place: Place, build: builds.Build, seconds: int, known: bool) -> Row:
    """With ``known`` the reader has the answer already and asks whether it changed (304)."""
    address, secret = _station_and_key()
    meters = CpuMeter(build.pid), CpuMeter(place.postgres_pid, family=True)
    machine, begin = MachineMeter(), time.monotonic()
    told = _load(build, address, secret, seconds, known)
    elapsed = time.monotonic() - begin
    others = others_during(machine, elapsed)
    portal_s, postgres_s = (meter.seconds() for meter in meters)
    count = told["count"]
    return Row(
        f"API reads of a station's detail per core-second{', unchanged (304)' if known else ''}",
        f"{count / portal_s:.0f}",
        ">= 500",
        f"{count / told['seconds']:.0f} a second by {CONNECTIONS} connections for {told['seconds']:.0f} s; portal "
        f"{portal_s / count * 1e3:.2f} ms and PostgreSQL {postgres_s / count * 1e3:.2f} ms of CPU per read; p50 / p99 "
        f"{told['p50'] * 1e3:.0f} / {told['p99'] * 1e3:.0f} ms; others {others:.0%}",
    )


def _station_and_key() -> tuple[str, str]:
    from core import access
    from core.services import keys
    from stations.models import ChargingStation

    station = ChargingStation.objects.select_related("organization").get(identity="API-00000")
    _, secret = keys.create(
        station.organization, name="reader", scopes=["stations:read"], by=access.system("benchmark")
    )
    return f"/api/v1/stations/{station.pk}/", secret


def _load(build: builds.Build, address: str, secret: str, seconds: int, known: bool) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.asking", str(build.port), address, str(seconds)]
    settings = {"secret": secret, "connections": CONNECTIONS, "known": known}
    done = subprocess.run(
        command, cwd=ROOT, input=json.dumps(settings), text=True, check=True, stdout=subprocess.PIPE
    )
    told: dict[str, float] = json.loads(done.stdout)
    return told


# -- webhooks -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Came:
    """How long after the commit the last one came, and per target how many ids and how many requests."""

    seconds: float
    counts: dict[str, list[int]]


def _fan_out(place: Place, events: int) -> Row:
    port = builds.free_port()
    os.environ["EGRESS_ALLOW"] = f"127.0.0.1:{port}"
    organization = _webhooks(port)
    receiver = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.receiving", str(port), str(events * TARGETS)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert receiver.stdout is not None
    receiver.stdout.readline()
    machine, began = MachineMeter(), time.monotonic()
    with _worker():
        committed = _commit(organization, events)
        told = json.loads(receiver.stdout.readline() or "{}")
        others = others_during(machine, time.monotonic() - began)
    receiver.wait(30)
    came = Came(told["ended"] - committed, told["came"])
    whole = len(came.counts) == TARGETS and all(pair == [events, events] for pair in came.counts.values())
    listed = ", ".join(f"{ids} ids in {requests} requests" for ids, requests in came.counts.values())
    return Row(
        f"{events:,} events to {TARGETS} webhooks, from their commit to the last one's arrival",
        f"{came.seconds:.0f} s, {'none lost or doubled' if whole else 'NOT WHOLE'}",
        "<= 120 s for 10,000, no id lost or doubled",
        f"{events * TARGETS / came.seconds:.0f} a second; {listed}; others {others:.0%}",
    )


def _webhooks(port: int) -> UUID:
    from django.conf import settings

    from core.models import Membership
    from core.services import webhooks
    from stations.services import access

    settings.EGRESS_ALLOW = (f"127.0.0.1:{port}",)
    member = Membership.objects.select_related("organization").get(organization__slug="bench-api")
    actor = access.actor_of_member(member)
    for number in range(TARGETS):
        webhooks.create({"url": f"http://127.0.0.1:{port}/{number}", "types": ["webhook.disabled"]}, by=actor)
    return member.organization_id


def _commit(organization: UUID, events: int) -> float:
    """All of them in one transaction; the time of its commit."""
    from core.ids import uuid7
    from core.models import OutboxRow

    rows = (
        OutboxRow(
            type="webhook.disabled",
            organization_id=organization,
            object_id=uuid7(),
            data={
                "webhook": str(uuid7()),
                "name": f"Number {number}",
                "failure": "It is only a measurement.",
            },
        )
        for number in range(events)
    )
    OutboxRow.objects.bulk_create(rows, batch_size=2000)
    return time.time()


@contextlib.contextmanager
def _worker() -> Iterator[None]:
    """The worker with its beat, as `up` runs them, in one command."""
    with tempfile.TemporaryDirectory() as place:
        command = [
            sys.executable, "-m", "celery", "-A", "portal.celery", "worker", "--beat", "--concurrency", "2",
            "--loglevel", "WARNING", "--schedule", str(Path(place) / "beat"),
        ]  # fmt: skip
        process = subprocess.Popen(command, cwd=ROOT)
        try:
            time.sleep(5)
            yield
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(40)
            process.kill()
