"""Files of issued invoices: rows made with the invoice, files made after it, each once (billing B-15, B-32, B-59).

The rows are the outbox: they are committed with the number. A worker takes one with ``SKIP LOCKED``, makes the file,
and marks it ready in the same transaction; a repeated make writes the same figures. What does not pass its checks is
failed and keeps the invoice from being sent, not from being issued.
"""

import hashlib
import logging
import math
from collections.abc import Callable, Mapping
from datetime import timedelta

from cryptography.exceptions import InvalidTag
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages
from django.db import connection
from django.db.transaction import atomic

from billing.documents import cii, figures, pdf, ubl, xml
from billing.documents.figures import Figures
from billing.models import DocumentKind, DocumentState, Invoice, InvoiceDocument, Letterhead, Seller
from billing.services import alarms, snapshots
from core import audit, clock, turns
from core.access import Actor, Permission
from core.errors import Conflict, DomainError, NotFound, Passing

logger = logging.getLogger(__name__)

AGAIN = timedelta(minutes=1)
LATEST_AGAIN = timedelta(hours=1)
BEING_MADE = "The document is being made. Try it again in a minute."
CONTENT_TYPES: Mapping[str, str] = {
    "pdf": "application/pdf",
    "cii": "application/xml",
    "ubl": "application/xml",
}
_SUFFIX: Mapping[str, str] = {"pdf": ".pdf", "cii": "-cii.xml", "ubl": "-ubl.xml"}


class Unfit(Exception):
    """The document does not pass a check; the text says which."""


def announce(invoice: Invoice) -> None:
    """In the transaction that issues: what is to be made."""
    InvoiceDocument.objects.bulk_create(
        [InvoiceDocument(invoice=invoice, kind=kind) for kind in DocumentKind.values], ignore_conflicts=True
    )


def sweep() -> int:
    """Rows for issued invoices that have none; how many were missing."""
    with connection.cursor() as cursor:
        cursor.execute(_FORGOTTEN, {"kinds": list(DocumentKind.values)})
        return int(cursor.rowcount)


def make_due(turn_s: float = math.inf) -> int:
    """Make waiting files, each in a transaction of its own; how many were looked at."""
    return turns.repeat(_make_next, turn_s)


def read(invoice: Invoice, kind: str, *, by: Actor) -> bytes:
    """The stored file, noted in the audit (B-68). Raises :class:`NotFound` and :class:`Conflict`."""
    by.require(Permission.INVOICES_MANAGE, invoice)
    found = content(invoice, kind)
    audit.record("invoice.document_read", invoice, by=by, changes={"document": audit.change(None, kind)})
    return found


def content(invoice: Invoice, kind: str) -> bytes:
    """The bytes of a file that the caller may see. Raises :class:`Conflict` while it is not ready or was altered."""
    row = InvoiceDocument.objects.filter(invoice=invoice, kind=kind).first()
    if row is None:
        raise NotFound("There is no such object here.")
    if row.state != DocumentState.READY:
        raise Conflict(row.failed_reason) if row.failed_reason else Passing(BEING_MADE)
    data = _stored(row)
    if hashlib.sha256(data).hexdigest() != row.sha256:
        raise Conflict("The stored document is not the one that was made. Have it made again.")
    return data


def _stored(row: InvoiceDocument) -> bytes:
    """Files are not in a backup of the database: one that is gone is made again from the snapshot."""
    try:
        with store().open(str(row.file.name)) as file:
            data: bytes = file.read()
    except FileNotFoundError:
        waiting = InvoiceDocument.objects.filter(pk=row.pk, state=DocumentState.READY)
        waiting.update(state=DocumentState.WAITING, next_try_at=clock.now())
        raise Passing(BEING_MADE) from None
    return data


@atomic
def make_again(invoice: Invoice, *, by: Actor) -> None:
    """Render anew from the snapshot, such as after the failure was mended; the figures are the same."""
    by.require(Permission.INVOICES_MANAGE, invoice)
    rows = InvoiceDocument.objects.select_for_update().filter(invoice=invoice)
    rows.update(state=DocumentState.WAITING, next_try_at=clock.now(), failed_reason="", tries=0)
    audit.record("invoice.documents_made_again", invoice, by=by)


