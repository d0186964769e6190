"""Invoices by e-mail: once for each document and address, after its files passed their checks (billing B-32, B-59).

A mail cannot be taken back, so that a row is marked as being sent in a commit of its own before. Where the process
dies between the two, the row is found by the sweeper and left to a person instead of being sent twice.
"""

import logging
import math
from datetime import timedelta
from typing import TypeVar

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import Exists, Model, OuterRef, QuerySet
from django.db.transaction import atomic
from django.utils.translation import gettext, override

from billing.models import (
    DeliveryState,
    DocumentKind,
    DocumentState,
    Invoice,
    InvoiceDelivery,
    InvoiceDocument,
)
from billing.services import documents, parties, snapshots
from core import audit, clock, turns
from core.access import Actor, Permission
from core.errors import Conflict, DomainError, Invalid, Passing

logger = logging.getLogger(__name__)
Row = TypeVar("Row", bound=Model)

TRIES = 8
AGAIN = timedelta(minutes=1)
STUCK = timedelta(minutes=10)
UNSURE = "It is not known whether this mail was sent. Ask the buyer before it is sent again."


def announce(invoice: Invoice) -> None:
    """In the transaction that issues; nothing where no address is known."""
    address = parties.buyer_of(invoice.account, parties.seller_of(invoice.organization_id)).email
    if address:
        InvoiceDelivery.objects.get_or_create(invoice=invoice, address=address)


@atomic
def send(invoice: Invoice, address: str, *, by: Actor) -> InvoiceDelivery:
    """Send it, or send it again, to an address. Raises :class:`Conflict` for a draft or while it is being sent."""
    by.require(Permission.INVOICES_MANAGE, invoice)
    if not invoice.number:
        raise Conflict("Only an issued invoice can be sent.")
    if "@" not in address or len(address) > 254 or not address.isprintable() or " " in address:
        raise Invalid("This is not an e-mail address.", field="address")
    row, created = InvoiceDelivery.objects.select_for_update().get_or_create(invoice=invoice, address=address)
    if not created and row.state == DeliveryState.SENDING:
        raise Passing("It is being sent just now.")
    row.state, row.tries, row.next_try_at, row.reason = DeliveryState.WAITING, 0, clock.now(), ""
    row.save()
    audit.record("invoice.sent_by_mail", invoice, by=by)
    return row


def send_due(turn_s: float = math.inf) -> int:
    """Send what waits and whose files are ready; how many were tried."""
    _give_up_stuck()
    return turns.repeat(_send_next, turn_s)


def with_files(rows: QuerySet[Row]) -> QuerySet[Row]:
    """Those of the rows whose ``invoice`` has all its files, of which each passed its checks."""
    unready = InvoiceDocument.objects.filter(invoice=OuterRef("invoice")).exclude(state=DocumentState.READY)
    made = InvoiceDocument.objects.filter(invoice=OuterRef("invoice"), kind=DocumentKind.PDF)
    return rows.filter(Exists(made), ~Exists(unready))


def letter(invoice: Invoice, subject: str, body: str, *, to: str, name: str) -> EmailMessage:
    """A mail in the seller's name with the invoice's PDF. ``name`` tells it from others of the invoice."""
    seller = snapshots.issuer(invoice.snapshot)
    mail = EmailMessage(
        subject, body, settings.DEFAULT_FROM_EMAIL, [to],
        headers={"Message-ID": f"<invoice-{invoice.pk}-{name}@{_host()}>"},
        reply_to=[seller["email"]] if seller.get("email") else None,
    )  # fmt: skip
    kind = DocumentKind.PDF.value
    mail.attach(
        documents.file_name(invoice, kind), documents.content(invoice, kind), documents.CONTENT_TYPES[kind]
    )
    return mail


def _due() -> QuerySet[InvoiceDelivery]:
    waiting = InvoiceDelivery.objects.filter(state=DeliveryState.WAITING, next_try_at__lte=clock.now())
    return with_files(waiting).order_by("next_try_at", "id")


def _send_next() -> bool:
    with atomic():
        row = _due().select_for_update(skip_locked=True, of=("self",)).select_related("invoice").first()
        if row is None:
            return False
        row.state, row.tries = DeliveryState.SENDING, row.tries + 1
        row.next_try_at = clock.now() + STUCK
        row.save()
    try:
        _mail(row).send()
    except (OSError, ValueError, DomainError) as why:  # such as a file that is not there
        logger.warning("delivery.failed", extra={"invoice": row.invoice.number, "why": str(why)[:200]})
        _failed(row, str(why))
    else:
        InvoiceDelivery.objects.filter(pk=row.pk).update(
            state=DeliveryState.SENT, sent_at=clock.now(), reason=""
        )
    return True


def _failed(row: InvoiceDelivery, why: str) -> None:
    state = DeliveryState.WAITING if row.tries < TRIES else DeliveryState.FAILED
    later = clock.now() + AGAIN * 2 ** min(row.tries, 8)
    InvoiceDelivery.objects.filter(pk=row.pk).update(state=state, reason=why[:300], next_try_at=later)


def _give_up_stuck() -> None:
    stuck = InvoiceDelivery.objects.filter(state=DeliveryState.SENDING, next_try_at__lt=clock.now())
    stuck.update(state=DeliveryState.FAILED, reason=UNSURE)


def _mail(row: InvoiceDelivery) -> EmailMessage:
    invoice = row.invoice
    seller = snapshots.issuer(invoice.snapshot)
    if snapshots.is_self_billed(invoice.snapshot):
        return _statement(row, seller["name"])
    with override(invoice.snapshot["language"]):
        subject = gettext("%(seller)s: invoice %(number)s") % {
            "seller": seller["name"],
            "number": invoice.number,
        }
        body = gettext(
            "Your invoice %(number)s is attached. The PDF holds the e-invoice too, for programs to read.\n"
        ) % {"number": invoice.number}
    return letter(invoice, subject, body, to=row.address, name=str(row.pk))


def _statement(row: InvoiceDelivery, organization: str) -> EmailMessage:
    invoice = row.invoice
    told = {"organization": organization, "number": invoice.number}
    with override(invoice.snapshot["language"]):
        subject = gettext("%(organization)s: self-billed invoice %(number)s") % told
        body = (
            gettext("What you are paid is on the self-billed invoice %(number)s, which is attached.\n") % told
        )
    return letter(invoice, subject, body, to=row.address, name=str(row.pk))


def _host() -> str:
    return settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].rstrip(">") or "localhost"
