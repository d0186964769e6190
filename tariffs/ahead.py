"""What the next minutes of a session may cost at most, for who must end it before its money is used up (billing B-40).

An upper bound, not a forecast: what a tariff may ask for within that time counts, the dearest first.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from tariffs import taxes
from tariffs.choosing import Choice, chooser_of, matches_wall_clock
from tariffs.lines import SECONDS_PER_HOUR, WH_PER_KWH
from tariffs.local_time import boundaries
from tariffs.structure import Component, Restrictions, Tariff
from tariffs.usage import Conditions, Counted

Range = tuple[Fraction, Fraction]
"""From the least value to the greatest, which is not reached."""
_NOTHING = Fraction(0)
_UNITS = {Counted.ENERGY: WH_PER_KWH, Counted.TIME: SECONDS_PER_HOUR, Counted.PARKING_TIME: SECONDS_PER_HOUR}
_NEVER_SURE = ("power", "current")
"""What a station may measure or not; what it does not measure matches no bound (T-03)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """Where a session stands, with the site's zone in its time, and what can come: for how long, and how strong.

    ``fee_is_due``: no fee that is paid once was counted yet. ``unpriced_kwh``: what was charged beyond ``stands``
    already, and is in no cost so far.
    """

    stands: Conditions
    span: timedelta
    power_kw: Decimal
    fee_is_due: bool
    unpriced_kwh: Fraction = _NOTHING

    @property
    def hours(self) -> Fraction:
        return Fraction(self.span // timedelta(microseconds=1), 3_600_000_000)

    @property
    def energy_kwh(self) -> Fraction:
        return Fraction(self.power_kw) * self.hours + self.unpriced_kwh


def dearest(tariff: Tariff, ahead: Ahead) -> Fraction:
    """Energy at full power, charging time and occupancy for the whole time, each at its highest price in it.

    With taxes where they are known. A whole step comes on top, of energy and of time: it is rounded on the session's
    total, by what is priced last, and so may begin with the first watt-hour or second (T-16, T-17, T-19). Limits of
    the session's price are not looked at.
    """
    quantities = {
        Counted.ENERGY: ahead.energy_kwh,
        Counted.TIME: ahead.hours,
        Counted.PARKING_TIME: ahead.hours,
        Counted.FLAT: Fraction(int(ahead.fee_is_due)),
    }
    chances = _Chances(tariff, ahead)
    comes = [counted for counted, quantity in quantities.items() if quantity]
    steps = {counted: chances.step(counted) for counted in comes if counted in _UNITS}
    time = max(steps.get(Counted.TIME, _NOTHING), steps.get(Counted.PARKING_TIME, _NOTHING))
    measured = sum((chances.most(counted, quantities[counted]) for counted in comes), _NOTHING)
    return measured + steps.get(Counted.ENERGY, _NOTHING) + time


class _Chances:
    """Which elements may hold in that time, and which surely do."""

    def __init__(self, tariff: Tariff, ahead: Ahead) -> None:
        self.tariff = tariff
        stands, end_s = ahead.stands, ahead.hours * SECONDS_PER_HOUR
        self.moments = _moments(tariff, stands, ahead.span)
        self.ranges: dict[str, Range | None] = {
            "kwh": (stands.kwh, stands.kwh + ahead.energy_kwh),
            "duration": (stands.elapsed_s, stands.elapsed_s + end_s),
            "power": (_NOTHING, Fraction(ahead.power_kw)),
            "current": None,
        }

    def most(self, counted: Counted, quantity: Fraction) -> Fraction:
        """What so much of it costs by the dearest component that may price it."""
        found = (self._cost(quantity, one.component) for one in self._possible(counted))
        return max(found, default=_NOTHING)

    def step(self, counted: Counted) -> Fraction:
        """What the dearest step costs by which its total may be rounded."""
        components = (one.component for one in self._possible(counted))
        found = (self._cost(Fraction(one.step_size, _UNITS[counted]), one) for one in components)
        return max(found, default=_NOTHING)

    def _possible(self, counted: Counted) -> Iterator[Choice]:
        """In the order in which they are asked; what surely holds hides those behind it (T-05)."""
        for restrictions, _bounds, choice in chooser_of(self.tariff).candidates[counted]:
            if self._may_hold(restrictions):
                yield choice
                if self._surely_holds(restrictions):
                    return

    def _may_hold(self, one: Restrictions) -> bool:
        on_time = any(matches_wall_clock(one, moment) for moment in self.moments)
        return on_time and all(_meets(one, name, span) for name, span in self.ranges.items())

    def _surely_holds(self, one: Restrictions) -> bool:
        if any(one.bounds(name) != (None, None) for name in _NEVER_SURE):
            return False
        on_time = all(matches_wall_clock(one, moment) for moment in self.moments)
        return on_time and all(_spans(one, name, span) for name, span in self.ranges.items())

    def _cost(self, quantity: Fraction, component: Component) -> Fraction:
        amount = taxes.amount_of(self.tariff, quantity, component, taxes.rate_of(self.tariff, component, {}))
        known = amount.excl if amount.incl is None else amount.incl
        return max(known or _NOTHING, _NOTHING)


def _moments(tariff: Tariff, stands: Conditions, span: timedelta) -> Sequence[Conditions]:
    """Now and whenever the clock on the wall begins or ends an element until then."""
    zone = stands.local.tzinfo
    if not isinstance(zone, ZoneInfo):
        return [stands]
    local: Iterable[Restrictions] = [element.restrictions for element in tariff.elements]
    now = stands.local.astimezone(UTC)
    changes: Iterable[datetime] = boundaries(local, zone, now, now + span)
    return [stands, *(stands._replace(local=instant.astimezone(zone)) for instant in changes)]


def _meets(one: Restrictions, name: str, span: Range | None) -> bool:
    """Whether a value of the range matches. The rating itself is a power that can be measured."""
    least, upper = one.bounds(name)
    if span is None:
        return True
    low, high = span
    reaches = least is None or least <= low or least < high or (name == "power" and least == high)
    return reaches and (upper is None or low < upper)


def _spans(one: Restrictions, name: str, span: Range | None) -> bool:
    """Whether every value of the range matches."""
    least, upper = one.bounds(name)
    if span is None:
        return least is None and upper is None
    low, high = span
    return (least is None or least <= low) and (upper is None or high <= upper)
