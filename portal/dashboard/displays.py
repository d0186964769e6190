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
from core.errors import DomainError, Invalid, NotFound
from portal.dashboard import tariff_forms
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.forms import refuse
from portal.dashboard.pages import address, render_page
from portal.dashboard.station import find, frame, has_display
from stations.domain import intents
from stations.domain.displays import DisplayStatus, DisplayText
from stations.domain.words import Capability, TransactionStatus
from stations.models import ChargingStation, DataTransfer, DisplayMessage, Transaction
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
    station = _showing(request, pk)
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


@require_POST
@operator(Permission.STATIONS_VIEW)
def send(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Issue the command of the pressed button, about tariffs or costs; it says itself what it takes."""
    station = _showing(request, pk)
    kind = tariff_forms.BY_NAME.get(request.POST.get("command", ""))
    if kind is None:
        raise Invalid(_("There is no such command."), field="command")
    request.actor.require(Permission(kind.permission), station)
    commands.issue(
        station,
        tariff_forms.FORMS[kind](request, station),
        by=request.actor,
        if_offline="wait" if request.POST.get("if_offline") == "wait" else "fail",
    )
    if request.htmx:
        return render_page(request, TEMPLATE, _context(request, station, DisplayForm()), partial="shown")
    return go(request, address(request, "station_displays", pk))


def _showing(request: OperatorRequest, pk: UUID) -> ChargingStation:
    station = find(request, pk)
    if not (has_display(station) or station.supports(Capability.TARIFF)):
        raise NotFound(_("This station has no display that could be written to."))
    return station


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
    sent = station.commands.filter(command__in=tariff_forms.BY_NAME)
    return {
        **frame(request, station, "station_displays"),
        "form": form,
        "writes": has_display(station),
        "reads": station.supports(Capability.DISPLAY),
        "shown": station.display_messages.exclude(status=DisplayStatus.CLEARED.value)[:SHOWN],
        "tariffs": station.station_tariffs.exclude(status="cleared")[:SHOWN],
        "settlements": station.settlements.all()[:SHOWN]
        if request.actor.can(Permission.SESSIONS_VIEW)
        else [],
        "transfers": transfers,
        "commands": sent.select_related("transaction").order_by("-id")[:6],
        **_pricing(request, station),
    }


def _pricing(request: OperatorRequest, station: ChargingStation) -> dict[str, Any]:
    """What the forms about tariffs and costs offer."""
    running = Transaction.objects.visible_to(request.actor).filter(
        station=station, status=TransactionStatus.ACTIVE.value
    )
    return {
        "prices": station.supports(Capability.TARIFF),
        "evses": station.evses.values_list("evse_id", flat=True),
        "sessions": running.select_related("evse").order_by("evse__evse_id")[:SHOWN],
        "example": tariff_forms.EXAMPLE,
    }
