"""What needs a person: alerts, and the security events that stations report."""

from uuid import UUID

from django.db import models

from core.ids import uuid7
from core.models import Organization, ScopedQuerySet
from stations.models.stations import ChargingStation


class AlertQuerySet(ScopedQuerySet["Alert"]):
    limit_path = "station__site_id"

    def worst_first(self) -> "AlertQuerySet":
        """By severity, then the newest."""
        return self.order_by(models.Case(*_RANKS, default=len(_RANKS)), "-raised_at")


class Alert(models.Model):
    """One condition that began and has not ended, or has. One open row per station, kind and subject.

    Without a station it is of the organization, and seen by who is limited to no site.
    """

    class Severity(models.TextChoices):
        INFO = "info"
        WARNING = "warning"
        CRITICAL = "critical"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, db_index=False)
    station = models.ForeignKey(ChargingStation, on_delete=models.CASCADE, null=True, related_name="alerts")
    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=80, blank=True)
    severity = models.CharField(max_length=8, choices=Severity.choices)
    detail = models.CharField(max_length=500)
    count = models.PositiveIntegerField(default=1)
    raised_at = models.DateTimeField()
    last_at = models.DateTimeField()
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=200, blank=True)
    cleared_at = models.DateTimeField(null=True)

    objects = AlertQuerySet.as_manager()

    class Meta:
        ordering = ["-raised_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["station", "kind", "subject"],
                condition=models.Q(cleared_at=None),
                name="alert_open_once",
            ),
            models.UniqueConstraint(
                fields=["organization", "kind", "subject"],
                condition=models.Q(cleared_at=None, station=None),
                name="alert_of_organization_open_once",
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "-id"], name="alert_by_org"),
            models.Index(
                fields=["organization", "-raised_at"], condition=models.Q(cleared_at=None), name="alert_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} · {self.station or self.subject}"

    @property
    def limit_id(self) -> UUID | None:
        return self.station.site_id if self.station else None


_RANKS = [
    models.When(severity=word, then=rank)
    for rank, word in enumerate((Alert.Severity.CRITICAL, Alert.Severity.WARNING, Alert.Severity.INFO))
]


class SecurityEvent(models.Model):
    """A SecurityEventNotification, stored once by type, time and technical text (P242)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    station = models.ForeignKey(ChargingStation, on_delete=models.CASCADE, related_name="security_events")
    type = models.CharField(max_length=50)
    critical = models.BooleanField(default=False)
    tech_info = models.CharField(max_length=255, blank=True)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()

    class Meta:
        ordering = ["-occurred_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["station", "type", "occurred_at", "tech_info"], name="security_event_once"
            )
        ]
        indexes = [
            models.Index(fields=["station", "-occurred_at", "-id"], name="security_event_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.type} · {self.station}"
