"""Writing a tariff: a new one or the next version of one, with the preview beside it (dashboard 4.10)."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from core.access import Permission
from core.errors import DomainError
from portal.dashboard import tariff_editor
from portal.dashboard.entry import OperatorRequest, go, operator
from portal.dashboard.pages import address, render_page
from portal.dashboard.sentences import told
from portal.dashboard.tariff_editor import TEMPLATES, Preview, TariffForm
from portal.dashboard.tariff_rows import newest, tariff_of, zone_name
from tariffs import documents, publishing
from tariffs.models import Tariff, TariffVersion
from tariffs.pointers import InvalidDocument


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.TARIFFS_MANAGE)
def new(request: OperatorRequest) -> HttpResponse:
    request.actor.require_everywhere(Permission.TARIFFS_MANAGE)
    form = TariffForm(request.POST or None, initial=_template(request))
    if request.method == "POST" and form.is_valid():
        name = form.cleaned_data["name"]
        return _saved(request, form, lambda: publishing.create(form.content(), name=name, by=request.actor))
    return _editor(request, form, None)


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.TARIFFS_MANAGE)
def edit(request: OperatorRequest, pk: UUID) -> HttpResponse:
    tariff = tariff_of(request, pk)
    request.actor.require_everywhere(Permission.TARIFFS_MANAGE)
    content = newest(tariff).content
    form = TariffForm(request.POST or None, initial=tariff_editor.initial_of(tariff.name, content))
    form.kept = content
    if request.method == "POST" and form.is_valid():
        name = form.cleaned_data["name"]
        return _saved(
            request,
            form,
            lambda: publishing.edit(tariff, form.content(), name=name, by=request.actor),
            tariff,
        )
    return _editor(request, form, tariff)


@require_POST
@operator(Permission.TARIFFS_MANAGE)
def preview(request: OperatorRequest) -> HttpResponse:
    """What the form means as it stands; nothing is stored."""
    form = TariffForm(request.POST)
    shown = _preview(request, form) if form.is_valid() else None
    context = {"form": form, "preview": shown}
    return render_page(request, "dashboard/tariffs/edit.html", context, partial="preview")


def _template(request: OperatorRequest) -> dict[str, Any]:
    """A new tariff begins as one of the templates, or as a copy."""
    try:
        source = UUID(request.GET.get("copy", ""))
    except ValueError:
        _name, values = TEMPLATES.get(request.GET.get("template", ""), TEMPLATES["energy"])
        content = tariff_editor.compiled({"currency": request.place.organization.currency, **values}, {})
        return tariff_editor.initial_of("", content)
    content = dict(newest(tariff_of(request, source)).content)
    for own in ("id", "last_updated"):
        content.pop(own, None)
    return tariff_editor.initial_of("", content)


def _saved(
    request: OperatorRequest,
    form: TariffForm,
    save: Callable[[], TariffVersion],
    tariff: Tariff | None = None,
) -> HttpResponse:
    try:
        draft = save()
    except InvalidDocument as error:
        for one in error.problems:
            form.add_error("document", f"{one.pointer}: {told(one.message)}")
    except DomainError as error:
        form.add_error(error.field if error.field in form.fields else None, told(error.message))
    else:
        messages.success(request, _("The draft was saved."))
        return go(request, address(request, "tariff", draft.tariff_id))
    return _editor(request, form, tariff)


def _preview(request: OperatorRequest, form: TariffForm) -> Preview:
    return tariff_editor.preview(form.content(), zone_name(request))


def _editor(request: OperatorRequest, form: TariffForm, tariff: Tariff | None) -> HttpResponse:
    shown = None
    if form.is_bound and form.is_valid():
        shown = _preview(request, form)
    elif not form.is_bound:
        content = newest(tariff).content if tariff else documents.loads(form.initial["document"])
        shown = tariff_editor.preview(content, zone_name(request))
    context = {"section": "tariffs", "form": form, "tariff": tariff, "preview": shown, "templates": TEMPLATES}
    status = 422 if form.is_bound and form.errors else 200
    return render_page(request, "dashboard/tariffs/edit.html", context, status=status)
