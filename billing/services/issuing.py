"""Issuing: number, date, snapshot, posting and news in one transaction, or none of them (billing B-15 to B-17).

Who locks what: the invoice, then its series. The series' row is the only source of numbers, so that a failed
issue spends none.
"""

from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.transaction import atomic

from billing.models import Cdr, DocumentType, Invoice, InvoiceKind, InvoiceLine, InvoiceSeries, InvoiceState
from billing.services import corrections, delivering, documents, drafting, posting, sealing, snapshots
from core import audit, clock
from core.access import Actor, Permission
from core.errors import Conflict, Invalid
from core.services import outbox

PAYABLE_WITHIN = timedelta(days=14)
_PREFIX = {DocumentType.INVOICE.value: "", DocumentType.CREDIT_NOTE.value: "C-"}


@atomic
def issue(invoice: Invoice, *, by: Actor) -> Invoice:
    """Make a draft final. Raises :class:`Conflict` where it is none, or a record on it was credited since."""
    by.require(Permission.INVOICES_MANAGE, invoice)
    locked = Invoice.objects.select_for_update(of=("self",)).select_related("account", "organization")
    found = locked.get(pk=invoice.pk)
    if found.state != InvoiceState.DRAFT:
        raise Conflict("Only a draft can be issued.")
    _check(found)
    _issue(found, by)
    return found


@atomic
def credit(invoice: Invoice, *, by: Actor, reason: str) -> Invoice:
    """Take an issued invoice back in full: a credit note, and a credit of every record on it.

    Raises :class:`Conflict` where it is not issued, is paid or credited; :class:`Invalid` without a reason.
    """
    by.require(Permission.SESSIONS_REFUND, invoice)
    if not reason.strip():
        raise Invalid("Say why the invoice is taken back.", field="reason")
    found = Invoice.objects.select_for_update(of=("self",)).select_related("account", "organization")
    original = found.get(pk=invoice.pk)
    if original.document_type != DocumentType.INVOICE or original.state != InvoiceState.ISSUED:
        raise Conflict("Only an issued invoice that is not paid can be taken back.")
    note = _note_of(original)
    for line in original.lines.select_related("cdr"):
        _credit_line(note, line, by, reason)
    _issue(note, by)
    original.state = InvoiceState.CREDITED
    original.save(update_fields=["state"])
    audit.record("invoice.credited", original, by=by, reason=reason)
    return note


def _check(invoice: Invoice) -> None:
    lines = list(invoice.lines.select_related("cdr"))
    if any(Cdr.objects.filter(credit_reference__in=[line.cdr_id for line in lines])):
        raise Conflict("A session on this draft was corrected since. Discard the draft and make it anew.")
    again = drafting.lines_of(list({one.cdr_id: one.cdr for one in lines}.values()))
    sums = drafting.total(again, invoice.basis, invoice.currency)
    same_treatment = [(one.vat_category, one.vat_rate) for one in lines] == [
        (one.category, one.rate) for _record, one in again
    ]
    if not same_treatment or (sums.net, sums.vat, sums.due) != (invoice.net, invoice.vat, invoice.due):
        raise Conflict("The lines and the total differ. Discard the draft and make it anew.")
    if invoice.due < 0:
        raise Conflict("A negative amount is issued as a credit note.")


def _issue(invoice: Invoice, by: Actor) -> None:
    now = clock.now()
    series = _series(invoice, now.astimezone(ZoneInfo(invoice.organization.time_zone)).date())
    assert series.last_date is not None
    invoice.series, invoice.sequence = series, series.next_number - 1
    invoice.number = f"{_PREFIX[invoice.document_type]}{series.year}-{invoice.sequence:06d}"
    invoice.state, invoice.issued_at = InvoiceState.ISSUED, now
    invoice.issued_on, invoice.due_on = series.last_date, series.last_date + PAYABLE_WITHIN
    invoice.snapshot = snapshots.of(invoice)
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


def _note_of(original: Invoice) -> Invoice:
    same = (
        "organization",
        "account",
        "period",
        "currency",
        "basis",
        "net",
        "vat",
        "rounding",
        "due",
        "vat_groups",
    )
    note = Invoice(
        kind=InvoiceKind.CREDIT, document_type=DocumentType.CREDIT_NOTE, credits=original,
        **{name: getattr(original, name) for name in same},
    )  # fmt: skip
    note.save(force_insert=True)
    return note


def _credit_line(note: Invoice, line: InvoiceLine, by: Actor, reason: str) -> None:
    taken_back = Cdr.objects.filter(credit_reference=line.cdr).first()
    if taken_back is None:
        taken_back = corrections.credit(line.cdr, by=by, reason=reason)
    InvoiceLine.objects.create(
        invoice=note,
        cdr=taken_back,
        place=line.place,
        vat_rate=line.vat_rate,
        vat_category=line.vat_category,
        vat_reason=line.vat_reason,
        leading=line.leading,
        net=line.net,
    )
