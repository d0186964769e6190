"""Who pays: what documents say of the payer, the permission to collect, and the wallet (billing B-43, B-48)."""

from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from billing.models import BillingAccount, Buyer, Invoice, Mandate, MandateState, MandateType, Wallet
from billing.services import accounts as payer_accounts
from billing.services import parties
from billing.services.payments import debits, wallets
from billing.services.payments.ledgers import entries_of
from core.access import Permission
from core.errors import DomainError, NotFound
from portal.dashboard import company_drivers, dunning
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.forms import amount_of, refuse
from portal.dashboard.pages import address, page_by_id, render_page

SHOWN = 20
LANGUAGES = [("", gettext_lazy("As the driver's")), ("en", "English"), ("de", "Deutsch")]


class BuyerForm(forms.Form):
    """What documents say of the payer; what is left empty comes from the driver."""

    name = forms.CharField(label=gettext_lazy("Name on documents"), max_length=200, required=False)
    street = forms.CharField(label=gettext_lazy("Street and number"), max_length=200, required=False)
    postal_code = forms.CharField(label=gettext_lazy("Postal code"), max_length=20, required=False)
    city = forms.CharField(label=gettext_lazy("City"), max_length=100, required=False)
    country = forms.CharField(
        label=gettext_lazy("Country"), max_length=3, required=False,
        help_text=gettext_lazy("Two letters, such as DE"),
    )  # fmt: skip
    vat_id = forms.CharField(label=gettext_lazy("VAT id"), max_length=30, required=False)
    email = forms.EmailField(label=gettext_lazy("E-mail address"), required=False)
    reference = forms.CharField(label=gettext_lazy("Buyer reference"), max_length=100, required=False)
    language = forms.ChoiceField(label=gettext_lazy("Language"), choices=LANGUAGES, required=False)
    reseller = forms.BooleanField(label=gettext_lazy("Sells the electricity on"), required=False)
    minimum_amount = forms.DecimalField(
        label=gettext_lazy("Minimum amount of an invoice"), max_digits=11, decimal_places=2, min_value=0,
        required=False, localize=True,
        help_text=gettext_lazy("A month of less waits for the next one, to the end of the year at most"),
    )  # fmt: skip
    by_cost_centre = forms.BooleanField(
        label=gettext_lazy("Invoices by cost centre"), required=False,
        help_text=gettext_lazy("Sessions are grouped by the cost centres of the drivers, with a sum for each"),
    )  # fmt: skip
    staff = forms.BooleanField(label=gettext_lazy("Staff: sessions are not billed"), required=False)

    def clean_minimum_amount(self) -> Decimal:
        return self.cleaned_data["minimum_amount"] or Decimal(0)


