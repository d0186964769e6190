"""What a document shows, frozen when it is issued: documents are made of this only (billing B-15, B-68).

The street, city and e-mail address of the account's holder are sealed; who makes a document opens them. That is the
buyer, but on a statement (type 389) the seller, whose tax number is sealed too: the organization is the buyer and makes
it.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext

from billing.models import (
    BankDetails,
    Buyer,
    DocumentType,
    Invoice,
    InvoiceKind,
    InvoiceLine,
    Letterhead,
    Mandate,
    MandateState,
    Payment,
    PaymentState,
    Seller,
    Share,
)
from billing.services import parties, suppliers
from billing.services.payments import references
from billing.services.vat_treatment import REASONS
from core import keys

PURPOSE = "invoice address"
VERSION = 2
CARD, TRANSFER, DEBIT = "48", "58", "59"
_SEALED = ("street", "postal_code", "city", "email")
_OF_SUPPLIER = (*_SEALED, "tax_number")
"""A private person's tax number says as much of a person as an address."""


def of(invoice: Invoice) -> dict[str, Any]:
    """The snapshot of an invoice that has its number; a credit note has the parties of what it credits."""
    original = invoice.credits
    known = original.snapshot if original is not None and original.snapshot.get("version") else None
    seller = parties.seller_of(invoice.organization_id)
    buyer = parties.buyer_of(invoice.account, seller)
    language = known["language"] if known else buyer.language
    return {
        "version": VERSION,
        "language": language,
        "number": invoice.number,
        "type": invoice.document_type,
        "issued_on": str(invoice.issued_on),
        "due_on": str(invoice.due_on),
        "period": invoice.period,
        "currency": invoice.currency,
        "basis": invoice.basis,
        **_parties(invoice, seller, buyer, language, known),
        "payment": _payment(invoice, seller),
        "preceding": original.number if original else None,
        "preceding_on": str(original.issued_on) if original else None,
        "part": original is not None and invoice.due != original.due,
        "net": text(invoice.net),
        "vat": text(invoice.vat),
        "rounding": text(invoice.rounding),
        "due": text(invoice.due),
        "vat_groups": [_group(one, language) for one in invoice.vat_groups],
        **({"by_cost_centre": True} if _by_cost_centre(buyer, known) else {}),
        "lines": [_line(line) for line in invoice.items.select_related("cdr").order_by("place")],
    }


