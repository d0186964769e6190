"""Which invoice a payment settles, and what that makes of the invoice (billing B-14, B-46).

Who locks what, in this order: the payment, the wallet, the invoice.
"""

from collections.abc import Iterable
from decimal import Decimal

from django.db.models import F, Q, QuerySet, Sum
from django.db.transaction import atomic

from billing.models import Allocation, DocumentType, Invoice, InvoiceState, Payment, PaymentState, Purpose
from billing.services.payments import write_offs
from core import audit, clock
from core.access import Actor, Permission
from core.errors import Conflict, Invalid
from core.money import minor_units
from core.services import outbox

ASKED_FOR = (InvoiceState.ISSUED, InvoiceState.PARTLY_PAID)
OWED = (*ASKED_FOR, InvoiceState.UNCOLLECTIBLE)
"""What a payment can settle: also what nobody asks for any more (B-14)."""
_NOTHING = Decimal(0)


def open_amount(invoice: Invoice) -> Decimal:
    """What of an invoice is neither paid nor credited."""
    if invoice.document_type != DocumentType.INVOICE or invoice.state in (
        InvoiceState.DRAFT,
        InvoiceState.DISCARDED,
        InvoiceState.CREDITED,
    ):
        return _NOTHING
    return max(invoice.due - credited(invoice) - paid(invoice), _NOTHING)


def paid(invoice: Invoice) -> Decimal:
    return _sum(Allocation.objects.live().filter(invoice=invoice), "amount")


def credited(invoice: Invoice) -> Decimal:
    """What credit notes have taken back of it."""
    notes = Invoice.objects.filter(credits=invoice, document_type=DocumentType.CREDIT_NOTE)
    return _sum(notes.exclude(state__in=[InvoiceState.DRAFT, InvoiceState.DISCARDED]), "due")


def unallocated(payment: Payment) -> Decimal:
    """What of a payment settles nothing yet: the payer's credit. A top-up is none: it is in the wallet."""
    if payment.state != PaymentState.RECEIVED or payment.purpose == Purpose.TOP_UP:
        return _NOTHING
    return payment.captured - payment.refunded - _sum(payment.allocations.filter(undone_at=None), "amount")


def with_credit(payments: QuerySet[Payment]) -> QuerySet[Payment]:
    """Those of them of which something is left by :func:`unallocated`."""
    live = Sum("allocations__amount", filter=Q(allocations__undone_at=None), default=_NOTHING)
    rows = payments.filter(state=PaymentState.RECEIVED).exclude(purpose=Purpose.TOP_UP).annotate(used=live)
    return rows.filter(captured__gt=F("refunded") + F("used"))


@atomic
def allocate(
    payment: Payment, invoice: Invoice, *, by: Actor, amount: Decimal | None = None
) -> Allocation | None:
    """Let a payment settle an invoice as far as both go, or by ``amount``; ``None`` where nothing is left.

    Raises :class:`Conflict` where the invoice is not owed, or payment and invoice are of different payers;
    :class:`Invalid` for another currency or more than there is.
    """
    by.require(Permission.INVOICES_MANAGE, invoice)
    by.require(Permission.INVOICES_MANAGE, payment)
    held = Payment.objects.select_for_update().get(pk=payment.pk)
    owed = Invoice.objects.select_for_update().get(pk=invoice.pk)
    _require_fit(held, owed)
    most = min(unallocated(held), open_amount(owed))
    if amount is not None and not _NOTHING < amount <= most:
        raise Invalid(f"This is more than can be settled: at most {most:.2f}.", field="amount")
    given = most if amount is None else amount
    if not given:
        return None
    made = Allocation.objects.create(
        payment=held, invoice=owed, amount=given, made_by=by.label, made_at=clock.now()
    )
    refresh(owed)
    audit.record("payment.allocated", held, by=by, changes={str(owed): [None, f"{given:.2f}"]})
    return made


