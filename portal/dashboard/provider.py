"""The payment provider: keys that are written and never shown, and a test that tells its real answer (B-36, K-05)."""

from decimal import Decimal

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from billing.models import ProviderSettings
from billing.services.payments import provider_settings
from core.access import Permission
from core.errors import DomainError
from portal.dashboard.entry import OperatorRequest, go, operator
from portal.dashboard.forms import refuse
from portal.dashboard.pages import address, render_page
from portal.dashboard.sentences import told

_KEPT = gettext_lazy("Left empty, the one that is kept stays. It is never shown.")


class ProviderForm(forms.Form):
    key = forms.CharField(
        label=gettext_lazy("Secret key"), max_length=300, required=False, help_text=_KEPT,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )  # fmt: skip
    webhook_secret = forms.CharField(
        label=gettext_lazy("Secret of the webhook"), max_length=300, required=False, help_text=_KEPT,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )  # fmt: skip
    hold_amount = forms.DecimalField(
        label=gettext_lazy("Sum that is set aside for a session without an account"), max_digits=9,
        decimal_places=2, localize=True,
    )  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.ORG_SETTINGS)
def settings(request: OperatorRequest) -> HttpResponse:
    request.actor.require_everywhere(Permission.ORG_SETTINGS)
    organization = request.place.organization
    row = ProviderSettings.objects.filter(pk=organization.pk).first()
    form = ProviderForm(
        request.POST or None, initial={"hold_amount": round(row.hold_amount, 2) if row else Decimal(60)}
    )
    if request.method == "POST" and form.is_valid():
        try:
            provider_settings.save(organization, **form.cleaned_data, by=request.actor)
        except DomainError as error:
            refuse(form, error)
        else:
            messages.success(request, _("Saved. Test it now."))
            return go(request, address(request, "provider_settings"))
    context = {"section": "provider_settings", "form": form, "row": row}
    return render_page(
        request, "dashboard/provider_settings.html", context, status=422 if form.errors else 200
    )


@require_POST
@operator(Permission.ORG_SETTINGS)
def test(request: OperatorRequest) -> HttpResponse:
    """Ask the provider something harmless and show what it says."""
    request.actor.require_everywhere(Permission.ORG_SETTINGS)
    try:
        answer = provider_settings.test(request.place.organization, by=request.actor)
    except DomainError as error:
        messages.error(request, told(error.message))
    else:
        messages.success(request, _("The provider answers: %(answer)s") % {"answer": answer})
    return go(request, address(request, "provider_settings"))


@require_POST
@operator(Permission.ORG_SETTINGS)
def forget(request: OperatorRequest) -> HttpResponse:
    """Take cards no more."""
    request.actor.require_everywhere(Permission.ORG_SETTINGS)
    provider_settings.forget(request.place.organization, by=request.actor)
    messages.success(request, _("The keys are gone. Invoices and bank transfers go on."))
    return go(request, address(request, "provider_settings"))
