"""The local list of a station: what it holds, how it stands to our tokens, and what can be done about it."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from core.access import Actor, Permission
from core.errors import Invalid
from drivers.models import TokenGroup
from portal.dashboard.entry import OperatorRequest, go, operator
from portal.dashboard.pages import address, render_page
from portal.dashboard.station import find, frame
from portal.dashboard.words import AUTHORIZATION, Word
from stations.domain import intents
from stations.domain.intents import Intent
from stations.domain.local_lists import ListState
from stations.models import ChargingStation, LocalList
from stations.services import commands
from stations.services.local_lists import looking, managing

TEMPLATE = "dashboard/stations/local_list.html"
ENTRIES_SHOWN = 200
SAID = ("send_local_list", "get_local_list_version")
STATE: Mapping[str, Word] = {
    ListState.UNKNOWN: Word(gettext_lazy("Never sent"), icon="circle-dashed", look="unknown"),
    ListState.CURRENT: Word(gettext_lazy("Up to date"), icon="circle-check", look="available"),
    ListState.OUTDATED: Word(gettext_lazy("Out of date"), icon="clock-exclamation", look="paused"),
    ListState.DRIFTED: Word(gettext_lazy("Another list"), icon="alert-triangle", look="faulted"),
    ListState.UNCONFIRMED: Word(gettext_lazy("Unconfirmed"), icon="help", look="paused"),
    ListState.REFUSED: Word(gettext_lazy("Refused"), icon="x", look="faulted"),
    ListState.NOT_SUPPORTED: Word(gettext_lazy("Not supported"), icon="circle-off", look="unavailable"),
}
CURE: Mapping[str, str | Promise] = {
    ListState.UNKNOWN: gettext_lazy("Send the whole list, or let it be kept up to date."),
    ListState.OUTDATED: gettext_lazy("Tokens have changed since it was sent. Send the changes."),
    ListState.DRIFTED: gettext_lazy(
        "The station tells another version than the one it took from here: somebody else changed its list, or it "
        "lost it. The next sending is the whole list."
    ),
    ListState.UNCONFIRMED: gettext_lazy(
        "A message with changes was not answered. The next sending is the whole list."
    ),
    ListState.REFUSED: gettext_lazy("The station refused the list. Its own word:"),
    ListState.NOT_SUPPORTED: gettext_lazy(
        "The station keeps no list, or has it switched off. It is asked again after its next boot."
    ),
}


@require_safe
@operator(Permission.STATIONS_VIEW)
def tab(request: OperatorRequest, pk: UUID) -> HttpResponse:
    return _page(request, find(request, pk))


@require_POST
@operator(Permission.STATIONS_VIEW)
def send(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Issue the command of the pressed button; the service checks the permission that it needs."""
    station = find(request, pk)
    make = BUTTONS.get(request.POST.get("button", ""))
    if make is None:
        raise Invalid(_("There is no such command."), field="button")
    if_offline = "wait" if request.POST.get("if_offline") == "wait" else "fail"
    commands.issue(station, make(), by=request.actor, if_offline=if_offline)
    if request.htmx:
        return _page(request, station)
    return go(request, address(request, "station_local_list", pk))


@require_POST
@operator(Permission.VARIABLES_EDIT)
def keep(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Say how the list is kept, or give it up."""
    station = find(request, pk)
    if "withdraw" in request.POST:
        found = LocalList.objects.visible_to(request.actor).filter(station=station).first()
        if found is not None:
            managing.withdraw(found, by=request.actor)
            messages.success(request, _("The list is emptied, at the latest when the station is back."))
    else:
        automatic = request.POST.get("automatic") == "on"
        managing.keep(station, automatic=automatic, groups=_groups(request.POST), by=request.actor)
        messages.success(request, _("Saved."))
    return go(request, address(request, "station_local_list", pk))


def _page(request: OperatorRequest, station: ChargingStation) -> HttpResponse:
    rows = LocalList.objects.visible_to(request.actor).filter(station=station)
    row = rows.select_related("station").prefetch_related("groups").first()
    context = frame(request, station, "station_local_list")
    context.update(
        list=row,
        commands=station.commands.filter(command__in=SAID).order_by("-id")[:6],
        groups=TokenGroup.objects.live().visible_to(request.actor),
        **(_shown(row, request.actor) if row else {}),
    )
    return render_page(request, TEMPLATE, context, partial="state")


def _shown(row: LocalList, actor: Actor) -> dict[str, Any]:
    standing = looking.standing_of(row)
    return {
        "standing": standing,
        "state": STATE[standing.state],
        "cure": CURE.get(standing.state, ""),
        "chosen": {group.pk for group in row.groups.all()},
        "entries": row.entries.all()[:ENTRIES_SHOWN],
        "words": AUTHORIZATION,
        "sees_tokens": actor.can(Permission.DRIVERS_VIEW),
    }


def _groups(values: QueryDict) -> list[UUID]:
    try:
        return [UUID(text) for text in values.getlist("groups")]
    except ValueError as error:
        raise Invalid(_("There is no such group."), field="groups") from error


BUTTONS: Mapping[str, Callable[[], Intent]] = {
    "changes": lambda: intents.SendLocalList(mode="differential"),
    "whole": lambda: intents.SendLocalList(mode="full"),
    "version": intents.GetLocalListVersion,
}
