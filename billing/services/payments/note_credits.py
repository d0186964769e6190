"""What a credit note of a month below nothing gives: a credit of the payer's (billing B-28).

It is kept as a payment that moved no money: the note has posted it to the payer's receivable already. So it is set off,
given back by a credit note, and paid out as any other. Who locks what: the payment, then the invoice, as
:mod:`allocating` does; one that is being issued nobody else can settle yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from billing.models import DocumentType, Invoice, InvoiceKind, Method, Payment, PaymentState
from billing.services.payments import allocating, under_way
from core import audit
from core.access import Actor

OF_BEFORE = "system:note-credits"
"""Who made the credits of notes from before there were any: a person says whether they were settled otherwise."""


@dataclass(frozen=True, slots=True)
class Taken:
    """So much of a credit settles an invoice."""

    payment: Payment
    amount: Decimal


def held_for(invoice: Invoice) -> list[Taken]:
    """Credits that settle a monthly invoice as it is issued, the oldest first; locked."""
    if invoice.kind != InvoiceKind.COLLECTIVE or invoice.document_type != DocumentType.INVOICE:
        return []
    found, rest = [], invoice.due
    mine = Payment.objects.filter(
        account=invoice.account_id, currency=invoice.currency, method=Method.CREDIT_NOTE
    ).exclude(created_by=OF_BEFORE)
    keys = list(allocating.with_credit(mine).values_list("pk", flat=True))
    held = Payment.objects.select_for_update(of=("self",)).select_related("credit_note")
    for payment in held.filter(pk__in=keys).order_by("pk"):
        taken = min(rest, allocating.unallocated(payment))
        if taken > 0:
            found.append(Taken(payment, taken))
            rest -= taken
    return found


def lock_owed(note: Invoice) -> None:
    """What a note's credit will be set off against, before its number is taken: crediting locks in that order."""
    if note.document_type == DocumentType.CREDIT_NOTE and note.kind == InvoiceKind.COLLECTIVE:
        owed = Invoice.objects.select_for_update().filter(account=note.account_id, state__in=allocating.OWED)
        list(owed.order_by("pk").values_list("pk"))


def told(credits: Sequence[Taken]) -> dict[str, Any]:
    """As the document says it (BT-113)."""
    rows = [{"number": one.payment.note, "amount": f"{one.amount.normalize():f}"} for one in credits]
    return {"set_off": rows} if rows else {}


def settle(document: Invoice, credits: Sequence[Taken], *, by: Actor) -> None:
    """Once it is issued: an invoice takes the credits, a credit note of a month below nothing gives one."""
    for one in credits:
        allocating.allocate(one.payment, document, amount=one.amount, by=by)
    is_note = document.document_type == DocumentType.CREDIT_NOTE
    if is_note and document.kind == InvoiceKind.COLLECTIVE and document.due:
        _set_off(_open(document, by), by)


def _open(note: Invoice, by: Actor) -> Payment:
    made = Payment.objects.create(
        organization_id=note.organization_id, account_id=note.account_id, method=Method.CREDIT_NOTE,
        state=PaymentState.RECEIVED, currency=note.currency, amount=note.due, authorized=note.due,
        captured=note.due, received_on=note.issued_on, credit_note=note, note=note.number,
        created_by=by.label[:200],
    )  # fmt: skip
    audit.record("payment.credited", made, by=by, changes={"credit_note": [None, note.number]})
    return made


def _set_off(credit: Payment, by: Actor) -> None:
    """Against what the payer owes by now, the oldest first."""
    owed = Invoice.objects.filter(
        account=credit.account_id, currency=credit.currency, document_type=DocumentType.INVOICE,
        state__in=allocating.OWED,
    )  # fmt: skip
    for invoice in under_way.without(owed).order_by("issued_on", "id"):
        if not allocating.unallocated(credit):
            return
        allocating.allocate(credit, invoice, by=by)
