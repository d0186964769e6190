"""A driver pays an invoice, fills the wallet, and takes a card away (spec of drivers' pages, section 7)."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from billing.models import (
    BillingAccount,
    CallState,
    Invoice,
    Payment,
    PaymentState,
    Purpose,
    SavedMethod,
    Wallet,
)
from billing.providers.base import ProviderRefused, ProviderUnclear
from billing.services import own_money
from billing.services.payments import asking, calls, following
from core.errors import Conflict, Invalid
from portal import session_price
from portal.driver import words
from portal.driver.entry import DriverRequest, actor_for, load, own, require_patience
from portal.driver.words import Told

AGAIN_S = 10


@require_POST
@own
def pay(request: DriverRequest, pk: Any) -> HttpResponse:
    """Ask for a page of the provider over what is open of an invoice."""
    rows = Invoice.objects.filter(account__driver__in=request.drivers).exclude(number="")
    invoice: Invoice = load(rows.select_related("account__driver", "account__organization"), pk)
    require_patience(invoice.account.driver)
    made = own_money.pay(invoice, back=_back(), by=actor_for(request, invoice.account.driver))
    return _asked(made)


@require_POST
@own
def top_up(request: DriverRequest, pk: Any) -> HttpResponse:
    """Ask for a page of the provider that fills the wallet."""
    rows = Wallet.objects.filter(account__driver__in=request.drivers)
    wallet: Wallet = load(rows.select_related("account__driver", "account__organization"), pk)
    require_patience(wallet.account.driver)
    made = own_money.top_up(
        wallet, _amount(request), back=_back(), save="save" in request.POST,
        by=actor_for(request, wallet.account.driver),
    )  # fmt: skip
    return _asked(made)


@require_safe
@own
def show(request: DriverRequest, pk: Any) -> HttpResponse:
    """How a payment stands here; it looks again by itself until that is known."""
    payment = _own_payment(request, pk)
    waits = payment.state == PaymentState.PENDING
    context = {
        "payment": payment,
        "amount": session_price.told(payment.amount, payment.currency),
        "told": told(payment),
        "waits": waits,
        "is_top_up": payment.purpose == Purpose.TOP_UP,
        "here": "invoices",
    }
    response = render(request, "driver/payment.html", context)
    if waits:
        response["Refresh"] = str(AGAIN_S)
    return response


@require_POST
@own
def look(request: DriverRequest, pk: Any) -> HttpResponse:
    """Ask the provider how it stands; the page tells what came of it, never the address that one came back by."""
    payment = _own_payment(request, pk)
    require_patience(payment.account.driver)  # type: ignore[union-attr]
    try:
        following.read(payment)
    except (ProviderRefused, ProviderUnclear):
        raise Conflict(_("The payment provider does not answer now. Look again in a few minutes.")) from None
    return redirect("driver:payment", pk)


@require_POST
@own
def remove(request: DriverRequest, pk: Any) -> HttpResponse:
    """Use a card no more."""
    rows = SavedMethod.objects.live().filter(account__driver__in=request.drivers)
    method: SavedMethod = load(rows.select_related("account__driver"), pk)
    own_money.remove_card(method, by=actor_for(request, method.account.driver))
    return redirect("driver:invoices")


@require_POST
@own
def mail(request: DriverRequest, pk: Any) -> HttpResponse:
    """Where invoices are mailed to."""
    rows = BillingAccount.objects.filter(driver__in=request.drivers).select_related("driver")
    account: BillingAccount = load(rows, pk)
    own_money.mail_to(account, request.POST.get("email", ""), by=actor_for(request, account.driver))
    return redirect("driver:invoices")


def told(payment: Payment) -> Told:
    """Its state in the driver's words."""
    unclear = payment.state == PaymentState.PENDING and payment.calls.filter(state=CallState.OPEN).exists()
    if unclear and not payment.checkout_url:
        return words.PAYMENT_UNCLEAR
    return words.PAYMENT[payment.state]


def _asked(payment: Payment) -> HttpResponse:
    """Ask the provider at once, so that its page is there; if it does not answer, the task asks again."""
    for call in payment.calls.filter(state=CallState.OPEN):
        calls.perform(call.pk)
    return redirect("driver:payment", payment.pk)


def _back() -> str:
    """The payment's own page, where the provider sends the person afterwards."""
    nobody = UUID(int=0)
    place = reverse("driver:payment", args=[nobody])
    return settings.PUBLIC_URL + place.replace(str(nobody), asking.THIS_PAYMENT)


def _own_payment(request: DriverRequest, pk: Any) -> Payment:
    rows = Payment.objects.filter(account__driver__in=request.drivers)
    payment: Payment = load(rows.select_related("account__driver", "account__organization"), pk)
    return payment


def _amount(request: DriverRequest) -> Decimal:
    field = forms.DecimalField(max_digits=9, localize=True)
    try:
        value: Decimal = field.clean(request.POST.get("amount", ""))
    except forms.ValidationError:
        raise Invalid("An amount is above nothing and within reason.", field="amount") from None
    return value