def logo_of(invoice: Invoice) -> bytes:
    """The organization's logo as it was at issuing; of an invoice that kept none, that of today."""
    digest = snapshots.issuer(invoice.snapshot).get("logo")
    if digest is None:
        seller = Seller.objects.filter(pk=invoice.organization_id).first()
        return bytes(seller.logo) if seller else b""
    kept = Letterhead.objects.filter(organization=invoice.organization_id, sha256=digest).first()
    return bytes(kept.logo) if kept else b""


def file_name(invoice: Invoice, kind: str) -> str:
    return f"{invoice.number}{_SUFFIX[kind]}"


def store() -> Storage:
    return storages["documents"]


def render(invoice: Invoice, kind: str) -> bytes:
    """A file of the snapshot alone. Raises :class:`Unfit` where it breaks a rule, ``OSError`` without Pango."""
    found = figures.of(snapshots.opened(invoice.snapshot))
    if wrong := figures.problems(found):
        raise Unfit(wrong[0])
    return _MAKERS[kind](found, invoice)


def _make_next() -> bool:
    with atomic():
        waiting = InvoiceDocument.objects.select_for_update(skip_locked=True, of=("self",))
        due = waiting.filter(state=DocumentState.WAITING, next_try_at__lte=clock.now())
        row = due.select_related("invoice").order_by("next_try_at", "id").first()
        if row is None:
            return False
        _make(row)
    return True


def _make(row: InvoiceDocument) -> None:
    row.tries += 1
    missing = pdf.missing() if row.kind == DocumentKind.PDF else ""
    try:
        if missing:
            _wait(row, missing)
        else:
            _keep(row, render(row.invoice, row.kind))
    except (Unfit, DomainError) as why:
        row.state, row.failed_reason = DocumentState.FAILED, str(why)[:500]
        alarms.tell(
            "document", f"Invoice {row.invoice.number}: its {row.kind} does not pass its checks. {why}",
            organization_id=row.invoice.organization_id, object_id=row.invoice_id,
        )  # fmt: skip
    except (InvalidTag, LookupError):
        _wait(row, "The key of the addresses is not among DATA_KEYS. Restore it from its backup.")
    except Exception:  # whatever stumbles is tried again, and keeps no other document
        logger.exception("document.failed", extra={"invoice": row.invoice.number, "kind": row.kind})
        _wait(row, "It stumbled; the log of the server says over what.")
    row.save()


def _wait(row: InvoiceDocument, reason: str) -> None:
    row.failed_reason = reason[:500]
    row.next_try_at = clock.now() + min(AGAIN * 2 ** min(row.tries - 1, 10), LATEST_AGAIN)


def _keep(row: InvoiceDocument, data: bytes) -> None:
    digest = hashlib.sha256(data).hexdigest()
    invoice = row.invoice
    path = f"{invoice.organization_id}/{invoice.pk}/{digest[:16]}{_SUFFIX[row.kind]}"
    storage = store()
    if not storage.exists(path):
        path = storage.save(path, ContentFile(data))
    row.file, row.sha256, row.made_at = path, digest, clock.now()
    row.state, row.failed_reason = DocumentState.READY, ""


def _cii(found: Figures, invoice: Invoice) -> bytes:
    return _checked(cii.render(found), "factur-x")


def _ubl(found: Figures, invoice: Invoice) -> bytes:
    return _checked(ubl.render(found), "ubl-2.1-creditnote" if found.is_credit else "ubl-2.1-invoice")


def _pdf(found: Figures, invoice: Invoice) -> bytes:
    return pdf.render(found, _cii(found, invoice), logo=logo_of(invoice))


def _checked(data: bytes, flavor: str) -> bytes:
    if wrong := xml.check(data, flavor):
        raise Unfit(wrong)
    return data


_MAKERS: Mapping[str, Callable[[Figures, Invoice], bytes]] = {"cii": _cii, "ubl": _ubl, "pdf": _pdf}
_FORGOTTEN = """
INSERT INTO billing_invoicedocument (invoice_id, kind, state, file, sha256, failed_reason, tries)
SELECT i.id, k, 'waiting', '', '', '', 0 FROM billing_invoice i CROSS JOIN unnest(%(kinds)s::text[]) k
WHERE i.number <> '' AND NOT EXISTS (
    SELECT FROM billing_invoicedocument d WHERE d.invoice_id = i.id AND d.kind = k)
ON CONFLICT DO NOTHING
"""
