"""Where a token, a driver or a group may charge."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from core.access import Permission
from core.errors import Invalid
from drivers.models import Driver, DriverGroup, IdToken, TokenGroup
from portal.dashboard.entry import OperatorRequest, View, go, load, operator
from portal.dashboard.pages import address
from stations.models import Site
from stations.services import site_permissions
from stations.services.site_permissions import Holder

PAGE: Mapping[type, str] = {
    IdToken: "token",
    Driver: "driver",
    TokenGroup: "token_group",
    DriverGroup: "driver_group",
}


def context(request: OperatorRequest, holder: Holder) -> dict[str, Any]:
    """What the card *Where it may charge* needs."""
    chosen = {site.pk for site in site_permissions.sites_of(holder)}
    sites = Site.objects.visible_to(request.actor).live().order_by("name")
    return {"places": [(site, site.pk in chosen) for site in sites], "limited": bool(chosen)}


def saving(model: type[Any]) -> Callable[..., HttpResponse]:
    """The view that keeps the card of a holder of that kind."""

    def save(request: OperatorRequest, pk: UUID) -> HttpResponse:
        holder = load(model.objects.visible_to(request.actor).live(), pk)
        request.actor.require_everywhere(Permission.DRIVERS_MANAGE, holder)
        site_permissions.limit(holder, _chosen(request), by=request.actor)
        messages.success(request, _("Saved."))
        return go(request, address(request, PAGE[model], pk))

    view: View = require_POST(operator(Permission.DRIVERS_MANAGE)(save))
    view.permission = Permission.DRIVERS_MANAGE  # type: ignore[attr-defined]
    return view


def _chosen(request: OperatorRequest) -> list[UUID]:
    try:
        return [UUID(text) for text in request.POST.getlist("sites")]
    except ValueError as error:
        raise Invalid(_("Choose sites."), field="sites") from error
