"""Forgetting what was learned of a station, and writing the slots it connects by."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from core.access import Permission
from core.errors import Invalid
from portal.dashboard.entry import OperatorRequest, go, operator
from portal.dashboard.pages import address
from portal.dashboard.station import find
from stations.domain import intents
from stations.services import commands, learning


@require_POST
@operator(Permission.STATIONS_EDIT)
def forget(request: OperatorRequest, pk: UUID) -> HttpResponse:
    learning.forget(find(request, pk), by=request.actor)
    messages.success(request, _("Forgotten. What the station can do is learned anew."))
    return go(request, address(request, "station_settings", pk))


@require_POST
@operator(Permission.SECURITY_MANAGE)
def network_profile(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Write a slot of the station."""
    station = find(request, pk)
    slot, level, url = (request.POST.get(name, "").strip() for name in ("slot", "security_profile", "url"))
    if not slot.isdecimal() or len(slot) > 9 or level not in ("0", "1", "2", "3"):
        raise Invalid(_("Name the slot and the security profile."), field="slot")
    if not url.startswith(("ws://", "wss://")) or len(url) > 512:
        raise Invalid(_("The address begins with ws:// or wss://."), field="url")
    intent = intents.SetNetworkProfile(
        slot=int(slot),
        url=url,
        security_profile=int(level),
        confirm_downgrade=bool(request.POST.get("confirm_downgrade")),
    )
    command = commands.issue(station, intent, by=request.actor)
    return go(request, address(request, "command", command.pk))
