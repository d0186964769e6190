"""Which part of a file is asked for (RFC 9110 section 14): one range of bytes, or all of it."""

import re
from dataclasses import dataclass

ONE = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*")


class Unsatisfiable(Exception):
    """The range begins beyond the end of the file (416)."""


@dataclass(frozen=True, slots=True)
class Part:
    """``length`` bytes from ``start`` on. ``whole``: not a part but everything (200 instead of 206)."""

    start: int
    length: int
    whole: bool

    def told(self, size: int) -> str:
        """The ``Content-Range``."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{size}"


def part_of(header: str, size: int) -> Part:
    """What a ``Range`` header wants of ``size`` bytes.

    Whatever is no range of bytes, or several of them, means the whole file. Raises :class:`Unsatisfiable`.
    """
    whole = Part(0, size, True)
    found = ONE.fullmatch(header)
    if found is None or not (found[1] or found[2]):
        return whole
    if not found[1]:
        length = min(int(found[2]), size)
        if not length:
            raise Unsatisfiable
        return Part(size - length, length, False)
    start = int(found[1])
    last = int(found[2]) if found[2] else size - 1
    if found[2] and last < start:
        return whole
    if start >= size:
        raise Unsatisfiable
    return Part(start, min(last, size - 1) - start + 1, False)
