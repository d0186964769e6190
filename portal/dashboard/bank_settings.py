"""The organization's bank account: on invoices for transfers, and in debit files (billing B-43, B-46)."""

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from billing.models import BankDetails
from billing.services.payments import debits
from core.access import Permission
from core.errors import DomainError
from portal.dashboard.entry import OperatorRequest, go, operator
from portal.dashboard.forms import refuse
from portal.dashboard.pages import address, render_page


class BankForm(forms.Form):
    holder = forms.CharField(label=gettext_lazy("Holder of the account"), max_length=70)
    iban = forms.CharField(
        label="IBAN", max_length=42, help_text=gettext_lazy("It stands on every invoice from now on")
    )
    bic = forms.CharField(label="BIC", max_length=11, required=False)
    creditor_id = forms.CharField(
        label=gettext_lazy("Creditor id"), max_length=35, required=False,
        help_text=gettext_lazy("For direct debit, from your central bank"),
    )  # fmt: skip
    notice_days = forms.IntegerField(
        label=gettext_lazy("Days between invoice and direct debit"), min_value=1, max_value=60, initial=14
    )
    first_as_frst = forms.BooleanField(
        label=gettext_lazy("The bank asks for FRST at a mandate's first use"), required=False
    )


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.ORG_SETTINGS)
def details(request: OperatorRequest) -> HttpResponse:
    request.actor.require_everywhere(Permission.ORG_SETTINGS)
    organization = request.place.organization
    row = BankDetails.objects.filter(pk=organization.pk).first()
    initial = {name: getattr(row, name) for name in BankForm.base_fields} if row else {}
    form = BankForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            debits.set_details(organization, **form.cleaned_data, by=request.actor)
        except DomainError as error:
            refuse(form, error)
        else:
            messages.success(request, _("Saved. Issued invoices stay as they are."))
            return go(request, address(request, "bank_settings"))
    context = {"section": "bank_settings", "form": form, "row": row}
    status = 422 if form.errors else 200
    return render_page(request, "dashboard/bank_settings.html", context, status=status)
