"""A firmware rollout to a fleet by REST, with workers killed meanwhile (issue of security.md W-20, W-21; F-11).

`python -m benchmarks.rollout` takes 500 chargers of all versions, of which 3 % fail and 5 % are offline (half of
them come back), reboots some of them at random, has a second key approve, and kills workers 20 times; then a
second rollout of an image that too many cannot install shows that the stop rule stops it.
"""

import argparse
import contextlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import requests

from benchmarks import builds, harness
from benchmarks.builds import Build
from benchmarks.harness import ROOT, Place, Row
from portal.supervisor.portal import BEAT, WORKER

SLUG = "bench-rollout"
VENDOR, MODEL, NEW = "Nordlicht", "Wallbox Duo 22", "9.0.0"
VERSIONS = ("1.6", "2.0.1", "2.1")
CHARGERS, KILLS, WORKERS = 500, 20, 2
FAILING, OFFLINE = 0.03, 0.05
LATE_AFTER_S = 60.0
MISHAP_AFTER_S = 20.0
LIFE_S = (2.0, 12.0)
PATIENCE_S = 300
ALONE = 20
FINAL = {"installed", "failed", "unreachable", "skipped", "cancelled"}
FILE = random.Random(9).randbytes(65_536)
PLAN = {
    "waves": [{"count": 1}, {"percent": 5}, {"percent": 25}, {"percent": 69}],
    "soak_seconds": 3,
    "concurrency": 100,
    "retries": 1,
    "retry_seconds": 5,
    "silence_seconds": 45,
    "catch_up_seconds": 100,
    "failure_threshold": 25,
}


def run(place: Place, *, quick: bool) -> list[Row]:
    return measure(place, 30 if quick else CHARGERS, kills=2 if quick else KILLS)


def measure(place: Place, chargers: int, *, kills: int) -> list[Row]:
    """The whole rollout, checked against what the chargers themselves say of it; then the one that is stopped."""
    with builds.portal(place) as build:
        os.environ["FILES_URL"] = build.http_url
        crew = Crew(place, build, chargers, kills)
        with crew.at_work() as fleet:
            begin = time.monotonic()
            rollout = crew.roll_out(NEW, FILE, {"vendor": VENDOR})
            state = crew.finish(rollout)
            took = time.monotonic() - begin
            rows = crew.rows(rollout)
            stopped = _stopped(crew)
            told = fleet.report()
    if state != "done" or crew.killed != kills:
        raise SystemExit(f"It ended as {state}, and {crew.killed} of {kills} workers were killed.")
    _require_honest(rows, told, chargers)
    return [_row(rows, told, took, crew, chargers), stopped]


