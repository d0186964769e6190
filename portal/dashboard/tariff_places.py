"""Where a tariff holds: the places that are offered, letting it hold at one, and ending that."""

from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from core.access import Permission
from core.errors import Invalid
from drivers.models import DriverGroup
from portal.dashboard.entry import OperatorRequest, load, operator
from portal.dashboard.tariff_rows import done, tariff_of
from stations.models import ChargingStation, Evse, Site, TariffAssignment
from stations.models.tariff_assignments import PLACES
from stations.services import tariff_assignments
from stations.services.tariff_assignments import Place

PLACES_OFFERED = 50
"""Of each kind, those that the search finds first."""


@require_POST
@operator(Permission.TARIFFS_MANAGE)
def assign(request: OperatorRequest, pk: UUID) -> HttpResponse:
    tariff = tariff_of(request, pk)
    place = _place(request, request.POST.get("place", ""))
    role = request.POST.get("role") or None
    return done(
        request,
        tariff,
        lambda: tariff_assignments.assign(
            tariff,
            place=place,
            role=role,
            connector_type=request.POST.get("connector_type", ""),
            by=request.actor,
        ),
        _("The tariff holds there from now on."),
    )


@require_POST
@operator(Permission.TARIFFS_MANAGE)
def end_assignment(request: OperatorRequest, pk: UUID, assignment_pk: UUID) -> HttpResponse:
    tariff = tariff_of(request, pk)
    rows = TariffAssignment.objects.visible_to(request.actor).filter(tariff=tariff)
    assignment = load(rows.select_related("tariff", *PLACES, "evse__station"), assignment_pk)
    return done(
        request,
        tariff,
        lambda: tariff_assignments.end(assignment, by=request.actor),
        _("The tariff no longer holds there."),
    )


def offered(request: OperatorRequest) -> list[tuple[str, str]]:
    """Where the person may let a tariff hold, as far as the searched words are in its name."""
    words = request.GET.get("place", "").strip()
    everywhere = request.actor.limited_to is None
    sites = Site.objects.visible_to(request.actor).live().filter(name__icontains=words)
    named = Q(identity__icontains=words) | Q(name__icontains=words)
    stations = ChargingStation.objects.visible_to(request.actor).live().filter(named)
    # Found by their stations: joined, a search by a name would read every EVSE.
    at_stations = list(stations.order_by("identity").values_list("pk", flat=True)[:PLACES_OFFERED])
    evses = Evse.objects.visible_to(request.actor).filter(station__in=at_stations).select_related("station")
    offered = [("organization", _("The whole organization"))] if everywhere else []
    if everywhere:
        groups = DriverGroup.objects.visible_to(request.actor).live().filter(name__icontains=words)
        offered += [
            (f"group:{one.pk}", _("Drivers of %(name)s") % {"name": one}) for one in groups[:PLACES_OFFERED]
        ]
    offered += [
        (f"site:{site.pk}", _("Site %(name)s") % {"name": site})
        for site in sites.order_by("name")[:PLACES_OFFERED]
    ]
    offered += [
        (f"station:{one.pk}", _("Station %(name)s") % {"name": one})
        for one in stations.order_by("identity")[:PLACES_OFFERED]
    ]
    return offered + [
        (f"evse:{one.pk}", _("Station %(name)s, EVSE %(evse)s") % {"name": one.station, "evse": one.evse_id})
        for one in evses.order_by("station__identity", "evse_id")
    ]


def _place(request: OperatorRequest, chosen: str) -> Place:
    """The place that was chosen. Raises :class:`Invalid`, and :class:`NotFound` for one of somebody else."""
    if chosen == "organization":
        return None
    kind, _colon, key = chosen.partition(":")
    rows: dict[str, Any] = {"group": DriverGroup, "site": Site, "station": ChargingStation, "evse": Evse}
    try:
        pk = UUID(key)
        model = rows[kind]
    except (ValueError, KeyError) as error:
        raise Invalid(_("Choose where the tariff is to hold.")) from error
    place: Place = load(model.objects.visible_to(request.actor), pk)
    return place
