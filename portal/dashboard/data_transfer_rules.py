"""Rules for messages of vendors: answered, masked, used for displays."""

from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from core.access import Permission
from core.errors import DomainError
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.forms import refuse
from portal.dashboard.pages import address, page_by_id, render_page
from stations.domain.data_transfers import RuleUse
from stations.models import DataTransferRule
from stations.services import data_transfer_rules


class RuleForm(forms.Form):
    use = forms.ChoiceField(
        label=gettext_lazy("What for"),
        choices=[
            (RuleUse.ANSWER.value, gettext_lazy("Answer what stations send")),
            (RuleUse.DISPLAY_TEXT.value, gettext_lazy("Show texts on displays of OCPP 1.6")),
        ],
    )
    vendor_id = forms.CharField(label=gettext_lazy("Vendor id"), max_length=255)
    message_id = forms.CharField(
        label=gettext_lazy("Message id"),
        max_length=50,
        required=False,
        help_text=gettext_lazy("Empty: any message"),
    )
    accepts = forms.BooleanField(label=gettext_lazy("Answer “Accepted”"), required=False, initial=True)
    answer_data = forms.CharField(label=gettext_lazy("Data of the answer"), max_length=10_000, required=False)
    masked_paths = forms.CharField(
        label=gettext_lazy("Masked paths"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("One a line, such as customer.phone"),
    )
    station_vendor = forms.CharField(
        label=gettext_lazy("Vendor of the stations"),
        max_length=50,
        required=False,
        help_text=gettext_lazy("For displays: as the stations tell it when they boot"),
    )
    template = forms.CharField(
        label=gettext_lazy("Template"),
        max_length=10_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("For displays: the body, with {text}, {language}, {until} and {priority}"),
    )

    def clean_masked_paths(self) -> list[str]:
        return [line.strip() for line in self.cleaned_data["masked_paths"].splitlines() if line.strip()]


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.COMMANDS_EXPERT)
def listing(request: OperatorRequest) -> HttpResponse:
    form = RuleForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and _created(request, form):
        messages.success(request, _("The rule holds from now on."))
        return go(request, address(request, "data_transfer_rules"))
    page = page_by_id(DataTransferRule.objects.visible_to(request.actor), request.GET.dict())
    context = {"section": "data_transfer_rules", "form": form, "page": page}
    status = 422 if form.errors else 200
    return render_page(request, "dashboard/data_transfer_rules.html", context, status=status)


@require_POST
@operator(Permission.COMMANDS_EXPERT)
def delete(request: OperatorRequest, pk: UUID) -> HttpResponse:
    rule = load(DataTransferRule.objects.visible_to(request.actor), pk)
    data_transfer_rules.delete(rule, by=request.actor)
    messages.success(request, _("The rule was deleted."))
    return go(request, address(request, "data_transfer_rules"))


def _created(request: OperatorRequest, form: RuleForm) -> bool:
    try:
        data_transfer_rules.create(form.cleaned_data, by=request.actor)
    except DomainError as error:
        refuse(form, error)
    return not form.errors
