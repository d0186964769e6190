"""Money: exact, of one currency, rounded once (billing.md B-28, tariffs.md section 2)."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Invalid
from core.money import CURRENCIES, OTHER_MINOR_UNITS, Money, half_up, minor_units, sum_money

AMOUNTS = st.decimals(min_value=-(10**9), max_value=10**9, places=6)


def eur(text: str) -> Money:
    return Money(Decimal(text), "EUR")


@pytest.mark.parametrize(("currency", "digits"), [("EUR", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("CLP", 0)])
def test_minor_units_come_from_a_table(currency: str, digits: int) -> None:
    assert minor_units(currency) == digits


def test_every_currency_with_unusual_minor_units_is_a_currency() -> None:
    assert set(OTHER_MINOR_UNITS) <= CURRENCIES


@pytest.mark.parametrize("currency", ["", "eur", "EURO", "XXX"])
def test_what_is_no_currency_is_refused(currency: str) -> None:
    with pytest.raises(Invalid, match="ISO 4217"):
        Money(Decimal(1), currency)


@pytest.mark.parametrize(
    ("amount", "currency", "rounded"),
    [
        ("0.605", "EUR", "0.61"),
        ("0.6049999", "EUR", "0.60"),
        ("-0.605", "EUR", "-0.61"),
        ("-0.004", "EUR", "0.00"),
        ("100.5", "JPY", "101"),
        ("1.0005", "KWD", "1.001"),
        ("1E+3", "EUR", "1000.00"),
    ],
)
def test_rounding_goes_half_up_to_the_minor_unit(amount: str, currency: str, rounded: str) -> None:
    assert str(Money(Decimal(amount), currency).rounded()) == f"{rounded} {currency}"


def test_t38_three_thirds_are_rounded_once_and_make_a_whole() -> None:
    third = Fraction(1, 3)
    assert half_up(third + third + third, 2) == Decimal("1.00")
    assert half_up(third, 4) == Decimal("0.3333")


def test_b28_adding_or_comparing_two_currencies_raises() -> None:
    with pytest.raises(ValueError, match="EUR and JPY"):
        eur("1") + Money(Decimal(1), "JPY")
    with pytest.raises(ValueError, match="do not mix"):
        _ = eur("1") < Money(Decimal(2), "JPY")


@pytest.mark.parametrize("number", [0.1, "1", None, Fraction(1, 2)])
def test_money_is_never_made_of_or_multiplied_by_a_float(number: object) -> None:
    with pytest.raises(TypeError):
        Money(number, "EUR")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        eur("1") * number  # type: ignore[operator]


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "sNaN"])
def test_an_amount_is_finite(text: str) -> None:
    with pytest.raises(Invalid, match="finite"):
        eur(text)


def test_sums_keep_every_digit_and_nothing_sums_to_zero() -> None:
    tiny = eur("0.0000000000000000000000000000000001")
    assert (eur("12345678901234567890") + tiny) - eur("12345678901234567890") == tiny
    assert sum_money([eur("0.10")] * 3, "EUR") == eur("0.30")
    assert not sum_money([], "EUR")


@given(AMOUNTS)
def test_a_credit_rounds_as_its_charge(amount: Decimal) -> None:
    assert (-Money(amount, "EUR")).rounded() == -(Money(amount, "EUR").rounded())


@given(AMOUNTS, st.sampled_from([0, 2, 3, 4]))
def test_rounding_moves_by_half_a_unit_at_most(amount: Decimal, digits: int) -> None:
    rounded = half_up(amount, digits)
    assert abs(Fraction(rounded) - Fraction(amount)) <= Fraction(1, 2 * 10**digits)
    assert -rounded.as_tuple().exponent == digits  # type: ignore[operator]
