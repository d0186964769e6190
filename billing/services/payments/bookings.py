"""One booking of a bank statement, whatever file it was read from (B-46)."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from core.money import CURRENCIES


@dataclass(frozen=True, slots=True)
class Booking:
    """One booking of a statement; debits are negative."""

    booked_on: date
    amount: Decimal
    currency: str
    text: str
    name: str
    end_to_end_id: str = ""
    return_reason: str = ""
    bank_reference: str = ""


def decimal_of(text: str) -> Decimal:
    """An amount that is something. Raises :class:`ValueError`, or ``InvalidOperation`` for what is no number."""
    value = Decimal(text.strip())
    if not value.is_finite() or abs(value) >= Decimal(10) ** 12 or value != round(value, 4) or not value:
        raise ValueError(text)
    return value


def currency_of(text: str) -> str:
    """Its code in capitals. Raises :class:`ValueError` for one that is not known."""
    if text.upper() not in CURRENCIES:
        raise ValueError(text)
    return text.upper()
