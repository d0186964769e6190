"""What a reservation was promised to cost, and what one costs that no session used (tariffs T-25)."""

from uuid import UUID

from django.db import models

from core.models import ScopedQuerySet
from drivers.models import Driver
from stations.models.frozen_tariffs import DECIDED_BY_SOMEONE, CostState, Figures, Level
from stations.models.reservations import Reservation
from stations.models.sites import Site
from tariffs.models import TariffVersion


class ReservedTariff(models.Model):
    """A full copy of the version that held as the station accepted a reservation, and the site's policy then.

    ``version`` is ``None`` where none held although the organization prices. ``settled_at``: what becomes of it
    is decided, by a session that used it, by a cost or by none.
    """

    reservation = models.OneToOneField(
        Reservation, on_delete=models.CASCADE, primary_key=True, related_name="reserved_tariff"
    )
    version = models.ForeignKey(TariffVersion, on_delete=models.PROTECT, null=True, related_name="+")
    level = models.CharField(max_length=12, choices=Level.choices, blank=True)
    document = models.TextField(blank=True)
    currency = models.CharField(max_length=3, blank=True)
    time_zone = models.CharField(max_length=64)
    policy = models.CharField(max_length=40)
    basis = models.CharField(max_length=5)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, null=True, related_name="+")
    driver = models.ForeignKey(Driver, on_delete=models.SET_NULL, null=True, related_name="+")
    free_cancellation = models.BooleanField()
    accepted_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["accepted_at"], condition=models.Q(settled_at=None), name="reserved_tariff_open"
            )
        ]

    def __str__(self) -> str:
        return f"{self.reservation} · {self.version}"


class ReservationCostQuerySet(ScopedQuerySet["ReservationCost"]):
    organization_path = "reservation__station__organization_id"
    limit_path = "reservation__station__site_id"


class ReservationCost(Figures):
    """What an expired or cancelled reservation costs, which has no session to be priced with.

    ``final`` is to be billed unless it is waived, ``review`` waits for a person. From ``started_at`` to
    ``ended_at`` the place was kept.
    """

    reservation = models.OneToOneField(
        Reservation, on_delete=models.PROTECT, primary_key=True, related_name="cost"
    )
    state = models.CharField(max_length=7, choices=CostState.choices)
    cause = models.CharField(max_length=40, blank=True)
    detail = models.CharField(max_length=300, blank=True)
    since = models.DateTimeField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()

    objects = ReservationCostQuerySet.as_manager()

    class Meta:
        ordering = ["-reservation_id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state="review", cause__gt="") | models.Q(state="final", cause=""),
                name="reservation_cost_review_has_cause",
            ),
            models.CheckConstraint(condition=DECIDED_BY_SOMEONE, name="reservation_cost_decided_by_someone"),
        ]

    def __str__(self) -> str:
        return f"{self.reservation} · {self.state}"

    @property
    def organization_id(self) -> UUID:
        return self.reservation.organization_id

    @property
    def limit_id(self) -> UUID | None:
        return self.reservation.limit_id
