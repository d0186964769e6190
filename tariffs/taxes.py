"""The price of a quantity without and with taxes, and the VAT group it belongs to (tariffs section 8)."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

from tariffs.rounding import Amount, Rate, Tax
from tariffs.structure import Component, Dimension, Tariff, TaxIncluded

TaxRates = Mapping[Dimension, Decimal]


def rate_of(tariff: Tariff, component: Component, rates: TaxRates) -> Rate:
    """The component's percentage; where 2.3.0 gives none, the one that the caller names for its dimension."""
    if component.vat is not None and tariff.tax_included is not TaxIncluded.NOT_APPLICABLE:
        return component.vat
    if tariff.tax_included in (TaxIncluded.YES, TaxIncluded.NO):
        return rates.get(component.dimension, Tax.UNKNOWN)
    return Tax.NONE


def amount_of(tariff: Tariff, quantity: Fraction, component: Component, rate: Rate) -> Amount:
    """Both sides, exact; the side that an unknown tax hides is ``None`` (T-32)."""
    told = quantity * Fraction(component.price)
    inclusive = tariff.tax_included is TaxIncluded.YES
    if rate is Tax.UNKNOWN and told:
        return Amount(None, told) if inclusive else Amount(told, None)
    factor = 1 + Fraction(rate) / 100 if isinstance(rate, Decimal) else Fraction(1)
    return Amount(told / factor, told) if inclusive else Amount(told, told * factor)
