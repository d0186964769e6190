"""The files that stations fetch and send, in Django's storage ``files`` under names that we make ourselves.

What is scarce: the disk. Nothing is stored beyond its cap, and what belongs to no row any more is found by
:func:`forget_strays`. A name that somebody else chose is text to be shown, never part of a path.
"""

import errno
import hashlib
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.core.files import File
from django.core.files.storage import Storage, storages

from core.errors import Conflict, Invalid, NoRoom

PIECE_BYTES = 65_536
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+()-]{0,254}")
STRAY_AFTER = timedelta(hours=24)
TRUSTED_FOR = timedelta(seconds=60)
TRUSTED_MOST = 256


class TooLarge(Invalid):
    """More than the cap; what was stored of it is gone again."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__(f"The file is larger than {most_bytes} bytes, which is the most.", field="file")


@dataclass(frozen=True, slots=True)
class Kept:
    """A stored file: its name in the storage and what was measured as it came."""

    name: str
    size_bytes: int
    sha256: str
    md5: str


class _Measured(File):  # type: ignore[type-arg]
    """Reads once from the beginning to the end, and counts and hashes what is read."""

    def __init__(self, source: Any, most_bytes: int) -> None:
        super().__init__(source, name="")
        self.source = source
        self.most_bytes = most_bytes
        self.size_bytes = 0
        self.sha256, self.md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)

    def read(self, size: int = -1) -> bytes:
        piece: bytes = self.source.read(size if size and size > 0 else PIECE_BYTES)
        self.size_bytes += len(piece)
        if self.size_bytes > self.most_bytes:
            raise TooLarge(self.most_bytes)
        self.sha256.update(piece)
        self.md5.update(piece)
        return piece

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        while piece := self.read(PIECE_BYTES):
            yield piece

    def seekable(self) -> bool:
        return False

    def seek(self, offset: int, whence: int = 0) -> int:
        """Storages go to the beginning before they read, where this stands anyway."""
        if self.size_bytes or offset or whence:
            raise OSError("This file is read once.")
        return 0


def keep(source: Any, folder: str, *, most_bytes: int) -> Kept:
    """Store what ``source.read(n)`` gives. Raises :class:`TooLarge`, :class:`Invalid` for nothing, :class:`NoRoom`."""
    place, wanted = _storage(), f"{folder}/{uuid4().hex}"
    measured = _Measured(source, most_bytes)
    try:
        name = place.save(wanted, measured)
        if not measured.size_bytes:
            raise Invalid("The file is empty.", field="file")
    except OSError as error:
        place.delete(wanted)
        if error.errno in FULL:
            raise NoRoom from error
        raise
    except Invalid:
        place.delete(wanted)
        raise
    return Kept(name, measured.size_bytes, measured.sha256.hexdigest(), measured.md5.hexdigest())


def checked_name(text: str, *, most: int = 255, field: str = "name") -> str:
    """A file's name that is safe to be shown, sent in headers and saved under. Raises :class:`Invalid`."""
    if len(text) > most or not NAME.fullmatch(text) or ".." in text:
        raise Invalid(
            f"A file name has 1 to {most} letters, digits, blanks and “._+()-”, and begins with a letter or digit.",
            field=field,
        )
    return text


def delete(name: str) -> None:
    """Forget the bytes; it does not matter whether they are there."""
    if name:
        _storage().delete(name)


def pieces(name: str, start: int, length: int) -> Iterator[bytes]:
    """``length`` bytes from ``start`` on, a piece at a time. Raises :class:`Conflict` where they are not there."""
    with _opened(name) as file:
        file.seek(start)
        while length > 0:
            piece = file.read(min(PIECE_BYTES, length))
            if not piece:
                raise Conflict("The stored file is shorter than it was.")
            length -= len(piece)
            yield piece


def is_unchanged(name: str, size_bytes: int, sha256: str, now: datetime) -> bool:
    """Whether the stored bytes have that hash. Believed for a minute while size and times stay as they are."""
    try:
        mark = _mark(name)
    except FileNotFoundError:
        return False
    if mark[0] != size_bytes:
        return False
    if not _seen.fresh((name, sha256, *mark), now):
        with _opened(name) as file:
            found = hashlib.sha256()
            while piece := file.read(PIECE_BYTES):
                found.update(piece)
        if found.hexdigest() != sha256:
            return False
        _seen.note((name, sha256, *mark), now)
    return True


def forget_strays(folder: str, known: Callable[[Collection[str]], Collection[str]], now: datetime) -> int:
    """Delete files of the folder that no row names a day after they came: a process ended before its commit."""
    place = _storage()
    try:
        names = [f"{folder}/{name}" for name in place.listdir(folder)[1]]
    except FileNotFoundError:
        return 0
    strays = set(names) - set(known(names))
    old = [name for name in strays if _came_before(place, name, now - STRAY_AFTER)]
    for name in old:
        place.delete(name)
    return len(old)


class _Seen:
    """What was hashed lately in this process, the oldest forgotten."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at: OrderedDict[tuple[Any, ...], datetime] = OrderedDict()

    def fresh(self, key: tuple[Any, ...], now: datetime) -> bool:
        with self._lock:
            at = self._at.get(key)
        return at is not None and at <= now < at + TRUSTED_FOR

    def note(self, key: tuple[Any, ...], now: datetime) -> None:
        with self._lock:
            self._at.pop(key, None)
            self._at[key] = now
            if len(self._at) > TRUSTED_MOST:
                self._at.popitem(last=False)


_seen = _Seen()


def _storage() -> Storage:
    return storages["files"]


def _opened(name: str) -> Any:
    try:
        return _storage().open(name, "rb")
    except FileNotFoundError as error:
        raise Conflict("The stored file is missing.") from error


def _mark(name: str) -> tuple[Any, ...]:
    """Size first, then whatever changes when the bytes do."""
    place = _storage()
    size = place.size(name)
    try:
        found = os.stat(place.path(name))
    except NotImplementedError:
        return size, place.get_modified_time(name)
    return size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _came_before(place: Storage, name: str, instant: datetime) -> bool:
    try:
        return place.get_modified_time(name) < instant
    except FileNotFoundError:
        return False
