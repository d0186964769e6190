"""Writing a tariff: a new one or the next version of one, with the preview beside it (dashboard 4.10)."""

from collections.abc import Callable
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from core.access import Permission
from core.errors import DomainError
from portal.dashboard import calls, tariff_editor, tariff_preview, tariff_simulator
from portal.dashboard.entry import OperatorRequest, go, id_of, operator
from portal.dashboard.pages import address, render_page
from portal.dashboard.sentences import told
from portal.dashboard.tariff_editor import TEMPLATES, Editor
from portal.dashboard.tariff_preview import Preview
from portal.dashboard.tariff_rows import newest, tariff_of, zone_name
from portal.dashboard.tariff_simulator import OwnForm, Simulated
from portal.pace import AtOnce
from stations.services import tariff_assignments
from tariffs import publishing
from tariffs.linter import Context
from tariffs.models import Tariff, TariffVersion
from tariffs.pointers import InvalidDocument
from tariffs.structure import Tariff as Priced

PAGE = "dashboard/tariffs/edit.html"
OWN_OF_ONE = ("id", "last_updated")
under_way = AtOnce(each=1, in_all=4)
"""What a copy of a tariff does not take over."""
NEW = Context(languages=tariff_assignments.LANGUAGES)
"""Where a tariff is used that holds nowhere yet."""


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.TARIFFS_MANAGE)
def new(request: OperatorRequest) -> HttpResponse:
    request.actor.require_everywhere(Permission.TARIFFS_MANAGE)
    if request.method != "POST":
        return _shown(request, _first(request), None)
    return _written(
        request, None, lambda editor: publishing.create(editor.content(), name=editor.name, by=request.actor)
    )


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.TARIFFS_MANAGE)
def edit(request: OperatorRequest, pk: UUID) -> HttpResponse:
    tariff = tariff_of(request, pk)
    request.actor.require_everywhere(Permission.TARIFFS_MANAGE)
    if request.method != "POST":
        return _shown(request, tariff_editor.opened(tariff.name, newest(tariff).content), tariff)
    return _written(
        request,
        tariff,
        lambda editor: publishing.edit(tariff, editor.content(), name=editor.name, by=request.actor),
    )


@require_POST
@operator(Permission.TARIFFS_MANAGE)
def preview(request: OperatorRequest) -> HttpResponse:
    """What the form means as it stands; nothing is stored."""
    context = _meaning(request, Editor(request.POST), _edited(request))
    return render_page(request, PAGE, {**context, "oob": True}, partial="preview")


@require_POST
@operator(Permission.TARIFFS_MANAGE)
def reprice(request: OperatorRequest) -> HttpResponse:
    """What the past sessions would have cost by the form as it stands; nothing is stored."""
    context = _meaning(request, Editor(request.POST), _edited(request))
    trial = _repriced(request, context["preview"])
    if trial is None:
        return HttpResponse(status=204)  # the former answer stays
    return render_page(request, PAGE, {**context, **trial}, partial="past")


def _first(request: OperatorRequest) -> Editor:
    """A new tariff begins as one of the templates, or as a copy."""
    copied = request.GET.get("copy", "")
    if copied:
        content = dict(newest(tariff_of(request, id_of(copied))).content)
        return tariff_editor.opened("", {name: content[name] for name in content if name not in OWN_OF_ONE})
    _name, content = TEMPLATES.get(request.GET.get("template", ""), TEMPLATES["energy"])
    return tariff_editor.opened("", {"currency": request.place.organization.currency, **content})


def _written(
    request: OperatorRequest, tariff: Tariff | None, save: Callable[[Editor], TariffVersion]
) -> HttpResponse:
    """Saved as a draft, whatever the linter thinks of it; or shown anew after a button that saves nothing."""
    editor, act = Editor(request.POST), request.POST.get("act", "")
    if act:
        return _shown(request, tariff_editor.acted(editor, act), tariff)
    if editor.is_valid():
        try:
            draft = save(editor)
        except InvalidDocument as error:
            for one in error.problems:
                editor.refuse("document", f"{one.pointer}: {told(one.message)}")
        except DomainError as error:
            editor.refuse(error.field, told(error.message))
        else:
            messages.success(request, _("The draft was saved."))
            return go(request, address(request, "tariff", draft.tariff_id))
    return _shown(request, editor, tariff, status=422)


def _shown(
    request: OperatorRequest, editor: Editor, tariff: Tariff | None, *, status: int = 200
) -> HttpResponse:
    context = _meaning(request, editor, tariff)
    if request.POST.get("act") == "try":
        context |= _repriced(request, context["preview"]) or {}
    here = address(request, "tariff_edit", tariff.pk) if tariff else address(request, "tariff_new")
    context |= {"section": "tariffs", "tariff": tariff, "templates": TEMPLATES, "here": here}
    return render_page(request, PAGE, context, partial="editor", status=status)


def _edited(request: OperatorRequest) -> Tariff | None:
    """The tariff whose next version is being written; ``None`` for a new one."""
    pk = request.POST.get("of", "")
    return tariff_of(request, id_of(pk)) if pk else None


def _meaning(request: OperatorRequest, editor: Editor, tariff: Tariff | None) -> dict[str, Any]:
    zone = zone_name(request, tariff)
    shown = None
    if editor.can_be_told:
        context = tariff_assignments.context_of(tariff) if tariff else NEW
        shown = tariff_preview.preview(editor.content(), zone, context)
    with timezone.override(ZoneInfo(zone)):
        own = OwnForm(request.POST or None)
        tried = _tried(shown.tariff, own, ZoneInfo(zone)) if shown and shown.tariff else []
        told = _told(editor, own, zone) if tried else {}
    return {"editor": editor, "preview": shown, "own": own, "samples": tried, "zone": zone, **told}


def _told(editor: Editor, own: OwnForm, zone: str) -> dict[str, str]:
    """The same as calls of the API."""
    content = editor.content()
    charge = tariff_simulator.told(own.charge or tariff_simulator.SAMPLES[0][1], ZoneInfo(zone))
    return {
        "sample_call": calls.price(content, charge, zone),
        "past_call": calls.reprice(content, *tariff_simulator.past()),
    }


def _tried(tariff: Priced, own: OwnForm, zone: ZoneInfo) -> list[Simulated]:
    """The sample sessions, and first the person's own."""
    found = tariff_simulator.samples(tariff, zone)
    if charge := own.charge:
        found.insert(0, tariff_simulator.simulated(_("Your figures"), charge, tariff, zone))
    return found


def _repriced(request: OperatorRequest, shown: Preview | None) -> dict[str, Any] | None:
    """``None`` while the same person's typing, or that of many, is being worked out already."""
    if shown is None or shown.tariff is None:
        return {}
    with under_way.place(str(request.actor.subject_id)) as there_is_one:
        return {"trial": tariff_simulator.repriced(shown.tariff, by=request.actor)} if there_is_one else None
