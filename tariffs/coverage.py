"""Every situation that a tariff tells apart, so that gaps and elements that never win can be found."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import product
from math import prod

from tariffs.structure import MIDNIGHT, Tariff
from tariffs.usage import Conditions

MOST_SITUATIONS = 5_000
_SOME_MONDAY = date(2026, 3, 2)
_WEEK = 7


def situations(tariff: Tariff) -> Iterator[Conditions]:
    """One representative of each; none at all where there are too many to look at."""
    walls = _walls(tariff)
    bands = [_steps(tariff, name) for name in ("duration", "kwh", "power", "current")]
    if len(walls) * prod(len(one) for one in bands) > MOST_SITUATIONS:
        return
    for wall, (duration, kwh, power, current) in product(walls, list(product(*bands))):
        yield Conditions(
            local=wall,
            elapsed_s=Fraction(duration),
            kwh=Fraction(kwh),
            min_power=power,
            max_power=power,
            min_current=current,
            max_current=current,
        )


def _walls(tariff: Tariff) -> list[datetime]:
    """Local times: each part of each weekday, before, between and after the dates that are named."""
    local = [element.restrictions for element in tariff.elements if element.restrictions.is_local]
    if not local:
        return [datetime.combine(_SOME_MONDAY, MIDNIGHT, UTC)]
    times = {MIDNIGHT} | {bound for one in local for bound in one.window}
    return [datetime.combine(day, at, UTC) for day in _days(tariff) for at in sorted(times)]


def _days(tariff: Tariff) -> list[date]:
    named = sorted(
        day
        for element in tariff.elements
        for day in (element.restrictions.start_date, element.restrictions.end_date)
        if day
    )
    if not named:
        return [_SOME_MONDAY + timedelta(days=number) for number in range(_WEEK)]
    days = {named[0] - timedelta(days=number) for number in range(1, _WEEK + 1)}
    for day, following in zip(named, [*named[1:], date.max], strict=True):
        length = min((following - day).days, _WEEK)
        days |= {day + timedelta(days=number) for number in range(length)}
    return sorted(days)


def _steps(tariff: Tariff, quantity: str) -> list[Decimal]:
    """The bands of a quantity, each by its lower bound."""
    return [Decimal(0), *(bound for bound in tariff.thresholds(quantity) if bound > 0)]
