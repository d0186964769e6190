"""What stands on documents of the seller and of the buyer: entered, checked, complete or not (B-26, B-57)."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError as DjangoInvalid
from django.core.validators import validate_email
from django.db.transaction import atomic
from stdnum import get_cc_module
from stdnum.exceptions import ValidationError

from billing.models import AccountKind, BillingAccount, Buyer, Seller
from billing.services import accounts, vat_treatment
from billing.services.vat_treatment import Treatment
from core import audit, clock, countries
from core.access import Actor, Permission
from core.errors import Invalid
from core.models import Organization
from drivers.models import Driver

LANGUAGES = ("en", "de")
LARGEST_LOGO = 200_000
WITHOUT_ADDRESS = Decimal(250)
"""Up to this amount a person's invoice needs no address of the buyer (section 33 UStDV; B-57)."""
_PARTY = frozenset({"name", "street", "postal_code", "city", "country", "vat_id", "email"})
OF_SELLER = _PARTY | {"tax_number", "vat_exempt", "contact", "phone", "logo", "texts", "languages"}
OF_BUYER = _PARTY | {"reseller", "reference", "language", "staff", "minimum_amount", "by_cost_centre"}
_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


@atomic
def save_seller(organization: Organization, values: Mapping[str, Any], *, by: Actor) -> Seller:
    """Change what the organization's documents say of it. Raises :class:`Invalid` naming the field."""
    by.require_everywhere(Permission.ORG_SETTINGS, organization)
    found = Seller.objects.select_for_update().filter(pk=organization.pk).first()
    row = found or Seller(organization=organization, name=organization.name, languages=["en", "de"])
    changes = _take(row, values, OF_SELLER)
    _check_logo(bytes(row.logo))
    if not row.languages or not set(row.languages) <= set(LANGUAGES):
        raise Invalid("Documents can be in English (en) and German (de).", field="languages")
    _check_texts(row.texts)
    row.save()
    audit.record("seller.changed", row, by=by, changes=changes)
    return row


@atomic
def save_buyer(account: BillingAccount, values: Mapping[str, Any], *, by: Actor) -> Buyer:
    """Change what the account's documents say of the payer; a VAT id is kept with the date of its check.

    Issued documents stay as they are. Raises :class:`Invalid` naming the field.
    """
    by.require(Permission.INVOICES_MANAGE, account)
    return _save_buyer(account, values, by=by)


@atomic
def save_driver(driver: Driver, values: Mapping[str, Any], *, company: bool | None, by: Actor) -> Buyer:
    """The same for a driver's account, by who manages drivers; ``company``: documents are made out to one.

    ``None`` leaves that as it is. A company's invoices need its address; a person's only above 250 (B-57).
    """
    by.require(Permission.DRIVERS_MANAGE, driver)
    account = accounts.of_driver(driver)
    if company is not None and (account.kind == AccountKind.COMPANY) != company:
        before, account.kind = account.kind, AccountKind.COMPANY if company else AccountKind.DRIVER
        account.save(update_fields=["kind"])
        audit.record("billing_account.changed", account, by=by, changes={"kind": [before, account.kind]})
    return _save_buyer(account, values, by=by)


def _save_buyer(account: BillingAccount, values: Mapping[str, Any], *, by: Actor) -> Buyer:
    locked = BillingAccount.objects.select_for_update().get(pk=account.pk)
    row = Buyer.objects.filter(pk=locked.pk).first() or Buyer(account=locked, name=locked.name)
    before = row.vat_id
    changes = _take(row, values, OF_BUYER)
    if row.language and row.language not in LANGUAGES:
        raise Invalid("Documents can be in English (en) and German (de).", field="language")
    least = Decimal(row.minimum_amount)
    if not least.is_finite() or not 0 <= least < Decimal(10) ** 9:
        raise Invalid("A minimum amount is not below nothing, and within reason.", field="minimum_amount")
    if row.reseller and not row.vat_id and row.country in vat_treatment.EU:
        raise Invalid("Who sells electricity on has a VAT id.", field="vat_id")
    if not row.vat_id:
        row.vat_id_checked_on = None
    elif row.vat_id != before or row.vat_id_checked_on is None:
        row.vat_id_checked_on = _today(locked.time_zone)
    row.save()
    audit.record(
        "buyer.changed", row, by=by, changes={name: [audit.HIDDEN, audit.HIDDEN] for name in changes}
    )
    return row


def seller_of(organization_id: Any) -> Seller:
    """Raises :class:`Invalid` where the details are not complete, so that nothing is issued without them (B-34)."""
    found = Seller.objects.filter(pk=organization_id).first()
    if found is None or not found.is_complete:
        raise Invalid(
            "The organization's invoice details are not complete. Enter its name, address and VAT id or "
            "tax number in the settings of invoices."
        )
    return found


