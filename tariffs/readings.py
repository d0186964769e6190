"""A metered quantity as a line through its readings, and where it crosses the bounds of a tariff (T-12)."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple


class Crossing(NamedTuple):
    """The exact instant at which a quantity passes a bound, and the band it is in from then on."""

    at_ms: Fraction
    band: int


class Course:
    """A quantity that runs linearly between readings; before the first it is unknown, after the last it stays.

    Bounds part it into half-open bands: band 0 lies below all of them, band n from the n-th on.
    """

    def __init__(self, knots: Sequence[tuple[int, Decimal]], bounds: Sequence[Decimal]) -> None:
        self.times = [at for at, _ in knots]
        self.values = [value for _, value in knots]
        self.bounds = bounds

    def at(self, at_ms: int | Fraction) -> Fraction | None:
        """The exact value at an instant."""
        after = bisect_right(self.times, at_ms)
        if after == 0:
            return None
        value, since = Fraction(self.values[after - 1]), self.times[after - 1]
        if after == len(self.times) or at_ms == since:
            return value
        share = Fraction(at_ms - since) / (self.times[after] - since)
        return value + (Fraction(self.values[after]) - value) * share

    def crossings(self) -> Iterator[Crossing]:
        """Where the bands change, in order of time. Falling, the bound itself still belongs above."""
        if not self.bounds:
            return
        band = None
        for number, value in enumerate(self.values):
            reached = bisect_right(self.bounds, value)
            if band is not None and reached != band:
                yield from self._between(number, band, reached)
            band = reached

    def first_band(self) -> int:
        return bisect_right(self.bounds, self.values[0]) if self.values else 0

    def within(self, band: int) -> Fraction:
        """A value of that band, to be compared with the bounds."""
        if not self.bounds:
            return Fraction(0)
        return Fraction(self.bounds[band - 1]) if band else Fraction(self.bounds[0]) - 1

    def _between(self, number: int, before: int, after: int) -> Iterator[Crossing]:
        start, end = self.times[number - 1], self.times[number]
        first, last = Fraction(self.values[number - 1]), Fraction(self.values[number])
        rising = after > before
        for band in range(before + 1, after + 1) if rising else range(before - 1, after - 1, -1):
            bound = Fraction(self.bounds[band - 1 if rising else band])
            yield Crossing(start + (bound - first) / (last - first) * (end - start), band)
