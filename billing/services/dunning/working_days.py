"""Days on which people are asked for money: no weekend and no public holiday on either side (billing B-47)."""

from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holidays import HolidayBase

LONGEST_REST = 30
"""More days off in a row than any calendar has."""
_WEEKEND = (5, 6)


def is_working_day(day: date, countries: Iterable[str]) -> bool:
    """Whether it is one in each of these countries (ISO 3166-1 alpha-2). Holidays of regions are not looked at."""
    calendars = [_calendar(country, day.year) for country in sorted(set(countries))]
    known = [one for one in calendars if one is not None]
    return all(one.is_working_day(day) for one in known) if known else day.weekday() not in _WEEKEND


def from_then_on(day: date, countries: Iterable[str]) -> date:
    """That day, or the next working day after it."""
    wanted = list(countries)
    days = (day + timedelta(days=ahead) for ahead in range(LONGEST_REST))
    return next((one for one in days if is_working_day(one, wanted)), day)


@lru_cache(maxsize=256)
def _calendar(country: str, year: int) -> "HolidayBase | None":
    """``None`` for a country whose holidays are not known."""
    import holidays  # half a second, which only who asks for money needs

    try:
        return holidays.country_holidays(country, years=year, expand=False)
    except NotImplementedError:
        return None
