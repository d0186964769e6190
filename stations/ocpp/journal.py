"""Refusals and take-overs on their way to the database: written in batches, so that a flood of callers
costs a few statements a second and no memory beyond a fixed amount (security.md L-02)."""

import itertools
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from stations.ocpp import metrics
from stations.ocpp.threads import AWAY, DatabaseThreads
from stations.services import refusals
from stations.services.refusals import Refusal, TakeOver

logger = logging.getLogger(__name__)

Entry = TypeVar("Entry", Refusal, TakeOver)

MAX_WAITING = 1000
BATCH = 200
REPEAT_SECONDS = 60.0
REMEMBERED = 5000


class Journal:
    """Bounded; the oldest entries give way and are counted."""

    def __init__(self, threads: DatabaseThreads) -> None:
        self._threads = threads
        self._refusals: deque[Refusal] = deque()
        self._take_overs: deque[TakeOver] = deque()
        self._seen: OrderedDict[tuple[str, str, str], float] = OrderedDict()

    def refused(self, refusal: Refusal) -> None:
        if refusal.status == 429 and self._repeated(refusal):
            return
        self._refusals.append(refusal)
        self._bound(self._refusals)

    def taken_over(self, take_over: TakeOver) -> None:
        self._take_overs.append(take_over)
        self._bound(self._take_overs)

    async def flush(self) -> None:
        """Write what waits, in batches; what cannot be written now stays."""
        await self._store(self._refusals, refusals.store)
        await self._store(self._take_overs, refusals.store_take_overs)

    async def _store(self, waiting: deque[Entry], store: Callable[[Sequence[Entry]], None]) -> None:
        while waiting:
            batch = list(itertools.islice(waiting, BATCH))
            try:
                await self._threads.run(store, batch)
            except AWAY as error:
                logger.warning("journal.waiting", extra={"cause": type(error).__name__})
                return
            for entry in batch:
                if waiting and waiting[0] is entry:
                    waiting.popleft()

    def _bound(self, waiting: deque[Entry]) -> None:
        if len(waiting) > MAX_WAITING:
            waiting.popleft()
            metrics.count_event("refusals_dropped")

    def _repeated(self, refusal: Refusal) -> bool:
        """Whether the same caller was written down as too many within this minute."""
        key = (refusal.identity, refusal.address, refusal.reason)
        now_s = refusal.at.timestamp()
        if now_s - self._seen.get(key, 0.0) < REPEAT_SECONDS:
            return True
        self._seen[key] = now_s
        self._seen.move_to_end(key)
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return False
