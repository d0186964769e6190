"""Many tokens and drivers from a table: looked at first, then taken as a whole or not at all."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from core.access import Permission
from core.errors import DomainError
from drivers.services import tables
from drivers.services.importing import Known
from drivers.services.tables import Trial
from portal.dashboard.entry import OperatorRequest, go, operator
from portal.dashboard.forms import refuse
from portal.dashboard.pages import address, render_page

KNOWN = (
    (Known.SKIP.value, gettext_lazy("leave them as they are")),
    (Known.UPDATE.value, gettext_lazy("change them as the table says")),
    (Known.REFUSE.value, gettext_lazy("take nothing at all")),
)


class ImportForm(forms.Form):
    file = forms.FileField(label=gettext_lazy("Table (CSV)"), required=False)
    text = forms.CharField(required=False, widget=forms.HiddenInput, strip=False)
    known = forms.ChoiceField(label=gettext_lazy("Tokens that are known already"), choices=KNOWN)


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.DRIVERS_MANAGE)
def page(request: OperatorRequest) -> HttpResponse:
    form = ImportForm(request.POST or None, request.FILES or None)
    trial: Trial | None = None
    text = ""
    if request.method == "POST" and form.is_valid():
        confirmed = request.POST.get("act") == "take"
        try:
            text = _text(form)
            known = Known(form.cleaned_data["known"])
            trial = tables.take(text, known=known, by=request.actor, trial=not confirmed)
        except DomainError as error:
            refuse(form, error)
        if confirmed and trial is not None and not trial.findings:
            return _taken(request, trial)
    return _shown(request, form, trial, text)


def _text(form: ImportForm) -> str:
    file = form.cleaned_data["file"]
    if file is None:
        return tables.text_of(form.cleaned_data["text"].encode())
    return tables.text_of(file.read(tables.MOST_BYTES + 1))


def _taken(request: OperatorRequest, trial: Trial) -> HttpResponse:
    told = _("Taken: %(created)d new tokens, %(updated)d changed, %(skipped)d left, %(drivers)d new drivers.")
    counts = {"created": len(trial.created), "updated": trial.updated, "skipped": trial.skipped}
    messages.success(request, told % {**counts, "drivers": trial.drivers})
    return go(request, address(request, "tokens"))


def _shown(request: OperatorRequest, form: ImportForm, trial: Trial | None, text: str) -> HttpResponse:
    context: dict[str, Any] = {"section": "tokens", "form": form, "trial": trial, "text": text}
    if trial is not None:
        context["known"] = form.cleaned_data["known"]
        context["findings"] = [(one.row + 2, one.field, one.message) for one in trial.findings[:200]]
    refused = form.errors or (trial is not None and trial.findings)
    return render_page(request, "dashboard/token_import.html", context, status=422 if refused else 200)
