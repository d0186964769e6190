"""What surrounds the device model: values over time, changes that wait to be sent, answers about customers."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.ids import uuid7
from core.models import ScopedQuerySet
from stations.models.commands import Command
from stations.models.reports import Report, Variable
from stations.models.stations import ChargingStation


class VariableValueQuerySet(ScopedQuerySet["VariableValue"]):
    organization_path = "variable__station__organization_id"
    limit_path = "variable__station__site_id"


class VariableValue(models.Model):
    """One value that a variable had from ``at`` on; ``by`` is who set it, empty where the station told."""

    class Source(models.TextChoices):
        REPORTED = "reported", _("reported")
        SET = "set", _("set")

    id = models.BigAutoField(primary_key=True)
    variable = models.ForeignKey(Variable, on_delete=models.CASCADE, related_name="history")
    value = models.CharField(max_length=2500)
    source = models.CharField(max_length=8, choices=Source.choices)
    by = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField()

    objects = VariableValueQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["variable", "-id"], name="variable_value_newest")]

    def __str__(self) -> str:
        return f"{self.variable}: {self.value}"


class VariableChange(models.Model):
    """A new value that somebody wants for a variable: in the set to be sent, on its way, or refused."""

    class State(models.TextChoices):
        DRAFT = "draft", _("to be sent")
        SENT = "sent", _("sent")
        REFUSED = "refused", _("refused")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    station = models.ForeignKey(ChargingStation, on_delete=models.CASCADE, related_name="variable_changes")
    variable = models.OneToOneField(Variable, on_delete=models.CASCADE, related_name="change")
    value = models.CharField(max_length=2500, blank=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.DRAFT)
    reason = models.CharField(max_length=600, blank=True)
    command = models.ForeignKey(Command, on_delete=models.SET_NULL, null=True, related_name="+")
    by = models.CharField(max_length=200)
    at = models.DateTimeField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.variable} → {self.value}"


class CustomerDataQuerySet(ScopedQuerySet["CustomerData"]):
    organization_path = "report__station__organization_id"
    limit_path = "report__station__site_id"


class CustomerData(models.Model):
    """One part of what a station told of a customer (2.0.1 N09), sealed; kept for a month at most."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    report = models.ForeignKey(Report, on_delete=models.CASCADE, related_name="customer_data")
    seq_no = models.IntegerField()
    sealed = models.TextField()
    received_at = models.DateTimeField()

    objects = CustomerDataQuerySet.as_manager()

    class Meta:
        ordering = ["seq_no"]
        constraints = [models.UniqueConstraint(fields=["report", "seq_no"], name="customer_data_once")]

    def __str__(self) -> str:
        return f"{self.report} · {self.seq_no}"
