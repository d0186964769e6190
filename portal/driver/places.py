"""Where a driver can charge: favourites, what is near, and what is searched for, each with state and price."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core import clock
from drivers.models import Driver
from portal.driver import prices, words
from portal.driver.entry import DriverRequest, actor_for, load, own
from stations.models import ChargingStation, Evse
from stations.services import finding
from stations.services.finding import Position

SHOWN = 20
LONGEST_TEXT = 100


@dataclass(frozen=True, slots=True)
class Outlet:
    """One EVSE of a station, with its state in a driver's words."""

    evse: Evse
    told: words.Told


@dataclass(frozen=True, slots=True)
class Found:
    """A station with what a driver wants to know of it; ``prices`` are whole, each with the outlets that have it."""

    station: ChargingStation
    outlets: list[Outlet]
    prices: list[tuple[str, str]]
    power_kw: float
    km: float | None


@require_safe
@own
def listing(request: DriverRequest) -> HttpResponse:
    text = request.GET.get("q", "").strip().replace("\x00", "")[:LONGEST_TEXT]
    near = _position(request.GET.get("at", ""))
    rows = finding.stations_for(request.drivers, text, near).select_related(
        "site", "presence", "organization"
    )
    rows = rows.prefetch_related("evses__connectors")
    stations = list(rows[: SHOWN + 1])
    context: dict[str, Any] = {
        "here": "places",
        "found": _found(stations[:SHOWN], request.drivers, near),
        "more": len(stations) > SHOWN,
        "text": text,
        "near": near,
        "at": request.GET.get("at", "") if near else "",
    }
    response = render(request, "driver/places.html", context)
    response["Cache-Control"] = "private, no-store"
    return response


@require_POST
@own
def favour(request: DriverRequest, pk: UUID) -> HttpResponse:
    """Mark a station, or take the mark away."""
    station = load(finding.stations_for(request.drivers), pk)
    driver = _driver_at(station, request.drivers)
    (finding.unmark if "off" in request.POST else finding.mark)(
        driver, station, by=actor_for(request, driver)
    )
    back = request.POST.get("back", "")
    inside = url_has_allowed_host_and_scheme(back, None) and back.startswith("/me/stations/")
    return redirect(back if inside else "driver:places")


def _found(stations: Sequence[ChargingStation], drivers: list[Driver], near: Position | None) -> list[Found]:
    evses = {station.pk: list(station.evses.all()) for station in stations}
    asked = [(evse, _driver_at(station, drivers)) for station in stations for evse in evses[station.pk]]
    for station in stations:
        for evse in evses[station.pk]:
            evse.station = station
    cards = iter(prices.cards_of_each(asked, clock.now()))
    return [
        Found(
            station=station,
            outlets=[Outlet(evse, words.state_of(evse)) for evse in evses[station.pk]],
            prices=_told([(evse, next(cards)) for evse in evses[station.pk]]),
            power_kw=max((prices.power_w(evse) or 0 for evse in evses[station.pk]), default=0) / 1000,
            km=finding.distance_km(near, station) if near else None,
        )
        for station in stations
    ]


def _told(cards: Sequence[tuple[Evse, list[prices.Card]]]) -> list[tuple[str, str]]:
    """Each price once; where there are several, or some outlet has none, with the outlets and plugs that have it."""
    places: dict[str, list[str]] = {}
    for evse, cards_here in cards:
        outlet = _("Outlet %(n)s") % {"n": evse.evse_id}
        for card in cards_here:
            where = f"{outlet} ({card.plug})" if card.plug else outlet
            places.setdefault(" ".join(card.sentences), []).append(where)
        if not cards_here:
            places.setdefault(_("No price is set here."), []).append(outlet)
    if len(places) < 2:
        return [("", told) for told in places] or [("", _("No price is set here."))]
    return [(", ".join(where), told) for told, where in places.items()]


def _driver_at(station: ChargingStation, drivers: list[Driver]) -> Driver:
    return next(one for one in drivers if one.organization_id == station.organization_id)


def _position(text: str) -> Position | None:
    """``52.52,13.40``; nothing for what is no place on Earth."""
    try:
        latitude, longitude = (float(part) for part in text.split(","))
    except ValueError:
        return None
    on_earth = -90 <= latitude <= 90 and -180 <= longitude <= 180
    return Position(latitude, longitude) if on_earth else None
