"""The device model as last reported, and the reports it came in."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from core.ids import uuid7
from core.models import ScopedQuerySet
from stations.models.stations import ChargingStation


class VariableQuerySet(ScopedQuerySet["Variable"]):
    organization_path = "station__organization_id"
    limit_path = "station__site_id"


class Variable(models.Model):
    """One attribute of a variable of a component; 1.6 configuration keys are shown the same way."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    station = models.ForeignKey(ChargingStation, on_delete=models.CASCADE, related_name="variables")
    component = models.CharField(max_length=50, blank=True)
    component_instance = models.CharField(max_length=50, blank=True)
    evse_id = models.IntegerField(null=True)
    connector_id = models.IntegerField(null=True)
    variable = models.CharField(max_length=50)
    variable_instance = models.CharField(max_length=50, blank=True)
    attribute = models.CharField(max_length=10, default="Actual")
    value = models.CharField(max_length=2500, null=True)  # noqa: DJ001  null: not readable; empty: empty
    mutability = models.CharField(max_length=10, blank=True)
    data_type = models.CharField(max_length=20, blank=True)
    unit = models.CharField(max_length=16, blank=True)
    constant = models.BooleanField(default=False)
    pending_value = models.CharField(max_length=2500, blank=True)
    changed_at = models.DateTimeField()
    reported_at = models.DateTimeField()

    objects = VariableQuerySet.as_manager()

    class Meta:
        ordering = [
            "component",
            "component_instance",
            "evse_id",
            "variable",
            "variable_instance",
            "attribute",
        ]
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "station",
                    "component",
                    "component_instance",
                    "evse_id",
                    "connector_id",
                    "variable",
                    "variable_instance",
                    "attribute",
                ],
                nulls_distinct=False,
                name="variable_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.component}.{self.variable}"


class Report(models.Model):
    """A report that comes in parts; ``complete`` once the last part and all before it arrived (P210)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    station = models.ForeignKey(ChargingStation, on_delete=models.CASCADE, related_name="reports")
    request_id = models.BigIntegerField()
    kind = models.CharField(max_length=30, blank=True)
    parts = ArrayField(models.IntegerField(), default=list)
    last_part = models.IntegerField(null=True)
    variable_count = models.PositiveIntegerField(default=0)
    requested = models.BooleanField(default=False)
    complete = models.BooleanField(default=False)
    incomplete_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_part_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [models.UniqueConstraint(fields=["station", "request_id"], name="report_once")]

    def __str__(self) -> str:
        return f"{self.station} · report {self.request_id}"
