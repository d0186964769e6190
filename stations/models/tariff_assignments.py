"""Which tariff holds where: for an organization, a site, a station or an EVSE (tariffs T-43)."""

from uuid import UUID

from django.db import models

from core.access import EVERYWHERE, Actor, ActorKind
from core.ids import uuid7
from core.models import Organization, ScopedQuerySet
from stations.models.evses import Evse
from stations.models.sites import Site
from stations.models.stations import ChargingStation
from tariffs.models import Tariff
from tariffs.structure import TariffType

PLACES = ("evse", "station", "site")


class TariffAssignmentQuerySet(ScopedQuerySet["TariffAssignment"]):
    def visible_to(self, actor: Actor) -> "TariffAssignmentQuerySet":
        """Those of the actor's sites, and those of the whole organization."""
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

    ``role`` is an OCPI tariff type: whom it is for at this place. Empty: for every session.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE)
    tariff = models.ForeignKey(Tariff, on_delete=models.PROTECT, related_name="assignments")
    site = models.ForeignKey(Site, on_delete=models.CASCADE, null=True, related_name="tariff_assignments")
    station = models.ForeignKey(
        ChargingStation, on_delete=models.CASCADE, null=True, related_name="tariff_assignments"
    )
    evse = models.ForeignKey(Evse, on_delete=models.CASCADE, null=True, related_name="tariff_assignments")
    role = models.CharField(
        max_length=14, blank=True, choices=[(word.value, word.value) for word in TariffType]
    )
    assigned_at = models.DateTimeField()
    assigned_by = models.CharField(max_length=200)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=200, blank=True)

    objects = TariffAssignmentQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "site", "station", "evse", "role"],
                condition=models.Q(ended_at=None),
                nulls_distinct=False,
                name="tariff_assignment_once_per_place",
            ),
            models.CheckConstraint(
                condition=models.Q(site=None, station=None)
                | models.Q(site=None, evse=None)
                | models.Q(station=None, evse=None),
                name="tariff_assignment_of_one_place",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tariff} · {self.place or self.organization}"

    @property
    def place(self) -> Site | ChargingStation | Evse | None:
        """Where it holds; ``None`` for the whole organization."""
        return self.evse or self.station or self.site

    @property
    def limit_id(self) -> UUID | None:
        place = self.place
        return EVERYWHERE if place is None else place.limit_id
