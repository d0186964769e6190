"""Firmware images of an organization, with the rules of which stations they are for."""

from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models

from core.access import EVERYWHERE
from core.ids import uuid7
from core.models import Organization, ScopedQuerySet


class FirmwareImageQuerySet(ScopedQuerySet["FirmwareImage"]):
    def live(self) -> "FirmwareImageQuerySet":
        """Without the retired ones."""
        return self.filter(retired_at=None)


class FirmwareImage(models.Model):
    """One file and the version that a station reports once it runs it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT)
    name = models.CharField(max_length=100, blank=True)
    version = models.CharField(max_length=50)
    vendor = models.CharField(max_length=50, blank=True)
    model = models.CharField(max_length=50, blank=True)
    from_versions = ArrayField(models.CharField(max_length=50), default=list, blank=True)
    file = models.CharField(max_length=255, blank=True)
    size_bytes = models.BigIntegerField(null=True)
    sha256 = models.CharField(max_length=64, blank=True)
    signature = models.CharField(max_length=800, blank=True)
    signing_certificate = models.TextField(blank=True)
    source_url = models.CharField(max_length=2000, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    retired_at = models.DateTimeField(null=True)

    objects = FirmwareImageQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.name or self.model} {self.version}".strip()

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE
