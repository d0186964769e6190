"""Amounts of an invoice that agree to the minor unit: a pure function of its lines (billing B-23 to B-25)."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from core.money import half_up, minor_units
from tariffs.rounding import Basis


@dataclass(frozen=True, slots=True)
class ToBill:
    """One line before it is added up: what leads (net or gross, by the basis) and its rate in percent."""

    leading: Decimal
    rate: Decimal
    category: str = "S"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """All lines of one rate; on one invoice that has one category (B-26)."""

    rate: Decimal
    net: Decimal
    vat: Decimal
    category: str = "S"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Totals:
    """``nets`` in the order of the lines; ``due`` is net + VAT + ``rounding`` (BT-114)."""

    nets: tuple[Decimal, ...]
    groups: tuple[Group, ...]
    rounding: Decimal
    due: Decimal

    @property
    def net(self) -> Decimal:
        return sum((group.net for group in self.groups), Decimal(0))

    @property
    def vat(self) -> Decimal:
        return sum((group.vat for group in self.groups), Decimal(0))


def totals(lines: Sequence[ToBill], basis: Basis, currency: str) -> Totals:
    """Add lines up, VAT once for each rate. With ``gross`` what is due is the sum that persons were shown."""
    digits = minor_units(currency)
    nets = [line.leading for line in lines]
    groups = []
    for rate in sorted({line.rate for line in lines}):
        places = [place for place, line in enumerate(lines) if line.rate == rate]
        leading = sum((lines[place].leading for place in places), Decimal(0))
        net = leading if basis is Basis.NET else leading - _within(leading, rate, digits)
        first = lines[places[0]]
        groups.append(Group(rate, net, _on(net, rate, digits), first.category, first.reason))
        if basis is Basis.GROSS:
            shares = split(net, [lines[place].leading for place in places], digits)
            for place, share in zip(places, shares, strict=True):
                nets[place] = share
    with_vat = sum((group.net + group.vat for group in groups), Decimal(0))
    due = with_vat if basis is Basis.NET else sum((line.leading for line in lines), Decimal(0))
    return Totals(tuple(nets), tuple(groups), due - with_vat, due)


def split(total: Decimal, weights: Sequence[Decimal | Fraction], digits: int) -> list[Decimal]:
    """Exact shares cut to the minor unit; what is left goes to the largest remainders, ties by order."""
    whole = sum((Fraction(weight) for weight in weights), Fraction(0))
    units = int(total.scaleb(digits))
    if not whole:
        return [half_up(0, digits) for _ in weights[:-1]] + [total]
    exact = [units * Fraction(weight) / whole for weight in weights]
    parts = [value.numerator // value.denominator for value in exact]
    order = sorted(range(len(parts)), key=lambda place: (parts[place] - exact[place], place))
    for place in order[: units - sum(parts)]:
        parts[place] += 1
    return [Decimal(part).scaleb(-digits) for part in parts]


def _within(gross: Decimal, rate: Decimal, digits: int) -> Decimal:
    return half_up(Fraction(gross) * Fraction(rate) / (100 + Fraction(rate)), digits)


def _on(net: Decimal, rate: Decimal, digits: int) -> Decimal:
    return half_up(Fraction(net) * Fraction(rate) / 100, digits)
