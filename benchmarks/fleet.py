"""A thousand simulated chargers with a session each on one gateway, and the dashboard meanwhile."""

import contextlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import requests

from benchmarks import builds
from benchmarks.builds import Build
from benchmarks.harness import ROOT, CpuMeter, Place, Row, median, percentile

SLUG = "bench-fleet"
EMAIL = "fleet@example.org"
PASSWORD = "a password for the fleet benchmark"
SAMPLE_S = 10


def run(place: Place, *, quick: bool) -> list[Row]:
    """Connect all, wait for their sessions, then look at pages for a while."""
    count = 200 if quick else 1000
    _prepare()
    with builds.portal() as build, _chargers(build, count):
        connected_s, charging = _wait_for_sessions(count, 240.0)
        gateway, postgres = CpuMeter(build.pid), CpuMeter(place.postgres_pid, family=True)
        begin = time.monotonic()
        pages = _look_at_pages(build, 10 if quick else 40)
        elapsed = time.monotonic() - begin
        load = gateway.seconds() / elapsed, postgres.seconds() / elapsed
    return _rows(count, connected_s, charging, pages, load)


def _prepare() -> None:
    from core import access
    from core.services import accounts

    by = access.system("benchmark")
    organization = accounts.create_organization(SLUG, name="Fleet", by=by, demo=True)
    membership, _ = accounts.add_member(EMAIL, organization, access.Role.ADMIN, by=by)
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
    """Seconds from the first to the last connection, and how many charge when most of them do."""
    from stations.models import Presence, Transaction

    connected = Presence.objects.filter(connected=True, station__organization__slug=SLUG)
    active = Transaction.objects.filter(status="active", organization__slug=SLUG)
    deadline = time.monotonic() + patience_s
    while connected.count() < count or active.count() < count * 0.9:
        if time.monotonic() > deadline:
            raise SystemExit(
                f"Only {connected.count()} connected and {active.count()} charging after {patience_s} s."
            )
        time.sleep(0.5)
    times = sorted(connected.values_list("connected_since", flat=True))
    return (times[-1] - times[0]).total_seconds(), active.count()


def _look_at_pages(build: Build, rounds: int) -> dict[str, list[float]]:
    session = _sign_in(build)
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


def _sign_in(build: Build) -> requests.Session:
    session = requests.Session()
    url = f"{build.http_url}/accounts/login/"
    session.get(url, timeout=30)
    form = {"login": EMAIL, "password": PASSWORD, "csrfmiddlewaretoken": session.cookies["csrftoken"]}
    answer = session.post(url, data=form, headers={"Referer": url}, timeout=30)
    if "sessionid" not in session.cookies:
        raise SystemExit(f"The sign-in was refused: {answer.status_code}.")
    return session


def _rows(
    count: int, connected_s: float, charging: int, pages: dict[str, list[float]], load: tuple[float, float]
) -> list[Row]:
    everything = [seconds for times in pages.values() for seconds in times]
    detail = ", ".join(f"{name} {median(times) * 1000:.0f}" for name, times in pages.items())
    return [
        Row(
            f"{count} chargers on one gateway",
            f"{charging} charging",
            f"{count} connected, each with a session",
            f"all connected within {connected_s:.0f} s; a reading every {SAMPLE_S} s each; "
            f"gateway {load[0]:.0%} of a core, PostgreSQL {load[1]:.0%}, simulator on the same two cores",
        ),
        Row(
            "dashboard meanwhile, 95th percentile",
            f"{percentile(everything, 0.95) * 1000:.0f} ms",
            "< 300 ms",
            f"medians in ms: {detail}",
        ),
    ]
