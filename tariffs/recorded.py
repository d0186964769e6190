"""A charge detail record as periods: it is not cut again, but straddled boundaries are told (tariffs T-14)."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate, pairwise
from zoneinfo import ZoneInfo

from tariffs.choosing import Chooser
from tariffs.local_time import boundaries
from tariffs.structure import Tariff
from tariffs.usage import CannotPrice, Conditions, Counted, Period, Recorded, RecordedPeriod

_BY_START = frozenset({Counted.ENERGY, Counted.TIME, Counted.PARKING_TIME, Counted.RESERVATION_TIME})
LEAST_DECIMALS = 4
_MICROSECOND = timedelta(microseconds=1)


def periods_of(session: Recorded, zone: ZoneInfo, bounds: Sequence[Decimal]) -> list[Period]:
    """The periods of a record with the conditions at their starts; ``bounds`` are those of its energy.

    Raises :class:`CannotPrice`.
    """
    _require_order(session)
    periods, kwh = [], Fraction(0)
    for number, one in enumerate(session.periods):
        last = number + 1 == len(session.periods)
        end = session.end if last else session.periods[number + 1].start
        period = _period(session, one, end, _leaving(kwh, one.energy_kwh, bounds), zone)
        kwh += period.volumes.get(Counted.ENERGY, Fraction(0))
        periods.append(period)
    return periods


def straddles(tariff: Tariff, chooser: Chooser, periods: Sequence[Period], zone: ZoneInfo) -> list[int]:
    """The numbers of periods within which a component would have changed."""
    if not periods:
        return []
    restrictions = [element.restrictions for element in tariff.elements]
    walls = boundaries(restrictions, zone, periods[0].start, periods[-1].end)
    begin = periods[0].start - _seconds(periods[0].conditions.elapsed_s)
    walls += [begin + _seconds(int(bound)) for bound in tariff.thresholds("duration") if bound < 10**9]
    walls.sort()
    begins = accumulate(
        (period.volumes.get(Counted.ENERGY, Fraction(0)) for period in periods), initial=Fraction(0)
    )
    return [
        number
        for number, (period, kwh) in enumerate(zip(periods, begins, strict=False))
        if any(_differs(chooser, period, inside) for inside in _inside(tariff, period, kwh, walls, zone))
    ]


def _period(session: Recorded, one: RecordedPeriod, end: datetime, kwh: Fraction, zone: ZoneInfo) -> Period:
    length_h = _elapsed_s(one.start, end) / 3600
    stated = {
        Counted.ENERGY: None if one.energy_kwh is None else Fraction(one.energy_kwh),
        Counted.TIME: _hours(one.time_h, length_h),
        Counted.PARKING_TIME: _hours(one.parking_h, length_h),
        Counted.RESERVATION_TIME: _hours(one.reservation_h, length_h),
    }
    conditions = Conditions(
        local=one.start.astimezone(zone),
        elapsed_s=_elapsed_s(session.start, one.start),
        kwh=kwh,
        min_power=one.min_power,
        max_power=one.max_power,
        min_current=one.min_current,
        max_current=one.max_current,
    )
    volumes = {counted: volume for counted, volume in stated.items() if volume is not None}
    return Period(start=one.start, end=end, conditions=conditions, volumes=volumes)


def _hours(stated: Decimal | None, length_h: Fraction) -> Fraction | None:
    """Hours as stated. What is the length of the period cut to so many decimals stands for that length.

    Most minutes have no finite decimal of an hour: 40 min arrive as 0.6667 h, which is 0.12 s too long, and a
    step of 60 s would bill a minute for that.
    """
    if stated is None:
        return None
    exact, exponent = Fraction(stated), stated.as_tuple().exponent
    finely = isinstance(exponent, int) and exponent <= -LEAST_DECIMALS and exact != 0
    if finely and abs(exact - length_h) < Fraction(10) ** int(exponent):
        return length_h
    return exact


def _require_order(session: Recorded) -> None:
    if session.end < session.start:
        raise CannotPrice("end_before_start", "The session ends before it starts.")
    starts = [session.start, *(one.start for one in session.periods)]
    for number, (before, after) in enumerate(pairwise(starts)):
        if after < before or (number and after == before):
            raise CannotPrice(
                "out_of_order", f"The period of {after.isoformat()} does not start after the one before it."
            )
    if starts[-1] > session.end:
        raise CannotPrice(
            "after_end", f"The period of {starts[-1].isoformat()} starts after the session's end."
        )


def _inside(
    tariff: Tariff, period: Period, before: Fraction, walls: Sequence[datetime], zone: ZoneInfo
) -> Iterator[Conditions]:
    """The conditions at each boundary within a period that begins at so many kWh, if it had been cut there."""
    length = (period.end - period.start) // _MICROSECOND
    energy = period.volumes.get(Counted.ENERGY, Fraction(0))
    bounds = tariff.thresholds("kwh")
    shares = [
        Fraction((wall - period.start) // _MICROSECOND, length)
        for wall in walls[bisect_right(walls, period.start) : bisect_left(walls, period.end)]
    ]
    least, greatest = sorted((before, before + energy))
    shares += [(Fraction(bound) - before) / energy for bound in bounds if least < Fraction(bound) < greatest]
    for share in shares:
        yield _at(period, share, zone)._replace(kwh=_leaving(before + energy * share, energy, bounds))


def _leaving(kwh: Fraction, energy: Decimal | Fraction | None, bounds: Sequence[Decimal]) -> Fraction:
    """What bounds are compared with: given back from a bound on, the energy is below it from there on."""
    if energy is None or energy >= 0 or kwh not in bounds:
        return kwh
    below = [Fraction(bound) for bound in bounds if bound < kwh]
    return (kwh + max([kwh + Fraction(energy), *below[-1:]])) / 2


def _at(period: Period, share: Fraction, zone: ZoneInfo) -> Conditions:
    """The conditions but those of energy after a share of a period, everything running evenly."""
    elapsed_s = _elapsed_s(period.start, period.end) * share
    return period.conditions._replace(
        local=(period.start.astimezone(UTC) + _seconds(elapsed_s)).astimezone(zone),
        elapsed_s=period.conditions.elapsed_s + elapsed_s,
    )


def _differs(chooser: Chooser, period: Period, inside: Conditions) -> bool:
    return any(
        chooser.choose(counted, period.conditions) != chooser.choose(counted, inside)
        for counted, volume in period.volumes.items()
        if volume and counted in _BY_START
    )


def _elapsed_s(start: datetime, end: datetime) -> Fraction:
    return Fraction((end - start) // _MICROSECOND, 1_000_000)


def _seconds(seconds: Fraction | int) -> timedelta:
    return timedelta(microseconds=int(Fraction(seconds) * 1_000_000))
