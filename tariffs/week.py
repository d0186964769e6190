"""The prices of a tariff over one week, as a grid: bands of the day against weekdays, taxes included."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tariffs.present import Prices, prices_at
from tariffs.structure import MIDNIGHT, Tariff
from tariffs.usage import Conditions

DAYS = 7


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of the day and its prices from Monday to Sunday; ``end`` 00:00 is the end of the day."""

    start: time
    end: time
    prices: tuple[Prices, ...]


def bands_of(tariff: Tariff, zone: ZoneInfo, monday: date) -> tuple[Band, ...]:
    """What a session that begins then pays at first; bands with the same prices on all days are joined."""
    found: list[Band] = []
    for start, end in _stretches(tariff):
        prices = tuple(_prices(tariff, zone, monday + timedelta(days=day), start) for day in range(DAYS))
        if found and found[-1].prices == prices:
            found[-1] = Band(found[-1].start, end, prices)
        else:
            found.append(Band(start, end, prices))
    return tuple(found)


def _stretches(tariff: Tariff) -> Iterator[tuple[time, time]]:
    windows = [one.restrictions.window for one in tariff.elements if one.restrictions.has_window]
    walls = sorted({MIDNIGHT, *(wall for window in windows for wall in window)})
    yield from zip(walls, [*walls[1:], MIDNIGHT], strict=True)


def _prices(tariff: Tariff, zone: ZoneInfo, day: date, at: time) -> Prices:
    return prices_at(tariff, Conditions(local=datetime.combine(day, at, tzinfo=zone)))
