"""Threads that do jobs in order, and tidy up after themselves when there is nothing to do."""

import atexit
import threading
from collections.abc import Callable
from queue import Empty, Full, SimpleQueue

Job = Callable[[], None]

LAST_JOBS_S = 20.0
WAITING_MAX = 20_000


class Workers:
    """At most ``size`` threads, begun as they are needed. Jobs must not raise.

    A thread without a job for ``rest_after_s`` calls ``rest`` once and waits on; ``None`` means never. At the
    end of the process jobs that have begun are waited for, within bounds.
    """

    def __init__(
        self,
        name: str,
        size: int,
        *,
        rest_after_s: float | None,
        rest: Job,
        waiting_max: int = WAITING_MAX,
    ) -> None:
        self._name = name
        self._size = size
        self._waiting_max = waiting_max
        self._rest_after_s = rest_after_s
        self._rest = rest
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0
        self._threads: list[threading.Thread] = []
        self._closed = False
        atexit.register(self._finish)

    def submit(self, job: Job) -> None:
        """Raises ``queue.Full`` where too many wait, and ``RuntimeError`` once they are closed."""
        with self._lock:
            if self._closed:
                raise RuntimeError(f"{self._name} takes no more jobs.")
            if self._jobs.qsize() >= self._waiting_max:
                raise Full(f"{self._waiting_max} jobs wait for {self._name}.")
            self._jobs.put(job)
            if self._idle:
                self._idle -= 1
            elif len(self._threads) < self._size:
                self._begin_thread()

    def close(self) -> None:
        """Take no more jobs and drop those that wait; what has begun is finished."""
        with self._lock:
            self._closed = True
            for _ in self._threads:
                self._jobs.put(None)
        atexit.unregister(self._finish)

    def _begin_thread(self) -> None:
        name = f"{self._name}_{len(self._threads)}"
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            if not self._closed:
                job()
            del job
            with self._lock:
                self._idle += 1
        self._rest()

    def _next(self) -> Job | None:
        if self._rest_after_s is None:
            return self._jobs.get()
        try:
            return self._jobs.get(timeout=self._rest_after_s)
        except Empty:
            self._rest()
            return self._jobs.get()

    def _finish(self) -> None:
        self.close()
        for thread in self._threads:
            thread.join(LAST_JOBS_S / self._size)
