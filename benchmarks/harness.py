"""What every measurement needs: servers of its own, the CPU they use, a table."""

import contextlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from benchmarks.builds import Build
    from portal.embedded.postgres import EmbeddedPostgres

HEAD = "| figure | measured | goal | how |\n|---|---|---|---|"
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Row:
    """One line of the table: what was measured, the figure, the goal, and how the figure came about."""

    what: str
    figure: str
    goal: str
    note: str = ""

    def __str__(self) -> str:
        return f"| {self.what} | {self.figure} | {self.goal} | {self.note} |"


@dataclass
class Place:
    """The servers of one run; both builds use the same PostgreSQL."""

    postgres_pid: int
    owner_url: str
    yardstick_url: str
    directory: Path
    shared: "Build | None" = None
    restart_postgres: "Callable[[], None] | None" = None


@contextlib.contextmanager
def servers() -> Iterator[Place]:
    """A durable PostgreSQL and Valkey in a directory of their own, migrated; Django is set up on them."""
    from portal.embedded.postgres import EmbeddedPostgres
    from portal.embedded.valkey import EmbeddedValkey

    directory = Path(tempfile.mkdtemp(prefix="chargeyard-bench-"))
    postgres, valkey = EmbeddedPostgres(directory), EmbeddedValkey(directory)
    try:
        postgres.start()
        valkey.start()
        postgres.prepare_database("straightforward")
        _set_environment(directory, postgres, valkey)
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "-v", "0", "--skip-checks"], cwd=ROOT, check=True
        )
        import django

        django.setup()
        assert postgres.child is not None
        place = Place(
            postgres.child.pid, postgres.url("owner"), postgres.url("owner", "straightforward"), directory
        )
        place.restart_postgres = lambda: _restart(postgres, place)
        yield place
    finally:
        _close_connections()
        valkey.stop()
        postgres.stop()
        shutil.rmtree(directory, ignore_errors=True)


def _restart(postgres: "EmbeddedPostgres", place: Place) -> None:
    """As an administrator restarts it: who is connected loses the connection."""
    postgres.stop()
    postgres.start()
    assert postgres.child is not None
    place.postgres_pid = postgres.child.pid


def _set_environment(directory: Path, postgres: object, valkey: object) -> None:
    os.environ.update(
        DATA_DIR=str(directory),
        DATABASE_URL=postgres.url("app"),  # type: ignore[attr-defined]
        DATABASE_OWNER_URL=postgres.url("owner"),  # type: ignore[attr-defined]
        VALKEY_URL=valkey.url(),  # type: ignore[attr-defined]
        DJANGO_SETTINGS_MODULE="portal.settings.test",
        OCPP_UPGRADE_RATE_PER_SECOND="100000",
        OCPP_UPGRADE_BURST="100000",
        OCPP_SETTLE_SECONDS="3600",
        API_RATE_PER_SECOND="100000",
        API_RATE_BURST="100000",
        LOG_LEVEL="WARNING",
    )


def _close_connections() -> None:
    from django.db import connections

    for connection in connections.all(initialized_only=True):
        connection.close()
        if pool := getattr(connection, "pool", None):
            pool.close()


class CpuMeter:
    """CPU seconds that a process used; with ``family`` those of its children too."""

    def __init__(self, pid: int, *, family: bool = False) -> None:
        self.process = psutil.Process(pid)
        self.family = family
        self.begin = self._now()

    def seconds(self) -> float:
        return self._now() - self.begin

    def _now(self) -> float:
        members = [self.process, *(self.process.children(recursive=True) if self.family else ())]
        total = 0.0
        for member in members:
            with contextlib.suppress(psutil.NoSuchProcess):
                times = member.cpu_times()
                total += times.user + times.system
        return total


class MachineMeter:
    """CPU seconds that all processes of the machine used."""

    def __init__(self) -> None:
        self.family_s = CpuMeter(os.getpid(), family=True).begin
        self.begin = self._now()

    def seconds(self) -> float:
        return self._now() - self.begin

    def _now(self) -> float:
        times = psutil.cpu_times()
        return float(times.user + times.nice + times.system + times.irq + times.softirq)


def others_during(machine: MachineMeter, elapsed_s: float) -> float:
    """The share of a core that processes took which are none of this run's, since the meter was made."""
    family = CpuMeter(os.getpid(), family=True)
    return max(0.0, machine.seconds() - (family.begin - machine.family_s)) / elapsed_s


def machine() -> str:
    """The machine in one line, without names."""
    memory = psutil.virtual_memory().total / 2**30
    return f"{psutil.cpu_count()} cores ({platform.machine()}), {memory:.0f} GiB, Python {platform.python_version()}"


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def percentile(values: list[float], share: float) -> float:
    """The value below which that share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
