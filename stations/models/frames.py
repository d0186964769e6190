"""The raw frame log, partitioned by day of ``at`` (migration 0002). What is stored is already masked."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from stations.models.stations import ChargingStation


class RawFrame(models.Model):
    """One frame in one direction (``in`` or ``out``) with the verdict on it (ocpp.md section 5)."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    station = models.ForeignKey(
        ChargingStation, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False
    )
    epoch = models.BigIntegerField()
    direction = models.CharField(max_length=3)
    type = models.SmallIntegerField(null=True)
    message_id = models.CharField(max_length=255)
    action = models.CharField(max_length=60)
    size_bytes = models.IntegerField()
    verdict = models.CharField(max_length=60)
    latency_us = models.BigIntegerField(null=True)
    sha256 = models.BinaryField(max_length=32, null=True)
    repairs = ArrayField(models.CharField(max_length=120), null=True)
    text = models.TextField()

    class Meta:
        managed = False
        db_table = "stations_rawframe"
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S.%f} {self.direction} {self.action}"
