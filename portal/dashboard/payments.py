"""Payments: what came in, is set aside, went back or is disputed (billing section 9)."""

from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from billing.models import (
    BankLine,
    CallState,
    DocumentType,
    Invoice,
    LineState,
    Method,
    Payment,
    PaymentState,
    ProviderCall,
    ProviderMovement,
    ProviderSettings,
    Purpose,
)
from billing.services.payments import allocating, asking, coming_back, matching, receiving, refunding
from core import clock
from core.access import Permission
from core.errors import Conflict, DomainError, Invalid
from core.models import Organization
from portal.dashboard import payer_choice
from portal.dashboard.entry import OperatorRequest, go, id_of, load, operator
from portal.dashboard.forms import amount_of, refuse
from portal.dashboard.pages import address, page_by_id, render_page
from portal.dashboard.payment_words import PAYMENT_STATE

STATES = tuple(word.value for word in PaymentState)
SHOWN = 50
WAITING = (LineState.OPEN, LineState.PROPOSED)


class ReceivedForm(forms.Form):
    """Money that came in for an invoice, written down by hand."""

    invoice = forms.CharField(label=gettext_lazy("Number or reference of the invoice"), max_length=60)
    amount = forms.DecimalField(label=gettext_lazy("Amount"), max_digits=19, localize=True)
    received_on = forms.DateField(
        label=gettext_lazy("Received on"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    method = forms.ChoiceField(
        label=gettext_lazy("How"),
        choices=[(one.value, one.label) for one in (Method.BANK_TRANSFER, Method.MANUAL)],
    )
    note = forms.CharField(label=gettext_lazy("Note"), max_length=300, required=False)


@require_safe
@operator(Permission.INVOICES_MANAGE)
def listing(request: OperatorRequest) -> HttpResponse:
    query = {name: request.GET.get(name, "").strip() for name in ("state", "before")}
    rows = Payment.objects.visible_to(request.actor)
    if query["state"] in STATES:
        rows = rows.filter(state=query["state"])
    elif query["state"] == "disputed":
        rows = rows.filter(disputed_at__isnull=False)
    lines = BankLine.objects.visible_to(request.actor).filter(state__in=WAITING)
    context = {
        "section": "payments",
        "page": page_by_id(rows.select_related("account"), query),
        "query": query,
        "states": [(name, PAYMENT_STATE[name]) for name in STATES],
        "waiting": lines[:1].exists(),
        "taken": ProviderSettings.objects.filter(pk=request.actor.home).exists(),
        "differs": ProviderMovement.objects.visible_to(request.actor).open()[:1].exists(),
    }
    return render_page(request, "dashboard/payments/list.html", context)


@require_safe
@operator(Permission.INVOICES_MANAGE)
def detail(request: OperatorRequest, pk: UUID) -> HttpResponse:
    payment = _load(request, pk)
    context = {
        "section": "payments",
        "payment": payment,
        "released": payment.authorized - payment.captured if payment.state != PaymentState.HELD else 0,
        "rest": allocating.unallocated(payment),
        "most": _most(payment),
        "unclear": ProviderCall.objects.filter(payment=payment, state=CallState.OPEN).exists(),
        "allocations": payment.allocations.select_related("invoice"),
        "refunds": payment.refunds.select_related("credit_note"),
        "notes": _notes(payment),
        "owed": _owed(payment),
        "may_return": payment.state == PaymentState.RECEIVED and payment.method in coming_back.BY_BANK,
        "may_retry": payment.state == PaymentState.FAILED and payment.account_id is not None,
        "choices": [] if payment.account_id else payer_choice.found(request),
        "asked": request.GET.get("payer", "").strip(),
    }
    return render_page(request, "dashboard/payments/detail.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.INVOICES_MANAGE)
def record(request: OperatorRequest) -> HttpResponse:
    """Write down money that came in."""
    request.actor.require_everywhere(Permission.INVOICES_MANAGE)
    zone = Organization.objects.values_list("time_zone", flat=True).get(pk=request.actor.home)
    today = clock.now().astimezone(ZoneInfo(zone)).date()
    form = ReceivedForm(
        request.POST or None, initial={"invoice": request.GET.get("invoice", ""), "received_on": today}
    )
    if request.method == "POST" and form.is_valid():
        try:
            made = _received(request, form.cleaned_data)
        except DomainError as error:
            refuse(form, error)
        else:
            messages.success(request, _("Written down. What is above the open amount stays as a credit."))
            return go(request, address(request, "payment", made.pk))
    context = {"section": "payments", "form": form}
    return render_page(request, "dashboard/payments/record.html", context, status=422 if form.errors else 200)


@require_POST
@operator(Permission.SESSIONS_REFUND)
def refund(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Send money back, as far as it settles nothing or a credit note gives it back."""
    payment = _load(request, pk)
    note = None
    if key := request.POST.get("credit_note", ""):
        note = next((one for one in _notes(payment) if str(one.pk) == key), None)
        if note is None:
            raise Invalid("The credit note is not of an invoice that this payment settled.")
    refunding.refund(
        payment, amount_of(request), reason=request.POST.get("reason", ""), credit_note=note, by=request.actor
    )
    messages.success(request, _("The refund is on its way."))
    return go(request, address(request, "payment", pk))


@require_POST
@operator(Permission.INVOICES_MANAGE)
def take_back(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Write down that the bank took it back."""
    fee = amount_of(request, "fee") if request.POST.get("fee", "").strip() else Decimal(0)
    coming_back.by_hand(_load(request, pk), reason=request.POST.get("reason", ""), fee=fee, by=request.actor)
    messages.success(request, _("Taken back. Its invoices are owed again."))
    return go(request, address(request, "payment", pk))


@require_POST
@operator(Permission.INVOICES_MANAGE)
def payer(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Say who paid."""
    assigned = receiving.assign(_load(request, pk), payer_choice.chosen(request), by=request.actor)
    messages.success(request, _("It is the credit of %(payer)s now.") % {"payer": assigned.account})
    return go(request, address(request, "payment", pk))


@require_POST
@operator(Permission.INVOICES_MANAGE)
def settle(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Let what settles nothing yet settle an invoice of the payer."""
    payment = _load(request, pk)
    rows = Invoice.objects.visible_to(request.actor)
    invoice: Invoice = load(rows, id_of(request.POST.get("invoice", "")))
    made = allocating.allocate(payment, invoice, by=request.actor)
    if made is None:
        raise Conflict(_("Nothing is left of this payment that could settle an invoice."))
    messages.success(request, _("Settled, as far as both go."))
    return go(request, address(request, "payment", pk))


@require_POST
@operator(Permission.INVOICES_MANAGE)
def retry(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Ask the provider anew for what it refused."""
    made = asking.again(_load(request, pk), by=request.actor)
    messages.success(request, _("It is asked for again."))
    return go(request, address(request, "payment", made.pk))


def _load(request: OperatorRequest, pk: UUID) -> Payment:
    payment: Payment = load(
        Payment.objects.visible_to(request.actor).select_related("account", "credit_note"), pk
    )
    return payment


def _owed(payment: Payment) -> list[Invoice]:
    """Invoices of the payer that what is left could settle."""
    if payment.account_id is None or not allocating.unallocated(payment):
        return []
    rows = Invoice.objects.filter(account=payment.account_id, state__in=allocating.OWED)
    fitting = rows.filter(currency=payment.currency, document_type=DocumentType.INVOICE)
    return list(fitting.order_by("id")[:SHOWN])


def _received(request: OperatorRequest, values: dict[str, Any]) -> Payment:
    invoice = matching.invoice_named(request.place.organization.pk, values["invoice"])
    return receiving.record(
        invoice, values["amount"], received_on=values["received_on"], method=Method(values["method"]),
        note=values["note"], by=request.actor,
    )  # fmt: skip


def _most(payment: Payment) -> Decimal:
    """What can go back: of a top-up what is in the wallet, as the service looks, else what settles nothing."""
    rest = payment.captured - payment.refunded
    return rest if payment.purpose == Purpose.TOP_UP else allocating.unallocated(payment)


def _notes(payment: Payment) -> list[Invoice]:
    """Credit notes of invoices that the payment settles or settled."""
    settled = payment.allocations.values("invoice")
    return list(
        Invoice.objects.filter(credits__in=settled, document_type=DocumentType.CREDIT_NOTE).order_by("id")
    )
