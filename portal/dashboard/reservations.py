"""Reservations of a station: what is kept free, for whom and until when; reserving, extending, cancelling."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core.access import Permission
from core.errors import Invalid
from portal.dashboard import evses, reserved
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.pages import address, render_page
from portal.dashboard.station import frame
from portal.dashboard.stations import one_with_evses
from stations.domain import intents
from stations.domain.intents import Intent
from stations.domain.words import Capability
from stations.models import Reservation
from stations.services import commands

TEMPLATE = "dashboard/stations/reservations.html"
SAID = ("reserve_now", "cancel_reservation")


@require_safe
@operator(Permission.STATIONS_VIEW)
def tab(request: OperatorRequest, pk: UUID) -> HttpResponse:
    return _page(request, one_with_evses(request, pk))


@require_POST
@operator(Permission.COMMANDS_SESSION)
def send(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Issue the command of the pressed button; the answer shows in the list beside it."""
    station = one_with_evses(request, pk)
    commands.issue(station, _wish(request, station), by=request.actor)
    if request.htmx:
        return _page(request, station)
    return go(request, address(request, "station_reservations", pk))


@require_POST
@operator(Permission.COMMANDS_SESSION)
def at_evse(request: OperatorRequest, pk: UUID, evse_id: int) -> HttpResponse:
    """Reserve this EVSE, or give its reservation up; the answer shows on its card."""
    station = one_with_evses(request, pk)
    commands.issue(station, _wish(request, station), by=request.actor)
    return evses.answer(request, pk, evse_id)


def _wish(request: OperatorRequest, station: Any) -> Intent:
    act = request.POST.get("act", "")
    if act == "reserve":
        return reserved.wish(station, request.POST, evses.chosen_token(request))
    if act not in ("cancel", "longer"):
        raise Invalid(_("There is no such command."), field="act")
    reservation = _named(request, station)
    if act == "longer":
        return reserved.longer(reservation)
    return intents.CancelReservation(reservation=reservation.pk)


def _named(request: OperatorRequest, station: Any) -> Reservation:
    rows = Reservation.objects.visible_to(request.actor).filter(station=station).select_related("evse")
    try:
        named = UUID(request.POST.get("reservation", ""))
    except ValueError as error:
        raise Invalid(_("Choose a reservation."), field="reservation") from error
    found: Reservation = load(rows, named, _("There is no such reservation at this station."))
    return found


def _page(request: OperatorRequest, station: Any) -> HttpResponse:
    rows = reserved.of_station(station)
    context = frame(request, station, "station_reservations")
    context.update(
        kept=[row for row in rows if row.open],
        over=[row for row in rows if not row.open],
        commands=station.commands.filter(command__in=SAID).order_by("-id")[:6],
        evses=[evse.evse_id for evse in station.shown_evses],
        types=reserved.connector_types(station.shown_evses),
        tokens=evses.tokens_to_start_with(request.actor)[: evses.TOKENS_OFFERED],
        minutes=reserved.MINUTES,
        usual=reserved.USUAL,
        reservable=station.supports(Capability.RESERVATION),
    )
    return render_page(request, TEMPLATE, context, partial="state")
