"""The clock on the wall at the site: when a tariff's local restrictions can begin or end (T-21, T-22)."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from core.errors import Invalid
from tariffs.structure import MIDNIGHT, Restrictions

_SEARCH_STEP = timedelta(hours=6)


def find_zone(name: str) -> ZoneInfo:
    """The IANA time zone of that name; raises :class:`Invalid` for what is none."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise Invalid(
            f"“{name}” is not a time zone; give a name such as Europe/Berlin.", field="time_zone"
        ) from error


def boundaries(
    restrictions: Iterable[Restrictions], zone: ZoneInfo, start: datetime, end: datetime
) -> list[datetime]:
    """Every instant between start and end at which a local restriction can begin or stop to match."""
    local = [one for one in restrictions if one.is_local]
    if not local or start >= end:
        return []
    found = set(_jumps(zone, start, end))
    times = _times_of_day(local)
    for day in _days(start.astimezone(zone).date(), end.astimezone(zone).date()):
        found.update(instant for at in times for instant in _instants(day, at, zone))
    return sorted(instant for instant in found if start < instant < end)


def in_window(local: datetime, window: tuple[time, time]) -> bool:
    """Whether the wall clock is inside a daily window, which may wrap over midnight."""
    start, end = window
    now = local.time()
    if start < end:
        return start <= now < end
    return start == end or now >= start or now < end


def _times_of_day(restrictions: Iterable[Restrictions]) -> set[time]:
    times = {MIDNIGHT}
    for one in restrictions:
        times.update(one.window)
    return times


def _days(first: date, last: date) -> Iterator[date]:
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)


def _instants(day: date, at: time, zone: ZoneInfo) -> Iterator[datetime]:
    """When the wall clock shows that time: once, twice in autumn, never in the gap of spring."""
    for fold in (0, 1):
        wall = datetime.combine(day, at, zone).replace(fold=fold)
        instant = wall.astimezone(UTC)
        if instant.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
            yield instant


def _jumps(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[datetime]:
    """When the wall clock jumps between start and end."""
    before = start.astimezone(UTC)
    end = end.astimezone(UTC)
    while before < end:
        after = min(before + _SEARCH_STEP, end)
        if _offset(before, zone) != _offset(after, zone):
            yield _jump_between(before, after, zone)
        before = after


def _jump_between(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The first whole second with the offset of ``after``."""
    low, high = int(before.timestamp()), int(after.timestamp())
    new = _offset(after, zone)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(datetime.fromtimestamp(middle, UTC), zone) == new:
            high = middle
        else:
            low = middle
    return datetime.fromtimestamp(high, UTC)


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta | None:
    return instant.astimezone(zone).utcoffset()
