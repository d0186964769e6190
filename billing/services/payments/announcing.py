"""Announcing a direct debit by mail where the invoice did not: who signed since, or anew (billing B-44).

What is announced, and for which day, is decided when it goes out.
"""

import math
from decimal import Decimal

from django.db.models import QuerySet
from django.db.transaction import atomic
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext, override

from billing.models import DebitNotice, DeliveryState, Invoice, MandateType
from billing.services import delivering, letters
from billing.services.payments import collecting
from billing.services.payments.collecting import Candidate
from core import audit, clock, turns
from core.access import Actor, Permission
from core.errors import Conflict
from core.money import minor_units

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
    if not letters.address_of(held):
        raise Conflict(letters.NO_ADDRESS)
    row = DebitNotice.objects.create(
        invoice=held, mandate=found.mandate, amount=found.rest, collect_on=collecting.earliest(held),
        creditor_id=collecting.details_of(held.organization).creditor_id, made_at=clock.now(), made_by=by.label[:200],
    )  # fmt: skip
    audit.record("invoice.debit_announced", held, by=by)
    return row


def send_due(turn_s: float = math.inf) -> int:
    """Send what waits and whose invoice has its files; how many were tried."""
    letters.give_up_stuck(DebitNotice)
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
        if not _is_written(row):
            row.state, row.reason = DeliveryState.FAILED, NOTHING_TO_TELL
            row.save()
            return True
        letters.claim(row)
    letters.send(row, name="debit")
    return True


def _is_written(row: DebitNotice) -> bool:
    """Whether there is still something to tell; then the row says it as of today."""
    try:
        found = _to_tell(row.invoice)
    except Conflict:  # no account or creditor id any more
        return False
    if found is None or found.mandate != row.mandate:
        return False
    row.amount, row.collect_on = found.rest, collecting.earliest(row.invoice)
    row.creditor_id = collecting.details_of(row.invoice.organization).creditor_id
    row.subject, row.body = _letter(row)
    return True


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
