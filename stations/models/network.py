"""The connections to a CSMS that a station keeps in its slots (2.0.1 B09)."""

from django.db import models

from core.ids import uuid7
from core.models import ScopedQuerySet
from stations.models.stations import ChargingStation


class NetworkProfileQuerySet(ScopedQuerySet["NetworkProfile"]):
    organization_path = "station__organization_id"
    limit_path = "station__site_id"


class NetworkProfile(models.Model):
    """What a slot holds, as the station took it from us, and the last try that it refused. No secrets."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    station = models.ForeignKey(ChargingStation, on_delete=models.CASCADE, related_name="network_profiles")
    slot = models.IntegerField()
    url = models.CharField(max_length=2000, blank=True)
    interface = models.CharField(max_length=20, blank=True)
    message_timeout_s = models.IntegerField(null=True)
    security_profile = models.SmallIntegerField(null=True)
    identity = models.CharField(max_length=48, blank=True)
    set_by = models.CharField(max_length=200, blank=True)
    set_at = models.DateTimeField(null=True)
    refused_at = models.DateTimeField(null=True)
    refusal = models.CharField(max_length=600, blank=True)

    objects = NetworkProfileQuerySet.as_manager()

    class Meta:
        ordering = ["slot"]
        constraints = [models.UniqueConstraint(fields=["station", "slot"], name="network_profile_once")]

    def __str__(self) -> str:
        return f"{self.station} · slot {self.slot}"
