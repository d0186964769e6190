"""Which tariff holds where and for whom: at a place, or for a driver or a group of them (tariffs T-43)."""

from uuid import UUID

from django.db import models
from django.db.models.lookups import LessThanOrEqual

from core.access import EVERYWHERE, Actor, ActorKind
from core.ids import uuid7
from core.models import Organization, ScopedQuerySet
from drivers.models import Driver, DriverGroup
from stations.models.evses import Evse
from stations.models.sites import Site
from stations.models.stations import ChargingStation
from tariffs.models import Tariff
from tariffs.rounding import Basis
from tariffs.structure import TariffType

PLACES = ("driver", "driver_group", "evse", "station", "site")
"""From the one that goes before all others to the widest; none of them is the whole organization."""
Place = Driver | DriverGroup | Evse | ChargingStation | Site


class TariffAssignmentQuerySet(ScopedQuerySet["TariffAssignment"]):
    def visible_to(self, actor: Actor) -> "TariffAssignmentQuerySet":
        """Those of the actor's sites, and those that hold at every site."""
        visible = super().visible_to(actor)
        if actor.kind is ActorKind.SYSTEM or actor.limited_to is None:
            return visible
        sites = list(actor.limited_to)
        nowhere = models.Q(site=None, station=None, evse=None)
        return visible.filter(
            nowhere
            | models.Q(site_id__in=sites)
            | models.Q(station__site_id__in=sites)
            | models.Q(evse__station__site_id__in=sites)
        )

    def current(self) -> "TariffAssignmentQuerySet":
        """Without those that have ended."""
        return self.filter(ended_at=None)


class TariffAssignment(models.Model):
    """From ``assigned_at`` to ``ended_at`` a tariff holds at one place; without a place in the whole organization.

    With a driver or a group in place of it, it is their contract and holds wherever they charge. ``role`` is
    an OCPI tariff type: whom it is for at this place. Empty: for every session. ``connector_type`` (the word
    of OCPP 2.0.1, such as ``cCCS2``) limits it to one kind of connector. Empty: for all. ``basis`` says which
    side of the price is rounded, ``net`` for a company that pays without taxes; empty: as for persons (T-36).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE)
    tariff = models.ForeignKey(Tariff, on_delete=models.PROTECT, related_name="assignments")
    site = models.ForeignKey(Site, on_delete=models.CASCADE, null=True, related_name="tariff_assignments")
    station = models.ForeignKey(
        ChargingStation, on_delete=models.CASCADE, null=True, related_name="tariff_assignments"
    )
    evse = models.ForeignKey(Evse, on_delete=models.CASCADE, null=True, related_name="tariff_assignments")
    driver = models.ForeignKey(Driver, on_delete=models.CASCADE, null=True, related_name="tariff_assignments")
    driver_group = models.ForeignKey(
        DriverGroup, on_delete=models.CASCADE, null=True, related_name="tariff_assignments"
    )
    connector_type = models.CharField(max_length=20, blank=True)
    role = models.CharField(
        max_length=14, blank=True, choices=[(word.value, word.value) for word in TariffType]
    )
    basis = models.CharField(max_length=5, blank=True, choices=[(word.value, word.value) for word in Basis])
    assigned_at = models.DateTimeField()
    assigned_by = models.CharField(max_length=200)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=200, blank=True)

    objects = TariffAssignmentQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", *PLACES, "connector_type", "role"],
                condition=models.Q(ended_at=None),
                nulls_distinct=False,
                name="tariff_assignment_once_per_place",
            ),
            models.CheckConstraint(
                condition=LessThanOrEqual(models.Func(*PLACES, function="num_nonnulls"), 1),
                name="tariff_assignment_of_one_place",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tariff} · {self.place or self.organization}"

    @property
    def audit_label(self) -> str:
        """Without the name of a driver whose contract it is."""
        where = self.place or self.organization
        return f"{self.tariff} · {getattr(where, 'audit_label', where)}"

    @property
    def place(self) -> Place | None:
        """Where or for whom it holds; ``None`` for the whole organization."""
        return self.driver or self.driver_group or self.evse or self.station or self.site

    @property
    def limit_id(self) -> UUID | None:
        place = self.place
        return EVERYWHERE if place is None else place.limit_id
