"""One booking of a bank statement, whatever file it was read from (B-46)."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from core.money import CURRENCIES


class Note(StrEnum):
    """Why a booking waits for a person though it says what it is."""

    PARTS = "It is of several payments whose amounts are not told or do not add up to it. Say whose it is."
    CHARGES = "The payer sent another amount, such as before charges. Confirm what it pays."
    SEVERAL_PAYERS = "It names invoices of several payers. Confirm one, or name the payer."
    DEBIT_REVERSED = (
        "The bank reversed a booking of money that went out. Confirm what it pays, or say what it is."
    )
    CREDIT_REVERSED = (
        "The bank reversed a booking of money that came in, but none like it is known. Say what it is."
    )
    OTHER_AMOUNT = "It is a credit of direct debits, but of another amount than theirs. Say what it is."
    CREDITED_ALREADY = "What it is a credit of was credited already. Say what it is."
    CAME_BACK_ALREADY = (
        "This direct debit came back already; such as a fee may be booked apart. Say what it is."
    )
    LESS_THAN_COLLECTED = "It is less than what was collected by this direct debit. Say what it is."
    REFUNDED_SINCE = "A part of this direct debit was refunded before it came back. Say what it is."
    IS_REVERSED = "The bank reversed this booking. Say of both what they are."


@dataclass(frozen=True, slots=True)
class Booking:
    """One booking of a statement; debits are negative.

    ``note``: why it is not booked by itself. ``batch``: what the bank calls the file of ours that it is about.
    ``is_reversal``: it takes back an earlier booking, of the other direction.
    """

    booked_on: date
    amount: Decimal
    currency: str
    text: str
    name: str
    end_to_end_id: str = ""
    return_reason: str = ""
    bank_reference: str = ""
    note: str = ""
    batch: str = ""
    is_reversal: bool = False


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
