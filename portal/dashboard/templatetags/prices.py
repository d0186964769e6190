"""What sessions cost, in lists."""

from decimal import Decimal
from fractions import Fraction

from django import template
from django.utils import formats
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from portal import session_price
from portal.dashboard import drawing
from stations.models import SessionCost, Transaction
from tariffs.text import amount

register = template.Library()
UNKNOWN = "–"


@register.simple_tag
def session_cost(session: Transaction) -> SafeString:
    """The cost so far or in the end; a word where a person has to look, a dash where nothing is known."""
    cost: SessionCost | None = getattr(session, "cost", None)
    if cost is None:
        return format_html("{}", UNKNOWN)
    if cost.cause:
        text = str(session_price.CAUSE.get(cost.cause, session_price.OTHER_CAUSE))
        return drawing.pill("paused", "alert-triangle", _("needs review"), text)
    return format_html("<span>{}</span>", session_price.told(cost.incl_vat, cost.currency) or UNKNOWN)


@register.filter
def money(value: Decimal | None, currency: str) -> str:
    """An amount in the reader's form; a dash for what is not known."""
    return UNKNOWN if value is None else amount(Fraction(value), currency)


@register.filter
def signed(percent: Decimal) -> str:
    """With its sign, to a tenth."""
    rounded = round(percent, 1) + 0
    return f"{'+' if rounded > 0 else ''}{formats.number_format(rounded, decimal_pos=1)}"


@register.filter
def cause(code: str) -> str:
    """Why a session cannot be priced."""
    return str(session_price.CAUSE.get(code, session_price.OTHER_CAUSE))
