"""Stations as drivers look for them: their favourites, what is near, what has a name."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import asin, cos, radians, sin, sqrt

from django.db.models import Exists, Expression, ExpressionWrapper, F, FloatField, OuterRef, Q, QuerySet
from django.db.transaction import atomic

from core import audit
from core.access import Actor
from core.errors import Conflict
from drivers.models import Driver
from stations.models import ChargingStation, Evse, Favourite, SitePermission

EARTH_KM = 6371.0
MOST_FAVOURITES = 100


@dataclass(frozen=True, slots=True)
class Position:
    """Where somebody stands, in degrees."""

    latitude: float
    longitude: float


def stations_for(
    drivers: Sequence[Driver], text: str = "", near: Position | None = None
) -> QuerySet[ChargingStation]:
    """The stations of the drivers' operators by distance, else favourites first and then by name.

    With a text only those whose name, site, street, town or EVSE code has it. ``favoured`` tells favourites.
    A site that is not public is shown to those who are named for it.
    """
    favoured = Exists(Favourite.objects.filter(station=OuterRef("pk"), driver__in=drivers))
    operators = {driver.organization_id for driver in drivers}
    rows = ChargingStation.objects.live().filter(_open_to(drivers), organization__in=operators, enabled=True)
    if text:
        rows = rows.filter(_named(text))
    first = (
        (favoured.desc(), F("site__name").asc())
        if near is None
        else (_square_of_distance(near).asc(nulls_last=True),)
    )
    return rows.order_by(*first, "name", "identity").annotate(favoured=favoured)


def distance_km(near: Position, station: ChargingStation) -> float | None:
    """As the crow flies; ``None`` where nobody said where the site is."""
    site = station.site
    if site is None or site.latitude is None or site.longitude is None:
        return None
    here, there = radians(near.latitude), radians(float(site.latitude))
    east = radians(float(site.longitude) - near.longitude)
    chord = sin((there - here) / 2) ** 2 + cos(here) * cos(there) * sin(east / 2) ** 2
    return 2 * EARTH_KM * asin(sqrt(min(1.0, chord)))


def mark(driver: Driver, station: ChargingStation, *, by: Actor) -> None:
    """Make the station a favourite of the driver; it can be one already. Raises :class:`Conflict` for too many."""
    if Favourite.objects.filter(driver=driver).count() >= MOST_FAVOURITES:
        raise Conflict("You have 100 favourites. Take one away first.")
    with atomic():
        _favourite, is_new = Favourite.objects.get_or_create(driver=driver, station=station)
        if is_new:
            audit.record("favourite.added", driver, by=by, changes={"station": [None, str(station.pk)]})


def unmark(driver: Driver, station: ChargingStation, *, by: Actor) -> None:
    """Take the station from the favourites; it may be none."""
    with atomic():
        gone, _each = Favourite.objects.filter(driver=driver, station=station).delete()
        if gone:
            audit.record("favourite.removed", driver, by=by, changes={"station": [str(station.pk), None]})


def _open_to(drivers: Sequence[Driver]) -> Q:
    groups = [driver.group_id for driver in drivers if driver.group_id]
    named = SitePermission.objects.filter(Q(driver__in=drivers) | Q(driver_group__in=groups))
    return Q(site__public=True) | Q(site__in=named.values("site"))


def _named(text: str) -> Q:
    found = Q()
    for path in ("name", "site__name", "site__address", "site__city"):
        found |= Q(**{f"{path}__icontains": text})
    coded = Evse.objects.filter(station=OuterRef("pk"), code__istartswith=text.replace(" ", ""))
    return found | Q(Exists(coded))


def _square_of_distance(near: Position) -> Expression:
    """Good enough to order by: degrees east are as long as the parallel makes them."""
    north = F("site__latitude") - Decimal(str(near.latitude))
    east = (F("site__longitude") - Decimal(str(near.longitude))) * Decimal(
        f"{cos(radians(near.latitude)):.6f}"
    )
    return ExpressionWrapper(north * north + east * east, output_field=FloatField())
