"""A file on its way from a data connection to `stations.services.log_files`, as it comes, without a copy on the disk.

Two threads: the connection's writes into a pipe, the other one stores what it reads there. The pipe is the bound.
"""

import logging
import os
import select
import threading
import time
from collections.abc import Mapping

from django.db import connections

from core.errors import Conflict, DomainError, Invalid, NoRoom, NotFound
from stations.services import files, log_files

SILENT_S = 90.0
LASTS_S = log_files.CLAIM_LASTS.total_seconds() - 60  # over before another process may claim the target
ANSWER: Mapping[type[DomainError], int] = {
    files.TooLarge: 552,
    NoRoom: 452,
    NotFound: 550,
    Conflict: 550,
    Invalid: 553,
}
logger = logging.getLogger(__name__)


class Upload:
    """``reply`` is what the station is told once it is over; ``name`` and ``closed`` are those of a file."""

    def __init__(self, token: str, name: str) -> None:
        self.name = name
        self.reply = ""
        self._token = token
        self._whole = False
        self._ends_at = time.monotonic() + LASTS_S
        self._from, self._to = os.pipe()
        self._closed = False
        self._begun, self._over = threading.Event(), threading.Event()
        self._storing = threading.Thread(target=self._store, name="ftp upload", daemon=True)

    def start(self) -> bool:
        """Whether the target takes a file now; else ``reply`` tells why not."""
        self._storing.start()
        self._begun.wait()
        if self._over.is_set():
            self.close()
        return not self.closed

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def over(self) -> bool:
        """Whether nothing more is read: it was refused on its way."""
        return self._over.is_set()

    def write(self, piece: bytes) -> None:
        """Waits where the storage is slower than the station."""
        left = memoryview(piece)
        try:
            while left:
                left = left[os.write(self._to, left) :]
        except BrokenPipeError:
            self._over.wait()

    def finish(self) -> None:
        """That was all of it; returns when it is stored and committed, or refused."""
        self._whole = True
        self.close()

    def close(self) -> None:
        """Without :meth:`finish` the file counts as cut off."""
        if not self._closed:
            self._closed = True
            os.close(self._to)
            self._storing.join()

    def read(self, size: int) -> bytes:
        """For the storing thread. Raises :class:`OSError` for a file that was cut off or takes too long."""
        self._begun.set()
        patience_s = min(SILENT_S, self._ends_at - time.monotonic())
        if patience_s <= 0 or not select.select([self._from], [], [], patience_s)[0]:
            raise TimeoutError
        piece = os.read(self._from, size)
        if not piece and not self._whole:
            raise ConnectionAbortedError
        return piece

    def _store(self) -> None:
        try:
            log_files.receive(self._token, self.name, self)
            self.reply = "226 The file was received."
        except DomainError as error:
            self.reply = refusal(error)
        except OSError as error:
            logger.info("upload by FTP broke off", extra={"why": type(error).__name__})
            self.reply = "426 The upload broke off."
        except Exception:
            logger.exception("upload by FTP failed")
            self.reply = "451 Internal error."
        finally:
            connections.close_all()
            os.close(self._from)
            self._over.set()
            self._begun.set()


def refusal(error: DomainError) -> str:
    """The reply for it, one line."""
    code = next((code for kind, code in ANSWER.items() if isinstance(error, kind)), 550)
    return f"{code} {error.message}"