@dataclass
class Crew:
    """Two keys of the API, the workers and the beat, and who kills them."""

    place: Place
    build: Build
    chargers: int
    kills: int
    killed: int = 0
    processes: list["_Worker"] = field(default_factory=list)
    others: "list[subprocess.Popen[bytes]]" = field(default_factory=list)
    mishaps: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def at_work(self) -> Iterator["_Fleet"]:
        self._keys = _prepare()
        members = _members(self.chargers)
        self._start_beat()
        self.processes = [_Worker() for _ in range(WORKERS)]
        fleet = _Fleet(self.build, members)
        try:
            fleet.wait_until_online()
            yield fleet
        finally:
            fleet.end()
            for process in (*self.others, *(one.process for one in self.processes)):
                process.kill()
                process.wait()

    def roll_out(self, version: str, file: bytes, wanted: dict[str, Any], **plan: Any) -> str:
        """Draft it, start it with one key, approve it with the other: its id."""
        image = self._post(
            "firmware-images/",
            data={"version": version, "vendor": VENDOR},
            files={"file": (f"fleet-{version}.bin", io.BytesIO(file))},
        )
        rollout = self._post(
            "firmware-rollouts/", json={"image": image["id"], "filter": wanted, **PLAN, **plan}
        )
        path = f"firmware-rollouts/{rollout['id']}"
        started = self._post(f"{path}/start/")
        alone = len(self.rows(rollout["id"])) <= ALONE
        if (started["status"] == "running") != alone:
            raise SystemExit(f"One key was enough, or was not: {started['status']}.")
        if not alone:
            self._post(f"{path}/approve/", key=1)
        return str(rollout["id"])

    def finish(self, rollout: str) -> str:
        """Until it is over or paused, killing workers meanwhile: its last state."""
        begin = time.monotonic()
        deadline = begin + PATIENCE_S
        while (state := self.read(rollout)["status"]) == "running":
            if time.monotonic() > deadline:
                raise SystemExit(
                    f"The rollout did not end in {PATIENCE_S} s: {self.read(rollout)['progress']}."
                )
            time.sleep(0.25)
            self._suffer(time.monotonic() - begin)
            self.processes = [self._looked_at(one) for one in self.processes]
        return str(state)

    def read(self, rollout: str) -> dict[str, Any]:
        """The rollout; while a server is down it is asked again."""
        url = self._url(f"firmware-rollouts/{rollout}/")
        for _ in range(60):
            with contextlib.suppress(requests.RequestException):
                answer = requests.get(url, headers=self._headers(0), timeout=30)
                if answer.status_code < 500:
                    found: dict[str, Any] = self._said(answer)
                    return found
            time.sleep(1)
        raise SystemExit("The portal does not come back.")

    def _suffer(self, elapsed_s: float) -> None:
        """Once each, and in this order: the beat and the gateway are killed, the database is restarted."""
        acts = (("beat", self._lose_beat), ("gateway", self._lose_gateway), ("database", self._lose_database))
        done = len(self.mishaps)
        if self.kills and done < len(acts) and elapsed_s > MISHAP_AFTER_S * (done + 1):
            name, act = acts[done]
            act()
            self.mishaps.append(name)

    def _start_beat(self) -> None:
        self.others.append(_spawn([*BEAT, "--schedule", f"{os.environ['DATA_DIR']}/beat", "--pidfile="]))

    def _lose_beat(self) -> None:
        self.others[0].kill()
        self.others[0].wait()
        self._start_beat()

    def _lose_gateway(self) -> None:
        os.kill(self.build.pid, signal.SIGKILL)
        time.sleep(0.5)
        self.others.append(subprocess.Popen(builds.serving(self.build.port), cwd=ROOT))

    def _lose_database(self) -> None:
        from django.db import connections

        assert self.place.restart_postgres is not None
        self.place.restart_postgres()
        connections.close_all()

    def rows(self, rollout: str) -> list[dict[str, Any]]:
        """Where each station stands, with its identity."""
        from stations.models import ChargingStation

        names = {str(pk): name for pk, name in ChargingStation.objects.values_list("pk", "identity")}
        rows: list[dict[str, Any]] = []
        url = f"firmware-rollouts/{rollout}/stations/?limit=200"
        while url:
            page = self._get(url)
            rows += page["results"]
            url = (page["next"] or "").partition("/api/v1/")[2]
        return [{**row, "identity": names[row["station"]]} for row in rows]

    def _looked_at(self, worker: "_Worker") -> "_Worker":
        if self.killed < self.kills and worker.is_due():
            worker.process.kill()
            worker.process.wait()
            self.killed += 1
            return _Worker()
        return worker

    def _get(self, path: str) -> Any:
        return self._said(requests.get(self._url(path), headers=self._headers(0), timeout=30))

    def _post(self, path: str, *, key: int = 0, **body: Any) -> Any:
        return self._said(requests.post(self._url(path), headers=self._headers(key), timeout=60, **body))

    def _url(self, path: str) -> str:
        return f"{self.build.http_url}/api/v1/{path}"

    def _headers(self, key: int) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._keys[key]}"}

    def _said(self, answer: requests.Response) -> Any:
        if answer.status_code >= 400:
            raise SystemExit(
                f"{answer.request.method} {answer.url}: {answer.status_code} {answer.text[:300]}"
            )
        return answer.json()


class _Worker:
    """A Celery worker with its pool; one that is to be killed has some seconds of life."""

    def __init__(self) -> None:
        self.process = _spawn([*WORKER, f"--hostname=w{random.randrange(10**9)}@bench"])
        self.dies_at = time.monotonic() + random.uniform(*LIFE_S)

    def is_due(self) -> bool:
        return time.monotonic() > self.dies_at


