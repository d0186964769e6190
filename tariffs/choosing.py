"""Which component prices a dimension under given conditions (tariffs T-01 to T-10)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from tariffs.local_time import in_window
from tariffs.structure import Component, Dimension, ReservationKind, Restrictions, Tariff
from tariffs.usage import Conditions, Counted

ORDINARY: Sequence[ReservationKind | None] = (None,)
USED: Sequence[ReservationKind | None] = (ReservationKind.RESERVATION,)
EXPIRED: Sequence[ReservationKind | None] = (
    ReservationKind.RESERVATION_EXPIRES,
    ReservationKind.RESERVATION,
)

_PRICED_BY: Mapping[Counted, Dimension] = {
    Counted.ENERGY: Dimension.ENERGY,
    Counted.TIME: Dimension.TIME,
    Counted.PARKING_TIME: Dimension.PARKING_TIME,
    Counted.FLAT: Dimension.FLAT,
    Counted.RESERVATION_TIME: Dimension.TIME,
    Counted.RESERVATION_FLAT: Dimension.FLAT,
}
OF_RESERVATION = frozenset({Counted.RESERVATION_TIME, Counted.RESERVATION_FLAT})


class Choice(NamedTuple):
    """A component and its places in the tariff."""

    element: int
    place: int
    component: Component


class _Candidate(NamedTuple):
    restrictions: Restrictions
    choice: Choice
    always: bool


class Chooser:
    """The candidates of a tariff for everything that is counted, in the order in which they are asked."""

    def __init__(self, tariff: Tariff, *, expired: bool = False) -> None:
        reserved = EXPIRED if expired else USED
        self.candidates: Mapping[Counted, list[_Candidate]] = {
            counted: _candidates(tariff, dimension, reserved if counted in OF_RESERVATION else ORDINARY)
            for counted, dimension in _PRICED_BY.items()
        }

    def choose(self, counted: Counted, conditions: Conditions) -> Choice | None:
        """The first element that matches and has the dimension (T-05); none means free (T-06)."""
        for restrictions, choice, always in self.candidates[counted]:
            if always or matches(restrictions, conditions):
                return choice
        return None


def matches(restrictions: Restrictions, now: Conditions) -> bool:
    """Whether all restrictions hold (T-01). What the tariff asks and nobody measured does not hold (T-03)."""
    one = restrictions
    return (
        _at_least(now.kwh, one.min_kwh)
        and _below(now.kwh, one.max_kwh)
        and _at_least(now.elapsed_s, one.min_duration)
        and _below(now.elapsed_s, one.max_duration)
        and _at_least(now.min_power, one.min_power)
        and _below(now.max_power, one.max_power)
        and _at_least(now.min_current, one.min_current)
        and _below(now.max_current, one.max_current)
        and matches_wall_clock(one, now)
    )


def matches_wall_clock(one: Restrictions, now: Conditions) -> bool:
    if not one.is_local:
        return True
    day = now.local.date()
    return (
        (one.start_date is None or one.start_date <= day)
        and (one.end_date is None or day < one.end_date)
        and (not one.day_of_week or now.local.weekday() in one.day_of_week)
        and (not one.has_window or in_window(now.local, one.window))
    )


def _candidates(
    tariff: Tariff, dimension: Dimension, kinds: Iterable[ReservationKind | None]
) -> list[_Candidate]:
    found = []
    for kind in kinds:
        for number, element in enumerate(tariff.elements):
            place = element.component(dimension)
            if place is not None and element.restrictions.reservation is kind:
                choice = Choice(number, place, element.components[place])
                always = replace(element.restrictions, reservation=None) == Restrictions()
                found.append(_Candidate(element.restrictions, choice, always))
    return found


def _at_least(value: Decimal | Fraction | None, bound: Decimal | int | None) -> bool:
    return bound is None or (value is not None and not _is_less(value, bound))


def _below(value: Decimal | Fraction | None, bound: Decimal | int | None) -> bool:
    return bound is None or (value is not None and _is_less(value, bound))


def _is_less(value: Decimal | Fraction, bound: Decimal | int) -> bool:
    """Exactly, by whole numbers."""
    top, bottom = value.as_integer_ratio()
    bound_top, bound_bottom = bound.as_integer_ratio()
    return top * bound_bottom < bound_top * bottom
