"""Where stations place the files that they were asked for: a target for each request, then the file."""

from django.db import models

from core.ids import uuid7
from core.models import Organization, ScopedQuerySet
from stations.models.firmware import LogJob
from stations.models.owned import AtStation
from stations.models.stations import ChargingStation


class LogFileQuerySet(ScopedQuerySet["LogFile"]):
    limit_path = "station__site_id"


class LogFile(AtStation, models.Model):
    """The upload target of one request for a log, and what came there (security.md W-19, P234).

    ``claimed_at`` is set while an upload is being stored; ``received_at`` once it is whole, and then no other is
    taken. ``file`` is its name in the storage, ``name`` the one that the station gave it. ``removed_at``: the
    bytes were deleted when their time was over.
    """

    class Way(models.TextChoices):
        HTTP = "http"
        FTP = "ftp"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, db_index=False)
    station = models.ForeignKey(
        ChargingStation, on_delete=models.CASCADE, related_name="log_files", db_index=False
    )
    request_id = models.BigIntegerField()
    job = models.OneToOneField(LogJob, on_delete=models.SET_NULL, null=True, related_name="upload")
    kind = models.CharField(max_length=14)
    way = models.CharField(max_length=4, choices=Way.choices, default=Way.HTTP)
    account = models.CharField(max_length=32, blank=True)
    digest = models.BinaryField(unique=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)
    claimed_at = models.DateTimeField(null=True)
    received_at = models.DateTimeField(null=True)
    detail = models.CharField(max_length=500, blank=True)
    file = models.CharField(max_length=255, blank=True)
    name = models.CharField(max_length=255, blank=True)
    size_bytes = models.BigIntegerField(null=True)
    sha256 = models.CharField(max_length=64, blank=True)
    removed_at = models.DateTimeField(null=True)

    objects = LogFileQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["station", "request_id"], name="log_file_once"),
            models.UniqueConstraint(
                fields=["account"], condition=~models.Q(account=""), name="log_file_account"
            ),
            models.CheckConstraint(
                condition=models.Q(received_at=None) | (~models.Q(file="") & ~models.Q(sha256="")),
                name="log_file_received_whole",
            ),
        ]
        indexes = [
            models.Index(fields=["station", "-id"], name="log_file_by_station"),
            models.Index(
                fields=["received_at"],
                condition=models.Q(removed_at=None, received_at__isnull=False),
                name="log_file_kept",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.station} · {self.kind} · {self.name or self.request_id}"

    @property
    def readable(self) -> bool:
        """Whether its bytes are here."""
        return self.received_at is not None and self.removed_at is None
