"""Meter readings: one row per meter value, partitioned by month of ``occurred_at`` (migration 0002)."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from core.ids import uuid7
from stations.models.stations import ChargingStation
from stations.models.transactions import Transaction


class MeterReading(models.Model):
    """Typed columns for what is plotted and billed, the sampled values verbatim beside them.

    A row is known by (station, evse_id, occurred_at, digest of its samples), so that a repeated
    message adds nothing (M-02). Units are in the names; null means not reported.
    """

    id = models.BigAutoField(primary_key=True)
    station = models.ForeignKey(
        ChargingStation, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False
    )
    evse_id = models.IntegerField()
    transaction = models.ForeignKey(
        Transaction,
        on_delete=models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="readings",
    )
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()
    digest = models.BigIntegerField()
    context = models.CharField(max_length=30)
    energy_wh = models.DecimalField(max_digits=16, decimal_places=3, null=True)
    power_w = models.DecimalField(max_digits=12, decimal_places=1, null=True)
    current_l1_a = models.DecimalField(max_digits=8, decimal_places=2, null=True)
    current_l2_a = models.DecimalField(max_digits=8, decimal_places=2, null=True)
    current_l3_a = models.DecimalField(max_digits=8, decimal_places=2, null=True)
    voltage_l1_v = models.DecimalField(max_digits=8, decimal_places=2, null=True)
    voltage_l2_v = models.DecimalField(max_digits=8, decimal_places=2, null=True)
    voltage_l3_v = models.DecimalField(max_digits=8, decimal_places=2, null=True)
    soc_percent = models.DecimalField(max_digits=5, decimal_places=1, null=True)
    temperature_c = models.DecimalField(max_digits=6, decimal_places=1, null=True)
    offered_power_w = models.DecimalField(max_digits=12, decimal_places=1, null=True)
    offered_current_a = models.DecimalField(max_digits=8, decimal_places=2, null=True)
    flags = ArrayField(models.CharField(max_length=40), null=True)
    samples = models.JSONField()

    class Meta:
        managed = False
        db_table = "stations_meterreading"
        ordering = ["occurred_at"]

    def __str__(self) -> str:
        return f"{self.station_id} {self.evse_id} {self.occurred_at:%Y-%m-%d %H:%M:%S}"


class SignedMeterData(models.Model):
    """Signed meter values byte for byte, apart from the readings since they can be long (P174)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    station = models.ForeignKey(ChargingStation, on_delete=models.PROTECT)
    transaction = models.ForeignKey(
        Transaction, on_delete=models.PROTECT, null=True, related_name="signed_data"
    )
    evse_id = models.IntegerField()
    occurred_at = models.DateTimeField()
    context = models.CharField(max_length=30)
    data = models.TextField()
    encoding = models.CharField(max_length=50, blank=True)
    signing_method = models.CharField(max_length=50, blank=True)
    public_key = models.TextField(blank=True)
    digest = models.BinaryField(max_length=32)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["station", "evse_id", "occurred_at", "digest"], name="signed_data_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.station} · {self.occurred_at}"
