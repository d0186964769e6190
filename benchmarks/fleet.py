"""A thousand simulated chargers with a session each on one gateway, and the dashboard meanwhile."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import requests

from benchmarks import builds
from benchmarks.builds import Build
from benchmarks.harness import ROOT, CpuMeter, MachineMeter, Place, Row, median, percentile

SLUG = "bench-fleet"
PASSWORD = "a password for the fleet benchmark"
SAMPLE_S = 10


SETTLE_S = 15


@dataclass(frozen=True)
class Span:
    """What the processes used and did in one span of time."""

    gateway: float
    postgres: float
    others: float
    received_per_s: float


def run(place: Place, *, quick: bool) -> list[Row]:
    """Connect all, wait until each charges, watch them alone, then look at pages for a while."""
    count = 40 if quick else 1000
    prepare(SLUG)
    with builds.portal(place) as build, _chargers(build, count):
        connected_s, charging = _wait_for_sessions(count, 60.0 if quick else 180.0)
        time.sleep(1 if quick else SETTLE_S)
        alone = _span(place, build, lambda: time.sleep(3 if quick else 30))
        times: dict[str, list[float]] = {}
        watched = _span(place, build, lambda: times.update(_look_at_pages(build, 3 if quick else 60)))
        refused = _refusals()
    return [
        _row_of_chargers(count, connected_s, charging, alone, refused),
        _row_of_pages(times, watched),
    ]


def _span(place: Place, build: Build, work: Callable[[], None]) -> Span:
    gateway, postgres = CpuMeter(build.pid), CpuMeter(place.postgres_pid, family=True)
    own, machine = CpuMeter(os.getpid(), family=True), MachineMeter()
    begin, since = time.monotonic(), datetime.now(UTC)
    work()
    elapsed, until = time.monotonic() - begin, datetime.now(UTC)
    return Span(
        gateway.seconds() / elapsed,
        postgres.seconds() / elapsed,
        max(0.0, machine.seconds() - own.seconds()) / elapsed,
        _received(since, until) / elapsed,
    )


def prepare(slug: str) -> None:
    """An organization with one member, who may sign in without a second factor."""
    from core import access
    from core.services import accounts

    by = access.system("benchmark")
    organization = accounts.create_organization(slug, name="Fleet", by=by, demo=True)
    membership, _ = accounts.add_member(f"{slug}@example.org", organization, access.Role.ADMIN, by=by)
    membership.user.set_password(PASSWORD)
    membership.user.save()


@contextlib.contextmanager
def _chargers(build: Build, count: int) -> Iterator[None]:
    command = [sys.executable, "manage.py", "simulate", "--url", build.ocpp_url, "--count", str(count)]
    command += ["--version", "mixed", "--create", "--organization", SLUG, "--identity", "FLEET"]
    command += ["--sample", str(SAMPLE_S), "--scenario", "charge"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.wait()


def _wait_for_sessions(count: int, patience_s: float) -> tuple[float, int]:
    """Seconds from the first to the last connection, and how many stations charge in the end."""
    from stations.models import Presence, Transaction

    connected = Presence.objects.filter(connected=True, station__organization__slug=SLUG)
    active = Transaction.objects.filter(status="active", organization__slug=SLUG)
    charging = active.order_by().values("station_id").distinct()
    deadline = time.monotonic() + patience_s
    while connected.count() < count or charging.count() < count:
        if time.monotonic() > deadline:
            break
        time.sleep(0.5)
    times = sorted(filter(None, connected.values_list("connected_since", flat=True)))
    return (times[-1] - times[0]).total_seconds(), charging.count()


def _received(since: datetime, until: datetime) -> int:
    from stations.models import RawFrame

    time.sleep(1)  # the log is written twice a second
    return RawFrame.objects.filter(direction="in", at__gte=since, at__lt=until).count()


def _refusals() -> dict[str, int]:
    """The errors that the portal answered with, by their code."""
    from stations.models import RawFrame

    texts = RawFrame.objects.filter(direction="out", type=4).values_list("text", flat=True)
    return dict(Counter(json.loads(text)[2] for text in texts))


def _look_at_pages(build: Build, rounds: int) -> dict[str, list[float]]:
    session = sign_in(build)
    base = f"{build.http_url}/o/{SLUG}/"
    station = re.search(
        rf"/o/{SLUG}/stations/([0-9a-f-]{{36}})/", session.get(f"{base}stations/", timeout=30).text
    )
    if station is None:
        raise SystemExit("The station list names no station.")
    pages = {"overview": base, "station list": f"{base}stations/", "station": f"{base}stations/{station[1]}/",
             "sessions": f"{base}sessions/"}  # fmt: skip
    times: dict[str, list[float]] = {name: [] for name in pages}
    for _ in range(rounds):
        for name, url in pages.items():
            begin = time.perf_counter()
            answer = session.get(url, timeout=30)
            times[name].append(time.perf_counter() - begin)
            if answer.status_code != 200 or "login" in answer.url:
                raise SystemExit(f"{url} answered {answer.status_code}.")
    return times


def sign_in(build: Build, slug: str = SLUG) -> requests.Session:
    session = requests.Session()
    url = f"{build.http_url}/accounts/login/"
    session.get(url, timeout=30)
    form = {
        "login": f"{slug}@example.org",
        "password": PASSWORD,
        "csrfmiddlewaretoken": session.cookies["csrftoken"],
    }
    answer = session.post(url, data=form, headers={"Referer": url}, timeout=30)
    if "sessionid" not in session.cookies:
        raise SystemExit(f"The sign-in was refused: {answer.status_code}.")
    return session


def _row_of_chargers(
    count: int, connected_s: float, charging: int, alone: Span, refused: dict[str, int]
) -> Row:
    return Row(
        f"{count} chargers on one gateway",
        f"{charging} with a running session, {sum(refused.values())} errors",
        f"{count}, no InternalError",
        f"all connected within {connected_s:.0f} s; a reading every {SAMPLE_S} s each, {alone.received_per_s:.0f} "
        f"messages/s; gateway {alone.gateway:.0%} of a core, PostgreSQL {alone.postgres:.0%}, "
        f"processes of others {alone.others:.0%}; answered with errors: {refused or 'none'}",
    )


def _row_of_pages(times: dict[str, list[float]], span: Span) -> Row:
    worst = max(percentile(each, 0.95) for each in times.values())
    detail = ", ".join(
        f"{name} {median(each) * 1000:.0f} / {percentile(each, 0.95) * 1000:.0f}"
        for name, each in times.items()
    )
    return Row(
        "dashboard meanwhile, 95th percentile of the slowest page",
        f"{worst * 1000:.0f} ms",
        "< 300 ms",
        f"one viewer without a pause; p50 / p95 in ms: {detail}; gateway {span.gateway:.0%} of a core, "
        f"PostgreSQL {span.postgres:.0%}, processes of others {span.others:.0%}",
    )
