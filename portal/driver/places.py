"""Where a driver can charge: favourites, what is near, and what is searched for, each with state and price."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
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
    """A station with what a driver wants to know of it; ``price`` is the first sentence of its price."""

    station: ChargingStation
    outlets: list[Outlet]
    price: str
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
        "found": [_found(station, request.drivers, near) for station in stations[:SHOWN]],
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


def _found(station: ChargingStation, drivers: list[Driver], near: Position | None) -> Found:
    driver, now = _driver_at(station, drivers), clock.now()
    evses = list(station.evses.all())
    for evse in evses:
        evse.station = station
    cards = prices.cards_of(evses[0], now, driver) if evses else []
    return Found(
        station=station,
        outlets=[Outlet(evse, words.state_of(evse)) for evse in evses],
        price=cards[0].sentences[0] if cards and cards[0].sentences else "",
        power_kw=max((prices.power_w(evse) or 0 for evse in evses), default=0) / 1000,
        km=finding.distance_km(near, station) if near else None,
    )


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
