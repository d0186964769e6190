"""Prometheus' figures: those of this process, or of all that share one port, each under its name.

Who asks a shared port meets one process by chance. So each of them leaves its figures in a directory of the
machine every few seconds, and whoever is asked tells the others' beside its own.
"""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_LATEST
EVERY_S = 5.0
FRESH_S = 20.0
FORGOTTEN_S = 3600.0
SUFFIX = ".prom"

logger = logging.getLogger(__name__)
_shared: "Shared | None" = None


class Shared(Collector):
    """The figures of all processes that leave theirs in the directory, labelled ``gateway``."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._name = name
        self._file = directory / f"{quote(name, safe='')}{SUFFIX}"
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def leave(self) -> None:
        """Write this process's figures for the others. Raises :class:`OSError`."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._directory / f".{os.getpid()}"
        draft.write_bytes(generate_latest())
        draft.replace(self._file)
        self._forget()

    def _forget(self) -> None:
        """A process that was killed could not take its figures away."""
        for path in self._directory.iterdir():
            with contextlib.suppress(FileNotFoundError):  # somebody else was faster
                if time.time() - path.stat().st_mtime > FORGOTTEN_S:
                    path.unlink()

    def withdraw(self) -> None:
        """A process that ends is no longer told of."""
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def describe(self) -> list[Metric]:
        return []  # known when asked

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for name, text in self._texts():
            for one in text_string_to_metric_families(text):
                family = families.setdefault(one.name, Metric(one.name, one.documentation, one.type))
                family.samples += [
                    sample._replace(labels={**sample.labels, "gateway": name}) for sample in one.samples
                ]
        yield from families.values()

    def _texts(self) -> Iterator[tuple[str, str]]:
        yield self._name, generate_latest().decode()
        for path in sorted(self._directory.glob(f"*{SUFFIX}")):
            with contextlib.suppress(OSError):  # it has just ended
                if path != self._file and time.time() - path.stat().st_mtime < FRESH_S:
                    yield unquote(path.stem), path.read_text()


def share(directory: Path, name: str) -> None:
    """From now on tell of all processes of the directory, this one as ``name``."""
    global _shared
    _shared = Shared(directory, name)
    threading.Thread(target=_keep_leaving, args=[_shared], name="figures", daemon=True).start()


def stop_sharing() -> None:
    global _shared
    if _shared is not None:
        _shared.withdraw()
    _shared = None


def text() -> bytes:
    """What ``/metrics`` answers."""
    return _shared.text() if _shared else generate_latest()


def _keep_leaving(shared: Shared) -> None:
    while _shared is shared:
        try:
            shared.leave()
        except Exception:  # whatever a figure's reader stumbles over: the next time may go well
            logger.warning("figures.not_shared", exc_info=True)
        time.sleep(EVERY_S)
