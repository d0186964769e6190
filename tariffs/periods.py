"""Cutting a metered session into periods in which no component changes (tariffs T-11 to T-15, T-23)."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Final, Literal
from zoneinfo import ZoneInfo

from tariffs.local_time import boundaries
from tariffs.readings import Course, Ratio
from tariffs.structure import Tariff
from tariffs.usage import CannotPrice, Conditions, Counted, Metered, Period, Sample, State

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MS_PER_HOUR = 3_600_000
_MILLISECOND = timedelta(milliseconds=1)

GAP: Final = "gap"
"""Between a reservation's end and its session: nothing counts there, not even the fee of either."""
CountsAs = Counted | Literal["gap"] | None

_COUNTS_AS: Mapping[State, CountsAs] = {
    State.LAPSED: GAP,
    State.RESERVED: Counted.RESERVATION_TIME,
    State.CHARGING: Counted.TIME,
    State.SUSPENDED_EV: Counted.PARKING_TIME,
}
_BEFORE = frozenset({State.RESERVED, State.LAPSED})


class _Cut:
    """What happens within one millisecond: the latest exact instant, and what is so from then on."""

    __slots__ = ("bands", "by_clock", "exact_ms", "time", "time_known")

    def __init__(self, exact_ms: Ratio) -> None:
        self.exact_ms = exact_ms
        self.bands: dict[str, int] | None = None
        self.time: CountsAs = None
        self.time_known = self.by_clock = False

    def reach(self, instant: Ratio) -> None:
        top, bottom = instant
        latest_top, latest_bottom = self.exact_ms
        if top * latest_bottom > latest_top * bottom:
            self.exact_ms = instant


def cut(tariff: Tariff, session: Metered, zone: ZoneInfo, changes: Sequence[datetime] = ()) -> list[Period]:
    """The periods of a session, from its readings; another tariff begins to hold at each of the ``changes``.

    Raises :class:`CannotPrice` rather than guess.
    """
    return _Cutter(tariff, session, zone, changes).periods()


def milliseconds(instant: datetime) -> int:
    """Whole milliseconds since 1970; what is finer is cut off."""
    return (instant - EPOCH) // _MILLISECOND


def floored(instant: datetime) -> datetime:
    """The instant at which a cut there is made: its millisecond's beginning (T-12)."""
    return _instant(milliseconds(instant))


