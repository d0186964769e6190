"""A metered quantity as a line through its readings, and where it crosses the bounds of a tariff (T-12)."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import lcm
from typing import overload

Ratio = tuple[int, int]
"""An exact number above a positive one, not reduced: most instants are only compared and cut off."""
Crossing = tuple[Ratio, int]
"""The exact instant at which a quantity passes a bound, in ms, and the band it is in from then on."""


class Course:
    """A quantity that runs linearly between readings; before the first it is unknown, after the last it stays.

    Bounds part it into half-open bands: band 0 lies below all of them, band n from the n-th on.
    """

    def __init__(self, knots: Sequence[tuple[int, Decimal]], bounds: Sequence[Decimal]) -> None:
        self.times = [at for at, _ in knots]
        # Whole numbers of the finest unit that occurs: exact as fractions are, and many times as fast.
        self.unit, whole = _in_one_unit([*bounds, *(value for _, value in knots)])
        self.bounds, self.values = whole[: len(bounds)], whole[len(bounds) :]
        below = self.bounds[0] - self.unit if self.bounds else 0
        self.inside = [Fraction(value, self.unit) for value in (below, *self.bounds)]

    def knows(self, at_ms: int) -> bool:
        """Whether it had been read by then."""
        return bool(self.times) and self.times[0] <= at_ms

    def at(self, at_ms: Ratio) -> Ratio:
        """The exact value at an instant, in parts of the course's unit; 0 before it was read."""
        top, bottom = at_ms
        after = bisect_right(self.times, top // bottom)
        if after == 0:
            return 0, 1
        value, since = self.values[after - 1], self.times[after - 1]
        if after == len(self.times) or top == since * bottom:
            return value, 1
        parts = (self.times[after] - since) * bottom
        rise = (self.values[after] - value) * (top - since * bottom)
        return value * parts + rise, parts

    def between(self, before: Ratio, after: Ratio) -> Fraction:
        """How much one value is above another, reduced once."""
        top, bottom = after
        before_top, before_bottom = before
        return Fraction(top * before_bottom - before_top * bottom, bottom * before_bottom * self.unit)

    def crossings(self) -> Iterator[Crossing]:
        """Where the bands change, in order of time. Falling, the bound itself still belongs above."""
        if not self.bounds:
            return
        reached = [bisect_right(self.bounds, value) for value in self.values]
        for number, (before, after) in enumerate(pairwise(reached)):
            if before == after:
                continue
            start, first = self.times[number], self.values[number]
            took, rise = self.times[number + 1] - start, self.values[number + 1] - first
            if after > before:
                for band in range(before, after):
                    yield (start * rise + (self.bounds[band] - first) * took, rise), band + 1
            else:
                for band in range(before - 1, after - 1, -1):
                    yield ((first - self.bounds[band]) * took - start * rise, -rise), band

    def turns(self) -> Iterator[int]:
        """Where it begins to fall or to rise, so that it does not leave a band and come back between two of them.

        A record keeps the difference of each period alone: where that is 0, nobody could tell what happened within.
        """
        rose = None
        for number, (before, after) in enumerate(pairwise(self.values if self.bounds else [])):
            if before == after:
                continue
            if rose is not None and rose != (after > before):
                yield self.times[number]
            rose = after > before

    def first_band(self) -> int:
        return bisect_right(self.bounds, self.values[0]) if self.values else 0

    @overload
    def within(self, band: int) -> Fraction: ...
    @overload
    def within(self, band: int | None) -> Fraction | None: ...
    def within(self, band: int | None) -> Fraction | None:
        """A value of that band, to be compared with the bounds."""
        return None if band is None else self.inside[band]


def _in_one_unit(values: Sequence[Decimal]) -> tuple[int, list[int]]:
    """The values as whole numbers of one part of a unit, and how many parts a unit has."""
    ratios = [value.as_integer_ratio() for value in values]
    unit = lcm(*{bottom for _, bottom in ratios})
    return unit, [top * (unit // bottom) for top, bottom in ratios]
