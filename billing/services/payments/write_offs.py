"""What is written off of an uncollectible invoice: just what is still open of it (billing B-14, B-48).

The claim stands. What arrives for it settles it as ever, and as much of the loss is taken back by the same step.
"""

from decimal import Decimal

from django.db.models import Sum

from billing.models import Invoice, InvoiceState, Journal, LedgerAccount, LedgerEntry, WriteOff
from core import clock

_NOTHING = Decimal(0)


def written_off(invoice: Invoice) -> Decimal:
    total: Decimal | None = WriteOff.objects.filter(invoice=invoice).aggregate(total=Sum("amount"))["total"]
    return total or _NOTHING


def follow(invoice: Invoice, rest: Decimal, *, reason: str = "", made_by: str = "") -> None:
    """Post the difference to what should be written off, ``rest`` being open. Safe to run again.

    The caller holds the invoice's lock. ``reason`` and ``made_by`` are of who gives it up.
    """
    wanted = rest if invoice.state == InvoiceState.UNCOLLECTIBLE else _NOTHING
    change = wanted - written_off(invoice)
    if not change:
        return
    now = clock.now()
    journal = Journal.objects.create(
        organization_id=invoice.organization_id, currency=invoice.currency, posted_at=now
    )
    LedgerEntry.objects.bulk_create([
        LedgerEntry(journal=journal, account=LedgerAccount.WRITE_OFF, amount=change),
        LedgerEntry(
            journal=journal, account=LedgerAccount.RECEIVABLE, payer_id=invoice.account_id, amount=-change
        ),
    ])  # fmt: skip
    WriteOff.objects.create(
        invoice=invoice, journal=journal, amount=change, reason=reason, made_by=made_by[:200], made_at=now
    )
