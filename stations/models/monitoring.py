"""Monitors on variables, the events they cause, and the streams of 2.1 that carry values periodically."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.ids import uuid7
from core.models import ScopedQuerySet
from stations.models.stations import ChargingStation


class MonitorQuerySet(ScopedQuerySet["Monitor"]):
    organization_path = "station__organization_id"
    limit_path = "station__site_id"

    def active(self) -> "MonitorQuerySet":
        """Those that the station has, as far as we know."""
        return self.filter(cleared_at=None)


class Monitor(models.Model):
    """A rule by which a station tells of a variable. ``number`` is its id, which the station gives."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    station = models.ForeignKey(ChargingStation, on_delete=models.CASCADE, related_name="monitors")
    number = models.BigIntegerField()
    component = models.CharField(max_length=50)
    component_instance = models.CharField(max_length=50, blank=True)
    evse_id = models.IntegerField(null=True)
    connector_id = models.IntegerField(null=True)
    variable = models.CharField(max_length=50)
    variable_instance = models.CharField(max_length=50, blank=True)
    type = models.CharField(max_length=30, blank=True)
    value = models.DecimalField(max_digits=24, decimal_places=6, null=True)
    severity = models.SmallIntegerField(null=True)
    transaction_only = models.BooleanField(default=False)
    kind = models.CharField(max_length=30, blank=True)
    set_by = models.CharField(max_length=200, blank=True)
    set_at = models.DateTimeField(null=True)
    reported_at = models.DateTimeField(null=True)
    cleared_at = models.DateTimeField(null=True)
    alerting = models.BooleanField(default=False)
    last_value = models.CharField(max_length=2500, blank=True)
    last_event_at = models.DateTimeField(null=True)

    objects = MonitorQuerySet.as_manager()

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["station", "number"], name="monitor_once")]

    def __str__(self) -> str:
        return f"{self.component}.{self.variable} #{self.number}"


class MonitoringState(models.Model):
    """What was set for the monitoring of a station as a whole, and what it sent in vain."""

    station = models.OneToOneField(
        ChargingStation, on_delete=models.CASCADE, primary_key=True, related_name="monitoring"
    )
    base = models.CharField(max_length=20, blank=True)
    base_at = models.DateTimeField(null=True)
    level = models.SmallIntegerField(null=True)
    level_at = models.DateTimeField(null=True)
    unknown_stream_messages = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.station} · monitoring"


class StationEventQuerySet(ScopedQuerySet["StationEvent"]):
    organization_path = "station__organization_id"
    limit_path = "station__site_id"


class StationEvent(models.Model):
    """One entry of NotifyEvent that is no connector state (2.0.1 N07), once by its content."""

    class Trigger(models.TextChoices):
        ALERTING = "Alerting", _("alert")
        DELTA = "Delta", _("change")
        PERIODIC = "Periodic", _("periodic")

    id = models.BigAutoField(primary_key=True)
    station = models.ForeignKey(ChargingStation, on_delete=models.CASCADE, related_name="events")
    monitor = models.ForeignKey(Monitor, on_delete=models.SET_NULL, null=True, related_name="events")
    event_id = models.BigIntegerField()
    digest = models.BinaryField(max_length=16)
    trigger = models.CharField(max_length=40)
    kind = models.CharField(max_length=30, blank=True)
    component = models.CharField(max_length=50)
    component_instance = models.CharField(max_length=50, blank=True)
    evse_id = models.IntegerField(null=True)
    connector_id = models.IntegerField(null=True)
    variable = models.CharField(max_length=50)
    variable_instance = models.CharField(max_length=50, blank=True)
    value = models.CharField(max_length=2500, blank=True)
    cleared = models.BooleanField(default=False)
    severity = models.SmallIntegerField(null=True)
    cause = models.BigIntegerField(null=True)
    tech_code = models.CharField(max_length=50, blank=True)
    tech_info = models.CharField(max_length=500, blank=True)
    transaction = models.CharField(max_length=64, blank=True)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()

    objects = StationEventQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["station", "digest"], name="station_event_once")]
        indexes = [models.Index(fields=["station", "-id"], name="station_event_newest")]

    def __str__(self) -> str:
        return f"{self.component}.{self.variable} · {self.event_id}"


class EventStreamQuerySet(ScopedQuerySet["EventStream"]):
    organization_path = "station__organization_id"
    limit_path = "station__site_id"


class EventStream(models.Model):
    """A periodic stream of a monitor's values (2.1); ``number`` is its id, which the station gives."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    station = models.ForeignKey(ChargingStation, on_delete=models.CASCADE, related_name="streams")
    number = models.BigIntegerField()
    monitor_number = models.BigIntegerField()
    interval_s = models.PositiveIntegerField(null=True)
    values_per_message = models.PositiveIntegerField(null=True)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    last_value = models.CharField(max_length=2500, blank=True)
    last_at = models.DateTimeField(null=True)
    pending = models.PositiveIntegerField(default=0)

    objects = EventStreamQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["station", "number"],
                condition=models.Q(closed_at=None),
                name="event_stream_open_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.station} · stream {self.number}"


class StreamValueQuerySet(ScopedQuerySet["StreamValue"]):
    organization_path = "stream__station__organization_id"
    limit_path = "stream__station__site_id"


class StreamValue(models.Model):
    """One value of a stream, at the station's time."""

    id = models.BigAutoField(primary_key=True)
    stream = models.ForeignKey(EventStream, on_delete=models.CASCADE, related_name="values")
    occurred_at = models.DateTimeField()
    digest = models.BinaryField(max_length=8)
    value = models.CharField(max_length=2500, blank=True)

    objects = StreamValueQuerySet.as_manager()

    class Meta:
        ordering = ["-occurred_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["stream", "occurred_at", "digest"], name="stream_value_once")
        ]

    def __str__(self) -> str:
        return f"{self.stream}: {self.value}"
