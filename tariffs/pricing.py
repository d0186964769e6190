"""What a session costs: a pure function of tariff, session, time zone and options (tariffs section 14).

Everything is exact until the end of the session and rounded there once, by a policy whose id is kept with the
price. No Django, no clock, no input or output: the bill, the running cost, the answer of the API and the
command line are this one function.

    price(tariff, session, zone=ZoneInfo("Europe/Berlin"), rounding=Rounding(basis=Basis.NET))
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from zoneinfo import ZoneInfo

from core.money import half_up, minor_units
from tariffs import periods, recorded, taxes
from tariffs.choosing import Chooser, chooser_of
from tariffs.lines import Line, Tallies, Tally
from tariffs.rounding import Amount, Basis, Payable, Rate, Rounding, Tax, ToRound, VatGroup, make_payable
from tariffs.structure import PriceLimit, Tariff
from tariffs.taxes import TaxRates
from tariffs.usage import (
    CannotPrice,
    Counted,
    Metered,
    Period,
    Recorded,
    RecordedPeriod,
    Sample,
    Session,
    State,
)

__all__ = [
    "Amount", "Basis", "CannotPrice", "Counted", "Line", "Metered", "Options", "Part", "Payable", "Price",
    "Recorded", "RecordedPeriod", "Reservation", "Rounding", "Sample", "Session", "State", "Tax", "VatGroup",
    "Warned", "price",
]  # fmt: skip

DEFAULT_ROUNDING = Rounding()


class Reservation(StrEnum):
    """How the reservation before a charge is priced (T-25)."""

    USED = "used"
    EXPIRED = "expired"
    FREE = "free"


class Warned(StrEnum):
    """What a person should know about a price; it stands all the same."""

    UNCUT_PERIOD = "uncut_period"
    TAX_UNKNOWN = "tax_unknown"
    LIMIT_RATE_ASSUMED = "limit_rate_assumed"


class Part(StrEnum):
    """The parts that a total consists of, beside the line of a limit (T-53)."""

    ENERGY = "energy"
    TIME = "time"
    PARKING = "parking"
    FIXED = "fixed"
    RESERVATION = "reservation"


PART_OF: Mapping[Counted, Part] = {
    Counted.ENERGY: Part.ENERGY,
    Counted.TIME: Part.TIME,
    Counted.PARKING_TIME: Part.PARKING,
    Counted.FLAT: Part.FIXED,
    Counted.RESERVATION_TIME: Part.RESERVATION,
    Counted.RESERVATION_FLAT: Part.RESERVATION,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """``tax_rates`` names the rates that a tariff of 2.3.0 leaves open. ``tariff_changes``: when another
    tariff began to hold while the session lasted, by elements of the same one: a period begins there (T-11), and
    no step of what had ended by then is rounded up (T-19)."""

    reservation: Reservation = Reservation.USED
    tax_rates: TaxRates = field(default_factory=dict)
    tariff_changes: Sequence[datetime] = ()


DEFAULT_OPTIONS = Options()


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Exact amounts and quantities, what is payable, and how it came about."""

    currency: str
    zone: ZoneInfo
    rounding: Rounding
    start: datetime
    end: datetime
    periods: tuple[Period, ...]
    lines: tuple[Line, ...]
    total: Amount
    payable: Payable
    groups: tuple[VatGroup, ...]
    warnings: tuple[Warned, ...]

    def part(self, part: Part) -> Amount:
        """What one part costs, exactly; a limit changes only the total (T-28)."""
        return sum_amounts([line for line in self.lines if PART_OF.get(line.counted) is part])

    def measured(self, counted: Counted) -> Fraction:
        """All that was measured of it, priced or not: kWh or hours."""
        return sum((line.measured for line in self.lines if line.counted is counted), Fraction(0))

    def billed(self, counted: Counted) -> Fraction:
        """What was billed of it after steps."""
        return sum((line.billed for line in self.lines if line.counted is counted), Fraction(0))

    @property
    def total_time_h(self) -> Fraction:
        """From start to end in all cases (T-24), in hours."""
        elapsed = self.end - self.start
        return Fraction(elapsed.days * 86_400 + elapsed.seconds, 3600) + Fraction(
            elapsed.microseconds, 3_600_000_000
        )


def price(
    tariff: Tariff,
    session: Session,
    *,
    zone: ZoneInfo,
    rounding: Rounding = DEFAULT_ROUNDING,
    options: Options = DEFAULT_OPTIONS,
) -> Price:
    """The price of a session, or of a running one so far.

    Raises :class:`CannotPrice` where the measurements would have to be guessed, :class:`core.errors.Invalid`
    for an unknown rounding policy.
    """
    chooser = chooser_of(tariff, expired=options.reservation is Reservation.EXPIRED)
    # As finely as periods begin, or one that begins with a change would seem to begin before it.
    changes = [periods.floored(one) for one in options.tariff_changes]
    stretches, warnings = _periods(tariff, session, chooser, zone, changes)
    start, end = _span(session, stretches)
    tallies = Tallies(chooser)
    tallies.count(stretches)
    tallies.round_up(max((one for one in changes if start < one < end), default=None))
    lines = [_line(tariff, tally, options) for tally in tallies.ordered()]
    limit = _limit(tariff, sum_amounts(lines))
    lines += limit
    groups, payable = _payable(tariff, lines, limit, _By(rounding, options.tax_rates, warnings))
    if payable.vat is None:
        warnings.append(Warned.TAX_UNKNOWN)
    return Price(
        currency=tariff.currency,
        zone=zone,
        rounding=rounding,
        start=start,
        end=end,
        periods=tuple(stretches),
        lines=tuple(lines),
        total=sum_amounts(lines),
        payable=payable,
        groups=groups,
        warnings=tuple(warnings),
    )


