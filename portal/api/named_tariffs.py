"""``tariff`` of sites and stations: which one holds there for every session."""

from typing import Any
from uuid import UUID

from django.db.models import Prefetch
from rest_framework import serializers

from core.access import Actor
from portal.api.fields import OwnRow
from stations.models import ChargingStation, Site, TariffAssignment
from stations.services import tariff_assignments
from tariffs.models import Tariff

UNCHANGED = object()


class TariffField(OwnRow):
    """The id of a tariff; ``null`` takes it away, so that the one of the next larger place holds."""

    def __init__(self, **options: Any) -> None:
        super().__init__(Tariff.objects, required=False, allow_null=True, **options)


class NamedTariff(serializers.UUIDField):
    """What holds at exactly this place."""

    def __init__(self, **options: Any) -> None:
        super().__init__(source="*", read_only=True, allow_null=True, **options)

    def to_representation(self, value: Any) -> Any:
        found = holding(value)
        return None if found is None else str(found)


def own_tariffs() -> "Prefetch[Any]":
    """So that a list needs one query for all of its rows."""
    rows = TariffAssignment.objects.current().filter(role="")
    return Prefetch("tariff_assignments", rows, to_attr="own_tariffs")


def holding(thing: Site | ChargingStation) -> UUID | None:
    """The tariff that is assigned to it for every session."""
    known = getattr(thing, "own_tariffs", None)
    if known is None:
        found = tariff_assignments.at_place(thing, thing.organization_id)
        return found.tariff_id if found else None
    return known[0].tariff_id if known else None


def name(thing: Site | ChargingStation, tariff: Any, *, by: Actor) -> None:
    """Assign the tariff, or with ``None`` end what holds; nothing where it was not named."""
    if tariff is UNCHANGED:
        return
    if tariff is not None:
        tariff_assignments.assign(tariff, place=thing, role="", by=by)
        return
    present = tariff_assignments.at_place(thing, thing.organization_id)
    if present is not None:
        tariff_assignments.end(present, by=by)
