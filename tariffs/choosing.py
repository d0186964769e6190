"""Which component prices a dimension under given conditions (tariffs T-01 to T-10)."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
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
_BOUNDS: Sequence[tuple[str, str, bool]] = (
    ("min_kwh", "kwh", True),
    ("max_kwh", "kwh", False),
    ("min_duration", "elapsed_s", True),
    ("max_duration", "elapsed_s", False),
    ("min_power", "min_power", True),
    ("max_power", "max_power", False),
    ("min_current", "min_current", True),
    ("max_current", "max_current", False),
)
"""A restriction, the condition it bounds, and whether from below."""
_PLACES: Mapping[str, int] = {name: place for place, name in enumerate(Conditions._fields[1:])}
MOST_ELEMENTS_KEPT = 100
OF_RESERVATION = frozenset({Counted.RESERVATION_TIME, Counted.RESERVATION_FLAT})


class Choice(NamedTuple):
    """A component and its places in the tariff."""

    element: int
    place: int
    component: Component


class _Bound(NamedTuple):
    """One numeric restriction as a ratio of whole numbers, and which of the measured conditions it looks at."""

    place: int
    is_least: bool
    top: int
    bottom: int


class _Candidate(NamedTuple):
    restrictions: Restrictions
    bounds: tuple[_Bound, ...]
    choice: Choice


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
        for restrictions, bounds, choice in self.candidates[counted]:
            if _hold(bounds, conditions) and matches_wall_clock(restrictions, conditions):
                return choice
        return None


def chooser_of(tariff: Tariff, *, expired: bool = False) -> Chooser:
    """The candidates of a tariff, which many prices share; an unusually long one is not kept in memory."""
    make = _kept_chooser if len(tariff.elements) <= MOST_ELEMENTS_KEPT else Chooser
    return make(tariff, expired=expired)


@lru_cache(maxsize=1024)
def _kept_chooser(tariff: Tariff, *, expired: bool) -> Chooser:
    return Chooser(tariff, expired=expired)


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
                found.append(_Candidate(element.restrictions, _bounds(element.restrictions), choice))
    return found


def _bounds(one: Restrictions) -> tuple[_Bound, ...]:
    return tuple(
        _Bound(_PLACES[quantity], is_least, *bound.as_integer_ratio())
        for name, quantity, is_least in _BOUNDS
        if (bound := getattr(one, name)) is not None
    )


def _hold(bounds: Iterable[_Bound], now: Conditions) -> bool:
    """Whether all bounds hold (T-01), exactly, by whole numbers.

    What the tariff asks and nobody measured does not hold (T-03).
    """
    measured = now[1:]
    for place, is_least, bound_top, bound_bottom in bounds:
        value = measured[place]
        if value is None:
            return False
        top, bottom = value.as_integer_ratio()
        if (top * bound_bottom < bound_top * bottom) is is_least:
            return False
    return True
