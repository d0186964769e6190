"""Identifiers."""

import os
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def uuid7() -> UUID:
    """A UUID version 7 (RFC 9562 section 5.7): sortable by the millisecond it was made in."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def uuid7_of(instant: datetime, number: int) -> UUID:
    """The UUID version 7 of a row that is known by its instant and a number of its own: always the same one.

    Rows of one millisecond are in the order of their numbers, which have at most 62 bits.
    """
    milliseconds = (instant - EPOCH) // timedelta(milliseconds=1)
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | 0x2 << 62 | number & (1 << 62) - 1
    return UUID(int=value)