class MandateForm(forms.Form):
    """A permission to collect by direct debit. The IBAN is sealed and never shown again."""

    iban = forms.CharField(label="IBAN", max_length=42)
    holder = forms.CharField(label=gettext_lazy("Holder of the account"), max_length=70)
    signed_on = forms.DateField(
        label=gettext_lazy("Signed on"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    type_ = forms.ChoiceField(label=gettext_lazy("Type"), choices=MandateType.choices)


class CompanyForm(forms.Form):
    """A payer that is no driver."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=payer_accounts.LONGEST_NAME)
    time_zone = forms.ChoiceField(
        label=gettext_lazy("Time zone"), help_text=gettext_lazy("Decides to which month a session belongs"),
        choices=[(zone, zone.replace("_", " ")) for zone in sorted(available_timezones()) if "/" in zone],
    )  # fmt: skip


@require_safe
@operator(Permission.INVOICES_MANAGE)
def listing(request: OperatorRequest) -> HttpResponse:
    query = {name: request.GET.get(name, "").strip() for name in ("q", "before")}
    rows = BillingAccount.objects.visible_to(request.actor).select_related("buyer")
    if query["q"]:
        rows = rows.filter(name__icontains=query["q"])
    context = {"section": "payments", "page": page_by_id(rows, query), "query": query}
    return render_page(request, "dashboard/payments/accounts.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.INVOICES_MANAGE)
def new(request: OperatorRequest) -> HttpResponse:
    """A company that pays."""
    request.actor.require_everywhere(Permission.INVOICES_MANAGE)
    organization = request.place.organization
    form = CompanyForm(request.POST or None, initial={"time_zone": organization.time_zone})
    if request.method == "POST" and form.is_valid():
        try:
            made = payer_accounts.open_company(organization, **form.cleaned_data, by=request.actor)
        except DomainError as error:
            refuse(form, error)
        else:
            messages.success(request, _("Added. Enter its address and VAT id now."))
            return go(request, address(request, "account", made.pk))
    context = {"section": "payments", "form": form}
    status = 422 if form.errors else 200
    return render_page(request, "dashboard/payments/account_new.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.INVOICES_MANAGE)
def detail(request: OperatorRequest, pk: UUID) -> HttpResponse:
    account = _account(request, pk)
    row = Buyer.objects.filter(pk=pk).first()
    form = _buyer_form(account, row, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            parties.save_buyer(account, form.cleaned_data, by=request.actor)
        except DomainError as error:
            refuse(form, error)
        else:
            messages.success(request, _("Saved. Issued invoices stay as they are."))
            return go(request, address(request, "account", pk))
    return _page(request, account, row, form, MandateForm())


@require_POST
@operator(Permission.INVOICES_MANAGE)
def sign(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Keep a mandate; the one before is stopped."""
    account = _account(request, pk)
    form = MandateForm(request.POST)
    if form.is_valid():
        values = {**form.cleaned_data, "type_": MandateType(form.cleaned_data["type_"])}
        try:
            debits.sign(account, **values, by=request.actor)
        except DomainError as error:
            refuse(form, error)
        else:
            messages.success(request, _("The mandate is kept."))
            return go(request, address(request, "account", pk))
    row = Buyer.objects.filter(pk=pk).first()
    return _page(request, account, row, _buyer_form(account, row), form)


@require_POST
@operator(Permission.INVOICES_MANAGE)
def stop(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Collect from the account no more."""
    for mandate in Mandate.objects.filter(account=_account(request, pk), state=MandateState.ACTIVE):
        debits.stop(mandate, because="stopped", by=request.actor)
    messages.success(request, _("Nothing more is collected by it."))
    return go(request, address(request, "account", pk))


@require_POST
@operator(Permission.INVOICES_MANAGE)
def open_wallet(request: OperatorRequest, pk: UUID) -> HttpResponse:
    wallets.open_(_account(request, pk), by=request.actor)
    messages.success(request, _("The wallet is open."))
    return go(request, address(request, "account", pk))


@require_POST
@operator(Permission.INVOICES_MANAGE)
def limit(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """How far below nothing the wallet may go."""
    rows = Wallet.objects.filter(account=_account(request, pk)).select_related("account")
    wallet = rows.first()
    if wallet is None:
        raise NotFound("There is no such object here.")
    wallets.allow(wallet, amount_of(request, "credit_limit"), by=request.actor)
    messages.success(request, _("Saved."))
    return go(request, address(request, "account", pk))


def _buyer_form(account: BillingAccount, row: Buyer | None, data: Any = None) -> BuyerForm:
    initial = {name: getattr(row, name) for name in BuyerForm.base_fields} if row else {"name": account.name}
    return BuyerForm(data, initial=initial)


def _account(request: OperatorRequest, pk: UUID) -> BillingAccount:
    rows = BillingAccount.objects.visible_to(request.actor).select_related("driver", "organization")
    account: BillingAccount = load(rows, pk)
    return account


def _page(
    request: OperatorRequest,
    account: BillingAccount,
    row: Buyer | None,
    form: forms.Form,
    mandate: forms.Form,
) -> HttpResponse:
    wallet = Wallet.objects.filter(account=account).first()
    context: dict[str, Any] = {
        "section": "payments",
        "account": account,
        "buyer": row,
        "form": form,
        "mandate_form": mandate,
        "mandates": Mandate.objects.filter(account=account)[:SHOWN],
        "wallet": wallet,
        "entries": entries_of(wallet)[:SHOWN] if wallet else [],
        "invoices": Invoice.objects.filter(account=account)[:SHOWN],
        **company_drivers.context(request.actor, account, request.GET.dict()),
        **dunning.context_of_payer(account),
    }
    status = 422 if form.errors or mandate.errors else 200
    return render_page(request, "dashboard/payments/account.html", context, status=status)
