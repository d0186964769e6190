"""Cutting a metered session into periods in which no component changes (tariffs T-11 to T-15, T-23)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from tariffs.local_time import boundaries
from tariffs.readings import Course, Ratio
from tariffs.structure import Tariff
from tariffs.usage import CannotPrice, Conditions, Counted, Metered, Period, Sample, State

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MS_PER_HOUR = 3_600_000
_MILLISECOND = timedelta(milliseconds=1)

_COUNTS_AS: Mapping[State, Counted] = {
    State.RESERVED: Counted.RESERVATION_TIME,
    State.CHARGING: Counted.TIME,
    State.SUSPENDED_EV: Counted.PARKING_TIME,
}


@dataclass(slots=True)
class _Cut:
    """What happens within one millisecond: the latest exact instant, and what is so from then on."""

    exact_ms: Ratio
    bands: dict[str, int] = field(default_factory=dict)
    time: Counted | None = None
    time_known: bool = False

    def reach(self, instant: Ratio) -> None:
        if instant.top * self.exact_ms.bottom > self.exact_ms.top * instant.bottom:
            self.exact_ms = instant


def cut(tariff: Tariff, session: Metered, zone: ZoneInfo) -> list[Period]:
    """The periods of a session, from its readings. Raises :class:`CannotPrice` rather than guess."""
    return _Cutter(tariff, session, zone).periods()


def milliseconds(instant: datetime) -> int:
    """Whole milliseconds since 1970; what is finer is cut off."""
    return (instant - EPOCH) // _MILLISECOND


class _Cutter:
    def __init__(self, tariff: Tariff, session: Metered, zone: ZoneInfo) -> None:
        self.tariff, self.zone = tariff, zone
        self.readings = _in_order(session)
        self.start, self.end = self.readings[0][0], milliseconds(session.end)
        if self.end < self.start:
            raise CannotPrice("end_before_start", "The session ends before its first reading.")
        self.courses = {
            "kwh": self._energy(discharges=session.discharges),
            "power": self._course("power", [(at, one.power_kw) for at, one in self.readings]),
            "current": self._course("current", [(at, one.current_a) for at, one in self.readings]),
        }

    def periods(self) -> list[Period]:
        """One period from each cut to the next."""
        cuts = self._cuts()
        instants = sorted(cuts)
        bands = {name: course.first_band() for name, course in self.courses.items()}
        time, before, periods = None, self._kwh(Ratio(self.start, 1)), []
        begins, ends = _instant(self.start), Ratio(self.end, 1)
        for number, at in enumerate(instants):
            here = cuts[at]
            if here.bands:
                bands.update(here.bands)
            time = here.time if here.time_known else time
            last = number + 1 == len(instants)
            end = self.end if last else instants[number + 1]
            after = self._kwh(ends if last else cuts[end].exact_ms)
            kwh = self.courses["kwh"].within(bands["kwh"]) if "kwh" in here.bands else before
            periods.append(self._period((at, end), begins, time, (kwh, _minus(after, before)), bands))
            before, begins = after, periods[-1].end
        return periods

    def _period(
        self,
        span: tuple[int, int],
        begins: datetime,
        time: Counted | None,
        energy: tuple[Fraction, Fraction],
        bands: Mapping[str, int],
    ) -> Period:
        start, end = span
        kwh, used = energy
        volumes = {Counted.ENERGY: used}
        if time is not None:
            volumes[time] = Fraction(end - start, MS_PER_HOUR)
        counts = used.numerator != 0 or time is Counted.TIME or time is Counted.PARKING_TIME
        power = self._value("power", start, bands, needed=counts)
        current = self._value("current", start, bands, needed=counts)
        elapsed_s = Fraction(start - self.start, 1000)
        conditions = Conditions(begins.astimezone(self.zone), elapsed_s, kwh, power, power, current, current)
        return Period(begins, _instant(end), conditions, volumes)

    def _cuts(self) -> dict[int, _Cut]:
        """Every instant at which a component in use could change, rounded down to the millisecond."""
        cuts = {self.start: _Cut(Ratio(self.start, 1))}

        def at(instant: Ratio) -> _Cut | None:
            whole = max(instant.top // instant.bottom, self.start)
            if whole >= self.end and whole > self.start:
                return None
            here = cuts.get(whole)
            if here is None:
                here = cuts[whole] = _Cut(instant)
            else:
                here.reach(instant)
            return here

        for name, course in self.courses.items():
            for crossing in course.crossings():
                if here := at(crossing.at_ms):
                    here.bands[name] = crossing.band
        for instant, time in self._times_count_as():
            if here := at(Ratio(instant, 1)):
                here.time, here.time_known = time, True
        for instant in (*self._clock_cuts(), *self._becomes_known()):
            at(Ratio(instant, 1))
        return cuts

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

    def _times_count_as(self) -> Iterator[tuple[int, Counted | None]]:
        """Where time begins to count as something else; an unknown state changes nothing."""
        began: Decimal | None = None
        flowed, present = False, None
        for at, one in self.readings:
            if one.register_kwh is not None:
                began = one.register_kwh if began is None else began
                flowed = flowed or one.register_kwh != began
            if one.state is None:
                continue
            counted = _COUNTS_AS.get(one.state)
            if one.state is State.CONNECTED and flowed:
                counted = Counted.PARKING_TIME
            if counted is not present:
                yield at, counted
            present = counted

    def _energy(self, *, discharges: bool) -> Course:
        knots = [(at, one.register_kwh) for at, one in self.readings if one.register_kwh is not None]
        if not knots:
            raise CannotPrice("missing_register", "No reading of the session has a register.")
        first = previous = knots[0][1]
        for _, value in knots:
            if value < previous and not discharges:
                raise CannotPrice("register_fell", f"The register fell from {previous} to {value} kWh.")
            previous = value
        return Course([(at, value - first) for at, value in knots], self.tariff.thresholds("kwh"))

    def _course(self, name: str, knots: Iterable[tuple[int, Decimal | None]]) -> Course:
        """A quantity that restrictions ask for; without such restrictions nobody looks at it."""
        bounds = self.tariff.thresholds(name)
        return Course([(at, value) for at, value in knots if value is not None] if bounds else [], bounds)

    def _kwh(self, at: Ratio) -> Fraction:
        return self.courses["kwh"].at(at) or Fraction(0)

    def _value(self, name: str, start: int, bands: Mapping[str, int], *, needed: bool) -> Fraction | None:
        course = self.courses[name]
        if not course.bounds:
            return None
        if course.knows(start):
            return course.within(bands[name])
        if needed:
            raise CannotPrice(f"missing_{name}", f"The tariff depends on {name}, and no reading tells it.")
        return None


def _in_order(session: Metered) -> list[tuple[int, Sample]]:
    """The readings with their instants; those of one millisecond must not contradict each other."""
    readings: list[tuple[int, Sample]] = []
    for one in session.samples:
        at = milliseconds(one.at)
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


def _minus(one: Fraction, other: Fraction) -> Fraction:
    """The difference, reduced once."""
    top, bottom = one.as_integer_ratio()
    other_top, other_bottom = other.as_integer_ratio()
    return Fraction(top * other_bottom - other_top * bottom, bottom * other_bottom)


def _instant(at_ms: int) -> datetime:
    return EPOCH + at_ms * _MILLISECOND
