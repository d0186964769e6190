"""Commands for later, once or again and again: when they are due, and what became of each time."""

from django.db import models

from core.ids import uuid7
from core.models import Organization, ScopedQuerySet
from stations.models.commands import Command
from stations.models.owned import AtStation
from stations.models.stations import ChargingStation


class ScheduledCommandQuerySet(ScopedQuerySet["ScheduledCommand"]):
    limit_path = "station__site_id"


class ScheduledCommand(AtStation, models.Model):
    """A wish towards one station at ``run_at``, and with ``repeat`` (an RFC 5545 rule) again in the site's zone.

    ``next_at`` is the time that comes next; none is left of what is done or cancelled. It is issued in the name of
    who planned it (``owner_kind``, ``owner_id``), with what that one may do then. ``person_id`` is who held the key
    when it planned.
    """

    class Status(models.TextChoices):
        PLANNED = "planned"
        DONE = "done"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT)
    station = models.ForeignKey(
        ChargingStation, on_delete=models.PROTECT, related_name="scheduled_commands", db_index=False
    )
    command = models.CharField(max_length=40)
    parameters = models.JSONField()
    sealed = models.TextField()
    run_at = models.DateTimeField()
    repeat = models.CharField(max_length=200, blank=True)
    next_at = models.DateTimeField(null=True)
    expires_in = models.IntegerField()
    if_offline = models.CharField(max_length=4, choices=Command.IfOffline.choices)
    reason = models.CharField(max_length=500, blank=True)
    status = models.CharField(max_length=9, default=Status.PLANNED, choices=Status.choices)
    owner_kind = models.CharField(max_length=4, choices=[("user", "user"), ("key", "key")])
    owner_id = models.UUIDField()
    person_id = models.UUIDField(null=True)
    issued_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    cancelled_by = models.CharField(max_length=200, blank=True)

    objects = ScheduledCommandQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=["planned", "done", "cancelled"]),
                name="scheduled_command_status_known",
            ),
            models.CheckConstraint(
                condition=models.Q(status="planned", next_at__isnull=False, ended_at=None)
                | (~models.Q(status="planned") & models.Q(next_at=None, ended_at__isnull=False)),
                name="scheduled_command_comes_or_ended",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_at"], condition=models.Q(status="planned"), name="scheduled_command_due"
            ),
            models.Index(fields=["station", "-id"], name="scheduled_command_by_station"),
        ]

    def __str__(self) -> str:
        return f"{self.command} · {self.status}"


class ScheduledRun(models.Model):
    """One time at which a scheduled command was due; there is one row for each, whoever tries (M-07)."""

    class Outcome(models.TextChoices):
        ISSUED = "issued"
        MISSED = "missed"
        REFUSED = "refused"

    scheduled = models.ForeignKey(ScheduledCommand, on_delete=models.CASCADE, related_name="runs")
    due_at = models.DateTimeField()
    outcome = models.CharField(max_length=7, choices=Outcome.choices)
    command = models.OneToOneField(Command, on_delete=models.CASCADE, null=True, related_name="scheduled_run")
    detail = models.CharField(max_length=500, blank=True)
    recorded_at = models.DateTimeField()

    class Meta:
        ordering = ["-due_at"]
        constraints = [
            models.UniqueConstraint(fields=["scheduled", "due_at"], name="scheduled_run_once"),
            models.CheckConstraint(
                condition=models.Q(outcome="issued", command__isnull=False)
                | models.Q(outcome__in=["missed", "refused"], command=None),
                name="scheduled_run_fits",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.due_at:%Y-%m-%d %H:%M} · {self.outcome}"
