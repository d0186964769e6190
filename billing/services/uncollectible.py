"""An invoice that nobody will pay is given up, and stays owed (billing B-14).

Who locks what: the payments that settle the invoice, then the invoice.
"""

from django.db.transaction import atomic

from billing.models import DocumentType, Invoice, InvoiceKind, InvoiceState
from billing.services.payments import allocating, write_offs
from core import audit
from core.access import Actor, Permission
from core.errors import Conflict, Invalid
from core.services import outbox

LONGEST = 300


@atomic
def give_up(invoice: Invoice, *, reason: str, by: Actor) -> Invoice:
    """Ask for what is open no more and write it off; what arrives later settles it all the same.

    Safe to run again. Raises :class:`Conflict` where nothing is owed, :class:`Invalid` without a reason.
    """
    by.require(Permission.INVOICES_MANAGE, invoice)
    said = " ".join(reason.split())
    if not 0 < len(said) <= LONGEST or not said.isprintable():
        raise Invalid("Say why, in at most 300 characters.", field="reason")
    allocating.lock_payments(invoice)
    locked = Invoice.objects.select_for_update().get(pk=invoice.pk)
    if locked.state == InvoiceState.UNCOLLECTIBLE:
        return locked
    if locked.document_type != DocumentType.INVOICE or locked.state not in allocating.ASKED_FOR:
        raise Conflict("Nothing is owed on this invoice.")
    if locked.kind == InvoiceKind.RECEIPT:
        raise Conflict("A receipt is settled by the card that paid for it.")
    before, rest = locked.state, allocating.open_amount(locked)
    locked.state = InvoiceState.UNCOLLECTIBLE
    locked.save(update_fields=["state"])
    write_offs.follow(locked, rest, reason=said, made_by=by.label)
    outbox.record(
        "invoice.uncollectible", organization_id=locked.organization_id, object_id=locked.pk,
        data={"id": str(locked.pk), "number": locked.number, "total": f"{locked.due:.2f}",
              "open": f"{rest:.2f}", "currency": locked.currency},
    )  # fmt: skip
    changes = {"state": [before, locked.state], "written_off": [None, f"{rest:.2f}"]}
    audit.record("invoice.given_up", locked, by=by, changes=changes, reason=said)
    return locked
