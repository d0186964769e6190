"""Who is paid for charging: employees at home and hosts of sites, by agreements with dates (billing B-52, B-53)."""

from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from billing.models import AccountKind, BillingAccount, HomeAgreement, HostAgreement, SupplyTax
from billing.services import home_agreements, hosts
from billing.services.suppliers import Supply
from core.access import Permission
from core.errors import DomainError, Invalid
from portal.dashboard import payer_choice
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.forms import refuse
from portal.dashboard.pages import address, page_by_id, render_page
from stations.models import ChargingStation, Site

COMPANIES_SHOWN = 500
_UNSAID = ("", gettext_lazy("As stated before"))


def _day(label: Any, *, required: bool = True, help_text: Any = "") -> forms.DateField:
    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    return forms.DateField(label=label, widget=widget, required=required, help_text=help_text)


def _figure(label: Any, digits: int, *, required: bool = False, help_text: Any = "") -> forms.DecimalField:
    return forms.DecimalField(
        label=label, max_digits=12, decimal_places=digits, min_value=0, required=required, localize=True,
        help_text=help_text,
    )  # fmt: skip


class SupplyForm(forms.Form):
    """How what is paid is taxed, as stated by who is paid."""

    tax = forms.ChoiceField(
        label=gettext_lazy("VAT on what is paid"), choices=[_UNSAID, *SupplyTax.choices], required=False,
        help_text=gettext_lazy("As the one who is paid states it; nothing is guessed"),
    )  # fmt: skip
    tax_rate = _figure(gettext_lazy("Rate of VAT (%)"), 4, help_text=gettext_lazy("With VAT only"))
    tax_number = forms.CharField(label=gettext_lazy("Tax number"), max_length=30, required=False)
    ends: ClassVar[tuple[str, ...]] = ("tax", "tax_rate", "tax_number")

    def supply(self) -> Supply | None:
        told = self.cleaned_data
        if not told["tax"]:
            return None
        return Supply(tax=told["tax"], vat_rate=told["tax_rate"] or Decimal(0), tax_number=told["tax_number"])


class HomeForm(SupplyForm):
    """What a driver is paid for each kWh at home."""

    station = forms.CharField(label=gettext_lazy("Identity of the charger at home"), max_length=48)
    rate_per_kwh = _figure(gettext_lazy("Paid for each kWh, without VAT"), 6, required=True)
    currency = forms.CharField(label=gettext_lazy("Currency"), max_length=3, min_length=3)
    valid_from = _day(gettext_lazy("From"))
    valid_to = _day(gettext_lazy("Until"), required=False, help_text=gettext_lazy("Empty: until it is ended"))
    meter_serial = forms.CharField(
        label=gettext_lazy("Number of the MID meter"), max_length=50, required=False
    )
    employer = forms.ModelChoiceField(
        BillingAccount.objects.none(), label=gettext_lazy("Employer who pays it"), required=False,
        empty_label=gettext_lazy("The organization itself"),
    )  # fmt: skip
    employer_vat_rate = _figure(gettext_lazy("VAT that the employer is charged (%)"), 4)
    field_order = ("station", "rate_per_kwh", "currency", "valid_from", "valid_to", "meter_serial")

    def __init__(self, *args: Any, request: OperatorRequest, **values: Any) -> None:
        super().__init__(*args, **values)
        rows = BillingAccount.objects.visible_to(request.actor).filter(kind=AccountKind.COMPANY, driver=None)
        field = self.fields["employer"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = rows.order_by("name")
        self.fields["currency"].initial = request.place.organization.currency


class HostForm(SupplyForm):
    """What a host gets of each session at a site, or at one station."""

    site = forms.CharField(label=gettext_lazy("Name of the site"), max_length=100, required=False)
    station = forms.CharField(
        label=gettext_lazy("Or identity of a station"), max_length=48, required=False,
        help_text=gettext_lazy("Agreements of a station hold instead of those of its site"),
    )  # fmt: skip
    percent = _figure(gettext_lazy("Percent of the amount without VAT"), 4)
    per_kwh = _figure(gettext_lazy("For each kWh"), 6)
    per_session = _figure(gettext_lazy("For each session"), 2)
    minimum = _figure(gettext_lazy("At least, for each session"), 2)
    currency = forms.CharField(label=gettext_lazy("Currency"), max_length=3, min_length=3)
    valid_from = _day(gettext_lazy("From"))
    valid_to = _day(gettext_lazy("Until"), required=False, help_text=gettext_lazy("Empty: until it is ended"))
    field_order = (
        "site",
        "station",
        "percent",
        "per_kwh",
        "per_session",
        "minimum",
        "currency",
        "valid_from",
        "valid_to",
    )

    def __init__(self, *args: Any, request: OperatorRequest, **values: Any) -> None:
        super().__init__(*args, **values)
        self.fields["currency"].initial = request.place.organization.currency


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.INVOICES_MANAGE)
def home(request: OperatorRequest) -> HttpResponse:
    """Agreements on charging at home; POST makes one with the driver who was chosen."""
    request.actor.require_everywhere(Permission.INVOICES_MANAGE)
    form = HomeForm(request.POST or None, request=request)
    if request.method == "POST" and form.is_valid() and _made(form, _agree_at_home, request):
        messages.success(request, _("Agreed. Sessions that are sealed from now on are paid by it."))
        return go(request, address(request, "home_agreements"))
    rows = HomeAgreement.objects.visible_to(request.actor).select_related("driver", "station", "employer")
    context = {"mid_required": home_agreements.mid_required(request.actor.home), "kind": "home"}
    return _shown(request, form, rows, context)


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.INVOICES_MANAGE)
def of_hosts(request: OperatorRequest) -> HttpResponse:
    """Agreements with hosts; POST makes one with the account that was chosen."""
    request.actor.require_everywhere(Permission.INVOICES_MANAGE)
    form = HostForm(request.POST or None, request=request)
    if request.method == "POST" and form.is_valid() and _made(form, _agree_with_host, request):
        messages.success(request, _("Agreed. It is on the statements from then on."))
        return go(request, address(request, "host_agreements"))
    rows = HostAgreement.objects.visible_to(request.actor).select_related("account", "site", "station")
    return _shown(request, form, rows, {"kind": "hosts"})


