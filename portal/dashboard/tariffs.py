"""Tariffs: the list, one with its versions and the places where it holds, and its life from draft to retired."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db.models import Count, Window
from django.db.models.functions import RowNumber
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core import clock
from core.access import Permission
from core.errors import DomainError
from portal.dashboard import tariff_places, tariff_preview, tariff_simulator
from portal.dashboard.entry import OperatorRequest, go, operator
from portal.dashboard.pages import address, page_by_id, page_by_name, render_page
from portal.dashboard.sentences import told
from portal.dashboard.tariff_editor import TEMPLATES
from portal.dashboard.tariff_rows import done, newest, tariff_of, zone_name
from portal.plugs import PLUGS
from stations.models import TariffAssignment
from stations.models.tariff_assignments import PLACES
from stations.services import tariff_assignments
from tariffs import linter, publishing
from tariffs.linter import Context
from tariffs.models import Tariff, TariffVersion, VersionState

PLACES_SHOWN = 5
"""Of a tariff's places, in the list."""


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
    where, contexts = _where(request, page.rows), tariff_assignments.contexts_of(page.rows)
    rows = []
    for tariff in page.rows:
        places = where.get(tariff.pk, [])
        more = places[0].in_all - PLACES_SHOWN if places else 0
        rows.append({**_row(request, tariff, contexts[tariff.pk]), "places": places, "more": more})
    context = {"section": "tariffs", "rows": rows, "page": page, "templates": TEMPLATES}
    return render_page(request, "dashboard/tariffs/list.html", context)


@require_safe
@operator(Permission.STATIONS_VIEW)
def detail(request: OperatorRequest, pk: UUID) -> HttpResponse:
    return _page(request, tariff_of(request, pk), PublishForm())


@require_POST
@operator(Permission.TARIFFS_MANAGE)
def publish(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Errors of the linter refuse it, warnings have to be confirmed."""
    tariff = tariff_of(request, pk)
    request.actor.require_everywhere(Permission.TARIFFS_MANAGE)
    form, zone = PublishForm(request.POST), zone_name(request, tariff)
    context = tariff_assignments.context_of(tariff)
    with timezone.override(ZoneInfo(zone)):
        if not form.is_valid():
            return _page(request, tariff, form)
    draft = newest(tariff)
    found = tariff_preview.preview(draft.content, zone, context)
    if found.warnings and not form.cleaned_data["confirmed"] and not found.errors:
        form.add_error("confirmed", _("Confirm the warnings, or edit the tariff."))
        return _page(request, tariff, form)
    return done(
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
    tariff = tariff_of(request, pk)
    published = [one for one in tariff.versions.all() if one.state == VersionState.PUBLISHED]
    version = published[0] if published else newest(tariff)
    return done(
        request,
        tariff,
        lambda: publishing.withdraw(version, by=request.actor),
        _("Withdrawn before it began."),
    )


@require_POST
@operator(Permission.TARIFFS_MANAGE)
def discard(request: OperatorRequest, pk: UUID) -> HttpResponse:
    tariff = tariff_of(request, pk)
    draft = newest(tariff)
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
    tariff = tariff_of(request, pk)
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


def _where(request: OperatorRequest, tariffs: Sequence[Tariff]) -> dict[UUID, list[TariffAssignment]]:
    """The first places of each of these tariffs; each knows at how many the tariff holds in all."""
    rows = TariffAssignment.objects.current().visible_to(request.actor).filter(tariff__in=tariffs)
    numbered = rows.annotate(
        place_number=Window(RowNumber(), partition_by="tariff_id", order_by="-id"),
        in_all=Window(Count("pk"), partition_by="tariff_id"),
    )
    found: dict[UUID, list[TariffAssignment]] = {}
    for one in numbered.filter(place_number__lte=PLACES_SHOWN).select_related(*PLACES, "evse__station"):
        found.setdefault(one.tariff_id, []).append(one)
    return found


def _row(request: OperatorRequest, tariff: Tariff, context: Context) -> dict[str, Any]:
    now, versions = clock.now(), list(tariff.versions.all())
    present = next((one for one in versions if one.holds_at(now)), None)
    ahead = [one for one in versions if _is_ahead(one, now) and one.valid_from != one.valid_to]
    shown = present or versions[0]
    texts = dict(tariff_preview.texts_of(shown.content, zone_name(request)))
    return {
        "tariff": tariff,
        "sentence": _own_language(texts),
        "currency": shown.currency,
        "present": present,
        "coming": min(ahead, key=lambda one: one.valid_from or now, default=None),
        "draft": versions[0] if versions[0].is_draft else None,
        "legal": linter.legal(shown.priced, context) if texts else None,
    }


def _own_language(texts: dict[str, str]) -> str:
    names = {code: str(name) for code, name in settings.LANGUAGES}
    return texts.get(names.get(get_language() or "en", ""), next(iter(texts.values()), ""))


def _page(request: OperatorRequest, tariff: Tariff, form: PublishForm) -> HttpResponse:
    latest, now, zone = newest(tariff), clock.now(), zone_name(request, tariff)
    shown = tariff_preview.preview(latest.content, zone, tariff_assignments.context_of(tariff))
    holding = TariffAssignment.objects.current().visible_to(request.actor).filter(tariff=tariff)
    where = page_by_id(holding.select_related(*PLACES, "evse__station"), request.GET.dict())
    context = {
        "section": "tariffs",
        "tariff": tariff,
        "newest": latest,
        "versions": tariff.versions.all(),
        "present": next((one for one in tariff.versions.all() if one.holds_at(now)), None),
        "scheduled": latest.state == VersionState.PUBLISHED and _is_ahead(latest, now),
        "preview": shown,
        "samples": tariff_simulator.samples(shown.tariff, ZoneInfo(zone)) if shown.tariff else [],
        "page": where,
        "assignments": where.rows,
        "form": form,
        "place_words": request.GET.get("place", "").strip(),
        "places": tariff_places.offered(request) if request.actor.can(Permission.TARIFFS_MANAGE) else [],
        "plugs": PLUGS,
        "zone": zone,
    }
    return render_page(request, "dashboard/tariffs/detail.html", context, status=422 if form.errors else 200)


def _is_ahead(version: TariffVersion, now: datetime) -> bool:
    return version.valid_from is not None and version.valid_from > now
