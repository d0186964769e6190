"""What a letter says: the organization's own words or ours, then the figures, in the invoice's language."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from django.utils.formats import date_format, number_format
from django.utils.functional import Promise
from django.utils.translation import gettext, override
from django.utils.translation import gettext_lazy as _

from billing.models import BankDetails, DunningKind, Invoice
from billing.services.dunning.policies import Step
from billing.services.payments import references
from core.money import minor_units

SUBJECT: Mapping[str, str | Promise] = {
    DunningKind.REMINDER: _("%(seller)s: reminder of invoice %(number)s"),
    DunningKind.SECOND: _("%(seller)s: second reminder of invoice %(number)s"),
    DunningKind.FINAL: _("%(seller)s: final reminder of invoice %(number)s"),
}
OPENING: Mapping[str, str | Promise] = {
    DunningKind.REMINDER: _("You may have overlooked it: the invoice below has not been paid yet."),
    DunningKind.SECOND: _("The invoice below is still not paid. Please pay it within the next days."),
    DunningKind.FINAL: _(
        "The invoice below is still not paid, although you were reminded of it. Please pay it at once."
    ),
}


def letter(
    invoice: Invoice, step: Step, *, open_amount: Decimal, fee: Decimal, fees: Decimal
) -> tuple[str, str]:
    """Subject and body. ``fees`` are those of this and earlier letters, ``fee`` this one's alone."""
    language = invoice.snapshot.get("language", "en")
    seller = invoice.snapshot.get("seller", {}).get("name", "")
    with override(language):
        subject = str(SUBJECT[step.kind]) % {"seller": seller, "number": invoice.number}
        opening = step.texts.get(language, "") or str(OPENING[step.kind])
        figures = _figures(invoice, open_amount, fee, fees)
        body = "\n\n".join([opening, "\n".join([*figures, *_ways(invoice)]), _closing(), seller])
    return " ".join(subject.split())[:300], f"{body}\n"


def _figures(invoice: Invoice, open_amount: Decimal, fee: Decimal, fees: Decimal) -> list[str]:
    rows = [
        (gettext("Invoice"), f"{invoice.number}, {_day(invoice.issued_on)}"),
        (gettext("Was due on"), _day(invoice.due_on)),
        (gettext("Open"), _money(open_amount, invoice.currency)),
    ]
    if fee:
        rows.append((gettext("Fee of this reminder"), _money(fee, invoice.currency)))
    if fees - fee:
        rows.append((gettext("Fees of earlier reminders"), _money(fees - fee, invoice.currency)))
    if fees:
        rows.append((gettext("To be paid"), _money(open_amount + fees, invoice.currency)))
    return [f"{name}: {value}" for name, value in rows]


def _ways(invoice: Invoice) -> list[str]:
    """The account of today, to which a transfer arrives."""
    bank = BankDetails.objects.filter(pk=invoice.organization_id).first()
    if bank is None:
        return []
    reference = references.shown(references.reference_of(invoice))
    return [
        gettext("Account: %(iban)s, %(holder)s")
        % {"iban": references.shown(bank.iban), "holder": bank.holder},
        gettext("Reference: %(reference)s") % {"reference": reference},
    ]


def _closing() -> str:
    return gettext("The invoice is attached. If you have paid it meanwhile, this letter needs no answer.")


def _day(day: date | None) -> str:
    return date_format(day, "SHORT_DATE_FORMAT") if day else ""


def _money(amount: Decimal, currency: str) -> str:
    digits = minor_units(currency)
    return f"{number_format(round(amount, digits), decimal_pos=digits)} {currency}"
