"""Announcing a direct debit by mail where the invoice did not: who signed since, or anew (billing B-44).

As with invoices, a row is marked as being sent in a commit of its own before: a mail that was cut off is left to a
person instead of being sent twice. What is announced, and for which day, is decided when it goes out.
"""

import logging
import math
from datetime import timedelta
from decimal import Decimal

from django.db.models import QuerySet
from django.db.transaction import atomic
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext, override

from billing.models import DebitNotice, DeliveryState, Invoice, MandateType
from billing.services import delivering, parties
from billing.services.payments import collecting
from billing.services.payments.collecting import Candidate
from core import audit, clock, turns
from core.access import Actor, Permission
from core.errors import Conflict, DomainError, Invalid
from core.money import minor_units
from core.services import mails

logger = logging.getLogger(__name__)

TRIES = 8
AGAIN = timedelta(minutes=1)
STUCK = timedelta(minutes=10)
NO_ADDRESS = "No e-mail address of the payer is known."
NOTHING_TO_TELL = "There is nothing to announce any more."


@atomic
def announce(invoice: Invoice, *, by: Actor) -> DebitNotice:
    """Tell the payer by mail that the rest is collected by the mandate of today; one such mail at a time.

    Raises :class:`Conflict` where nothing is to be announced, there is no usable mandate, or no address is known.
    """
    by.require(Permission.INVOICES_MANAGE, invoice)
    owed = Invoice.objects.select_for_update(of=("self",)).select_related("account", "organization")
    held = owed.get(pk=invoice.pk)
    if held.debit_notices.filter(state__in=[DeliveryState.WAITING, DeliveryState.SENDING]).exists():
        raise Conflict("This debit is being announced already.")
    found = _to_tell(held)
    if found is None or found.mandate is None:
        raise Conflict("No direct debit of this invoice can be announced.")
    if not _address_of(held):
        raise Conflict(NO_ADDRESS)
    row = DebitNotice.objects.create(
        invoice=held, mandate=found.mandate, amount=found.rest, collect_on=collecting.earliest(held),
        creditor_id=collecting.details_of(held.organization).creditor_id, made_at=clock.now(), made_by=by.label[:200],
    )  # fmt: skip
    audit.record("invoice.debit_announced", held, by=by)
    return row


def send_due(turn_s: float = math.inf) -> int:
    """Send what waits and whose invoice has its files; how many were tried."""
    stuck = DebitNotice.objects.filter(state=DeliveryState.SENDING, next_try_at__lt=clock.now())
    stuck.update(state=DeliveryState.FAILED, reason=delivering.UNSURE)
    return turns.repeat(_send_next, turn_s)


def _to_tell(invoice: Invoice) -> Candidate | None:
    """What could be collected if it were announced."""
    day, among = collecting.earliest(invoice), [invoice.pk]
    for type_ in MandateType:
        for one in collecting.looked_at(invoice.organization, day, type_, among=among):
            if one.may_be_announced and one.mandate is not None and one.mandate.type == type_:
                return one
    return None


def _due() -> QuerySet[DebitNotice]:
    waiting = DebitNotice.objects.filter(state=DeliveryState.WAITING, next_try_at__lte=clock.now())
    return delivering.with_files(waiting).order_by("next_try_at", "id")


def _send_next() -> bool:
    with atomic():
        rows = _due().select_for_update(skip_locked=True, of=("self",))
        row = rows.select_related("invoice__account", "invoice__organization", "mandate").first()
        if row is None:
            return False
        row.tries, row.next_try_at = row.tries + 1, clock.now() + STUCK
        if not _is_written(row):
            row.state, row.reason = DeliveryState.FAILED, NOTHING_TO_TELL
        row.save()
    if row.state == DeliveryState.SENDING:
        _send(row)
    return True


def _is_written(row: DebitNotice) -> bool:
    """Whether there is still something to tell; then the row says it as of today."""
    try:
        found = _to_tell(row.invoice)
    except Conflict:  # no account or creditor id any more
        return False
    if found is None or found.mandate != row.mandate:
        return False
    row.state, row.amount = DeliveryState.SENDING, found.rest
    row.collect_on = collecting.earliest(row.invoice)
    row.creditor_id = collecting.details_of(row.invoice.organization).creditor_id
    row.subject, row.body = _letter(row)
    return True


def _send(row: DebitNotice) -> None:
    address = _address_of(row.invoice)
    if not address:
        _failed(row, NO_ADDRESS, last=True)
        return
    try:
        delivering.letter(row.invoice, row.subject, row.body, to=address, name=f"debit-{row.pk}").send()
    except (OSError, ValueError, DomainError) as why:
        cause = str(why) if isinstance(why, DomainError) else mails.cause(why)
        logger.warning("debit_notice.failed", extra={"invoice": row.invoice.number, "why": cause})
        _failed(row, cause, last=row.tries >= TRIES)
    else:
        sent = DebitNotice.objects.filter(pk=row.pk)
        sent.update(state=DeliveryState.SENT, sent_at=clock.now(), reason="")


def _failed(row: DebitNotice, why: str, *, last: bool) -> None:
    state = DeliveryState.FAILED if last else DeliveryState.WAITING
    later = clock.now() + AGAIN * 2 ** min(row.tries, 8)
    DebitNotice.objects.filter(pk=row.pk).update(state=state, reason=why[:300], next_try_at=later)


def _address_of(invoice: Invoice) -> str:
    try:
        return parties.buyer_of(invoice.account, parties.seller_of(invoice.organization_id)).email
    except Invalid:
        return ""


def _letter(row: DebitNotice) -> tuple[str, str]:
    """Subject and body in the invoice's language: amount, day, mandate and creditor id."""
    invoice = row.invoice
    seller = invoice.snapshot.get("seller", {}).get("name", "")
    with override(invoice.snapshot.get("language", "en")):
        subject = gettext("%(seller)s: direct debit of invoice %(number)s") % {
            "seller": seller, "number": invoice.number,
        }  # fmt: skip
        opening = gettext("We collect what is open of the invoice below by SEPA direct debit.")
        figures = (
            (gettext("Invoice"), invoice.number),
            (gettext("Amount"), _money(row.amount, invoice.currency)),
            (gettext("Collected on or after"), date_format(row.collect_on, "SHORT_DATE_FORMAT")),
            (gettext("Account"), f"…{row.mandate.iban_end}"),
            (gettext("Mandate"), row.mandate.reference),
            (gettext("Creditor id"), row.creditor_id),
        )
        told = "\n".join(f"{name}: {value}" for name, value in figures)
        body = "\n\n".join([opening, told, gettext("The invoice is attached."), seller])
    return " ".join(subject.split())[:300], f"{body}\n"


def _money(amount: Decimal, currency: str) -> str:
    digits = minor_units(currency)
    return f"{number_format(round(amount, digits), decimal_pos=digits)} {currency}"
