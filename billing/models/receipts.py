"""Receipts of sessions without an account: found by a secret link alone (billing B-18)."""

import secrets
from uuid import UUID

from django.db import models

from billing.models.invoices import Invoice
from billing.models.payments import Payment
from core.access import EVERYWHERE
from core.models import UndividedQuerySet
from stations.models import Transaction


def new_key() -> str:
    """256 bits, as they stand in the link."""
    return secrets.token_urlsafe(32)


class ReceiptQuerySet(UndividedQuerySet["Receipt"]):
    organization_path = "invoice__organization_id"


class Receipt(models.Model):
    """One invoice for one session that was paid by card, without an account; ``key`` is its secret link."""

    invoice = models.OneToOneField(
        Invoice, on_delete=models.PROTECT, primary_key=True, related_name="receipt"
    )
    transaction = models.ForeignKey(Transaction, on_delete=models.PROTECT, related_name="receipts")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="receipts")
    key = models.CharField(max_length=43, unique=True, default=new_key)

    objects = ReceiptQuerySet.as_manager()

    def __str__(self) -> str:
        return str(self.invoice)

    @property
    def organization_id(self) -> UUID:
        return self.invoice.organization_id

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE
