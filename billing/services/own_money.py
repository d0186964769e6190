"""What payers do themselves with the money side of their account (spec of drivers' pages, section 7).

A driver's actor has no right over the organization's money; what keeps it to the payer's own is here.
"""

from decimal import Decimal

from django.core.exceptions import ValidationError as DjangoInvalid
from django.core.validators import validate_email
from django.db.transaction import atomic

from billing.models import BillingAccount, Buyer, Invoice, Payment, SavedMethod, Wallet
from billing.services.payments import asking
from core import audit
from core.access import Actor
from core.errors import Invalid, NotFound


@atomic
def mail_to(account: BillingAccount, address: str, *, by: Actor) -> Buyer:
    """Where later invoices go; empty: to the driver's own address. Raises :class:`Invalid` for what is none."""
    _require_own(account, by)
    address = address.strip()
    if address:
        _require_address(address)
    locked = BillingAccount.objects.select_for_update().get(pk=account.pk)
    row = Buyer.objects.filter(pk=locked.pk).first() or Buyer(account=locked, name=locked.name)
    changed = audit.change(row.email, address, hidden=True)
    row.email = address
    row.save()
    audit.record("buyer.changed", row, by=by, changes={"email": changed})
    return row


def pay(invoice: Invoice, *, back: str, by: Actor) -> Payment:
    """A page of the provider for what is open of an own invoice."""
    _require_own(invoice.account, by)
    return asking.pay_page(invoice, back=back, by=by)


def top_up(wallet: Wallet, amount: Decimal, *, back: str, save: bool, by: Actor) -> Payment:
    """A page of the provider that fills the own wallet; with ``save`` the provider keeps the card."""
    _require_own(wallet.account, by)
    if wallet.currency != wallet.account.organization.currency:
        raise Invalid("This wallet cannot be filled any more.", field="amount")
    return asking.top_up(wallet.account, amount, back=back, save=save, by=by)


def remove_card(method: SavedMethod, *, by: Actor) -> None:
    """Use an own card no more."""
    _require_own(method.account, by)
    asking.remove_method(method, by=by)


def _require_own(account: BillingAccount, by: Actor) -> None:
    """Raises :class:`NotFound` for the account of somebody else."""
    driver = account.driver
    if driver is None or by.subject_id is None or driver.user_id != by.subject_id or not by.sees(account):
        raise NotFound("There is no such object here.")


def _require_address(address: str) -> None:
    try:
        validate_email(address)
    except DjangoInvalid:
        raise Invalid("This is not an e-mail address.", field="email") from None
