"""A tariff as OCPI 2.2.1 and 2.3.0 say it: elements in order, each with components and restrictions.

Plain values without Django; :mod:`tariffs.parsing` makes them from JSON.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import Any

MIDNIGHT = time(0, 0)
WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")


class Dimension(StrEnum):
    """What a component prices, in the order in which prices are told (T-51)."""

    ENERGY = "ENERGY"
    TIME = "TIME"
    PARKING_TIME = "PARKING_TIME"
    FLAT = "FLAT"


class TariffType(StrEnum):
    AD_HOC_PAYMENT = "AD_HOC_PAYMENT"
    PROFILE_CHEAP = "PROFILE_CHEAP"
    PROFILE_FAST = "PROFILE_FAST"
    PROFILE_GREEN = "PROFILE_GREEN"
    REGULAR = "REGULAR"


class ReservationKind(StrEnum):
    RESERVATION = "RESERVATION"
    RESERVATION_EXPIRES = "RESERVATION_EXPIRES"


class TaxIncluded(StrEnum):
    """Whether prices hold the taxes (2.3.0); a tariff of 2.2.1 has no such word and its prices hold none."""

    YES = "YES"
    NO = "NO"
    NOT_APPLICABLE = "N/A"


@dataclass(frozen=True, slots=True)
class Component:
    """A price per kWh, per hour or once. ``vat`` absent and zero are different groups (T-31)."""

    dimension: Dimension
    price: Decimal
    vat: Decimal | None = None
    step_size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Restrictions:
    """When an element counts. Absent ones always match; lower bounds include, upper ones exclude (T-01, T-02)."""

    start_time: time | None = None
    end_time: time | None = None
    start_date: date | None = None
    end_date: date | None = None
    day_of_week: frozenset[int] = frozenset()
    min_kwh: Decimal | None = None
    max_kwh: Decimal | None = None
    min_current: Decimal | None = None
    max_current: Decimal | None = None
    min_power: Decimal | None = None
    max_power: Decimal | None = None
    min_duration: int | None = None
    max_duration: int | None = None
    reservation: ReservationKind | None = None

    @property
    def has_window(self) -> bool:
        return self.start_time is not None or self.end_time is not None

    @property
    def window(self) -> tuple[time, time]:
        """The daily window; the side that is not given is midnight."""
        return self.start_time or MIDNIGHT, self.end_time or MIDNIGHT

    @property
    def is_local(self) -> bool:
        """Whether the clock on the wall at the site decides."""
        return bool(self.has_window or self.start_date or self.end_date or self.day_of_week)

    def bounds(self, quantity: str) -> tuple[Decimal | int | None, Decimal | int | None]:
        """Least and upper bound of ``kwh``, ``current``, ``power`` or ``duration``."""
        return getattr(self, f"min_{quantity}"), getattr(self, f"max_{quantity}")


@dataclass(frozen=True, slots=True)
class Element:
    components: tuple[Component, ...]
    restrictions: Restrictions = Restrictions()

    def component(self, dimension: Dimension) -> int | None:
        """The place of the first component of a dimension (T-10)."""
        for place, component in enumerate(self.components):
            if component.dimension is dimension:
                return place
        return None


@dataclass(frozen=True, slots=True)
class PriceLimit:
    """The least or greatest price of a session; a side that is not given limits nothing."""

    excl: Decimal | None
    incl: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """One tariff. ``document`` is the JSON it came from, kept verbatim (T-04).

    ``dynamic``: announced as one whose prices follow while a session lasts (T-42); a word of ours.
    """

    currency: str
    elements: tuple[Element, ...]
    id: str = ""
    country_code: str = ""
    party_id: str = ""
    type: TariffType | None = None
    min_price: PriceLimit | None = None
    max_price: PriceLimit | None = None
    tax_included: TaxIncluded | None = None
    dynamic: bool = False
    alt_text: tuple[tuple[str, str], ...] = ()
    alt_url: str = ""
    start_at: datetime | None = None
    end_at: datetime | None = None
    last_updated: datetime | None = None
    document: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __hash__(self) -> int:
        """Of a few parts only: what is known of a tariff is looked up several times for every price."""
        last = self.elements[-1] if self.elements else None
        return hash((self.id, self.last_updated, len(self.elements), last and last.restrictions))

    @property
    def is_local(self) -> bool:
        """Whether the time zone of the site makes a difference."""
        return any(element.restrictions.is_local for element in self.elements)

    @property
    def varies(self) -> bool:
        """Whether a price can change while a session lasts."""
        kinds = (element.restrictions for element in self.elements)
        return any(one != Restrictions(reservation=one.reservation) for one in kinds)

    @property
    def for_ad_hoc(self) -> bool:
        """Whether persons without a contract can come to pay it; without a type it is for every session."""
        return self.type in (None, TariffType.AD_HOC_PAYMENT)

    def components(self) -> Iterator[tuple[int, int, Component]]:
        """Every component with its places."""
        for number, element in enumerate(self.elements):
            for place, component in enumerate(element.components):
                yield number, place, component

    def thresholds(self, quantity: str) -> list[Decimal]:
        """The bounds on ``kwh``, ``current``, ``power`` or ``duration``, in order."""
        return _ordered(bound for one in self.elements for bound in one.restrictions.bounds(quantity))


def _ordered(bounds: Iterable[Decimal | int | None]) -> list[Decimal]:
    return sorted({Decimal(bound) for bound in bounds if bound is not None})
