"""Which tariff of ours each station should have by default, found for many stations together (tariffs T-43, T-47)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q

from stations.models import ChargingStation, Connector, Evse, TariffAssignment
from stations.services import tariff_choice
from stations.services.tariff_choice import Applicable, Place
from tariffs.structure import TariffType


class Wanted(NamedTuple):
    """The version that holds at an EVSE, or at the whole station where none is named."""

    found: Applicable
    evse_pk: UUID | None = None


class _Outlet(NamedTuple):
    pk: UUID
    evse_id: int


class _Layout(NamedTuple):
    """The EVSEs of stations, and what makes their prices differ.

    ``types``: how many of connectors an EVSE has. ``own``: stations with EVSEs that have tariffs of their own;
    ``typed``: organizations with a tariff for one type of connector.
    """

    outlets: Mapping[UUID, Sequence[_Outlet]]
    types: Mapping[UUID, int]
    own: frozenset[UUID]
    typed: frozenset[UUID]


def wanted(stations: Sequence[ChargingStation], at: datetime) -> dict[UUID, dict[int, Wanted]]:
    """The default of each station as EVSE 0, or those of its EVSEs where no price is that of all of them."""
    layout = _layout(stations)
    whole = {(one.pk, 0): place for one in stations if (place := _of_all(one, layout)) is not None}
    found = _found(whole, at)
    parted = [one for one in stations if (one.pk, 0) not in found]
    found |= _found(dict(entry for one in parted for entry in _of_each(one, layout)), at)
    result: dict[UUID, dict[int, Wanted]] = {one.pk: {} for one in stations}
    for (station_pk, evse_id), one in found.items():
        result[station_pk][evse_id] = one
    return result


def _layout(stations: Sequence[ChargingStation]) -> _Layout:
    keys = [one.pk for one in stations]
    outlets: dict[UUID, list[_Outlet]] = defaultdict(list)
    rows = Evse.objects.filter(station__in=keys).order_by("evse_id")
    for station_pk, evse_pk, evse_id in rows.values_list("station_id", "pk", "evse_id"):
        outlets[station_pk].append(_Outlet(evse_pk, evse_id))
    types: dict[UUID, int] = defaultdict(int)
    connectors = Connector.objects.filter(evse__station__in=keys).order_by()
    for evse_pk, _type in connectors.values_list("evse_id", "type").distinct():
        types[evse_pk] += 1
    holding = TariffAssignment.objects.current()
    own = holding.filter(evse__station__in=keys).values_list("evse__station_id", flat=True)
    typed = holding.filter(~Q(connector_type=""), organization__in={one.organization_id for one in stations})
    return _Layout(
        outlets, types, frozenset(own), frozenset(typed.values_list("organization_id", flat=True).distinct())
    )


def _of_all(station: ChargingStation, layout: _Layout) -> Place | None:
    """Where one price is that of the whole station, as for the words before a start."""
    outlets = layout.outlets.get(station.pk, ())
    only = outlets[0].pk if len(outlets) == 1 else None
    if only is None and station.pk in layout.own:
        return None
    return _place(station, only, layout)


def _of_each(station: ChargingStation, layout: _Layout) -> Iterable[tuple[tuple[UUID, int], Place]]:
    for outlet in layout.outlets.get(station.pk, ()):
        place = _place(station, outlet.pk, layout) if outlet.evse_id else None
        if place is not None:
            yield (station.pk, outlet.evse_id), place


def _place(station: ChargingStation, evse_pk: UUID | None, layout: _Layout) -> Place | None:
    """None where the connector matters and is not known."""
    is_certain = station.organization_id not in layout.typed or (
        evse_pk is not None and layout.types.get(evse_pk) == 1
    )
    place = Place(station.organization_id, station.site_id, station.pk, evse_pk)
    return place if is_certain else None


def _found(places: Mapping[tuple[UUID, int], Place], at: datetime) -> dict[tuple[UUID, int], Wanted]:
    asked = [(place, TariffType.REGULAR) for place in places.values()]
    answers = tariff_choice.applicable_at(asked, at) if asked else []
    return {
        key: Wanted(found, place.evse_pk if key[1] else None)
        for (key, place), found in zip(places.items(), answers, strict=True)
        if found is not None
    }
