"""Controls for the grid, what stations report of them, and swapped batteries (OCPP 2.1 blocks R and S)."""

from django.db import models

from core.ids import uuid7
from core.models import ScopedQuerySet
from stations.domain.grid_support import GridEventKind
from stations.models.stations import ChargingStation


class DerControlQuerySet(ScopedQuerySet["DerControl"]):
    organization_path = "station__organization_id"
    limit_path = "station__site_id"


class GridEventQuerySet(ScopedQuerySet["GridEvent"]):
    organization_path = "station__organization_id"
    limit_path = "station__site_id"


class BatterySwapQuerySet(ScopedQuerySet["BatterySwap"]):
    organization_path = "station__organization_id"
    limit_path = "station__site_id"


class DerControl(models.Model):
    """A control that a station has, as far as it told. ``running`` is its own word, ``None`` while unknown."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    station = models.ForeignKey(ChargingStation, on_delete=models.CASCADE, related_name="der_controls")
    control_id = models.CharField(max_length=36)
    control_type = models.CharField(max_length=30)
    is_default = models.BooleanField(default=False)
    is_superseded = models.BooleanField(default=False)
    settings = models.JSONField(default=dict)
    running = models.BooleanField(null=True)
    running_at = models.DateTimeField(null=True)
    told_at = models.DateTimeField()
    cleared_at = models.DateTimeField(null=True)

    objects = DerControlQuerySet.as_manager()

    class Meta:
        ordering = ["-is_default", "control_type", "control_id"]
        constraints = [
            models.UniqueConstraint(fields=["station", "control_id"], name="der_control_once"),
        ]

    def __str__(self) -> str:
        return f"{self.control_type} · {self.control_id}"


class GridEvent(models.Model):
    """An alarm of the grid, or the start or stop of a control, kept once by its content."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    station = models.ForeignKey(ChargingStation, on_delete=models.CASCADE, related_name="grid_events")
    kind = models.CharField(max_length=12, choices=[(word.value, word.value) for word in GridEventKind])
    subject = models.CharField(max_length=36)
    fault = models.CharField(max_length=30, blank=True)
    info = models.CharField(max_length=200, blank=True)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()

    objects = GridEventQuerySet.as_manager()

    class Meta:
        ordering = ["-occurred_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["station", "kind", "subject", "fault", "occurred_at"], name="grid_event_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.subject} · {self.kind}"


class BatterySwap(models.Model):
    """Batteries that were put in or taken out, kept once by request, kind and content."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    station = models.ForeignKey(ChargingStation, on_delete=models.CASCADE, related_name="battery_swaps")
    request_id = models.BigIntegerField()
    kind = models.CharField(max_length=20)
    token_value = models.CharField(max_length=255)
    token_type = models.CharField(max_length=20)
    batteries = models.JSONField()
    digest = models.BinaryField(max_length=16)
    received_at = models.DateTimeField()

    objects = BatterySwapQuerySet.as_manager()

    class Meta:
        ordering = ["-received_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["station", "request_id", "kind", "digest"], name="battery_swap_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} · {self.request_id}"
