"""Asking a payer for money by card: on the provider's page, or with a card that it keeps (B-35, B-36)."""

from decimal import Decimal
from typing import Any

from django.db.transaction import atomic

from billing.models import (
    BillingAccount,
    CallAction,
    CallState,
    DebitItem,
    Invoice,
    Method,
    Payment,
    PaymentState,
    ProviderCall,
    ProviderKind,
    ProviderSettings,
    Purpose,
    SavedMethod,
)
from billing.services.payments import allocating
from core import audit, clock
from core.access import Actor, Permission
from core.errors import Conflict, Invalid, NotFound

THIS_PAYMENT = "{payment}"
"""In an address to come back to: the id of the payment that is being asked for."""
LEAST, MOST = Decimal(5), Decimal(1_000)


@atomic
def top_up(account: BillingAccount, amount: Decimal, *, back: str, save: bool = False, by: Actor) -> Payment:
    """A payment page for the payer's wallet; nothing is in it before the provider has the money.

    Raises :class:`Invalid` for an amount outside of 5 to 1,000, :class:`Conflict` without a provider.
    """
    _require_provider(account)
    currency = account.organization.currency
    allocating.require_amount(amount, currency)
    if not LEAST <= amount <= MOST:
        raise Invalid(f"A top-up is from {LEAST} to {MOST}.", field="amount")
    details = {"back": back, "save": save, "description": "Top-up"}
    return _ask(account, amount, currency, Purpose.TOP_UP, CallAction.CHECKOUT, details, by)


@atomic
def pay_page(invoice: Invoice, *, back: str, by: Actor) -> Payment:
    """A payment page for what is open of an invoice; an open page for it is the same one."""
    _require_provider(invoice.account)
    owed = Invoice.objects.select_for_update().get(pk=invoice.pk)
    waiting = _waiting_for(owed)
    if waiting is not None:
        return waiting
    amount = _open_of(owed)
    details = {"back": back, "invoice": str(owed.pk), "description": owed.number}
    return _ask(owed.account, amount, owed.currency, Purpose.INVOICE, CallAction.CHECKOUT, details, by)


@atomic
def charge(invoice: Invoice, method: SavedMethod, *, by: Actor) -> Payment:
    """Charge a kept card for what is open of an invoice; once, however often it is asked for meanwhile.

    Raises :class:`NotFound` for a card of somebody else, :class:`Conflict` where nothing is owed.
    """
    by.require(Permission.INVOICES_MANAGE, invoice)
    _require_provider(invoice.account)
    if method.account_id != invoice.account_id or method.removed_at is not None:
        raise NotFound("There is no such card here.", field="method")
    owed = Invoice.objects.select_for_update().get(pk=invoice.pk)
    waiting = _waiting_for(owed)
    if waiting is not None:
        return waiting
    amount = _open_of(owed)
    details = {"method": str(method.pk), "invoice": str(owed.pk), "description": owed.number}
    return _ask(owed.account, amount, owed.currency, Purpose.INVOICE, CallAction.CHARGE, details, by)


@atomic
def again(payment: Payment, *, by: Actor) -> Payment:
    """Ask anew for what the provider refused: the same card or a fresh page, for what is open by now.

    The refused payment stays as it is; another takes its place, one at a time. Raises :class:`Conflict` for one that
    did not fail.
    """
    by.require(Permission.INVOICES_MANAGE, payment)
    held = Payment.objects.select_for_update(of=("self",)).select_related("account").get(pk=payment.pk)
    call = held.calls.filter(action__in=[CallAction.CHECKOUT, CallAction.CHARGE]).first()
    if held.state != PaymentState.FAILED or call is None or held.account is None:
        raise Conflict("Only a payment that the provider refused is tried again.")
    back = call.details.get("back", "").replace(str(held.pk), THIS_PAYMENT)
    if held.purpose == Purpose.TOP_UP:
        return _top_up_again(held, held.account, call, back, by)
    invoice = Invoice.objects.select_related("account").get(pk=call.details["invoice"])
    if call.action == CallAction.CHECKOUT:
        return pay_page(invoice, back=back, by=by)
    return charge(invoice, SavedMethod.objects.get(pk=call.details["method"]), by=by)


def _top_up_again(
    refused: Payment, account: BillingAccount, call: ProviderCall, back: str, by: Actor
) -> Payment:
    open_ = Payment.objects.filter(state=PaymentState.PENDING, pk=call.details.get("again"))
    made = open_.first()
    if made is None:
        save = call.details.get("save", False)
        made = top_up(account, refused.amount, back=back, save=save, by=by)
        call.details["again"] = str(made.pk)
        call.save(update_fields=["details"])
    return made


@atomic
def remove_method(method: SavedMethod, *, by: Actor) -> None:
    """Use a card no more. Raises :class:`Conflict` while an open payment uses it."""
    using = ProviderCall.objects.filter(state=CallState.OPEN, details__method=str(method.pk))
    if using.exists():
        raise Conflict("A payment with this card is on its way. Remove it when that is settled.")
    method.removed_at = clock.now()
    method.save(update_fields=["removed_at"])
    audit.record("payment_method.removed", method.account, by=by)


def _open_of(owed: Invoice) -> Decimal:
    amount = allocating.open_amount(owed)
    if owed.state not in allocating.OWED or not amount:
        raise Conflict("Nothing is owed on this invoice.")
    if DebitItem.objects.filter(invoice=owed, open=True).exists():
        raise Conflict("This invoice is being collected by direct debit.")
    return amount


def _waiting_for(owed: Invoice) -> Payment | None:
    calls = ProviderCall.objects.filter(details__invoice=str(owed.pk))
    open_ = calls.filter(payment__state__in=[PaymentState.PENDING, PaymentState.HELD])
    call = open_.exclude(state=CallState.REFUSED).select_related("payment").first()
    return call.payment if call else None


def _require_provider(account: BillingAccount) -> None:
    if not ProviderSettings.objects.filter(pk=account.organization_id).exists():
        raise Conflict("No payment provider is set up here.")


def _ask(
    account: BillingAccount, amount: Decimal, currency: str, purpose: Purpose, action: CallAction,
    details: dict[str, Any], by: Actor,
) -> Payment:  # fmt: skip
    payment = Payment.objects.create(
        organization_id=account.organization_id, account=account, method=Method.CARD, purpose=purpose,
        currency=currency, amount=amount, provider=ProviderKind.STRIPE.value, created_by=by.label[:200],
    )  # fmt: skip
    if "back" in details:
        details = {**details, "back": details["back"].replace(THIS_PAYMENT, str(payment.pk))}
    ProviderCall.objects.create(
        payment=payment, action=action, key=f"{action.value}:{payment.pk}", amount=amount, details=details
    )
    audit.record("payment.asked", payment, by=by)
    return payment