def undo(allocations: Iterable[Allocation], *, to_reopen: bool = True) -> None:
    """Take allocations back; the caller holds the payment's lock."""
    for one in allocations:
        invoice = Invoice.objects.select_for_update().get(pk=one.invoice_id)
        one.undone_at = clock.now()
        one.save(update_fields=["undone_at"])
        if to_reopen:
            refresh(invoice)


def lock_payments(invoice: Invoice) -> None:
    """Those that settle it, before its own row is locked."""
    settling = Allocation.objects.live().filter(invoice=invoice).values("payment")
    list(Payment.objects.select_for_update().filter(pk__in=settling).order_by("pk").values_list("pk"))


def free_credited(invoice: Invoice) -> None:
    """What paid for a part that was credited since is the payer's credit again (B-46); the state stays.

    The caller holds the locks of the payments and of the invoice.
    """
    over = paid(invoice) - max(invoice.due - credited(invoice), _NOTHING)
    _shorten(Allocation.objects.live().filter(invoice=invoice), over)


def reopen_beyond(payment: Payment) -> None:
    """What it settles beyond what is left of it is owed again; the caller holds its lock."""
    live = payment.allocations.filter(undone_at=None)
    for one in _shorten(live, _sum(live, "amount") - (payment.captured - payment.refunded)):
        refresh(Invoice.objects.select_for_update().get(pk=one.invoice_id))


def _shorten(allocations: QuerySet[Allocation], over: Decimal) -> list[Allocation]:
    """Take so much back, of the newest first; those that were touched."""
    touched = []
    for one in allocations.order_by("-id"):
        if over <= 0:
            break
        cut = min(one.amount, over)
        undo([one], to_reopen=False)
        if one.amount > cut:
            one.pk, one.undone_at, one.amount = None, None, one.amount - cut
            one.save(force_insert=True)
        over -= cut
        touched.append(one)
    return touched


def refresh(invoice: Invoice) -> None:
    """The state that follows from what is paid; the caller holds the invoice's lock.

    A paid invoice goes back to partly paid by a returned payment only, whatever is left of it (B-14). What is
    uncollectible stays so until it is paid in full; what is written off of it follows.
    """
    before, rest = invoice.state, open_amount(invoice)
    if before not in (*OWED, InvoiceState.PAID):
        return
    if not rest:
        invoice.state = InvoiceState.PAID
    elif before in (InvoiceState.PARTLY_PAID, InvoiceState.PAID) or (
        before == InvoiceState.ISSUED and rest < invoice.due - credited(invoice)
    ):
        invoice.state = InvoiceState.PARTLY_PAID
    if before == InvoiceState.UNCOLLECTIBLE:
        write_offs.follow(invoice, rest)
    if invoice.state == before:
        return
    invoice.save(update_fields=["state"])
    if invoice.state == InvoiceState.PAID:
        _tell_paid(invoice)


def require_amount(amount: Decimal, currency: str) -> Decimal:
    """Above nothing and in whole minor units. Raises :class:`Invalid`."""
    if not amount.is_finite() or not _NOTHING < amount < Decimal(10) ** 12:
        raise Invalid("An amount is above nothing and within reason.", field="amount")
    if amount != round(amount, minor_units(currency)):
        raise Invalid("The amount has more decimal places than its currency.", field="amount")
    return amount


def _require_fit(payment: Payment, invoice: Invoice) -> None:
    if payment.currency != invoice.currency:
        raise Invalid("Payment and invoice are in different currencies.", field="invoice")
    if payment.account_id != invoice.account_id:
        raise Conflict("The payment is another payer's.")
    if invoice.document_type != DocumentType.INVOICE or invoice.state not in OWED:
        raise Conflict("Nothing is owed on this invoice.")


def _tell_paid(invoice: Invoice) -> None:
    outbox.record(
        "invoice.paid", organization_id=invoice.organization_id, object_id=invoice.pk,
        data={"id": str(invoice.pk), "number": invoice.number, "total": f"{invoice.due:.2f}",
              "currency": invoice.currency},
    )  # fmt: skip


def _sum(rows: object, field: str) -> Decimal:
    total: Decimal | None = rows.aggregate(total=Sum(field))["total"]  # type: ignore[attr-defined]
    return total or _NOTHING
