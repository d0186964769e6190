"""Tariffs: the list, the editor with its preview, and one with its versions and the places where it holds."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db.models import Count, Q, Window
from django.db.models.functions import RowNumber
from django.http import HttpResponse
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core import clock
from core.access import Permission
from core.errors import DomainError, Invalid
from drivers.models import DriverGroup
from portal.dashboard import tariff_editor
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.pages import address, page_by_id, page_by_name, render_page
from portal.dashboard.sentences import told
from portal.dashboard.tariff_editor import TEMPLATES, Preview, TariffForm
from portal.plugs import PLUGS
from stations.models import ChargingStation, Evse, Site, TariffAssignment
from stations.models.tariff_assignments import PLACES
from stations.services import tariff_assignments
from stations.services.tariff_assignments import Place
from tariffs import documents, publishing
from tariffs.models import Tariff, TariffVersion, VersionState
from tariffs.pointers import InvalidDocument

PLACES_OFFERED = 50
"""Of each kind, those that the search finds first; ..."""
PLACES_SHOWN = 5
"""... and so many of a tariff's places in the list."""


class PublishForm(forms.Form):
    valid_from = forms.DateTimeField(
        label=gettext_lazy("In force from"),
        required=False,
        help_text=gettext_lazy("Empty: at once"),
        widget=forms.DateTimeInput({"type": "datetime-local"}),
    )
    confirmed = forms.BooleanField(label=gettext_lazy("I have read the warnings"), required=False)


@require_safe
@operator(Permission.STATIONS_VIEW)
def listing(request: OperatorRequest) -> HttpResponse:
    tariffs = Tariff.objects.live().visible_to(request.actor).prefetch_related("versions")
    page = page_by_name(tariffs, request.GET.dict())
    where, count = _where(request, page.rows)
    rows = [
        {**_row(request, tariff, where.get(tariff.pk, [])), "more": count.get(tariff.pk, 0) - PLACES_SHOWN}
        for tariff in page.rows
    ]
    context = {"section": "tariffs", "rows": rows, "page": page, "templates": TEMPLATES}
    return render_page(request, "dashboard/tariffs/list.html", context)


@require_safe
@operator(Permission.STATIONS_VIEW)
def detail(request: OperatorRequest, pk: UUID) -> HttpResponse:
    return _page(request, _tariff(request, pk), PublishForm())


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
    tariff = _tariff(request, pk)
    request.actor.require_everywhere(Permission.TARIFFS_MANAGE)
    content = _newest(tariff).content
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


