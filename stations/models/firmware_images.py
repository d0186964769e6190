"""Firmware images of an organization, with the rules of which stations they are for."""

from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models

from core.access import EVERYWHERE
from core.ids import uuid7
from core.models import Organization, ScopedQuerySet
from stations.models.owned import AtStation
from stations.models.stations import ChargingStation


class FirmwareImageQuerySet(ScopedQuerySet["FirmwareImage"]):
    def live(self) -> "FirmwareImageQuerySet":
        """Without the retired ones."""
        return self.filter(retired_at=None)


class FirmwareImage(models.Model):
    """One file and the version that a station reports once it runs it.

    ``file`` is its name in the storage; where it came from an address, that is fetched by a worker while the
    state is ``fetching``. ``damaged``: the stored bytes are no longer those that were checked.
    """

    class State(models.TextChoices):
        FETCHING = "fetching"
        READY = "ready"
        FAILED = "failed"
        DAMAGED = "damaged"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT)
    name = models.CharField(max_length=100, blank=True)
    version = models.CharField(max_length=50)
    vendor = models.CharField(max_length=50, blank=True)
    model = models.CharField(max_length=50, blank=True)
    from_versions = ArrayField(models.CharField(max_length=50), default=list, blank=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.FETCHING)
    detail = models.CharField(max_length=500, blank=True)
    file = models.CharField(max_length=255, blank=True)
    filename = models.CharField(max_length=100, blank=True)
    size_bytes = models.BigIntegerField(null=True)
    sha256 = models.CharField(max_length=64, blank=True)
    md5 = models.CharField(max_length=32, blank=True)
    signature = models.CharField(max_length=800, blank=True)
    signing_certificate = models.TextField(blank=True)
    certificate_ends_at = models.DateTimeField(null=True)
    source_url = models.CharField(max_length=2000, blank=True)
    fetch_tries = models.PositiveSmallIntegerField(default=0)
    fetch_from = models.DateTimeField(null=True)
    created_by = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    retired_at = models.DateTimeField(null=True)

    objects = FirmwareImageQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=["fetching", "ready", "failed", "damaged"]),
                name="firmware_image_state",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="ready") | (~models.Q(file="") & ~models.Q(sha256="")),
                name="firmware_image_ready_has_file",
            ),
        ]
        indexes = [
            models.Index(
                fields=["fetch_from"],
                condition=models.Q(state="fetching"),
                name="firmware_image_to_fetch",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name or self.model} {self.version}".strip()

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE

    @property
    def ready(self) -> bool:
        return self.state == self.State.READY


class FirmwareLinkQuerySet(ScopedQuerySet["FirmwareLink"]):
    limit_path = "station__site_id"


class FirmwareLink(AtStation, models.Model):
    """An address at which one station may fetch one image until ``expires_at`` (security.md W-22)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, db_index=False)
    image = models.ForeignKey(FirmwareImage, on_delete=models.CASCADE, related_name="links")
    station = models.ForeignKey(
        ChargingStation, on_delete=models.CASCADE, related_name="firmware_links", db_index=False
    )
    digest = models.BinaryField(unique=True)
    expires_at = models.DateTimeField(db_index=True)
    created_at = models.DateTimeField()
    requests = models.PositiveIntegerField(default=0)
    fetched_at = models.DateTimeField(null=True)

    objects = FirmwareLinkQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["station", "-id"], name="firmware_link_by_station")]

    def __str__(self) -> str:
        return f"{self.image} · {self.station}"
