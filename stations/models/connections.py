"""Sockets: who is connected where, and the history with the refused ones."""

from uuid import UUID

from django.db import models

from core.ids import uuid7
from core.models import Organization, ScopedQuerySet
from stations.models.stations import ChargingStation


class Gateway(models.Model):
    """A process that holds sockets. One that is silent for 20 s is dead and its stations are free."""

    id = models.CharField(primary_key=True, max_length=64)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.id


class Presence(models.Model):
    """Where a station is connected now. ``epoch`` only rises; writes of an older one are void (M-08)."""

    station = models.OneToOneField(
        ChargingStation, on_delete=models.CASCADE, primary_key=True, related_name="presence"
    )
    epoch = models.BigIntegerField(default=0)
    gateway = models.CharField(max_length=64, blank=True)
    connected = models.BooleanField(default=False)
    ocpp_version = models.CharField(max_length=8, blank=True)
    connected_since = models.DateTimeField(null=True)
    disconnected_at = models.DateTimeField(null=True)
    last_seen_at = models.DateTimeField(null=True)
    clock_drift_ms = models.BigIntegerField(null=True)
    address = models.CharField(max_length=64, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["gateway"], condition=models.Q(connected=True), name="presence_connected")
        ]

    def __str__(self) -> str:
        return f"{self.station} · epoch {self.epoch}"


class ConnectionQuerySet(ScopedQuerySet["Connection"]):
    limit_path = "station__site_id"


class Connection(models.Model):
    """One try to connect: accepted with its end, or refused with the reason."""

    class Outcome(models.TextChoices):
        OPEN = "open"
        CLOSED = "closed"
        REFUSED = "refused"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, null=True, db_index=False)
    station = models.ForeignKey(
        ChargingStation, on_delete=models.CASCADE, null=True, related_name="connections", db_index=False
    )
    identity = models.CharField(max_length=255)
    address = models.CharField(max_length=64, blank=True)
    outcome = models.CharField(max_length=8, choices=Outcome.choices)
    epoch = models.BigIntegerField(null=True)
    gateway = models.CharField(max_length=64, blank=True)
    ocpp_version = models.CharField(max_length=8, blank=True)
    offered_protocols = models.CharField(max_length=255, blank=True)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    http_status = models.PositiveSmallIntegerField(null=True)
    close_code = models.PositiveSmallIntegerField(null=True)
    reason = models.CharField(max_length=40, blank=True)
    detail = models.CharField(max_length=255, blank=True)

    objects = ConnectionQuerySet.as_manager()

    class Meta:
        ordering = ["-opened_at"]
        indexes = [
            models.Index(fields=["station", "-opened_at"], name="connection_by_station"),
            models.Index(fields=["organization", "-opened_at"], name="connection_by_organization"),
            models.Index(
                fields=["-opened_at"], condition=models.Q(outcome="refused"), name="connection_refused"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.identity} · {self.outcome} · {self.opened_at:%Y-%m-%d %H:%M}"

    @property
    def limit_id(self) -> UUID | None:
        return self.station.site_id if self.station else None
