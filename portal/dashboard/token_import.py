"""Many tokens and drivers from a table: looked at first, then taken as a whole or not at all."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from billing.services import import_undoing
from core import clock
from core.access import Permission
from core.errors import DomainError
from drivers.models import TokenImport
from drivers.services import tables
from drivers.services.importing import Known
from drivers.services.tables import Trial
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.forms import refuse
from portal.dashboard.pages import address, render_page
from portal.dashboard.sentences import told
from portal.downloads import whole

KNOWN = (
    (Known.SKIP.value, gettext_lazy("leave them as they are")),
    (Known.UPDATE.value, gettext_lazy("change them as the table says")),
    (Known.REFUSE.value, gettext_lazy("take nothing at all")),
)


TAKING = ("take", "rest")
SHOWN = 10
ROWS_SHOWN = 200


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
        act = request.POST.get("act")
        try:
            text = _text(form)
            trial = _tried(request, text, Known(form.cleaned_data["known"]), act)
        except DomainError as error:
            refuse(form, error)
        if trial is not None and act == "file" and trial.findings:
            return _file(text, trial)
        if trial is not None and act in TAKING and not trial.findings:
            return _taken(request, trial)
    return _shown(request, form, trial, text)


def _tried(request: OperatorRequest, text: str, known: Known, act: str | None) -> Trial:
    """What the table does; with “rest” the lines that are right are taken, and the wrong ones left out."""
    wrong: set[int] = set()
    if act == "rest":
        first = tables.take(text, known=known, by=request.actor, trial=True)
        wrong = {one.row for one in first.findings}
    return tables.take(text, known=known, by=request.actor, trial=act not in TAKING, without=wrong)


def _file(text: str, trial: Trial) -> HttpResponse:
    content = tables.to_correct(text, trial.findings, _("problem"), told)
    return whole(
        f"\ufeff{content}".encode(), content_type="text/csv; charset=utf-8", filename="to-correct.csv"
    )


def _text(form: ImportForm) -> str:
    file = form.cleaned_data["file"]
    if file is None:
        return tables.text_of(form.cleaned_data["text"].encode())
    return tables.text_of(file.read(tables.MOST_BYTES + 1))


def _taken(request: OperatorRequest, trial: Trial) -> HttpResponse:
    said = _("Taken: %(created)d new tokens, %(updated)d changed, %(skipped)d left, %(drivers)d new drivers.")
    counts = {"created": len(trial.created), "updated": trial.updated, "skipped": trial.skipped}
    messages.success(request, said % {**counts, "drivers": trial.drivers})
    if trial.batch is None:
        return go(request, address(request, "tokens"))
    return go(request, address(request, "token_import_done", trial.batch.pk))


def _shown(request: OperatorRequest, form: ImportForm, trial: Trial | None, text: str) -> HttpResponse:
    context: dict[str, Any] = {"section": "tokens", "form": form, "trial": trial, "text": text}
    context["imports"] = TokenImport.objects.visible_to(request.actor)[:SHOWN]
    if trial is not None:
        context["known"] = form.cleaned_data["known"]
        context["findings"] = [(one.row + 2, one.field, one.message) for one in trial.findings[:200]]
        context["right"] = trial.rows - len({one.row for one in trial.findings})
    refused = form.errors or (trial is not None and trial.findings)
    return render_page(request, "dashboard/token_import.html", context, status=422 if refused else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.DRIVERS_MANAGE)
def detail(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """What an import did, and what taking it back would do, or did."""
    request.actor.require_everywhere(Permission.DRIVERS_MANAGE)
    batch: TokenImport = load(TokenImport.objects.visible_to(request.actor), pk)
    if request.method == "POST":
        import_undoing.undo(batch, by=request.actor)
        messages.success(request, _("The import is taken back."))
        return go(request, address(request, "token_import_done", pk))
    open_ = batch.undone_at is None and clock.now() < batch.undo_until
    context = {"section": "tokens", "batch": batch, "undoable": open_, **_staying(batch, open_)}
    return render_page(request, "dashboard/token_import_done.html", context)


def _staying(batch: TokenImport, open_: bool) -> dict[str, Any]:
    """The rows that stay, with the reason; what an import that is too long ago did is not kept."""
    if open_:
        judged = import_undoing.look(batch)
        kept = [(one.thing, one.because) for one in judged if one.because]
        return {"kept": kept[:ROWS_SHOWN], "kept_count": len(kept), "going": len(judged) - len(kept)}
    rows = batch.rows.exclude(kept_because="").select_related("token", "driver")[:ROWS_SHOWN]
    return {"kept": [(row.token or row.driver, row.kept_because) for row in rows], "kept_count": batch.kept}
