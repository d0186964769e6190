"""What a station shows: messages on its display, tariffs it keeps, payments it settled, vendors' messages."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from core.access import Permission
from core.errors import DomainError, NotFound
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.forms import refuse
from portal.dashboard.pages import address, render_page
from portal.dashboard.station import find, frame, has_display
from stations.domain import intents
from stations.domain.displays import DisplayStatus, DisplayText
from stations.domain.words import Capability
from stations.models import ChargingStation, DataTransfer, DisplayMessage
from stations.services import commands

SHOWN = 50
TEMPLATE = "dashboard/stations/displays.html"


class DisplayForm(forms.Form):
    """A message in one language, until a time or until it is cleared."""

    text = forms.CharField(
        label=gettext_lazy("Text"), max_length=512, widget=forms.Textarea(attrs={"rows": 3})
    )
    priority = forms.ChoiceField(
        label=gettext_lazy("Priority"),
        choices=[
            ("normal_cycle", gettext_lazy("In turn with other messages")),
            ("in_front", gettext_lazy("In front of others")),
            ("always_front", gettext_lazy("Always in front")),
        ],
    )
    language = forms.CharField(
        label=gettext_lazy("Language"),
        max_length=8,
        required=False,
        help_text=gettext_lazy("A tag such as en or de; empty: not stated"),
    )
    ends_at = forms.DateTimeField(
        label=gettext_lazy("Show until"),
        required=False,
        help_text=gettext_lazy("Empty: until it is cleared"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@operator(Permission.STATIONS_VIEW)
def tab(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """The service checks the permission of who sends a message."""
    station = find(request, pk)
    if not has_display(station):
        raise NotFound(_("This station has no display that could be written to."))
    form = DisplayForm(request.POST or None)
    if request.method == "POST":
        request.actor.require(Permission.VARIABLES_EDIT, station)
        if form.is_valid() and _sent(form, station, request):
            messages.success(request, _("The message was sent. Its state tells what the station says."))
            return go(request, address(request, "station_displays", pk))
    status = 422 if form.errors else 200
    return render_page(request, TEMPLATE, _context(request, station, form), partial="shown", status=status)


@require_POST
@operator(Permission.VARIABLES_EDIT)
def clear(request: OperatorRequest, pk: UUID, message_pk: UUID) -> HttpResponse:
    station = find(request, pk)
    kept = load(DisplayMessage.objects.visible_to(request.actor).filter(station=station), message_pk)
    commands.issue(station, intents.ClearDisplayMessage(display_message=kept.pk), by=request.actor)
    return go(request, address(request, "station_displays", pk))


@require_POST
@operator(Permission.VARIABLES_EDIT)
def read(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Ask the station what it shows."""
    commands.issue(find(request, pk), intents.GetDisplayMessages(), by=request.actor)
    return go(request, address(request, "station_displays", pk))


def _sent(form: DisplayForm, station: ChargingStation, request: OperatorRequest) -> bool:
    values = form.cleaned_data
    intent = intents.SetDisplayMessage(
        texts=(DisplayText(text=values["text"], language=values["language"]),),
        priority=values["priority"],
        ends_at=values["ends_at"],
    )
    try:
        commands.issue(station, intent, by=request.actor)
    except DomainError as error:
        refuse(form, error)
    return not form.errors


def _context(request: OperatorRequest, station: ChargingStation, form: DisplayForm) -> dict[str, Any]:
    sees_messages = request.actor.can(Permission.MESSAGES_VIEW)
    transfers = DataTransfer.objects.filter(station=station)[:SHOWN] if sees_messages else []
    return {
        **frame(request, station, "station_displays"),
        "form": form,
        "reads": station.supports(Capability.DISPLAY),
        "shown": station.display_messages.exclude(status=DisplayStatus.CLEARED.value)[:SHOWN],
        "tariffs": station.station_tariffs.exclude(status="cleared")[:SHOWN],
        "settlements": station.settlements.all()[:SHOWN]
        if request.actor.can(Permission.SESSIONS_VIEW)
        else [],
        "transfers": transfers,
    }