@require_POST
@operator(Permission.TARIFFS_MANAGE)
def publish(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Errors of the linter refuse it, warnings have to be confirmed."""
    tariff = _tariff(request, pk)
    request.actor.require_everywhere(Permission.TARIFFS_MANAGE)
    form = PublishForm(request.POST)
    context = tariff_assignments.context_of(tariff)
    if not form.is_valid():
        return _page(request, tariff, form)
    draft = _newest(tariff)
    found = tariff_editor.preview(draft.content, _zone(request), context)
    if found.warnings and not form.cleaned_data["confirmed"] and not found.errors:
        form.add_error("confirmed", _("Confirm the warnings, or edit the tariff."))
        return _page(request, tariff, form)
    return _done(
        request,
        tariff,
        lambda: publishing.publish(
            draft, valid_from=form.cleaned_data["valid_from"], by=request.actor, context=context
        ),
        _("Published. Sessions that run keep the version of their start."),
    )


@require_POST
@operator(Permission.TARIFFS_MANAGE)
def withdraw(request: OperatorRequest, pk: UUID) -> HttpResponse:
    tariff = _tariff(request, pk)
    published = [one for one in tariff.versions.all() if one.state == VersionState.PUBLISHED]
    version = published[0] if published else _newest(tariff)
    return _done(
        request,
        tariff,
        lambda: publishing.withdraw(version, by=request.actor),
        _("Withdrawn before it began."),
    )


@require_POST
@operator(Permission.TARIFFS_MANAGE)
def discard(request: OperatorRequest, pk: UUID) -> HttpResponse:
    tariff = _tariff(request, pk)
    draft = _newest(tariff)
    alone = draft.is_draft and len(tariff.versions.all()) == 1
    try:
        publishing.discard(draft, by=request.actor)
    except DomainError as error:
        messages.error(request, told(error.message))
        return go(request, address(request, "tariff", pk))
    messages.success(request, _("The draft was thrown away."))
    return go(request, address(request, "tariffs") if alone else address(request, "tariff", pk))


@require_POST
@operator(Permission.TARIFFS_MANAGE)
def retire(request: OperatorRequest, pk: UUID) -> HttpResponse:
    tariff = _tariff(request, pk)
    if request.POST.get("typed", "") != tariff.name:
        messages.error(request, _("The name was not typed right; nothing was changed."))
        return go(request, address(request, "tariff", pk))
    try:
        tariff_assignments.retire(tariff, by=request.actor)
    except DomainError as error:
        messages.error(request, told(error.message))
        return go(request, address(request, "tariff", pk))
    messages.success(request, _("The tariff was retired. Sessions that began keep it."))
    return go(request, address(request, "tariffs"))


@require_POST
@operator(Permission.TARIFFS_MANAGE)
def assign(request: OperatorRequest, pk: UUID) -> HttpResponse:
    tariff = _tariff(request, pk)
    place = _place(request, request.POST.get("place", ""))
    role = request.POST.get("role") or None
    return _done(
        request,
        tariff,
        lambda: tariff_assignments.assign(
            tariff,
            place=place,
            role=role,
            connector_type=request.POST.get("connector_type", ""),
            by=request.actor,
        ),
        _("The tariff holds there from now on."),
    )


@require_POST
@operator(Permission.TARIFFS_MANAGE)
def end_assignment(request: OperatorRequest, pk: UUID, assignment_pk: UUID) -> HttpResponse:
    tariff = _tariff(request, pk)
    rows = TariffAssignment.objects.visible_to(request.actor).filter(tariff=tariff)
    assignment = load(rows.select_related("tariff", *PLACES, "evse__station"), assignment_pk)
    return _done(
        request,
        tariff,
        lambda: tariff_assignments.end(assignment, by=request.actor),
        _("The tariff no longer holds there."),
    )


def _tariff(request: OperatorRequest, pk: UUID) -> Tariff:
    rows = Tariff.objects.visible_to(request.actor).prefetch_related("versions")
    found: Tariff = load(rows, pk)
    return found


def _newest(tariff: Tariff) -> TariffVersion:
    return next(iter(tariff.versions.all()))


def _zone(request: OperatorRequest) -> str:
    return request.place.organization.time_zone


def _where(
    request: OperatorRequest, tariffs: Sequence[Tariff]
) -> tuple[dict[UUID, list[TariffAssignment]], dict[UUID, int]]:
    """The first places of each of these tariffs, and at how many it holds."""
    rows = TariffAssignment.objects.current().visible_to(request.actor).filter(tariff__in=tariffs)
    count = dict(rows.order_by().values_list("tariff").annotate(n=Count("pk")))
    numbered = rows.annotate(place_number=Window(RowNumber(), partition_by="tariff_id", order_by="-id"))
    found: dict[UUID, list[TariffAssignment]] = {}
    for one in numbered.filter(place_number__lte=PLACES_SHOWN).select_related(*PLACES, "evse__station"):
        found.setdefault(one.tariff_id, []).append(one)
    return found, count


def _row(request: OperatorRequest, tariff: Tariff, places: list[TariffAssignment]) -> dict[str, Any]:
    now, versions = clock.now(), list(tariff.versions.all())
    present = next((one for one in versions if one.holds_at(now)), None)
    coming = next((one for one in versions if one.valid_from is not None and one.valid_from > now), None)
    shown = present or versions[0]
    texts = dict(tariff_editor.texts_of(shown.content, _zone(request)))
    return {
        "tariff": tariff,
        "sentence": _own_language(texts),
        "currency": shown.currency,
        "present": present,
        "coming": coming if coming is not None and coming.valid_from != coming.valid_to else None,
        "draft": versions[0] if versions[0].is_draft else None,
        "places": places,
    }


def _own_language(texts: dict[str, str]) -> str:
    names = {code: str(name) for code, name in settings.LANGUAGES}
    return texts.get(names.get(get_language() or "en", ""), next(iter(texts.values()), ""))


def _template(request: OperatorRequest) -> dict[str, Any]:
    """A new tariff begins as one of the templates, or as a copy."""
    try:
        source = UUID(request.GET.get("copy", ""))
    except ValueError:
        _name, values = TEMPLATES.get(request.GET.get("template", ""), TEMPLATES["energy"])
        content = tariff_editor.compiled({"currency": request.place.organization.currency, **values}, {})
        return tariff_editor.initial_of("", content)
    content = dict(_newest(_tariff(request, source)).content)
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
    return tariff_editor.preview(form.content(), _zone(request))


def _editor(request: OperatorRequest, form: TariffForm, tariff: Tariff | None) -> HttpResponse:
    shown = None
    if form.is_bound and form.is_valid():
        shown = _preview(request, form)
    elif not form.is_bound:
        content = _newest(tariff).content if tariff else documents.loads(form.initial["document"])
        shown = tariff_editor.preview(content, _zone(request))
    context = {"section": "tariffs", "form": form, "tariff": tariff, "preview": shown, "templates": TEMPLATES}
    status = 422 if form.is_bound and form.errors else 200
    return render_page(request, "dashboard/tariffs/edit.html", context, status=status)


def _page(request: OperatorRequest, tariff: Tariff, form: PublishForm) -> HttpResponse:
    newest, now = _newest(tariff), clock.now()
    holding = TariffAssignment.objects.current().visible_to(request.actor).filter(tariff=tariff)
    where = page_by_id(holding.select_related(*PLACES, "evse__station"), request.GET.dict())
    context = {
        "section": "tariffs",
        "tariff": tariff,
        "newest": newest,
        "versions": tariff.versions.all(),
        "present": next((one for one in tariff.versions.all() if one.holds_at(now)), None),
        "scheduled": newest.state == VersionState.PUBLISHED and _is_ahead(newest, now),
        "preview": tariff_editor.preview(
            newest.content, _zone(request), tariff_assignments.context_of(tariff)
        ),
        "page": where,
        "assignments": where.rows,
        "form": form,
        "place_words": request.GET.get("place", "").strip(),
        "places": _offered(request) if request.actor.can(Permission.TARIFFS_MANAGE) else [],
        "plugs": PLUGS,
        "zone": _zone(request),
    }
    return render_page(request, "dashboard/tariffs/detail.html", context, status=422 if form.errors else 200)


def _is_ahead(version: TariffVersion, now: datetime) -> bool:
    return version.valid_from is not None and version.valid_from > now


def _offered(request: OperatorRequest) -> list[tuple[str, str]]:
    """Where the person may let a tariff hold, as far as the searched words are in its name."""
    words = request.GET.get("place", "").strip()
    everywhere = request.actor.limited_to is None
    sites = Site.objects.visible_to(request.actor).live().filter(name__icontains=words)
    named = Q(identity__icontains=words) | Q(name__icontains=words)
    stations = ChargingStation.objects.visible_to(request.actor).live().filter(named)
    # Found by their stations: joined, a search by a name would read every EVSE.
    at_stations = list(stations.order_by("identity").values_list("pk", flat=True)[:PLACES_OFFERED])
    evses = Evse.objects.visible_to(request.actor).filter(station__in=at_stations).select_related("station")
    offered = [("organization", _("The whole organization"))] if everywhere else []
    if everywhere:
        groups = DriverGroup.objects.visible_to(request.actor).live().filter(name__icontains=words)
        offered += [
            (f"group:{one.pk}", _("Drivers of %(name)s") % {"name": one}) for one in groups[:PLACES_OFFERED]
        ]
    offered += [
        (f"site:{site.pk}", _("Site %(name)s") % {"name": site})
        for site in sites.order_by("name")[:PLACES_OFFERED]
    ]
    offered += [
        (f"station:{one.pk}", _("Station %(name)s") % {"name": one})
        for one in stations.order_by("identity")[:PLACES_OFFERED]
    ]
    return offered + [
        (f"evse:{one.pk}", _("Station %(name)s, EVSE %(evse)s") % {"name": one.station, "evse": one.evse_id})
        for one in evses.order_by("station__identity", "evse_id")
    ]


def _place(request: OperatorRequest, chosen: str) -> Place:
    """The place that was chosen. Raises :class:`Invalid`, and :class:`NotFound` for one of somebody else."""
    if chosen == "organization":
        return None
    kind, _colon, key = chosen.partition(":")
    rows: dict[str, Any] = {"group": DriverGroup, "site": Site, "station": ChargingStation, "evse": Evse}
    try:
        pk = UUID(key)
        model = rows[kind]
    except (ValueError, KeyError) as error:
        raise Invalid(_("Choose where the tariff is to hold.")) from error
    place: Place = load(model.objects.visible_to(request.actor), pk)
    return place


def _done(request: OperatorRequest, tariff: Tariff, act: Callable[[], object], words: str) -> HttpResponse:
    try:
        act()
    except InvalidDocument as error:
        for one in error.problems:
            messages.error(request, f"{one.pointer}: {told(one.message)}")
    except DomainError as error:
        messages.error(request, told(error.message))
    else:
        messages.success(request, words)
    return go(request, address(request, "tariff", tariff.pk))
