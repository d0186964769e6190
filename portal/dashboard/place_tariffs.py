"""The tariff of a site, a station or an EVSE: what holds there, where it comes from, and changing it (T-43)."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from core import clock
from core.access import Permission
from core.errors import DomainError
from portal.dashboard.entry import OperatorRequest, go, id_of, load, operator
from portal.dashboard.pages import address
from portal.dashboard.sentences import told
from stations.models import ChargingStation, Evse, Level, Site, TariffAssignment
from stations.services import tariff_assignments, tariff_choice
from stations.services.tariff_choice import Place
from tariffs.models import Tariff
from tariffs.structure import TariffType

OFFERED = 500
Somewhere = Site | ChargingStation | Evse


@dataclass(frozen=True, slots=True)
class Holding:
    """``own`` is assigned to exactly this place for all; ``others`` there for some only."""

    place: Somewhere
    own: TariffAssignment | None
    others: list[TariffAssignment]
    contract: "Effective | None"
    ad_hoc: "Effective | None"

    @property
    def evse(self) -> Evse | None:
        return self.place if isinstance(self.place, Evse) else None

    @property
    def differs(self) -> bool:
        """Whether who has no contract pays by another tariff."""
        return self.ad_hoc != self.contract


@dataclass(frozen=True, slots=True)
class Effective:
    """What a session that began now would have, and the place that it comes from."""

    tariff_id: UUID
    tariff: str
    level: str

    @property
    def found_at(self) -> str | Promise:
        return Level(self.level).label


def of_site(request: OperatorRequest, site: Site) -> dict[str, Any]:
    return _card(request, [site], address(request, "site_tariff", site.pk))


def of_station(request: OperatorRequest, station: ChargingStation) -> dict[str, Any]:
    evses = list(station.evses.select_related("station").order_by("evse_id"))
    return _card(request, [station, *evses], address(request, "station_tariff", station.pk))


@require_POST
@operator(Permission.TARIFFS_MANAGE)
def save_site(request: OperatorRequest, pk: UUID) -> HttpResponse:
    site = load(Site.objects.visible_to(request.actor).live(), pk)
    return _saved(request, site, address(request, "site", pk))


@require_POST
@operator(Permission.TARIFFS_MANAGE)
def save_station(request: OperatorRequest, pk: UUID) -> HttpResponse:
    """Of the station, or with ``evse`` of that one."""
    station = load(ChargingStation.objects.visible_to(request.actor).live(), pk)
    chosen = request.POST.get("evse", "")
    place = (
        load(Evse.objects.visible_to(request.actor).filter(station=station), id_of(chosen))
        if chosen
        else station
    )
    return _saved(request, place, address(request, "station_settings", pk))


def _saved(request: OperatorRequest, place: Somewhere, back: str) -> HttpResponse:
    chosen = request.POST.get("tariff", "")
    tariff = load(Tariff.objects.visible_to(request.actor), id_of(chosen)) if chosen else None
    try:
        words = _change(request, place, tariff)
    except DomainError as error:
        messages.error(request, told(error.message))
    else:
        messages.success(request, words)
    return go(request, back)


def _change(request: OperatorRequest, place: Somewhere, tariff: Tariff | None) -> str:
    if tariff is not None:
        tariff_assignments.assign(tariff, place=place, role="", by=request.actor)
        return _("The tariff holds there from now on.")
    present = tariff_assignments.at_place(place, request.actor.home)
    if present is not None:
        tariff_assignments.end(present, by=request.actor)
    return _("The place has no tariff of its own any more: that of the next larger one holds.")


def _card(request: OperatorRequest, places: Sequence[Somewhere], save_at: str) -> dict[str, Any]:
    tariffs = Tariff.objects.visible_to(request.actor).filter(retired_at=None).order_by("name")
    return {
        "tariffs_held": _holdings(request.actor.home, places),
        "tariffs_offered": tariffs[:OFFERED],
        "tariff_save_at": save_at,
    }


def _holdings(organization_id: UUID, places: Sequence[Somewhere]) -> list[Holding]:
    assigned: dict[UUID, list[TariffAssignment]] = defaultdict(list)
    for one in tariff_assignments.at_exactly(places, organization_id):
        assigned[one.evse_id or one.station_id or one.site_id].append(one)
    where = [_where(organization_id, place) for place in places]
    kinds = (TariffType.REGULAR, TariffType.AD_HOC_PAYMENT)
    found = iter(_effective([(place, kind) for place in where for kind in kinds]))
    return [_holding(place, assigned[place.pk], next(found), next(found)) for place in places]


def _holding(
    place: Somewhere, rows: list[TariffAssignment], contract: Effective | None, ad_hoc: Effective | None
) -> Holding:
    own = next((one for one in rows if not one.role and not one.connector_type), None)
    others = [one for one in rows if one is not own]
    return Holding(place=place, own=own, others=others, contract=contract, ad_hoc=ad_hoc)


def _where(organization_id: UUID, place: Somewhere) -> Place:
    if isinstance(place, Site):
        return Place(organization_id, place.pk)
    if isinstance(place, ChargingStation):
        return Place(organization_id, place.site_id, place.pk)
    return Place(organization_id, place.station.site_id, place.station_id, place.pk)


def _effective(asked: Sequence[tuple[Place, TariffType]]) -> list[Effective | None]:
    found = tariff_choice.applicable_at(asked, clock.now())
    tariffs = Tariff.objects.in_bulk({one.tariff_id for one in found if one is not None})
    return [one and Effective(one.tariff_id, str(tariffs[one.tariff_id]), one.level) for one in found]
