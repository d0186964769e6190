"""When and in which words an organization asks for what is overdue (billing B-47)."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from billing.models import DunningKind
from billing.services.dunning import policies
from billing.services.dunning.policies import Step, Terms
from core.access import Permission
from core.models import Organization
from core.money import minor_units
from portal.dashboard.entry import OperatorRequest, go, operator
from portal.dashboard.forms import done
from portal.dashboard.pages import address, render_page

LANGUAGES = ("en", "de")


class PolicyForm(forms.Form):
    enabled = forms.BooleanField(label=gettext_lazy("Remind of overdue invoices"), required=False)
    starts_on = forms.DateField(
        label=gettext_lazy("Of invoices that were due on or after"), required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=gettext_lazy("Empty: today, when it is switched on"),
    )  # fmt: skip


class TermsForm(forms.Form):
    """The steps for a country; one without days is not taken. Words that are left empty are ours."""

    country = forms.CharField(
        label=gettext_lazy("Country of the payer"), max_length=3, required=False,
        help_text=gettext_lazy("Two letters, such as DE; empty: all others"),
    )  # fmt: skip
    currency = forms.CharField(
        label=gettext_lazy("Currency of the fees"), max_length=3, min_length=3,
        help_text=gettext_lazy("Invoices in another currency bear no fee"),
    )  # fmt: skip

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for kind in DunningKind:
            self.fields.update(_fields_of(kind))

    def terms(self) -> Terms:
        """As the service takes them."""
        given = self.cleaned_data
        steps = tuple(_step(kind, given) for kind in DunningKind if given[f"{kind.value}_days"])
        return Terms(given["country"].strip().upper(), given["currency"].strip().upper(), steps)


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.ORG_SETTINGS)
def policy(request: OperatorRequest) -> HttpResponse:
    """Whether at all; and the terms of each country."""
    request.actor.require_everywhere(Permission.ORG_SETTINGS)
    organization = request.place.organization
    row = policies.policy_of(organization)
    form = PolicyForm(request.POST or None, initial={"enabled": row.enabled, "starts_on": row.starts_on})
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        if done(form, lambda: policies.switch(organization, **given, by=request.actor)):
            messages.success(request, _("Saved."))
            return go(request, address(request, "dunning_settings"))
    wanted = policies.terms_for(policies.all_terms(organization), request.GET.get("country", ""))
    return _page(request, organization, form, TermsForm(initial=_initial(wanted)))


@require_POST
@operator(Permission.ORG_SETTINGS)
def terms(request: OperatorRequest) -> HttpResponse:
    """The steps for a country, or that it has none of its own any more."""
    request.actor.require_everywhere(Permission.ORG_SETTINGS)
    organization = request.place.organization
    if "drop" in request.POST:
        policies.drop_terms(organization, request.POST.get("country", ""), by=request.actor)
        return go(request, address(request, "dunning_settings"))
    form = TermsForm(request.POST)
    if form.is_valid() and done(
        form, lambda: policies.save_terms(organization, form.terms(), by=request.actor)
    ):
        messages.success(request, _("Saved. Reminders that were sent stay as they are."))
        return go(request, address(request, "dunning_settings"))
    row = policies.policy_of(organization)
    shown = PolicyForm(initial={"enabled": row.enabled, "starts_on": row.starts_on})
    return _page(request, organization, shown, form)


def _page(
    request: OperatorRequest, organization: Organization, form: forms.Form, terms_form: forms.Form
) -> HttpResponse:
    context = {
        "section": "dunning_settings",
        "form": form,
        "terms_form": terms_form,
        "known": policies.all_terms(organization),
        "kinds": dict(DunningKind.choices),
    }
    status = 422 if form.errors or terms_form.errors else 200
    return render_page(request, "dashboard/dunning_settings.html", context, status=status)


def _fields_of(kind: DunningKind) -> dict[str, forms.Field]:
    named = {"step": kind.label}
    words = {"en": _("%(step)s: own words, English"), "de": _("%(step)s: own words, German")}
    return {
        f"{kind.value}_days": forms.IntegerField(
            label=_("%(step)s: days after the due date") % named,
            min_value=1, max_value=policies.LATEST_DAYS, required=False,
        ),
        f"{kind.value}_fee": forms.DecimalField(
            label=_("%(step)s: fee") % named, max_digits=7, decimal_places=4, min_value=0, required=False,
            localize=True,
        ),
        **{
            f"{kind.value}_{language}": forms.CharField(
                label=text % named, max_length=policies.LONGEST_TEXT, required=False,
                widget=forms.Textarea(attrs={"rows": 3}),
            )
            for language, text in words.items()
        },
    }  # fmt: skip


def _step(kind: DunningKind, given: dict[str, Any]) -> Step:
    texts = {language: given[f"{kind.value}_{language}"].replace("\r\n", "\n") for language in LANGUAGES}
    said = {language: text for language, text in texts.items() if text}
    return Step(kind, given[f"{kind.value}_days"], given[f"{kind.value}_fee"] or Decimal(0), said)


def _initial(wanted: Terms) -> dict[str, Any]:
    shown: dict[str, Any] = {"country": wanted.country, "currency": wanted.currency}
    for step in wanted.steps:
        shown[f"{step.kind}_days"] = step.days
        shown[f"{step.kind}_fee"] = round(step.fee, minor_units(wanted.currency))
        shown.update({f"{step.kind}_{language}": text for language, text in step.texts.items()})
    return shown
