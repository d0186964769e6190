"""Money: an exact amount and its currency. It is rounded once, at the end, to the currency's minor unit."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Clamped, Context, Decimal, Inexact, InvalidOperation, Overflow
from fractions import Fraction

from core.errors import Invalid

DEFAULT_MINOR_UNITS = 2
_WITHOUT_MINOR_UNITS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_WITH_THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND"
_WITH_FOUR_DIGITS = "CLF UYW"
OTHER_MINOR_UNITS = {
    code: digits
    for digits, codes in ((0, _WITHOUT_MINOR_UNITS), (3, _WITH_THREE_DIGITS), (4, _WITH_FOUR_DIGITS))
    for code in codes.split()
}
_CODES = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF
CHF CLF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD
HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL
LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR
PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP
TRY TTD TWD TZS UAH UGX USD UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
"""
CURRENCIES = frozenset(_CODES.split())

# Arithmetic of amounts is exact; what would have to be rounded on the way is a fault of the program.
_EXACT = Context(prec=200, traps=[Inexact, InvalidOperation, Overflow, Clamped])


def minor_units(currency: str) -> int:
    """How many decimals the smallest coin of a currency has (ISO 4217): EUR 2, JPY 0, KWD 3."""
    if currency not in CURRENCIES:
        raise Invalid(
            f"“{currency}” is not a currency; give its ISO 4217 code, such as EUR.", field="currency"
        )
    return OTHER_MINOR_UNITS.get(currency, DEFAULT_MINOR_UNITS)


def half_up(value: Fraction | Decimal | int, digits: int) -> Decimal:
    """The value with that many decimals; a half goes away from zero, so that credits mirror charges."""
    top, bottom = value.as_integer_ratio()
    units = (2 * abs(top) * 10**digits + bottom) // (2 * bottom)
    return Decimal(f"{'-' if top < 0 < units else ''}{units}E-{digits}")


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in one currency. Amounts of different currencies are neither added nor compared."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if not isinstance(self.amount, Decimal):
            raise TypeError(f"an amount is a Decimal, not {type(self.amount).__name__}")
        if not self.amount.is_finite():
            raise Invalid("An amount of money is a finite number.", field="amount")
        minor_units(self.currency)

    @classmethod
    def zero(cls, currency: str) -> "Money":
        return cls(Decimal(0), currency)

    @classmethod
    def from_exact(cls, value: Fraction, currency: str) -> "Money":
        """The exact value of a price, rounded half up to the minor unit."""
        return cls(half_up(value, minor_units(currency)), currency)

    def rounded(self) -> "Money":
        """This amount in whole minor units, half up (away from zero for credits)."""
        return Money(half_up(self.amount, minor_units(self.currency)), self.currency)

    def __add__(self, other: "Money") -> "Money":
        return Money(_EXACT.add(self.amount, self._same(other)), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(_EXACT.subtract(self.amount, self._same(other)), self.currency)

    def __mul__(self, factor: Decimal | int) -> "Money":
        if not isinstance(factor, Decimal | int):
            raise TypeError(f"money is multiplied by a Decimal or an int, not by {type(factor).__name__}")
        return Money(_EXACT.multiply(self.amount, Decimal(factor)), self.currency)

    __rmul__ = __mul__

    def __neg__(self) -> "Money":
        return Money(self.amount.copy_negate() if self.amount else self.amount, self.currency)

    def __bool__(self) -> bool:
        return bool(self.amount)

    def __lt__(self, other: "Money") -> bool:
        return self.amount < self._same(other)

    def __le__(self, other: "Money") -> bool:
        return self.amount <= self._same(other)

    def __gt__(self, other: "Money") -> bool:
        return self.amount > self._same(other)

    def __ge__(self, other: "Money") -> bool:
        return self.amount >= self._same(other)

    def __str__(self) -> str:
        return f"{self.amount:f} {self.currency}"

    def _same(self, other: "Money") -> Decimal:
        if not isinstance(other, Money):
            raise TypeError(f"money and {type(other).__name__} do not mix")
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not mix")
        return other.amount


def sum_money(amounts: Iterable[Money], currency: str) -> Money:
    """The exact sum; nothing at all is zero of that currency."""
    return sum(amounts, Money.zero(currency))