class _Cutter:
    def __init__(
        self, tariff: Tariff, session: Metered, zone: ZoneInfo, changes: Sequence[datetime] = ()
    ) -> None:
        self.tariff, self.zone = tariff, zone
        self.changes, self.discharges = [milliseconds(one) for one in changes], session.discharges
        self.readings = _in_order(session)
        self.start, self.end = self.readings[0][0], milliseconds(session.end)
        if self.end < self.start:
            raise CannotPrice("end_before_start", "The session ends before its first reading.")
        self.conditions: dict[tuple[int, int, int | None, int | None], Conditions] = {}
        self.courses = {
            "kwh": self._energy(),
            "power": self._course("power", lambda one: one.power_kw),
            "current": self._course("current", lambda one: one.current_a),
        }

    def periods(self) -> list[Period]:
        """One period from each cut to the next."""
        cuts = self._cuts()
        instants = sorted(cuts)
        kwh = self.courses["kwh"]
        bands = {name: course.first_band() for name, course in self.courses.items()}
        time: CountsAs = None
        before, periods = kwh.at((self.start, 1)), []
        begins, clock = _instant(self.start), 0
        for at, end in pairwise([*instants, self.end]):
            here = cuts[at]
            clock += here.by_clock
            if here.bands:
                bands.update(here.bands)
            time = here.time if here.time_known else time
            # The last one ends with the session; one of that very millisecond is empty.
            after = kwh.at(cuts[end].exact_ms if end in cuts and end != at else (self.end, 1))
            volumes: dict[Counted, Fraction] = {}
            if time is not GAP:
                volumes[Counted.ENERGY] = kwh.between(before, after)
                if isinstance(time, Counted):
                    volumes[time] = Fraction(end - at, MS_PER_HOUR)
            ends = _instant(end)
            periods.append(Period(begins, ends, self._conditions(at, clock, bands, volumes), volumes))
            before, begins = after, ends
        return periods

    def _conditions(
        self, start: int, clock: int, bands: Mapping[str, int], volumes: Mapping[Counted, Fraction]
    ) -> Conditions:
        """What restrictions are compared with, one object as long as none of them can match otherwise.

        ``clock`` counts the cuts by wall clock and duration: between two, neither makes a difference. So does
        nothing within a band, for which one value of it stands.
        """
        power = current = None
        if self.courses["power"].bounds:
            power = self._band("power", start, bands, volumes)
        if self.courses["current"].bounds:
            current = self._band("current", start, bands, volumes)
        key = (clock, bands["kwh"], power, current)
        found = self.conditions.get(key)
        if found is None:
            local = _instant(start).astimezone(self.zone)
            found = self.conditions[key] = Conditions(
                local,
                Fraction(start - self.start, 1000),
                self.courses["kwh"].within(bands["kwh"]),
                *(self.courses["power"].within(power),) * 2,
                *(self.courses["current"].within(current),) * 2,
            )
        return found

    def _cuts(self) -> dict[int, _Cut]:
        """Every instant at which a component in use could change, rounded down to the millisecond."""
        cuts = {self.start: _Cut((self.start, 1))}
        for name, course in self.courses.items():
            for instant, band in course.crossings():
                if here := self._cut_at(cuts, instant):
                    here.bands = {**(here.bands or {}), name: band}
        for at, time in self._times_count_as():
            if here := self._cut_at(cuts, (at, 1)):
                here.time, here.time_known = time, True
        for at in self._clock_cuts():
            if here := self._cut_at(cuts, (at, 1)):
                here.by_clock = True
        changed = (one for one in self.changes if one > self.start)
        for at in (*self._becomes_known(), *self.courses["kwh"].turns(), *changed):
            self._cut_at(cuts, (at, 1))
        return cuts

    def _cut_at(self, cuts: dict[int, _Cut], instant: Ratio) -> _Cut | None:
        """The cut of that millisecond, made where there was none; ``None`` from the end on."""
        whole = max(instant[0] // instant[1], self.start)
        if whole >= self.end and whole > self.start:
            return None
        here = cuts.get(whole)
        if here is None:
            here = cuts[whole] = _Cut(instant)
        else:
            here.reach(instant)
        return here

    def _becomes_known(self) -> Iterator[int]:
        """Where power or current is read for the first time."""
        for course in self.courses.values():
            if course.times and course.times[0] < self.end:
                yield course.times[0]

    def _clock_cuts(self) -> Iterator[int]:
        restrictions = [element.restrictions for element in self.tariff.elements]
        for instant in boundaries(restrictions, self.zone, _instant(self.start), _instant(self.end)):
            yield milliseconds(instant)
        for seconds in self.tariff.thresholds("duration"):
            if 0 < seconds * 1000 < self.end - self.start:
                yield self.start + int(seconds) * 1000

    def _times_count_as(self) -> Iterator[tuple[int, CountsAs]]:
        """Where time begins to count as something else; an unknown state changes nothing."""
        began: Decimal | None = None
        present: CountsAs = None
        flowed, charged = False, False
        for (at, one), ahead in zip(self.readings, self._registers_ahead(), strict=True):
            if one.register_kwh is not None:
                began = one.register_kwh if began is None else began
                flowed = flowed or one.register_kwh != began
            if one.state is None:
                continue
            charged = charged or one.state is State.CHARGING
            counted = _COUNTS_AS.get(one.state)
            if one.state is State.CONNECTED and (flowed or (charged and ahead not in (None, began))):
                counted = Counted.PARKING_TIME
            if counted is not present:
                yield at, counted
            present = counted

    def _registers_ahead(self) -> list[Decimal | None]:
        """At each reading the register read then or next: what flowed before a state may be read only after it."""
        ahead: list[Decimal | None] = []
        for _at, one in reversed(self.readings):
            last = ahead[-1] if ahead else None
            ahead.append(one.register_kwh if one.register_kwh is not None else last)
        return ahead[::-1]

    def _energy(self) -> Course:
        knots = [(at, one.register_kwh) for at, one in self.readings if one.register_kwh is not None]
        if not knots:
            raise CannotPrice("missing_register", "No reading of the session has a register.")
        first = previous = knots[0][1]
        for _, value in knots:
            if value < previous and not self.discharges:
                raise CannotPrice("register_fell", f"The register fell from {previous} to {value} kWh.")
            previous = value
        return Course([(at, value - first) for at, value in knots], self.tariff.thresholds("kwh"))

    def _course(self, name: str, value_of: Callable[[Sample], Decimal | None]) -> Course:
        """A quantity that restrictions ask for; without such restrictions nobody looks at it."""
        bounds = self.tariff.thresholds(name)
        told = [(at, value_of(one)) for at, one in self.readings] if bounds else []
        knots = [(at, value) for at, value in told if value is not None]
        return Course([*self._still(knots), *knots] if bounds else [], bounds)

    def _still(self, told: Sequence[tuple[int, Decimal]]) -> list[tuple[int, Decimal]]:
        """Where nothing flows, though nobody told so: as a session begins, and while its register stands (T-15, T-23).

        Not where energy was read before the quantity was told for the first time: that is a gap. Neither where the
        register was not read as the session began. A balance that stands may hide a flow.
        """
        begin = next((at for at, one in self.readings if one.state not in _BEFORE), None)
        registers = [(at, one.register_kwh) for at, one in self.readings if one.register_kwh is not None]
        first_at, first_kwh = registers[0]
        rises = next((at for at, kwh in registers if kwh != first_kwh), math.inf)
        told_from = told[0][0] if told else math.inf
        if begin != first_at or told_from <= begin or told_from > rises:
            return []
        stands = [at for at, kwh in registers if kwh == first_kwh and begin < at < told_from]
        return [(at, Decimal(0)) for at in (begin, *([] if self.discharges else stands[-1:]))]

    def _band(
        self, name: str, start: int, bands: Mapping[str, int], volumes: Mapping[Counted, Fraction]
    ) -> int | None:
        """In which band it is; ``None`` where nobody has read it, and nothing that is priced needs it yet."""
        if self.courses[name].knows(start):
            return bands[name]
        if volumes.get(Counted.ENERGY) or Counted.TIME in volumes or Counted.PARKING_TIME in volumes:
            raise CannotPrice(f"missing_{name}", f"The tariff depends on {name}, and no reading tells it.")
        return None


def _in_order(session: Metered) -> list[tuple[int, Sample]]:
    """The readings with their instants; those of one millisecond must not contradict each other."""
    readings: list[tuple[int, Sample]] = []
    for one in session.samples:
        at = (one.at - EPOCH) // _MILLISECOND
        if readings and at < readings[-1][0]:
            raise CannotPrice("out_of_order", f"The reading of {one.at.isoformat()} comes after a later one.")
        if readings and at == readings[-1][0]:
            one = _joined(readings.pop()[1], one)
        readings.append((at, one))
    if not readings:
        raise CannotPrice("no_readings", "The session has no reading.")
    return readings


def _joined(first: Sample, second: Sample) -> Sample:
    """Two readings of one instant as one: the later one adds to the earlier, and may change the state."""

    def agreed(name: str) -> Decimal | None:
        one, other = getattr(first, name), getattr(second, name)
        if one is not None and other is not None and one != other:
            raise CannotPrice("contradiction", f"Two readings of {first.at.isoformat()} differ in {name}.")
        return one if other is None else other  # type: ignore[no-any-return]

    return Sample(
        at=first.at,
        register_kwh=agreed("register_kwh"),
        power_kw=agreed("power_kw"),
        current_a=agreed("current_a"),
        state=second.state or first.state,
    )


def _instant(at_ms: int) -> datetime:
    return EPOCH + at_ms * _MILLISECOND
