"""Firmware rollouts: what is wanted of which stations, in waves, and how far each of them came."""

from datetime import timedelta
from typing import Self
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models

from core.access import EVERYWHERE, Actor, ActorKind
from core.ids import uuid7
from core.models import Organization, ScopedQuerySet
from stations.domain.rollouts import FINISHED, PausedBy, Progress, RolloutStatus, StopRule, Window
from stations.models.commands import Command
from stations.models.firmware_images import FirmwareImage
from stations.models.owned import AtStation
from stations.models.stations import ChargingStation

ENDED = sorted(word.value for word in FINISHED)


class RolloutQuerySet(ScopedQuerySet["FirmwareRollout"]):
    def visible_to(self, actor: Actor) -> Self:
        """Those of the organization; for who is limited to sites, those made for none but these."""
        visible = super().visible_to(actor)
        if actor.kind is ActorKind.SYSTEM or actor.limited_to is None:
            return visible
        return visible.filter(limits__contained_by=list(actor.limited_to)).exclude(limits=[])

    def live(self) -> Self:
        """Without the retired ones."""
        return self.filter(retired_at=None)


class FirmwareRollout(models.Model):
    """One image for many stations. ``limits`` are the sites of who made it, where they were limited."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, db_index=False)
    name = models.CharField(max_length=100, blank=True)
    image = models.ForeignKey(FirmwareImage, on_delete=models.PROTECT, related_name="rollouts")
    rollback_of = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="rollbacks")
    limits = ArrayField(models.UUIDField(), default=list, blank=True)

    stations = ArrayField(models.UUIDField(), default=list, blank=True)
    filter = models.JSONField(default=dict, blank=True)
    waves_wanted = models.JSONField(default=list, blank=True)
    soak_seconds = models.PositiveIntegerField(default=3600)
    concurrency = models.PositiveSmallIntegerField(default=5)
    only_when_idle = models.BooleanField(default=True)
    window_start = models.TimeField(null=True)
    window_end = models.TimeField(null=True)
    window_days = ArrayField(models.CharField(max_length=9), default=list, blank=True)
    failure_threshold = models.PositiveSmallIntegerField(null=True)
    failure_count = models.PositiveIntegerField(null=True)
    retries = models.PositiveSmallIntegerField(default=1)
    retry_seconds = models.PositiveIntegerField(default=300)
    silence_seconds = models.PositiveIntegerField(default=3600)
    catch_up_seconds = models.PositiveIntegerField(default=7 * 86_400)

    status = models.CharField(
        max_length=17,
        default=RolloutStatus.DRAFT.value,
        choices=[(word.value, word.value) for word in RolloutStatus],
    )
    paused_by = models.CharField(
        max_length=6, blank=True, choices=[(word.value, word.value) for word in PausedBy]
    )
    detail = models.CharField(max_length=500, blank=True)
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    requested_by = models.CharField(max_length=200, blank=True)
    requested_owner = models.CharField(max_length=200, blank=True)
    requested_at = models.DateTimeField(null=True)
    approved_by = models.CharField(max_length=200, blank=True)
    approved_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    retired_at = models.DateTimeField(null=True)

    objects = RolloutQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=[word.value for word in RolloutStatus]),
                name="rollout_status_known",
            ),
            models.CheckConstraint(
                condition=models.Q(status="paused") ^ models.Q(paused_by=""), name="rollout_paused_by_someone"
            ),
            models.CheckConstraint(
                condition=models.Q(window_start=None, window_end=None)
                | models.Q(window_start__isnull=False, window_end__isnull=False),
                name="rollout_window_whole",
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "-id"], name="rollout_by_organization"),
            models.Index(
                fields=["id"], condition=models.Q(status__in=["running", "paused"]), name="rollout_active"
            ),
        ]

    def __str__(self) -> str:
        return self.name or f"{self.image}"

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE

    @property
    def window(self) -> Window | None:
        if self.window_start is None or self.window_end is None:
            return None
        return Window(self.window_start, self.window_end, tuple(self.window_days))

    @property
    def stop_rule(self) -> StopRule:
        return StopRule(self.failure_threshold, self.failure_count)

    @property
    def silence(self) -> timedelta:
        return timedelta(seconds=self.silence_seconds)


class RolloutWave(models.Model):
    """Some stations of a rollout. ``ended_at``: all of them have ended or are offline, and the soak begins.

    ``pardoned`` is how many lost stations a person went on in spite of.
    """

    rollout = models.ForeignKey(FirmwareRollout, on_delete=models.CASCADE, related_name="waves")
    number = models.PositiveSmallIntegerField()
    size = models.PositiveIntegerField()
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    passed_at = models.DateTimeField(null=True)
    pardoned = models.PositiveIntegerField(default=0)
    released = models.BooleanField(default=False)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["rollout", "number"], name="rollout_wave_once")]

    def __str__(self) -> str:
        return f"{self.rollout_id} · {self.number}"


class RolloutStationQuerySet(ScopedQuerySet["RolloutStation"]):
    limit_path = "station__site_id"


class RolloutStation(AtStation, models.Model):
    """One station of a rollout; without a wave it was left out from the beginning."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, db_index=False)
    rollout = models.ForeignKey(
        FirmwareRollout, on_delete=models.CASCADE, related_name="rows", db_index=False
    )
    wave = models.ForeignKey(RolloutWave, on_delete=models.CASCADE, null=True, related_name="rows")
    station = models.ForeignKey(
        ChargingStation, on_delete=models.PROTECT, related_name="rollout_rows", db_index=False
    )
    status = models.CharField(
        max_length=11,
        default=Progress.WAITING.value,
        choices=[(word.value, word.value) for word in Progress],
    )
    detail = models.CharField(max_length=500, blank=True)
    version_before = models.CharField(max_length=50, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    failures = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    status_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    objects = RolloutStationQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["rollout", "station"], name="rollout_station_once"),
            models.UniqueConstraint(
                fields=["station"],
                condition=models.Q(finished_at=None),
                name="rollout_one_unfinished_per_station",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=[word.value for word in Progress]),
                name="rollout_station_status_known",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=ENDED) ^ models.Q(finished_at=None),
                name="rollout_station_finished_has_time",
            ),
        ]
        indexes = [
            models.Index(fields=["rollout", "status"], name="rollout_station_by_status"),
            models.Index(fields=["station", "-id"], name="rollout_station_by_station"),
        ]

    def __str__(self) -> str:
        return f"{self.station} · {self.status}"

    @property
    def finished(self) -> bool:
        return self.finished_at is not None


class RolloutAttempt(models.Model):
    """One UpdateFirmware of one station: at most one command for each number, whatever is killed (M-06)."""

    row = models.ForeignKey(RolloutStation, on_delete=models.CASCADE, related_name="tries", db_index=False)
    number = models.PositiveSmallIntegerField()
    command = models.OneToOneField(Command, on_delete=models.CASCADE, related_name="rollout_attempt")
    request_id = models.BigIntegerField()
    issued_at = models.DateTimeField()
    outcome = models.CharField(max_length=11, blank=True)
    detail = models.CharField(max_length=500, blank=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["row", "number"], name="rollout_attempt_once")]

    def __str__(self) -> str:
        return f"{self.row_id} · {self.number}"
