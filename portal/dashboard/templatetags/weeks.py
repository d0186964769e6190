"""Prices in a grid of the week: amounts, and how dear each is among the others."""

from collections.abc import Sequence
from fractions import Fraction

from django import template
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.html import format_html
from django.utils.safestring import SafeString

from tariffs.present import Prices
from tariffs.text import amount
from tariffs.week import Band

register = template.Library()
STEPS = 4
MINUTES = 60


@register.simple_tag
def weekdays() -> list[str]:
    return [str(WEEKDAYS_ABBR[day]) for day in range(7)]


@register.filter
def hour_price(prices: Prices, currency: str) -> str:
    """Per kWh, and per minute of charging where that costs."""
    if prices.kwh is None and prices.hour is None:
        return "–"
    parts = [amount(Fraction(prices.kwh), currency)] if prices.kwh is not None else []
    parts += [f"{amount(Fraction(prices.hour) / MINUTES, currency)}/min"] if prices.hour else []
    return " + ".join(parts)


@register.simple_tag
def heat(prices: Prices, bands: Sequence[Band]) -> SafeString:
    """The class of a cell: from the cheapest to the dearest energy of the week in so many steps."""
    known = sorted({one.kwh for band in bands for one in band.prices if one.kwh is not None})
    if len(known) < 2 or prices.kwh is None:
        return SafeString("")
    share = (prices.kwh - known[0]) / (known[-1] - known[0])
    return format_html(' class="heat-{}"', int((share * (STEPS - 1)).to_integral_value()))