def opened(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """With the sealed address. Raises ``InvalidTag`` or ``LookupError`` where its key is lost."""
    side = "seller" if is_self_billed(snapshot) else "buyer"
    party = dict(snapshot[side])
    sealed = party.pop("sealed", None)
    address = json.loads(keys.unseal(sealed, purpose=PURPOSE)) if sealed else dict.fromkeys(_SEALED, "")
    return {**snapshot, side: {**party, **address}}


def is_self_billed(snapshot: Mapping[str, Any]) -> bool:
    return snapshot.get("type") == DocumentType.SELF_BILLED


def issuer(snapshot: Mapping[str, Any]) -> Mapping[str, Any]:
    """The organization, as it was: the seller, or of a statement the buyer."""
    found: Mapping[str, Any] = snapshot["buyer" if is_self_billed(snapshot) else "seller"]
    return found


def _by_cost_centre(buyer: Buyer, known: Mapping[str, Any] | None) -> bool:
    return bool(known.get("by_cost_centre")) if known else buyer.by_cost_centre


def _parties(
    invoice: Invoice, seller: Seller, buyer: Buyer, language: str, known: Mapping[str, Any] | None
) -> dict[str, Any]:
    if known:
        return {"seller": known["seller"], "buyer": known["buyer"]}
    if invoice.document_type == DocumentType.SELF_BILLED:
        told = suppliers.told(invoice.account, seller)
        address = {name: told.pop(name) for name in _OF_SUPPLIER}
        return {
            "seller": {**told, "sealed": keys.seal(json.dumps(address), purpose=PURPOSE)},
            "buyer": {**_seller(seller, language), "tax_number": "", "text": ""},
        }
    return {"seller": _seller(seller, language), "buyer": _buyer(buyer)}


def text(value: Decimal) -> str:
    """Plain digits without needless zeros."""
    return f"{value.normalize():f}" if value else "0"


def _seller(row: Seller, language: str) -> dict[str, Any]:
    names = (
        "name",
        "street",
        "postal_code",
        "city",
        "country",
        "vat_id",
        "tax_number",
        "email",
        "contact",
        "phone",
    )
    told = {name: getattr(row, name) for name in names}
    return {**told, "text": row.texts.get(language, ""), "logo": _letterhead(row)}


def _letterhead(row: Seller) -> str:
    """The hash of the logo, which is kept as it is now; empty without one."""
    logo = bytes(row.logo)
    if not logo:
        return ""
    digest = hashlib.sha256(logo).hexdigest()
    known = {"organization_id": row.organization_id, "sha256": digest}
    if not Letterhead.objects.filter(**known).exists():
        Letterhead.objects.bulk_create([Letterhead(logo=logo, **known)], ignore_conflicts=True)
    return digest


def _buyer(row: Buyer) -> dict[str, Any]:
    address = {name: getattr(row, name) for name in _SEALED}
    return {
        "name": row.name,
        "country": row.country,
        "vat_id": row.vat_id,
        "vat_id_checked_on": str(row.vat_id_checked_on) if row.vat_id_checked_on else None,
        "reference": row.reference,
        "sealed": keys.seal(json.dumps(address), purpose=PURPOSE),
    }


def _payment(invoice: Invoice, seller: Seller) -> dict[str, Any]:
    """How it is paid (BG-16): by debit where a mandate is active, else by transfer where an account is known."""
    bank = BankDetails.objects.filter(pk=invoice.organization_id).first()
    if invoice.kind == InvoiceKind.RECEIPT:
        return {"means": CARD} if _is_covered(invoice) else {}
    if bank is None or invoice.document_type != DocumentType.INVOICE:
        return {}
    told = {
        "means": TRANSFER, "iban": bank.iban, "bic": bank.bic, "holder": bank.holder,
        "reference": references.reference_of(invoice),
    }  # fmt: skip
    collect_on = _collect_on(invoice, bank)
    mandate = Mandate.objects.filter(account=invoice.account_id, state=MandateState.ACTIVE).first()
    if (
        mandate is None
        or not bank.creditor_id
        or invoice.currency != "EUR"
        or not mandate.is_usable(collect_on)
    ):
        return told
    return {
        **told, "means": DEBIT, "mandate": mandate.reference, "creditor_id": bank.creditor_id,
        "iban_end": mandate.iban_end, "notice_days": bank.notice_days, "collect_on": str(collect_on),
    }  # fmt: skip


def _is_covered(receipt: Invoice) -> bool:
    """Whether money is set aside for it or has come; a hold may have ended before."""
    sessions = receipt.lines.values("cdr__transaction")
    states = [PaymentState.HELD, PaymentState.RECEIVED]
    return Payment.objects.filter(hold__transaction__in=sessions, state__in=states).exists()


def _collect_on(invoice: Invoice, bank: BankDetails) -> date:
    """The first day on which a debit is announced for (B-44): after the notice, and not before it is due."""
    assert invoice.issued_on is not None
    after_notice = invoice.issued_on + timedelta(days=bank.notice_days)
    return max(after_notice, invoice.due_on or after_notice)


def _group(group: Mapping[str, str], language: str) -> dict[str, str]:
    code = group.get("reason", "")
    with translation.override(language):
        words = gettext(REASONS[code]) if code else ""
    return {**group, "category": group.get("category", "S"), "reason": code, "reason_text": words}


def _line(line: InvoiceLine | Share) -> dict[str, Any]:
    record = line.cdr
    content = record.content
    return {
        "cdr": record.reference,
        "session": content.get("session"),
        "start": content["start_date_time"],
        "end": content["end_date_time"],
        "time_zone": content["time_zone"],
        "place": content["place"],
        "energy_kwh": text(record.energy_kwh),
        "meter_start_wh": content.get("meter_start_wh"),
        "meter_end_wh": content.get("meter_end_wh"),
        "tariff_version": content.get("tariff_version"),
        "signed": content.get("signed_data"),
        "vat_rate": text(line.vat_rate),
        "vat_category": line.vat_category,
        "vat_reason": line.vat_reason,
        "net": text(line.net),
        "leading": text(line.leading),
        "texts": content["texts"],
        **({"cost_centre": content["cost_centre"]} if content.get("cost_centre") else {}),
        **({"reservation": content["reservation"]} if "reservation" in content else {}),
        **({"home": True} if record.home_agreement_id else {}),
        **(_hosted(line) if isinstance(line, Share) and line.host_agreement_id else {}),
    }


def _hosted(share: Share) -> dict[str, Any]:
    """A host is told of what amount it is a share; not what the driver's price consists of."""
    told: dict[str, list[dict[str, str]]] = {}
    for language, _name in settings.LANGUAGES:
        with translation.override(language):
            words = gettext("Share of %(amount)s %(currency)s without VAT") % {
                "amount": text(share.cdr.payable_excl_vat or Decimal(0)),
                "currency": share.cdr.currency,
            }
        told[language] = [{"why": "", "text": words}]
    return {"host": True, "texts": told, "tariff_version": None, "signed": None}
