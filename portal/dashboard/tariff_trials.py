"""What a tariff would change: past sessions priced by it, and two of its versions side by side."""

import difflib
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from core import clock
from core.access import Permission
from portal.dashboard import calls, tariff_preview
from portal.dashboard.entry import OperatorRequest, operator
from portal.dashboard.pages import render_page
from portal.dashboard.tariff_rows import tariff_of
from stations.models import Site
from stations.services import price_trials
from tariffs import parsing
from tariffs.models import Tariff, TariffVersion
from tariffs.pointers import InvalidDocument

USUAL = timedelta(days=30)
LONGEST = timedelta(days=400)
LISTED = 100
YEARS = range(2000, 3000)


class TrialForm(forms.Form):
    """Days of the organization, both included."""

    version = forms.TypedChoiceField(label=gettext_lazy("Version"), coerce=int)
    since = forms.DateField(
        label=gettext_lazy("From"), widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d")
    )
    until = forms.DateField(
        label=gettext_lazy("To"), widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d")
    )
    site = forms.ModelChoiceField(
        Site.objects.none(), label=gettext_lazy("Site"), required=False, empty_label=gettext_lazy("All sites")
    )

    def __init__(self, *args: Any, request: OperatorRequest, tariff: Tariff, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        versions = [
            (one.number, f"{one.number} · {one.get_state_display()}") for one in tariff.versions.all()
        ]
        self.fields["version"].choices = versions  # type: ignore[attr-defined]
        self.fields["site"].queryset = Site.objects.visible_to(request.actor).live()  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        since, until = values.get("since"), values.get("until")
        for name, day in (("since", since), ("until", until)):
            if day and day.year not in YEARS:
                self.add_error(name, _("A day in the years 2000 to 2999 is expected here."))
        if since and until and not timedelta() <= until - since < LONGEST:
            self.add_error("until", _("The end comes after the beginning, by 400 days at most."))
        return values


@require_safe
@operator(Permission.SESSIONS_VIEW)
def trial(request: OperatorRequest, pk: UUID) -> HttpResponse:
    tariff = tariff_of(request, pk)
    zone = ZoneInfo(request.place.organization.time_zone)
    today = clock.now().astimezone(zone).date()
    usual = {"version": tariff.versions.all()[0].number, "since": today - USUAL, "until": today, "site": ""}
    form = TrialForm({**usual, **request.GET.dict()}, request=request, tariff=tariff)
    context: dict[str, Any] = {"section": "tariffs", "tariff": tariff, "form": form}
    if form.is_valid():
        context.update(_tried(request, tariff, form.cleaned_data, zone))
    return render_page(
        request, "dashboard/tariffs/trial.html", context, status=200 if form.is_valid() else 422
    )


@require_safe
@operator(Permission.STATIONS_VIEW)
def compare(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Two versions of a tariff: the newest and the one before, unless others are named."""
    tariff = tariff_of(request, pk)
    numbers = [one.number for one in tariff.versions.all()]
    new = _named(request, tariff, "new", numbers[0])
    old = _named(request, tariff, "old", next((one for one in numbers if one < new.number), numbers[-1]))
    zone = request.place.organization.time_zone
    context = {
        "section": "tariffs",
        "tariff": tariff,
        "numbers": numbers,
        "sides": [(one, tariff_preview.preview(one.content, zone)) for one in (old, new)],
        "old": old,
        "new": new,
        "lines": _difference(old, new),
    }
    return render_page(request, "dashboard/tariffs/compare.html", context)


def _tried(
    request: OperatorRequest, tariff: Tariff, values: dict[str, Any], zone: ZoneInfo
) -> dict[str, Any]:
    version = _version(tariff, values["version"])
    try:
        priced = parsing.parse_tariff(version.content)
    except InvalidDocument:
        return {"unreadable": True}
    until = datetime.combine(values["until"] + timedelta(days=1), time(), tzinfo=zone)
    since = datetime.combine(values["since"], time(), tzinfo=zone)
    sessions = price_trials.between(since, until, by=request.actor)
    if values["site"]:
        sessions = sessions.filter(site=values["site"])
    found = price_trials.run(priced, sessions, by=request.actor)
    site = values["site"].pk if values["site"] else None
    call = calls.reprice(version.content, since, until, site)
    return {
        "trial": found,
        "tried": found.tried[:LISTED],
        "version": version,
        "zone": str(zone),
        "call": call,
    }


def _version(tariff: Tariff, number: int) -> TariffVersion:
    return next(one for one in tariff.versions.all() if one.number == number)


def _named(request: OperatorRequest, tariff: Tariff, name: str, usual: int) -> TariffVersion:
    """The version that the address names, else the usual one."""
    known = {str(one.number): one for one in tariff.versions.all()}
    return known.get(request.GET.get(name, ""), known[str(usual)])


def _difference(old: TariffVersion, new: TariffVersion) -> list[tuple[str, str]]:
    """The lines of both as JSON: kept, taken away or added, as ``" "``, ``"-"`` and ``"+"``."""
    before, after = (tariff_preview.pretty(one.content).splitlines() for one in (old, new))
    return [(line[0], line[2:]) for line in difflib.ndiff(before, after) if line[0] in " -+"]
