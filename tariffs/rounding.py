"""From exact amounts to what is payable: the rounding policies, each known by its id (tariffs section 9).

A policy never changes. A new way of rounding is a new id, so that an old price can be computed again with the
same digits (T-39).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from core.errors import Invalid
from core.money import Money, half_up, minor_units

SESSION_VAT_GROUP_1 = "session-vat-group/1"
OCPI_DIGITS = 4


class Basis(StrEnum):
    """What is rounded first: the price with taxes (persons) or without (organizations, roaming)."""

    GROSS = "gross"
    NET = "net"


class Tax(StrEnum):
    """Why a group has no rate of its own."""

    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Amount:
    """An exact amount without and with taxes; ``None`` is the side that nobody can know (T-32)."""

    excl: Fraction | None = Fraction(0)
    incl: Fraction | None = Fraction(0)

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(_plus(self.excl, other.excl), _plus(self.incl, other.incl))

    def __sub__(self, other: "Amount") -> "Amount":
        return self + Amount(_negated(other.excl), _negated(other.incl))

    def side(self, basis: Basis) -> Fraction | None:
        return self.incl if basis is Basis.GROSS else self.excl


@dataclass(frozen=True, slots=True)
class Payable:
    """Whole minor units. With a tax that nobody knows, only one side can be told."""

    excl: Money | None
    vat: Money | None
    incl: Money | None


Rate = Decimal | Tax


@dataclass(frozen=True, slots=True)
class VatGroup:
    """Everything with one rate of VAT: a percentage, zero included, or why there is none (T-31)."""

    rate: Rate
    exact: Amount
    payable: Payable


@dataclass(frozen=True, slots=True)
class Rounding:
    """How a price becomes payable; both are stored with it."""

    policy: str = SESSION_VAT_GROUP_1
    basis: Basis = Basis.GROSS


@dataclass(frozen=True, slots=True)
class ToRound:
    """What a policy is handed. ``limited`` is the leading total where a limit moved it, else ``None``.

    ``leads`` is its side, where a tax that nobody knows hides the one of the basis.
    """

    currency: str
    groups: Sequence[tuple[Rate, Amount]]
    limited: Fraction | None = None
    leads: Basis | None = None


def make_payable(rounding: Rounding, wanted: ToRound) -> tuple[tuple[VatGroup, ...], Payable]:
    """The groups and their sum, by the policy of that id; raises :class:`Invalid` for an unknown one."""
    policy = POLICIES.get(rounding.policy)
    if policy is None:
        known = ", ".join(POLICIES)
        raise Invalid(f"“{rounding.policy}” is no rounding policy; known are: {known}.", field="policy")
    groups = policy(rounding.basis, wanted)
    return groups, _sum([group.payable for group in groups], wanted.currency)


def ocpi(value: Fraction | None) -> Decimal | None:
    """An amount as OCPI numbers have it: four decimals, half up, from its own exact value (T-35)."""
    return None if value is None else half_up(value, OCPI_DIGITS)


def _once_per_vat_group(basis: Basis, wanted: ToRound) -> tuple[VatGroup, ...]:
    """``session-vat-group/1``: rounded once a session and group; a limited total is split by shares (T-36)."""
    if wanted.limited is not None:
        return _share(wanted.leads or basis, wanted.limited, wanted)
    digits = minor_units(wanted.currency)
    exact = [amount.side(basis) for _, amount in wanted.groups]
    leading = [None if value is None else half_up(value, digits) for value in exact]
    return tuple(
        VatGroup(rate, amount, _group(basis, rate, value, amount, wanted.currency))
        for (rate, amount), value in zip(wanted.groups, leading, strict=True)
    )


def _share(basis: Basis, limited: Fraction, wanted: ToRound) -> tuple[VatGroup, ...]:
    parts = _split(limited, [amount.side(basis) for _, amount in wanted.groups], wanted)
    return tuple(
        VatGroup(rate, amount, _group(basis, rate, part, _only(basis, part), wanted.currency))
        for (rate, amount), part in zip(wanted.groups, parts, strict=True)
    )


def _only(basis: Basis, part: Decimal) -> Amount:
    """One side of a part of a limited total: where its tax is not known, the other is not either."""
    return Amount(None, Fraction(part)) if basis is Basis.GROSS else Amount(Fraction(part), None)


def _group(basis: Basis, rate: Rate, leading: Decimal | None, amount: Amount, currency: str) -> Payable:
    if rate is Tax.UNKNOWN:
        return _one_sided(amount, currency)
    if leading is None:
        return Payable(None, None, None)
    total = Money(leading, currency)
    percent = Fraction(0) if isinstance(rate, Tax) else Fraction(rate)
    if basis is Basis.GROSS:
        vat = Money.from_exact(Fraction(leading) * percent / (100 + percent), currency)
        return Payable(total - vat, vat, total)
    vat = Money.from_exact(Fraction(leading) * percent / 100, currency)
    return Payable(total, vat, total + vat)


def _one_sided(amount: Amount, currency: str) -> Payable:
    excl = None if amount.excl is None else Money.from_exact(amount.excl, currency)
    incl = None if amount.incl is None else Money.from_exact(amount.incl, currency)
    # Both are known where there is nothing to tax.
    return Payable(excl, None if excl is None or incl is None else incl - excl, incl)


def _split(total: Fraction, shares: Sequence[Fraction | None], wanted: ToRound) -> list[Decimal]:
    """The rounded total over the groups by exact share; what is left goes to the largest remainders."""
    digits = minor_units(wanted.currency)
    units = int(half_up(total, digits).scaleb(digits))
    weights = _weights([share or Fraction(0) for share in shares], units)
    exact = [units * weight / sum(weights) for weight in weights]
    whole = [share.__floor__() for share in exact]
    by_remainder = sorted(range(len(exact)), key=lambda number: (whole[number] - exact[number], number))
    for number in by_remainder[: units - sum(whole)]:
        whole[number] += 1
    return [half_up(Fraction(value, 10**digits), digits) for value in whole]


def _weights(shares: Sequence[Fraction], units: int) -> Sequence[Fraction]:
    """Where credits stand beside prices, only those of the whole's sign share: else they would share more than it."""
    for weights in ([max(share * units, Fraction(0)) for share in shares], [abs(share) for share in shares]):
        if any(weights):
            return weights
    return [Fraction(1), *(Fraction(0) for _ in shares[1:])]


def _sum(parts: Sequence[Payable], currency: str) -> Payable:
    def total(values: list[Money | None]) -> Money | None:
        sums = Money.zero(currency).rounded()
        for value in values:
            if value is None:
                return None
            sums += value
        return sums

    return Payable(
        total([part.excl for part in parts]),
        total([part.vat for part in parts]),
        total([part.incl for part in parts]),
    )


def _plus(one: Fraction | None, other: Fraction | None) -> Fraction | None:
    return None if one is None or other is None else one + other


def _negated(value: Fraction | None) -> Fraction | None:
    return None if value is None else -value


POLICIES: Mapping[str, Callable[[Basis, ToRound], tuple[VatGroup, ...]]] = {
    SESSION_VAT_GROUP_1: _once_per_vat_group,
}
