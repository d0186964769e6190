"""Amounts of an invoice agree to the cent (billing B-23 to B-25, B-53)."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.amounts import ToBill, Totals, split, totals
from core.money import half_up
from tariffs.rounding import Basis

CENTS = st.integers(min_value=-50_000, max_value=500_000).map(lambda cents: Decimal(cents).scaleb(-2))
RATES = st.sampled_from([Decimal(rate) for rate in ("0", "5.5", "7", "19", "20", "21", "25.5")])
LINES = st.lists(st.builds(ToBill, leading=CENTS, rate=RATES), min_size=1, max_size=40)


def of(basis: Basis, rate: str, *amounts: str) -> Totals:
    return totals([ToBill(Decimal(one), Decimal(rate)) for one in amounts], basis, "EUR")


def test_b23_vat_of_a_net_invoice_is_rounded_once_for_each_rate() -> None:
    found = of(Basis.NET, "21", "6.37", "12.94", "3.18")

    assert (found.net, found.vat, found.rounding, found.due) == (
        Decimal("22.49"), Decimal("4.72"), 0, Decimal("27.21"),
    )  # fmt: skip


def test_b24_a_gross_invoice_is_the_sum_that_was_shown() -> None:
    found = of(Basis.GROSS, "19", "14.27", "9.86", "21.13")

    assert (found.due, found.vat, found.net) == (Decimal("45.26"), Decimal("7.23"), Decimal("38.03"))
    assert found.nets == (Decimal("11.99"), Decimal("8.29"), Decimal("17.75"))


def test_b25_a_gross_sum_without_a_pair_gets_a_rounding_amount() -> None:
    found = of(Basis.GROSS, "19", "45.00")

    assert (found.net, found.vat, found.rounding, found.due) == (
        Decimal("37.82"), Decimal("7.19"), Decimal("-0.01"), Decimal("45.00"),
    )  # fmt: skip


def test_b53_shares_add_up_exactly() -> None:
    weights = [Decimal("70.25"), Decimal("22.5"), Decimal("7.25")]
    assert split(Decimal("10.01"), weights, 2) == [Decimal("7.03"), Decimal("2.25"), Decimal("0.73")]


@pytest.mark.parametrize("basis", list(Basis))
@given(lines=LINES)
def test_b59_whatever_the_lines_all_sums_agree(basis: Basis, lines: list[ToBill]) -> None:
    found = totals(lines, basis, "EUR")

    assert sum(found.nets) == found.net
    assert found.net + found.vat + found.rounding == found.due
    for group in found.groups:
        assert group.vat == half_up(Fraction(group.net) * Fraction(group.rate) / 100, 2)
        parts = [net for net, line in zip(found.nets, lines, strict=True) if line.rate == group.rate]
        assert sum(parts) == group.net
    if basis is Basis.GROSS:
        assert found.due == sum(line.leading for line in lines)
    else:
        assert found.rounding == 0
    assert abs(found.rounding) <= Decimal("0.01") * len(found.groups)
