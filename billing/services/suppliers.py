"""What those who are paid say of taxes: it decides the VAT on their statements, nothing is guessed (billing B-52)."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.transaction import atomic

from billing.models import BillingAccount, Buyer, Seller, Supplier, SupplyTax
from billing.services import parties
from billing.services.vat_treatment import EXEMPT, EXEMPT_REASON, NOT_TAXABLE_REASON, OUTSIDE, STANDARD
from core import audit
from core.access import Actor, Permission
from core.errors import Invalid

_CATEGORY = {
    SupplyTax.NONE: (OUTSIDE, NOT_TAXABLE_REASON),
    SupplyTax.EXEMPT: (EXEMPT, EXEMPT_REASON),
    SupplyTax.STANDARD: (STANDARD, ""),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """How what is paid is taxed, as stated: a word of :class:`SupplyTax`, with ``standard`` its rate in percent."""

    tax: str
    vat_rate: Decimal = Decimal(0)
    tax_number: str = ""


def require(account: BillingAccount, supply: Supply | None, *, by: Actor) -> None:
    """Keep what was stated with an agreement; raises :class:`Invalid` where nothing is stated, or was before."""
    if supply is not None:
        save(account, supply, by=by)
    elif not Supplier.objects.filter(pk=account.pk).exists():
        raise Invalid("Say how VAT is treated: none, exempt or standard.", field="tax")


@atomic
def save(account: BillingAccount, supply: Supply, *, by: Actor) -> Supplier:
    """Keep what the account's holder says of VAT; statements from now on go by it. Raises :class:`Invalid`."""
    by.require_everywhere(Permission.INVOICES_MANAGE, account)
    locked = BillingAccount.objects.select_for_update().get(pk=account.pk)
    tax, vat_rate, tax_number = supply.tax, supply.vat_rate, supply.tax_number.strip()
    if tax not in SupplyTax.values:
        raise Invalid("Say how VAT is treated: none, exempt or standard.", field="tax")
    if not vat_rate.is_finite() or not 0 <= vat_rate <= 100 or (tax == SupplyTax.STANDARD) != bool(vat_rate):
        raise Invalid("A rate of VAT is needed with VAT, and only then.", field="tax_rate")
    if len(tax_number) > 30 or not tax_number.isprintable():
        raise Invalid("A tax number has at most 30 characters.", field="tax_number")
    row = Supplier.objects.filter(pk=locked.pk).first() or Supplier(account=locked)
    changes = audit.difference(row, {"tax": tax, "vat_rate": vat_rate})
    row.tax, row.vat_rate, row.tax_number = tax, vat_rate, tax_number
    row.save()
    audit.record("supplier.changed", row, by=by, changes=changes)
    return row


def of(account: BillingAccount) -> Supplier:
    """What is known; raises :class:`Invalid` where nothing was said, so that nothing is issued without it (B-34)."""
    row = Supplier.objects.filter(pk=account.pk).first()
    if row is None:
        raise Invalid(
            "It is not known how VAT is treated for who is paid. Say it in the account's agreements."
        )
    return row


def vat_of(supplier: Supplier, party: Buyer) -> tuple[Decimal, str, str]:
    """Rate, category and reason of all that is paid to them. Raises :class:`Invalid` where VAT lacks its number."""
    category, reason = _CATEGORY[SupplyTax(supplier.tax)]
    if category == STANDARD and not (party.vat_id or supplier.tax_number):
        raise Invalid("Who is paid with VAT has a VAT id or a tax number. Enter it in the account's details.")
    return supplier.vat_rate, category, reason


def told(account: BillingAccount, seller: Seller) -> dict[str, Any]:
    """As a statement shows its supplier: the account's details with the number that stands for a VAT id."""
    party, supplier = parties.buyer_of(account, seller), of(account)
    names = ("name", "street", "postal_code", "city", "country", "vat_id", "email")
    return {
        **{name: getattr(party, name) for name in names},
        "tax_number": supplier.tax_number,
        "identifier": str(account.pk),
        "contact": "",
        "phone": "",
    }
