"""Issuing: number, date, snapshot, posting and news in one transaction, or none of them (billing B-15 to B-17).

Who locks what: the invoice, credits of its payer that it takes, then its series. The series' row is the only source of
numbers, so that a failed issue spends none.
"""

from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.transaction import atomic

from billing.models import Cdr, DocumentType, Invoice, InvoiceSeries, InvoiceState
from billing.services import delivering, documents, drafting, posting, sealing, snapshots
from billing.services.payments import note_credits
from core import audit, clock
from core.access import Actor, Permission
from core.errors import Conflict
from core.services import outbox

PAYABLE_WITHIN = timedelta(days=14)
_PREFIX = {
    DocumentType.INVOICE.value: "",
    DocumentType.CREDIT_NOTE.value: "C-",
    DocumentType.SELF_BILLED.value: "S-",
}


@atomic
def issue(invoice: Invoice, *, by: Actor) -> Invoice:
    """Make a draft final. Raises :class:`Conflict` where it is none, or a record on it was credited since."""
    by.require(Permission.INVOICES_MANAGE, invoice)
    locked = Invoice.objects.select_for_update(of=("self",)).select_related("account", "organization")
    found = locked.get(pk=invoice.pk)
    if found.state != InvoiceState.DRAFT:
        raise Conflict("Only a draft can be issued.")
    _check(found)
    make_final(found, by)
    return found


def make_final(invoice: Invoice, by: Actor) -> None:
    """Number, date, snapshot, posting and news of a draft that is checked; the caller holds its lock."""
    now = clock.now()
    credits = note_credits.held_for(invoice)
    note_credits.lock_owed(invoice)
    series = _series(invoice, now.astimezone(ZoneInfo(invoice.organization.time_zone)).date())
    assert series.last_date is not None
    invoice.series, invoice.sequence = series, series.next_number - 1
    invoice.number = f"{_PREFIX[invoice.document_type]}{series.year}-{invoice.sequence:06d}"
    invoice.state, invoice.issued_at = InvoiceState.ISSUED, now
    invoice.issued_on, invoice.due_on = series.last_date, series.last_date + PAYABLE_WITHIN
    invoice.snapshot = {**snapshots.of(invoice), **note_credits.told(credits)}
    invoice.digest = sealing.digest_of(invoice.snapshot)
    invoice.save()
    posting.post(invoice)
    documents.announce(invoice)
    delivering.announce(invoice)
    outbox.record(
        "invoice.issued", organization_id=invoice.organization_id, object_id=invoice.pk,
        data={"id": str(invoice.pk), "number": invoice.number, "total": f"{invoice.due:.2f}",
              "currency": invoice.currency},
    )  # fmt: skip
    audit.record("invoice.issued", invoice, by=by)
    note_credits.settle(invoice, credits, by=by)


def _check(invoice: Invoice) -> None:
    lines = list(invoice.lines.select_related("cdr"))
    if any(Cdr.objects.filter(credit_reference__in=[line.cdr_id for line in lines])):
        raise Conflict("A session on this draft was corrected since. Discard the draft and make it anew.")
    if not drafting.agrees(invoice):
        raise Conflict("The lines and the total differ. Discard the draft and make it anew.")


def _series(invoice: Invoice, today: date) -> InvoiceSeries:
    """The series with its next number taken; dates in it do not go backwards."""
    key: dict[str, Any] = {
        "organization": invoice.organization,
        "document_type": invoice.document_type,
        "year": today.year,
    }
    InvoiceSeries.objects.get_or_create(**key)
    series = InvoiceSeries.objects.select_for_update().get(**key)
    series.next_number += 1
    series.last_date = max(today, series.last_date or today)
    series.save(update_fields=["next_number", "last_date"])
    return series
