"""Which VAT a supply bears: a table by seller, buyer and date (billing B-26).

A working reading of Directive 2006/112/EC, to be confirmed per country: charging is a supply of electricity. For
who uses it, it is taxed where it is consumed, so at the seller's own rate. For who sells it on, it is taxed where
that one is (article 38): the buyer owes the tax (articles 195 and 199a), or it is outside of EU VAT.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.utils.translation import gettext_noop

from core.errors import Invalid

EU = frozenset(
    {
        "AT",
        "BE",
        "BG",
        "CY",
        "CZ",
        "DE",
        "DK",
        "EE",
        "ES",
        "FI",
        "FR",
        "GR",
        "HR",
        "HU",
        "IE",
        "IT",
        "LT",
        "LU",
        "LV",
        "MT",
        "NL",
        "PL",
        "PT",
        "RO",
        "SE",
        "SI",
        "SK",
    }
)
STANDARD, ZERO, EXEMPT, REVERSE, OUTSIDE = "S", "Z", "E", "AE", "O"
USER, RESELLER = "user", "reseller"
REVERSE_REASON, OUTSIDE_REASON, EXEMPT_REASON = "VATEX-EU-AE", "VATEX-EU-O", "small-business"
NOT_TAXABLE_REASON = "not-taxable"
"""Of one who is paid, such as an employee for charging at home."""
REASONS = {
    REVERSE_REASON: gettext_noop("Reverse charge: the buyer owes the VAT."),
    OUTSIDE_REASON: gettext_noop("The supply is not subject to VAT here; it is taxed where the buyer is."),
    NOT_TAXABLE_REASON: gettext_noop(
        "Not subject to VAT: by what was stated, the supplier does not act as a taxable person."
    ),
    EXEMPT_REASON: gettext_noop("Exempt from VAT: special scheme for small enterprises."),
}
_ANY = frozenset({"*"})


@dataclass(frozen=True, slots=True)
class Row:
    """What holds from a date on for sellers in these countries with buyers in those; ``same``: in one country."""

    since: date
    sellers: frozenset[str]
    buyers: frozenset[str]
    same: bool | None
    kind: str
    category: str
    reason: str = ""

    def fits(self, seller: str, buyer: str, kind: str, on: date) -> bool:
        return (
            self.since <= on
            and kind == self.kind
            and (self.sellers == _ANY or seller in self.sellers)
            and (self.buyers == _ANY or buyer in self.buyers)
            and self.same in (None, seller == buyer)
        )


_BEGIN = date(2007, 1, 1)
TABLE: Sequence[Row] = (
    # Domestic supplies to resellers of electricity: section 13b (2) no. 5 b UStG.
    Row(date(2013, 9, 1), frozenset({"DE"}), frozenset({"DE"}), True, RESELLER, REVERSE, REVERSE_REASON),
    Row(_BEGIN, EU, EU, False, RESELLER, REVERSE, REVERSE_REASON),
    Row(_BEGIN, _ANY, _ANY, True, RESELLER, STANDARD),
    Row(_BEGIN, _ANY, _ANY, False, RESELLER, OUTSIDE, OUTSIDE_REASON),
    Row(_BEGIN, _ANY, _ANY, None, USER, STANDARD),
)
"""The first row that fits decides."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """What holds for one buyer: a category for every line, or ``S``, where the tariff's rate says the rest."""

    category: str
    reason: str = ""

    def line(self, rate: Decimal | None) -> tuple[Decimal, str, str]:
        """Rate, category and reason of a line that the tariff priced with a rate.

        Raises :class:`Invalid` where the rate is not known, or the tariff charges a VAT that there is not.
        """
        if self.category in (REVERSE, OUTSIDE):
            return Decimal(0), self.category, self.reason
        if self.category == EXEMPT:
            if rate:
                raise Invalid("The tariff has VAT, but the organization is exempt from it.")
            return Decimal(0), EXEMPT, self.reason
        if rate is None:
            raise Invalid(
                "The tariff does not say the rate of VAT. Set it in the tariff, 0 where none is due."
            )
        return rate, STANDARD if rate else ZERO, ""


def decide(seller: str, buyer: str, kind: str, *, on: date, exempt: bool = False) -> Treatment:
    """The treatment of supplies between two countries; the kind is :data:`USER` or :data:`RESELLER`."""
    if exempt:
        return Treatment(EXEMPT, EXEMPT_REASON)
    row = next(row for row in TABLE if row.fits(seller, buyer, kind, on))
    return Treatment(row.category, row.reason)
