"""Which stations have a token on their local list, and telling them what has changed (dashboard 4.11)."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from core.access import Actor, Permission
from core.errors import DomainError
from drivers.models import IdToken
from portal.dashboard.entry import OperatorRequest, go, load, operator
from portal.dashboard.pages import address
from portal.dashboard.sentences import told
from stations.domain.intents import SendLocalList
from stations.models import ChargingStation
from stations.services import commands
from stations.services.local_lists import looking


def context(actor: Actor, token: IdToken) -> dict[str, Any]:
    """What the card says."""
    entries, lacking = looking.entries_of(token, actor), looking.lacking(token, actor)
    return {"list_entries": entries, "lists_without": lacking}


@require_POST
@operator(Permission.VARIABLES_EDIT)
def push(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Send the changes to each station that keeps a list; who cannot be told is named."""
    request.actor.require(Permission.DRIVERS_VIEW)
    token: IdToken = load(IdToken.objects.visible_to(request.actor).live(), pk)
    rows = [one.local_list for one in looking.entries_of(token, request.actor)]
    stations = {one.station_id: one.station for one in (*rows, *looking.lacking(token, request.actor))}
    refused = [text for station in stations.values() if (text := _send(station, request.actor))]
    if len(refused) < len(stations):
        sent = len(stations) - len(refused)
        messages.success(request, _("The changes are on their way to %(count)d stations.") % {"count": sent})
    if refused:
        messages.warning(request, _("Not sent to: %s") % "; ".join(refused))
    return go(request, address(request, "token", pk))


def _send(station: ChargingStation, actor: Actor) -> str:
    """Why the station could not be told; empty where it was."""
    if not station.presence.connected:
        return f"{station} ({_('not connected; it gets the changes when it is back')})"
    try:
        commands.issue(station, SendLocalList(), by=actor)
    except DomainError as error:
        return f"{station} ({told(error.message)})"
    return ""
