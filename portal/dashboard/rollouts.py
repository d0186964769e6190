"""Firmware rollouts: the list, a new one with its preview, one of them with its waves and stations."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.access import Permission
from core.errors import DomainError, Invalid
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.forms import refuse
from portal.dashboard.fresh import confirmed_first
from portal.dashboard.pages import address, page_by_id, render_page
from portal.dashboard.rollout_forms import RolloutForm, waves_in_words
from portal.dashboard.sentences import told
from stations.domain.firmware import FirmwareKind
from stations.domain.rollouts import LOST, Progress, RolloutStatus
from stations.models import FirmwareImage, FirmwareJob, FirmwareRollout, RolloutAttempt, RolloutStation
from stations.services import rollouts
from stations.services.rollouts import planning

LIST = "dashboard/firmware/rollouts.html"
FORM = "dashboard/firmware/rollout_new.html"
DETAIL = "dashboard/firmware/rollout.html"
DECISIONS: Mapping[str, Callable[..., FirmwareRollout]] = {
    "start": rollouts.start,
    "approve": rollouts.approve,
    "pause": rollouts.pause,
    "resume": rollouts.resume,
    "abort": rollouts.abort,
    "retry": rollouts.retry,
}
GROUPS: Mapping[str, Iterable[Progress]] = {
    "lost": LOST,
    "waiting": (Progress.WAITING,),
    "installed": (Progress.INSTALLED,),
    "left-out": (Progress.SKIPPED, Progress.CANCELLED),
}
LEFT_OUT_SHOWN = 200


@require_safe
@operator(Permission.STATIONS_VIEW)
def listing(request: OperatorRequest) -> HttpResponse:
    rows = FirmwareRollout.objects.visible_to(request.actor).live().select_related("image")
    page = page_by_id(rows, {"before": request.GET.get("before", "")})
    counts = rollouts.counts_of(page.rows)
    shown = [(rollout, _bar(counts[rollout.pk])) for rollout in page.rows]
    has_image = FirmwareImage.objects.visible_to(request.actor).exists()
    context = {"section": "rollouts", "page": page, "shown": shown, "has_image": has_image}
    return render_page(request, LIST, context, partial="rows")


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.FIRMWARE_MANAGE)
def new(request: OperatorRequest) -> HttpResponse:
    """Draft a rollout; with htmx only the preview of what the form says by now."""
    bound = request.method == "POST"
    initial = {"image": request.GET.get("image"), "site": request.GET.get("site")}
    form = RolloutForm(request.POST if bound else None, initial=_given(initial), actor=request.actor)
    if request.htmx:
        return _previewed(request, form)
    if bound and form.is_valid():
        try:
            rollout = planning.draft(form.values(), by=request.actor)
        except DomainError as error:
            refuse(form, error)
        else:
            return go(request, address(request, "rollout", rollout.pk))
    context = {"section": "rollouts", "form": form}
    return render_page(request, FORM, context, status=422 if form.errors else 200)


@require_safe
@operator(Permission.STATIONS_VIEW)
def show(request: OperatorRequest, pk: UUID) -> HttpResponse:
    rollout = _rollout(request, pk)
    draft = rollout.status == RolloutStatus.DRAFT
    context = {"section": "rollouts", "rollout": rollout, "waves": waves_in_words(rollout.waves_wanted)}
    context |= _draft_context(rollout) if draft else _running_context(request, rollout)
    return render_page(request, DETAIL, context, partial="" if draft else "progress")


@require_POST
@operator(Permission.FIRMWARE_MANAGE)
def decide(request: OperatorRequest, pk: UUID, word: str) -> HttpResponse:
    rollout, here = _rollout(request, pk), address(request, "rollout", pk)
    if (first := confirmed_first(request, here)) is not None:
        return first
    if word == "start":
        _require_typed(request, rollout)
        rollouts.start(rollout, by=request.actor, expected=request.POST.get("expected", ""))
    else:
        DECISIONS[word](rollout, by=request.actor)
    messages.success(request, _done(word))
    return go(request, here)


@require_POST
@operator(Permission.FIRMWARE_MANAGE)
def leave_out(request: OperatorRequest, pk: UUID, station: UUID) -> HttpResponse:
    row = rollouts.leave_out(_rollout(request, pk), station, by=request.actor)
    messages.success(request, _("%s is left out.") % row.station)
    return go(request, address(request, "rollout", pk))


@require_POST
@operator(Permission.FIRMWARE_MANAGE)
def rollback(request: OperatorRequest, pk: UUID) -> HttpResponse:
    back = rollouts.rollback(_rollout(request, pk), by=request.actor)
    messages.success(request, _("This is a draft of the way back. Look at it, then start it."))
    return go(request, address(request, "rollout", back.pk))


@require_POST
@operator(Permission.FIRMWARE_MANAGE)
def retire(request: OperatorRequest, pk: UUID) -> HttpResponse:
    planning.retire(_rollout(request, pk), by=request.actor)
    messages.success(request, _("Taken out of the list. What happened is kept."))
    return go(request, address(request, "rollouts"))


def _rollout(request: OperatorRequest, pk: UUID) -> FirmwareRollout:
    rows = FirmwareRollout.objects.visible_to(request.actor).select_related("image", "rollback_of__image")
    rollout: FirmwareRollout = load(rows, pk)
    return rollout


def _require_typed(request: OperatorRequest, rollout: FirmwareRollout) -> None:
    if request.POST.get("typed", "").strip() != rollout.image.version:
        raise Invalid("Type the version exactly to start.", field="typed")


def _done(word: str) -> str:
    return {
        "start": _("Started. What happens appears here by itself."),
        "approve": _("Approved. It begins within seconds."),
        "pause": _("Paused. Stations that are at it go on."),
        "resume": _("It goes on."),
        "abort": _("Aborted. Stations that are at it are followed to the end."),
        "retry": _("What failed is tried again."),
    }[word]


def _previewed(request: OperatorRequest, form: RolloutForm) -> HttpResponse:
    context: dict[str, Any] = {}
    if form.is_valid():
        try:
            context["seen"] = planning.would_reach(form.values(), by=request.actor)
        except DomainError as error:
            context["refusal"] = told(error.message)
    return render_page(request, FORM, _cut(context), partial="preview")


def _draft_context(rollout: FirmwareRollout) -> dict[str, Any]:
    try:
        seen = planning.preview(rollout)
        return _cut({"seen": seen, "fingerprint": planning.fingerprint(rollout, seen)})
    except DomainError as error:
        return {"refusal": told(error.message)}


def _cut(context: dict[str, Any]) -> dict[str, Any]:
    if "seen" in context:
        context["left_out"] = context["seen"].left_out[:LEFT_OUT_SHOWN]
        context["needs_two"] = len(context["seen"].included) > settings.SECOND_PERSON_ABOVE
    return context


def _running_context(request: OperatorRequest, rollout: FirmwareRollout) -> dict[str, Any]:
    only = request.GET.get("only", "")
    rows = RolloutStation.objects.visible_to(request.actor).filter(rollout=rollout)
    if only in GROUPS:
        rows = rows.filter(status__in=[word.value for word in GROUPS[only]])
    query = {"only": only, "before": request.GET.get("before", "")}
    page = page_by_id(rows.select_related("station__site", "wave"), query)
    counts = rollouts.counts(rollout)
    return {
        "page": page,
        "only": only,
        "jobs": _jobs(page.rows),
        "bar": _bar(counts),
        "steps": rollouts.wave_counts(rollout),
        "lost": counts[Progress.FAILED] + counts[Progress.UNREACHABLE],
        "started_by_me": request.actor.label == rollout.requested_by,
    }


def _jobs(rows: list[RolloutStation]) -> dict[UUID, list[FirmwareJob]]:
    """What each station reported of its attempts, by the row."""
    tries = RolloutAttempt.objects.filter(row__in=rows)
    asked = {
        (station, number): row
        for row, station, number in tries.values_list("row", "row__station", "request_id")
    }
    found: dict[UUID, list[FirmwareJob]] = {}
    jobs = FirmwareJob.objects.filter(
        kind=FirmwareKind.UPDATE.value,
        station__in={station for station, _number in asked},
        request_id__in={number for _station, number in asked},
    )
    for job in jobs.prefetch_related("steps").order_by("id"):
        if (row := asked.get((job.station_id, job.request_id or 0))) is not None:
            found.setdefault(row, []).append(job)
    return found


def _bar(counts: Mapping[str, int]) -> dict[str, int]:
    """``all`` are those that take part: without those left out."""
    out = counts[Progress.SKIPPED] + counts[Progress.CANCELLED]
    lost = counts[Progress.FAILED] + counts[Progress.UNREACHABLE]
    every = sum(counts.values()) - out
    done, waiting = counts[Progress.INSTALLED], counts[Progress.WAITING]
    at_it = every - lost - done - waiting
    return {"all": every, "done": done, "lost": lost, "waiting": waiting, "at_it": at_it, "left_out": out}


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}