@require_POST
@operator(Permission.INVOICES_MANAGE)
def end_home(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """The last day of an agreement on charging at home."""
    one: HomeAgreement = load(HomeAgreement.objects.visible_to(request.actor), pk)
    home_agreements.end(one, _last_day(request), by=request.actor)
    messages.success(request, _("Saved."))
    return go(request, address(request, "home_agreements"))


@require_POST
@operator(Permission.INVOICES_MANAGE)
def end_host(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """The last day of an agreement with a host."""
    one: HostAgreement = load(HostAgreement.objects.visible_to(request.actor), pk)
    hosts.end(one, _last_day(request), by=request.actor)
    messages.success(request, _("Saved."))
    return go(request, address(request, "host_agreements"))


@require_POST
@operator(Permission.ORG_SETTINGS)
def require_mid(request: OperatorRequest) -> HttpResponse:
    """Whether chargers at home need a meter that MID approves."""
    wanted = "mid_required" in request.POST
    home_agreements.require_mid(request.place.organization, wanted, by=request.actor)
    messages.success(request, _("Saved."))
    return go(request, address(request, "home_agreements"))


def date_of(text: str, field: str) -> Any:
    """The day that a form names. Raises :class:`Invalid`."""
    try:
        return forms.DateField().clean(text)
    except forms.ValidationError:
        raise Invalid("Write a date as 2027-12-31 or 31.12.2027.", field=field) from None


def _last_day(request: OperatorRequest) -> Any:
    return date_of(request.POST.get("valid_to", ""), "valid_to")


def _made(form: SupplyForm, agree: Any, request: OperatorRequest) -> bool:
    try:
        agree(form, request)
    except DomainError as error:
        refuse(form, error)
    return not form.errors


def _agree_at_home(form: HomeForm, request: OperatorRequest) -> None:
    told = dict(form.cleaned_data)
    account = payer_choice.chosen(request)
    if account.driver is None:
        raise Invalid("Only a driver charges at home.", field="account")
    terms = home_agreements.Terms(
        vat_rate=told.pop("employer_vat_rate"),
        **{name: told[name] for name in told if name not in (*form.ends, "station")},
    )
    station = _station(request, told["station"])
    home_agreements.agree(account.driver, station, terms, supply=form.supply(), by=request.actor)


def _agree_with_host(form: HostForm, request: OperatorRequest) -> None:
    told = {name: value for name, value in form.cleaned_data.items() if name not in form.ends}
    site, station = told.pop("site"), told.pop("station")
    if bool(site) == bool(station):
        raise Invalid("Name a site or a station.", field="site")
    place = _site(request, site) if site else _station(request, station)
    amounts = {name: told[name] or Decimal(0) for name in ("percent", "per_kwh", "per_session", "minimum")}
    terms = hosts.Terms(**{**told, **amounts})
    hosts.agree(payer_choice.chosen(request), place, terms, supply=form.supply(), by=request.actor)


def _station(request: OperatorRequest, identity: str) -> ChargingStation:
    rows = ChargingStation.objects.visible_to(request.actor).filter(retired_at=None)
    found: ChargingStation | None = rows.filter(identity__iexact=identity.strip()).first()
    if found is None:
        raise Invalid("There is no such station.", field="station")
    return found


def _site(request: OperatorRequest, name: str) -> Site:
    found: Site | None = (
        Site.objects.visible_to(request.actor).live().filter(name__iexact=name.strip()).first()
    )
    if found is None:
        raise Invalid("There is no such site.", field="site")
    return found


def _shown(request: OperatorRequest, form: forms.Form, rows: Any, context: dict[str, Any]) -> HttpResponse:
    asked = request.GET.get("payer", "").strip()
    query = {"before": request.GET.get("before", "").strip()}
    told = {
        "section": "payments",
        "page": page_by_id(rows, query),
        "form": form,
        "asked": asked,
        "choices": payer_choice.found(request),
        **context,
    }
    status = 422 if form.errors else 200
    return render_page(request, "dashboard/payments/agreements.html", told, status=status)