class _Fleet:
    """The simulated chargers in a process of their own (`benchmarks.installing`)."""

    def __init__(self, build: Build, members: list[dict[str, Any]]) -> None:
        away = members[: int(len(members) * OFFLINE)]
        self.here = members[len(away) :]
        order = {
            "url": build.ocpp_url,
            "vendor": VENDOR,
            "model": MODEL,
            "members": self.here,
            "late": away[::2],
            "late_after_s": LATE_AFTER_S,
            "reboot_every_s": 3.0,
            "sha256": [sha256(FILE).hexdigest(), sha256(FILE + b"1").hexdigest()],
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.installing"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order))
        self.process.stdin.close()

    def wait_until_online(self) -> None:
        from stations.models import ChargingStation

        booted = ChargingStation.objects.filter(organization__slug=SLUG, presence__connected=True).exclude(
            firmware_version=""
        )
        deadline = time.monotonic() + 120
        while booted.count() < len(self.here):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise SystemExit(f"Only {booted.count()} of {len(self.here)} chargers are online.")
            time.sleep(0.5)

    def report(self) -> dict[str, Any]:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.stdout is not None
        told: dict[str, Any] = json.loads(self.process.stdout.read())
        return told

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def _prepare() -> list[str]:
    """The organization, and two keys that may update firmware."""
    from core import access
    from core.services import accounts, keys

    by = access.system("benchmark")
    organization = accounts.create_organization(SLUG, name="Rollout", by=by)
    accounts.add_member("rollout@example.org", organization, access.Role.ADMIN, by=by)
    scopes = ["firmware:read", "firmware:write"]
    return [keys.create(organization, name=f"key {n}", scopes=scopes, by=by)[1] for n in (1, 2)]


def _members(count: int) -> list[dict[str, Any]]:
    """Stations that are registered, in random order of what becomes of them."""
    from core.models import Membership
    from stations.models import ChargingStation
    from stations.services import access as site_access
    from stations.services import stations

    actor = site_access.actor_of_member(Membership.objects.get(organization__slug=SLUG))
    made = []
    for number in range(count):
        _, password = stations.create({"identity": f"ROLL-{number:04d}"}, by=actor)
        made.append(
            {
                "identity": f"ROLL-{number:04d}",
                "password": password,
                "version": VERSIONS[number % 3],
                "fails": number >= count - round(count * FAILING),
            }
        )
    ChargingStation.objects.filter(organization__slug=SLUG).update(vendor=VENDOR, model=MODEL)
    return made


def _spawn(command: list[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, *command], cwd=ROOT, stdout=subprocess.DEVNULL)


def _stopped(crew: Crew) -> Row:
    """A rollout of an image that the failing chargers are asked first to install: the rule pauses it."""
    from stations.models import ChargingStation

    every = list(ChargingStation.objects.filter(organization__slug=SLUG).order_by("identity"))
    chosen = [str(one.pk) for one in every[-round(crew.chargers * FAILING * 2) :]]
    rollout = crew.roll_out(
        "9.1.0",
        FILE + b"1",
        {"stations": chosen},
        waves=[{"percent": 67}, {"percent": 33}],
        retries=0,
        failure_threshold=10,
    )
    state = crew.finish(rollout)
    read = crew.read(rollout)
    later = [row["status"] for row in crew.rows(rollout) if row["wave"] == 2]
    if state != "paused" or read["paused_by"] != "rule" or set(later) - {"waiting"}:
        raise SystemExit(f"It was not stopped: {state}, {read['paused_by']}, {Counter(later)}.")
    return Row(
        "a rollout with more failures than allowed",
        f"paused by the rule, {len(later)} of {len(chosen)} stations never told",
        "the threshold stops it",
        read["detail"],
    )


def _require_honest(rows: list[dict[str, Any]], told: dict[str, Any], chargers: int) -> None:
    """What the portal says of each charger is what the charger says of itself."""
    wrong = [row for row in rows if row["status"] not in FINAL]
    for row in rows:
        runs = told["firmware"].get(row["identity"], "")
        installed = row["status"] == "installed"
        if installed != (runs in (NEW, "9.1.0")) and not (row["status"] != "installed" and runs == "9.1.0"):
            wrong.append({**row, "runs": runs})
    if len(rows) != chargers or wrong:
        raise SystemExit(f"{len(rows)} rows; not honest: {wrong[:5]}")
    if told["overlaps"]:
        raise SystemExit(f"{told['overlaps']} chargers got an update while another was running.")


def _row(rows: list[dict[str, Any]], told: dict[str, Any], took: float, crew: Crew, chargers: int) -> Row:
    states = Counter(row["status"] for row in rows)
    attempts = sum(row["attempts"] for row in rows)
    heard = sum(told["told"].get(row["identity"], 0) for row in rows)
    return Row(
        f"a rollout to {chargers} chargers, workers killed {crew.killed} times",
        f"{took:.0f} s: {dict(states.most_common())}",
        "within 5 minutes; one honest state each, no two updates at once",
        f"started by one key, approved by another; {attempts} attempts, {heard} UpdateFirmware arrived (those of the "
        f"stopped rollout included), 0 while another ran; files fetched from the portal, {told['wrong_bytes']} with "
        f"other bytes; {told['reboots']} reboots at random; killed or restarted as well: {', '.join(crew.mishaps)}",
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rollout", description=__doc__)
    parser.add_argument("--chargers", type=int, default=CHARGERS)
    parser.add_argument("--kills", type=int, default=KILLS)
    options = parser.parse_args()
    with harness.servers() as place:
        print(harness.machine(), harness.HEAD, sep="\n\n", flush=True)
        for row in measure(place, options.chargers, kills=options.kills):
            print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
