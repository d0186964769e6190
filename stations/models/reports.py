"""The device model as last reported, and the reports it came in."""

from itertools import islice

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from core.ids import uuid7
from core.models import ScopedQuerySet
from stations.models.stations import ChargingStation

ACCEPTED, EMPTY = "Accepted", "EmptyResultSet"
SHOWN_MISSING = 20


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
    min_limit = models.DecimalField(max_digits=24, decimal_places=6, null=True)
    max_limit = models.DecimalField(max_digits=24, decimal_places=6, null=True)
    values_list = models.CharField(max_length=1000, blank=True)
    pending_value = models.CharField(max_length=2500, blank=True)
    pending_by = models.CharField(max_length=200, blank=True)
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


class ReportQuerySet(ScopedQuerySet["Report"]):
    organization_path = "station__organization_id"
    limit_path = "station__site_id"


class Report(models.Model):
    """A report that comes in parts; ``complete`` once the last part and all before it arrived (P210).

    ``group_id`` is the request that asked for it, which may have been cut into several; ``answer`` is the
    station's word to the request.
    """

    class About(models.TextChoices):
        VARIABLES = "variables", _("variables")
        MONITORS = "monitors", _("monitors")
        CUSTOMER = "customer", _("customer")

    class State(models.TextChoices):
        ASKED = "asked", _("asked for")
        ARRIVING = "arriving", _("arriving")
        COMPLETE = "complete", _("complete")
        INCOMPLETE = "incomplete", _("incomplete")
        EMPTY = "empty", _("nothing to report")
        REFUSED = "refused", _("refused")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    station = models.ForeignKey(ChargingStation, on_delete=models.CASCADE, related_name="reports")
    about = models.CharField(max_length=10, choices=About.choices, default=About.VARIABLES)
    request_id = models.BigIntegerField()
    group_id = models.BigIntegerField(null=True)
    answer = models.CharField(max_length=20, blank=True)
    kind = models.CharField(max_length=30, blank=True)
    parts = ArrayField(models.IntegerField(), default=list)
    last_part = models.IntegerField(null=True)
    variable_count = models.PositiveIntegerField(default=0)
    requested = models.BooleanField(default=False)
    complete = models.BooleanField(default=False)
    incomplete_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_part_at = models.DateTimeField(null=True)

    objects = ReportQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [models.UniqueConstraint(fields=["station", "about", "request_id"], name="report_once")]

    def __str__(self) -> str:
        return f"{self.station} · report {self.request_id}"

    @property
    def missing(self) -> list[int]:
        """The first parts that are known to exist and have not come."""
        if self.complete or not self.parts:
            return []
        here, known = set(self.parts), max([*self.parts, self.last_part or 0])
        return list(islice((part for part in range(known) if part not in here), SHOWN_MISSING))

    @property
    def state(self) -> State:
        """What pages and the API say of it."""
        if self.complete:
            return self.State.COMPLETE
        if self.answer == EMPTY:
            return self.State.EMPTY
        if self.answer not in ("", ACCEPTED) and not self.parts:
            return self.State.REFUSED
        if self.incomplete_at is not None:
            return self.State.INCOMPLETE
        return self.State.ARRIVING if self.parts else self.State.ASKED
