"""What is kept free, for whom, and until when."""

from django.db import models

from core.ids import uuid7
from core.models import ScopedQuerySet
from drivers.models import IdToken
from stations.domain.reservations import OPEN, ReservationStatus
from stations.models.commands import Command
from stations.models.evses import Evse
from stations.models.owned import OfStation
from stations.models.stations import ChargingStation
from stations.models.transactions import Transaction


class ReservationQuerySet(ScopedQuerySet["Reservation"]):
    organization_path = "station__organization_id"
    limit_path = "station__site_id"

    def open(self) -> "ReservationQuerySet":
        """Those that still keep something free, as far as we know."""
        return self.filter(status__in=sorted(OPEN))


class Reservation(OfStation, models.Model):
    """A reservation that we asked a station for. Without an EVSE the station keeps any one free."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    station = models.ForeignKey(ChargingStation, on_delete=models.PROTECT, related_name="reservations")
    number = models.IntegerField()
    evse = models.ForeignKey(Evse, on_delete=models.PROTECT, null=True, related_name="reservations")
    connector_type = models.CharField(max_length=20, blank=True)
    token = models.ForeignKey(IdToken, on_delete=models.SET_NULL, null=True, related_name="+")
    token_value = models.CharField(max_length=255)
    token_type = models.CharField(max_length=20)
    status = models.CharField(
        max_length=10,
        default=ReservationStatus.REQUESTED.value,
        choices=[(word.value, word.value) for word in ReservationStatus],
    )
    detail = models.CharField(max_length=200, blank=True)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=200)
    ended_at = models.DateTimeField(null=True)
    command = models.ForeignKey(Command, on_delete=models.SET_NULL, null=True, related_name="+")
    transaction = models.ForeignKey(Transaction, on_delete=models.SET_NULL, null=True, related_name="+")

    objects = ReservationQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["station", "number"], name="reservation_number_once"),
            models.CheckConstraint(
                condition=models.Q(status__in=[word.value for word in ReservationStatus]),
                name="reservation_status_known",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=sorted(OPEN)) ^ models.Q(ended_at__isnull=False),
                name="reservation_ended_has_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["station", "expires_at"],
                condition=models.Q(status__in=sorted(OPEN)),
                name="reservation_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.station} · reservation {self.number}"

    @property
    def open(self) -> bool:
        return self.status in OPEN
