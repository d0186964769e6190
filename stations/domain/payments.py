"""Payments at stations with a terminal of their own (OCPP 2.1, C20 to C25)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any


class SettlementStatus(StrEnum):
    SETTLED = "settled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentSettled:
    """NotifySettlement: how a payment ended with the payment service, named by its ``psp_ref``."""

    psp_ref: str
    status: SettlementStatus
    amount: Decimal
    settled_at: datetime
    transaction_reference: str = ""
    detail: str = ""
    receipt_id: str = ""
    receipt_url: str = ""
    vat_number: str = ""
    vat_company: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class VatAnswer:
    """Whether a VAT number holds; ``reason`` says why not, in at most 20 characters."""

    valid: bool
    reason: str = ""
    detail: str = ""
