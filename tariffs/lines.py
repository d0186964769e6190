"""The lines of a price: how much of what was counted by which component, and what steps added (T-54)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from math import lcm

from tariffs.choosing import Choice, Chooser
from tariffs.rounding import Amount, Rate
from tariffs.structure import Component
from tariffs.usage import Counted, Period

Stretch = tuple[datetime, datetime]
WH_PER_KWH = 1000
SECONDS_PER_HOUR = 3600
_ORDER = list(Counted)
_TIMES = (Counted.TIME, Counted.PARKING_TIME)
"""Within one period parking is the later of the two (T-17)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line. Quantities are kWh, hours or once; ``element`` is ``None`` where nothing prices it (free)."""

    counted: Counted
    stretches: tuple[Stretch, ...]
    measured: Fraction
    billed: Fraction
    amount: Amount
    rate: Rate
    element: int | None = None
    place: int | None = None
    component: Component | None = None

    @property
    def added_by_step(self) -> Fraction:
        """How much was billed beyond what was measured, because of ``step_size``."""
        return self.billed - self.measured if self.component else Fraction(0)


@dataclass(slots=True)
class Tally:
    """What one component counts in a session, while it is being counted."""

    counted: Counted
    choice: Choice | None
    volumes: list[Fraction] = field(default_factory=list)
    added: Fraction = Fraction(0)
    stretches: list[Stretch] = field(default_factory=list)

    @property
    def measured(self) -> Fraction:
        """The exact sum, brought to one denominator at once: one by one, it would grow with every period."""
        if len(self.volumes) != 1:
            whole = lcm(*{volume.denominator for volume in self.volumes})
            tops = (volume.numerator * (whole // volume.denominator) for volume in self.volumes)
            self.volumes = [Fraction(sum(tops), whole)]
        return self.volumes[0]

    def add(self, volume: Fraction, period: Period) -> None:
        self.volumes.append(volume)
        if self.stretches and self.stretches[-1][1] == period.start:
            self.stretches[-1] = (self.stretches[-1][0], period.end)
        else:
            self.stretches.append((period.start, period.end))


class Tallies:
    """Everything counted in a session, by component; knows what was priced last, for the steps."""

    def __init__(self, chooser: Chooser) -> None:
        self.chooser = chooser
        self.by_key: dict[tuple[Counted, int | None], Tally] = {}
        self.last: dict[Counted, Tally] = {}
        self.last_began: dict[Counted, datetime] = {}
        self.last_time: Counted | None = None

    def count(self, periods: Sequence[Period]) -> None:
        """Find the component of everything in every period (T-05 to T-08), once for conditions that they share."""
        known: dict[int, dict[Counted, Tally]] = {}
        reserved = False
        for period in periods:
            conditions, volumes = period.conditions, period.volumes
            chosen = known.setdefault(id(conditions), {})
            for counted, volume in volumes.items():
                if not volume:
                    continue
                tally = chosen.get(counted)
                if tally is None:
                    choice = self.chooser.choose(counted, conditions)
                    tally = chosen[counted] = self._tally(counted, choice)
                tally.add(volume, period)
                if tally.choice is not None:
                    self.last[counted], self.last_began[counted] = tally, period.start
            for counted in _TIMES:
                if volumes.get(counted) and chosen[counted].choice is not None:
                    self.last_time = counted
            if Counted.RESERVATION_TIME in volumes:
                reserved = True
                self._add_flat(Counted.RESERVATION_FLAT, period)
            # After a reservation, what counts nothing is neither it nor the session, which has not begun (T-08).
            is_gap = reserved and not volumes
            if Counted.FLAT not in self.last and not period.only_reserved and not is_gap:
                self._add_flat(Counted.FLAT, period)

    def round_up(self, changed_at: datetime | None = None) -> None:
        """Steps, once, on the session's total of a dimension (T-16 to T-20).

        What was priced last by a tariff that had ended at ``changed_at`` keeps its exact quantity (T-19). A
        reservation was over by then, or its price does not change.
        """
        ends = [(Counted.ENERGY, WH_PER_KWH)]
        if self.last_time is not None:
            ends.append((self.last_time, SECONDS_PER_HOUR))
        for counted, units in ends:
            began = self.last_began.get(counted)
            if began is not None and (changed_at is None or began >= changed_at):
                self._step(counted, units)
        self._step(Counted.RESERVATION_TIME, SECONDS_PER_HOUR)

    def ordered(self) -> Sequence[Tally]:
        """In the order in which prices are told, and of time."""
        return sorted(self.by_key.values(), key=lambda one: (_ORDER.index(one.counted), one.stretches[0][0]))

    def _add_flat(self, counted: Counted, period: Period) -> None:
        if counted not in self.last and (choice := self.chooser.choose(counted, period.conditions)):
            self.last[counted] = self._tally(counted, choice)
            self.last[counted].add(Fraction(1), period)

    def _tally(self, counted: Counted, choice: Choice | None) -> Tally:
        key = (counted, choice.element if choice else None)
        tally = self.by_key.get(key)
        if tally is None:
            tally = self.by_key[key] = Tally(counted, choice)
        return tally

    def _step(self, counted: Counted, units: int) -> None:
        """The surplus goes to the last priced component, at its price (T-16, T-18)."""
        tally = self.last.get(counted)
        step = tally.choice.component.step_size if tally and tally.choice else 0
        if tally is None or step == 0:
            return
        priced = [one.measured for one in self.by_key.values() if one.counted is counted and one.choice]
        total = sum(priced, Fraction(0)) * units
        if total > 0:
            tally.added = (-(-total // step) * step - total) / units
