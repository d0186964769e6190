"""Lengthy tasks never take the last process of a worker: what has to be on time finds one free.

A lengthy task that finds all places of its kind taken ends at once; the timetable asks for it again. A place is a
locked file, so that it is free again however its process ended.
"""

import contextlib
import fcntl
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from celery import Task
from celery.signals import worker_init

from portal.schedule import PROMPT


class Places:
    """How many lengthy tasks may run at once in this worker: all its processes but one, and one at least."""

    def __init__(self) -> None:
        self._paths: list[Path] = []

    def prepare(self, concurrency: int) -> None:
        """Before the processes of the pool are forked."""
        self._directory = tempfile.TemporaryDirectory(prefix="chargeyard-worker-")
        self._paths = [Path(self._directory.name) / str(number) for number in range(max(1, concurrency - 1))]

    @contextlib.contextmanager
    def one(self) -> Iterator[bool]:
        """Whether a place was free; it is ours until the end. Outside of a worker there is always one."""
        with contextlib.ExitStack() as stack:
            yield not self._paths or any(self._take(path, stack) for path in self._paths)

    @staticmethod
    def _take(path: Path, stack: contextlib.ExitStack) -> bool:
        file = stack.enter_context(path.open("w"))
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


places = Places()


class Fair(Task):  # type: ignore[misc]  # celery ships no types
    """A task that leaves a process to those that have to be on time."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it, or leave it to the next turn."""
        if self.name in PROMPT:
            return super().__call__(*args, **kwargs)
        with places.one() as is_free:
            return super().__call__(*args, **kwargs) if is_free else None


@worker_init.connect
def prepare(sender: Any, **_: object) -> None:
    """Places for lengthy tasks, as many as this worker has processes beside one."""
    places.prepare(int(sender.concurrency))
