"""Children that are started again when they end, and stopped in an order."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from portal.embedded.process import FAMILY_SECONDS, descendants, see_off
from portal.supervisor.terminal import say

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 15.0
STEADY_S = 60.0  # who ran that long starts again without delay


@dataclass(slots=True)
class Service:
    """One supervised process. ``patience_s`` is what it has to end in before it is killed."""

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    patience_s: float
    stop_signal: signal.Signals = signal.SIGTERM
    child: subprocess.Popen[bytes] | None = None
    started_at: float = field(default=0.0)
    delay_s: float = field(default=FIRST_DELAY_S)
    due_at: float | None = None

    def launch(self) -> None:
        self.child = self.start()
        self.started_at = time.monotonic()
        self.due_at = None

    def watch(self) -> None:
        """Notice that it ended; start it again when its delay is over."""
        now = time.monotonic()
        if self.due_at is not None:
            if now >= self.due_at:
                self._try_again(now)
        elif self.child is not None and self.child.poll() is not None:
            self._plan_restart(self.child.returncode, now)

    @property
    def alive(self) -> bool:
        return self.child is not None and self.child.poll() is None

    @property
    def pid(self) -> int:
        return self.child.pid if self.child else 0

    def _try_again(self, now: float) -> None:
        try:
            self.launch()
        except OSError as error:  # no room, no processes: it may pass
            say(f"{self.name} cannot be started: {error}")
            self.due_at = now + LONGEST_DELAY_S

    def _plan_restart(self, code: int, now: float) -> None:
        if now - self.started_at >= STEADY_S:
            self.delay_s = FIRST_DELAY_S
        self.due_at = now + self.delay_s
        say(f"{self.name} ended ({describe(code)}); it starts again in {self.delay_s:g} s")
        self.delay_s = min(self.delay_s * 2, LONGEST_DELAY_S)


def stop_together(services: Iterable[Service], *, in_a_hurry: Callable[[], bool]) -> None:
    """Signal all of them, wait for the slowest, kill what outstays its patience (or a hurry)."""
    alive = [service for service in services if service.alive]
    family = [process for service in alive for process in descendants(service.pid)]
    for service in alive:
        _signal(service, service.stop_signal)
    began = time.monotonic()
    while alive := [service for service in alive if service.alive]:
        waited = time.monotonic() - began
        for service in alive:
            if waited > service.patience_s or in_a_hurry():
                _signal(service, signal.SIGKILL)
        time.sleep(0.05)
    see_off(family, 0 if in_a_hurry() else FAMILY_SECONDS)


def describe(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _signal(service: Service, number: signal.Signals) -> None:
    if service.child is not None:
        service.child.send_signal(number)
