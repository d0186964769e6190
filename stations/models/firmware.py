"""Firmware and log jobs of stations, one row a request, with every state that was reported."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from core.ids import uuid7
from core.models import Organization, ScopedQuerySet
from stations.domain.firmware import DONE, ENDED, FirmwareKind, JobStatus
from stations.models.owned import AtStation
from stations.models.stations import ChargingStation

STATUSES = [(word.value, word.value) for word in JobStatus]


class FirmwareJobQuerySet(ScopedQuerySet["FirmwareJob"]):
    limit_path = "station__site_id"


class LogJobQuerySet(ScopedQuerySet["LogJob"]):
    limit_path = "station__site_id"


class Job(AtStation, models.Model):
    """What both kinds of jobs have in common. ``requested`` is false for what a station does by itself."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, db_index=False)
    request_id = models.BigIntegerField(null=True)
    requested = models.BooleanField(default=False)
    location = models.CharField(max_length=2000, blank=True)
    status = models.CharField(max_length=12, default=JobStatus.SENT.value, choices=STATUSES)
    word = models.CharField(max_length=30, blank=True)
    detail = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField()
    reported_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def succeeded(self) -> bool:
        return self.status in DONE


class FirmwareJob(Job):
    """One request to install or publish an image. ``confirmed_at``: the boot reported the version wanted."""

    station = models.ForeignKey(
        ChargingStation, on_delete=models.CASCADE, related_name="firmware_jobs", db_index=False
    )
    kind = models.CharField(max_length=7, choices=[(word.value, word.value) for word in FirmwareKind])
    version = models.CharField(max_length=50, blank=True)
    version_before = models.CharField(max_length=50, blank=True)
    confirmed_at = models.DateTimeField(null=True)
    checksum = models.CharField(max_length=32, blank=True)
    signed = models.BooleanField(default=False)
    retrieve_at = models.DateTimeField(null=True)
    install_at = models.DateTimeField(null=True)
    locations = ArrayField(models.CharField(max_length=2000), default=list, blank=True)

    objects = FirmwareJobQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["station", "kind", "request_id"], name="firmware_job_once"),
            models.CheckConstraint(
                condition=models.Q(status__in=[word.value for word in JobStatus]), name="firmware_job_status"
            ),
        ]
        indexes = [models.Index(fields=["station", "-id"], name="firmware_job_by_station")]

    def __str__(self) -> str:
        return f"{self.station} · {self.kind} · {self.status}"

    @property
    def unconfirmed(self) -> bool:
        """Said to be installed, but no boot has shown the version yet."""
        return self.status == JobStatus.INSTALLED and self.confirmed_at is None


class LogJob(Job):
    """One request for a log. ``kind`` is ``diagnostics`` or ``security``."""

    station = models.ForeignKey(
        ChargingStation, on_delete=models.CASCADE, related_name="log_jobs", db_index=False
    )
    kind = models.CharField(max_length=14, blank=True)
    filename = models.CharField(max_length=255, blank=True)
    oldest_at = models.DateTimeField(null=True)
    latest_at = models.DateTimeField(null=True)

    objects = LogJobQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["station", "request_id"], name="log_job_once"),
            models.CheckConstraint(
                condition=models.Q(status__in=[word.value for word in JobStatus]), name="log_job_status"
            ),
        ]
        indexes = [models.Index(fields=["station", "-id"], name="log_job_by_station")]

    def __str__(self) -> str:
        return f"{self.station} · {self.kind} log · {self.status}"


class JobStep(models.Model):
    """One word that the station reported of a job: when first, when last, and how often."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    firmware_job = models.ForeignKey(FirmwareJob, on_delete=models.CASCADE, null=True, related_name="steps")
    log_job = models.ForeignKey(LogJob, on_delete=models.CASCADE, null=True, related_name="steps")
    word = models.CharField(max_length=30)
    detail = models.CharField(max_length=500, blank=True)
    count = models.PositiveIntegerField(default=1)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        ordering = ["first_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["firmware_job", "word"], name="firmware_step_once"),
            models.UniqueConstraint(fields=["log_job", "word"], name="log_step_once"),
            models.CheckConstraint(
                condition=models.Q(firmware_job=None) ^ models.Q(log_job=None), name="step_of_one_job"
            ),
        ]

    def __str__(self) -> str:
        return self.word
