"""Figures of this process for ``/metrics``. Counted in plain dictionaries, made into samples when asked."""

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate

from prometheus_client import Histogram
from prometheus_client.core import (
    REGISTRY,
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from stations.domain.words import Version
from stations.ocpp.schemas import is_known

BATCH_SIZE = Histogram(
    "ocpp_batch_facts", "Messages in one commit", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
)
COMMAND_SECONDS = Histogram(
    "ocpp_command_seconds",
    "From the moment a gateway takes a command to its outcome in the database",
    ["outcome"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60),
)

COMMIT_BOUNDS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 20.0)

_messages: Counter[tuple[str, str]] = Counter()
_events: Counter[str] = Counter()
_connections = 0
_commits = [0] * (len(COMMIT_BOUNDS_S) + 1)
_commits_s = 0.0
_commits_lock = threading.Lock()
_gauges: dict[str, Callable[[], float]] = {}


def count(action: str, verdict: str) -> None:
    """One frame from a station."""
    _messages[action if _is_known(action) else "other", verdict] += 1


def count_event(name: str, by: int = 1) -> None:
    """Something rare: ``log_rows_dropped``, ``throttled``, ``batch_retried`` ..."""
    _events[name] += by


def count_connection(by: int) -> None:
    """A socket began (1) or ended (-1) to be served."""
    global _connections
    _connections += by


def count_commit(waited_s: Sequence[float]) -> None:
    """How long each fact of a batch waited from its arrival to its commit; called by both writing threads."""
    global _commits_s
    with _commits_lock:
        for one in waited_s:
            _commits[bisect_left(COMMIT_BOUNDS_S, one)] += 1
        _commits_s += sum(waited_s)


def watch(name: str, read: Callable[[], float]) -> None:
    """Offer a gauge that is read when somebody looks."""
    _gauges[name] = read


class _Door(Collector):
    def collect(self) -> Iterator[Metric]:
        yield _commit_seconds()
        messages = CounterMetricFamily("ocpp_messages", "Frames from stations", labels=["action", "verdict"])
        for (action, verdict), number in list(_messages.items()):
            messages.add_metric([action, verdict], number)
        yield messages
        events = CounterMetricFamily("ocpp_events", "Rare things at the chargers' door", labels=["event"])
        for name, number in list(_events.items()):
            events.add_metric([name], number)
        yield events
        for name, read in list(_gauges.items()):
            yield GaugeMetricFamily(f"ocpp_{name}", name.replace("_", " "), value=read())


def _commit_seconds() -> HistogramMetricFamily:
    bounds = [*map(str, COMMIT_BOUNDS_S), "+Inf"]
    return HistogramMetricFamily(
        "ocpp_commit_seconds",
        "From the arrival of a fact to its commit",
        buckets=list(zip(bounds, accumulate(_commits), strict=True)),
        sum_value=_commits_s,
    )


@lru_cache(maxsize=1024)
def _is_known(action: str) -> bool:
    return any(is_known(version, action) for version in Version)


watch("connections", lambda: _connections)
REGISTRY.register(_Door())
