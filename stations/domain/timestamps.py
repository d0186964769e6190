"""Times as stations write them, made usable (ocpp.md P109 to P111)."""

import re
from datetime import UTC, datetime, timedelta

from core.clock import is_plausible
from core.errors import Invalid
from stations.domain.events import Stamp
from stations.domain.words import Flag

SENT_MAX = 40
REPAIRED = "unreadable_time"
_LEAP_SECOND = re.compile(r":60(?=[.,Zz+\-]|$)")
_YEAR_ZERO = re.compile(r"0{4}-\d\d-\d\d[Tt ]\d\d:\d\d")


class UnreadableTime(Invalid):
    """A text that is no date-time; doors answer with their code for a wrong type."""


def stamp(text: object, received_at: datetime, *, field: str = "timestamp") -> Stamp:
    """The instant a station wrote, kept as sent beside it.

    Accepted are ``Z``, an offset, neither (read as UTC and flagged), up to nine digits of a fraction and
    lower-case letters. A time before 2010 or more than 24 h ahead is replaced by ``received_at`` and
    flagged. Raises :class:`UnreadableTime`.
    """
    sent = text if isinstance(text, str) else str(text)
    found, zoned = _read(sent, field)
    flags = () if zoned else (Flag.TIME_WITHOUT_ZONE.value,)
    if found is None or not is_plausible(found, received_at):
        return Stamp(
            occurred_at=received_at,
            received_at=received_at,
            as_sent=sent[:SENT_MAX],
            flags=(*flags, Flag.CLOCK_IMPLAUSIBLE.value),
        )
    return Stamp(occurred_at=found, received_at=received_at, as_sent=sent[:SENT_MAX], flags=flags)


def stamp_or_receipt(
    text: object, received_at: datetime, *, lenient: bool, field: str = "timestamp"
) -> Stamp:
    """Like :func:`stamp` for a field that is no key field: absent means the receipt time.

    A text that cannot be read is replaced by the receipt time for a lenient station and marked as a repair;
    for others :class:`UnreadableTime` is raised.
    """
    if text is None or text == "":
        return Stamp(occurred_at=received_at, received_at=received_at)
    try:
        return stamp(text, received_at, field=field)
    except UnreadableTime:
        if not lenient:
            raise
    return Stamp(
        occurred_at=received_at, received_at=received_at, as_sent=str(text)[:SENT_MAX], flags=(REPAIRED,)
    )


def instant(text: object, *, field: str = "timestamp") -> datetime | None:
    """An instant that may lie far ahead, such as a departure or the end of a validity; ``None`` where absent.

    Raises :class:`UnreadableTime`.
    """
    if text is None or text == "":
        return None
    return _read(str(text), field)[0]


def _read(text: str, field: str) -> tuple[datetime | None, bool]:
    """The instant in UTC and whether it had a zone; no instant for the year 0, which a dead clock sends."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return _read_unusual(text.strip(), field)
    return _in_utc(found)


def _read_unusual(text: str, field: str) -> tuple[datetime | None, bool]:
    if _YEAR_ZERO.match(text):
        return None, True
    plain, leap_seconds = _LEAP_SECOND.subn(":59", text.upper(), count=1)
    try:
        found, zoned = _in_utc(datetime.fromisoformat(plain))
    except ValueError:
        raise UnreadableTime(f"{field} is no date-time.", field=field) from None
    return (found + timedelta(seconds=leap_seconds) if found else None), zoned


def _in_utc(found: datetime) -> tuple[datetime | None, bool]:
    if found.tzinfo is None:
        return found.replace(tzinfo=UTC), False
    try:
        return found.astimezone(UTC), True
    except OverflowError:
        return None, True