def buyer_of(account: BillingAccount, seller: Seller) -> Buyer:
    """What is known of the payer, the rest from its driver; without a country that of the seller."""
    row = Buyer.objects.filter(pk=account.pk).first() or Buyer(account=account)
    row.name = row.name or account.name
    if account.driver is not None:
        row.name = account.driver.name if row.name == account.name else row.name
        row.email = row.email or account.driver.email
        row.language = row.language or account.driver.language[:2]
    if row.is_person:
        row.country = row.country or seller.country
    if row.language not in seller.languages:
        row.language = seller.languages[0]
    return row


def require_address(buyer: Buyer, due: Decimal) -> None:
    """Raises :class:`Invalid` where an invoice over so much needs an address that is not known (B-34)."""
    if not buyer.has_address and (not buyer.is_person or abs(due) > WITHOUT_ADDRESS):
        raise Invalid(f"The address of “{buyer.name}” is not complete. Enter it in the account's details.")


def treatment_of(account: BillingAccount) -> Treatment:
    """How supplies to the account are taxed today. Raises :class:`Invalid` where that cannot be told."""
    seller = seller_of(account.organization_id)
    buyer = buyer_of(account, seller)
    if not buyer.country:
        raise Invalid(f"The address of “{buyer.name}” is not complete. Enter it in the account's details.")
    kind = vat_treatment.RESELLER if buyer.reseller else vat_treatment.USER
    found = vat_treatment.decide(
        seller.country, buyer.country, kind, on=_today(account.time_zone), exempt=seller.vat_exempt
    )
    if found.category == vat_treatment.REVERSE and not (buyer.vat_id and seller.vat_id):
        raise Invalid("Reverse charge needs the VAT ids of both sides.")
    if found.category == vat_treatment.OUTSIDE and not seller.tax_number:
        raise Invalid(
            "A supply outside of VAT shows the seller's tax number. Enter it in the settings of invoices."
        )
    return found


def checked_vat_id(value: str, country: str) -> str:
    """In its compact form with the country in front. Raises :class:`Invalid` for wrong check digits."""
    text = "".join(value.split()).upper().replace("-", "").replace(".", "")
    module = get_cc_module("gr" if country == "GR" else country.lower(), "vat") if country else None
    prefix = "EL" if country == "GR" else country
    if not text:
        return ""
    if not prefix:
        raise Invalid("A VAT id needs a country.", field="vat_id")
    if module is None or not text.startswith(prefix):
        raise Invalid(f"A VAT id of this country begins with {prefix}.", field="vat_id")
    try:
        module.validate(text)
    except ValidationError:
        raise Invalid(
            f"“{text}” is not a VAT id: its length or check digits are wrong.", field="vat_id"
        ) from None
    return text


def _take(row: Seller | Buyer, values: Mapping[str, Any], allowed: frozenset[str]) -> dict[str, Any]:
    for name in values:
        if name not in allowed:
            raise Invalid(f"“{name}” cannot be set.", field=name)
    shown = {name: value for name, value in values.items() if name not in ("logo", "texts", "languages")}
    changes = audit.difference(row, shown)
    for name, value in values.items():
        setattr(row, name, value.strip() if isinstance(value, str) else value)
    _check_party(row)
    return changes


def _check_party(row: Seller | Buyer) -> None:
    if not row.name:
        raise Invalid("A name is needed.", field="name")
    if row.country:
        row.country = countries.alpha_2(row.country)
    for field in row._meta.fields:
        value = getattr(row, field.name) if field.concrete and not field.is_relation else None
        if isinstance(value, str) and field.max_length is not None and len(value) > field.max_length:
            raise Invalid(f"This has more than {field.max_length} characters.", field=field.name)
        if isinstance(value, str) and not value.replace("\n", " ").isprintable():
            raise Invalid("This has characters that cannot be printed.", field=field.name)
    row.vat_id = checked_vat_id(row.vat_id, row.country)
    if row.email:
        try:
            validate_email(row.email)
        except DjangoInvalid:
            raise Invalid("This is not an e-mail address.", field="email") from None


def _check_logo(logo: bytes) -> None:
    if len(logo) > LARGEST_LOGO or (logo and not logo.startswith(_PICTURES)):
        raise Invalid("A logo is a PNG or JPEG of at most 200 kB.", field="logo")


def _check_texts(texts: Any) -> None:
    if not isinstance(texts, dict) or any(
        language not in LANGUAGES or not isinstance(text, str) or len(text) > 2000
        for language, text in texts.items()
    ):
        raise Invalid("A text has at most 2000 characters for each language.", field="texts")


def _today(time_zone: str) -> date:
    return clock.now().astimezone(ZoneInfo(time_zone)).date()