def sum_amounts(lines: Sequence[Line]) -> Amount:
    """The exact sum of lines."""
    return sum((line.amount for line in lines), Amount())


def _periods(
    tariff: Tariff, session: Session, chooser: Chooser, zone: ZoneInfo, changes: Sequence[datetime]
) -> tuple[list[Period], list[Warned]]:
    if isinstance(session, Metered):
        return periods.cut(tariff, session, zone, changes), []
    found = recorded.periods_of(session, zone, tariff.thresholds("kwh"))
    uncut = recorded.straddles(tariff, chooser, found, zone)
    return found, [Warned.UNCUT_PERIOD] if uncut else []


def _span(session: Session, stretches: Sequence[Period]) -> tuple[datetime, datetime]:
    if isinstance(session, Recorded):
        return session.start, session.end
    return stretches[0].start, stretches[-1].end


def _line(tariff: Tariff, tally: Tally, options: Options) -> Line:
    if tally.choice is None or _is_free(tally.counted, options):
        return Line(
            counted=tally.counted,
            stretches=tuple(tally.stretches),
            measured=tally.measured,
            billed=Fraction(0),
            amount=Amount(),
            rate=Tax.NONE,
        )
    component = tally.choice.component
    rate = taxes.rate_of(tariff, component, options.tax_rates)
    billed = tally.measured + tally.added
    return Line(
        counted=tally.counted,
        stretches=tuple(tally.stretches),
        measured=tally.measured,
        billed=billed,
        amount=taxes.amount_of(tariff, billed, component, rate),
        rate=rate,
        element=tally.choice.element,
        place=tally.choice.place,
        component=component,
    )


def _is_free(counted: Counted, options: Options) -> bool:
    return options.reservation is Reservation.FREE and PART_OF[counted] is Part.RESERVATION


def _limit(tariff: Tariff, total: Amount) -> list[Line]:
    """The line that a minimum or maximum adds, each side by itself (T-27, T-28); none where no limit acts."""
    clamped = Amount(
        _clamp(total.excl, _side(tariff.min_price, Basis.NET), _side(tariff.max_price, Basis.NET)),
        _clamp(total.incl, _side(tariff.min_price, Basis.GROSS), _side(tariff.max_price, Basis.GROSS)),
    )
    if clamped == total:
        return []
    nothing = Fraction(0)
    return [
        Line(
            counted=Counted.LIMIT,
            stretches=(),
            measured=nothing,
            billed=nothing,
            amount=clamped - total,
            rate=Tax.NONE,
        )
    ]


def _side(limit: PriceLimit | None, basis: Basis) -> Fraction | None:
    bound = None if limit is None else limit.incl if basis is Basis.GROSS else limit.excl
    return None if bound is None else Fraction(bound)


def _clamp(value: Fraction | None, least: Fraction | None, greatest: Fraction | None) -> Fraction | None:
    if value is None:
        return None
    if least is not None and value < least:
        value = least
    return greatest if greatest is not None and value > greatest else value


@dataclass(frozen=True, slots=True)
class _By:
    """What decides how a total becomes payable, and where to say what was assumed."""

    rounding: Rounding
    rates: TaxRates
    warnings: list[Warned]


def _payable(
    tariff: Tariff, lines: Sequence[Line], limit: Sequence[Line], by: _By
) -> tuple[tuple[VatGroup, ...], Payable]:
    groups: dict[Rate, Amount] = {}
    for line in lines:
        if line.component is not None:
            groups[line.rate] = groups.get(line.rate, Amount()) + line.amount
    total = sum_amounts(lines)
    leads = _leading(total, by.rounding.basis)
    limited = total.side(leads) if limit and limit[0].amount.side(leads) else None
    if limited is not None and not any(amount.side(leads) for amount in groups.values()):
        by.warnings.append(Warned.LIMIT_RATE_ASSUMED)
        rate = _assumed_rate(tariff, by.rates)
        groups = {rate: groups.get(rate, Amount()), **groups}
    return make_payable(by.rounding, ToRound(tariff.currency, list(groups.items()), limited, leads))


def _leading(total: Amount, basis: Basis) -> Basis:
    """The side of the basis, or the other one where a tax that nobody knows hides it."""
    if total.side(basis) is not None:
        return basis
    return Basis.NET if basis is Basis.GROSS else Basis.GROSS


def _assumed_rate(tariff: Tariff, rates: TaxRates) -> Rate:
    """The rate of a minimum that no usage shares: the only one there is, or the one that its own two sides tell.

    Prices of reservations count where there are no others. Where neither decides, nobody knows it.
    """
    all_rates = [
        (tariff.elements[number].restrictions.reservation is None, taxes.rate_of(tariff, component, rates))
        for number, _place, component in tariff.components()
    ]
    possible = {rate for is_ordinary, rate in all_rates if is_ordinary} or {rate for _, rate in all_rates}
    if len(possible) > 1:
        possible = {rate for rate in possible if _tells(tariff, rate)}
    return possible.pop() if len(possible) == 1 else Tax.UNKNOWN


def _tells(tariff: Tariff, rate: Rate) -> bool:
    """Whether the sides of the minimum differ by this rate, to the minor unit."""
    limit = tariff.min_price
    if limit is None or limit.excl is None or limit.incl is None or rate is Tax.UNKNOWN:
        return False
    factor = 1 + Fraction(rate) / 100 if isinstance(rate, Decimal) else Fraction(1)
    digits = minor_units(tariff.currency)
    return half_up(Fraction(limit.excl) * factor, digits) == half_up(Fraction(limit.incl), digits)
