"""One wish towards many stations: the parent of the commands that came of it."""

from typing import Self
from uuid import UUID

from django.db import models

from core.access import EVERYWHERE, Actor
from core.ids import uuid7
from core.models import Organization, ScopedQuerySet
from stations.models.commands import Command
from stations.models.scheduled_commands import ScheduledCommand
from stations.models.stations import ChargingStation


class BulkCommandQuerySet(ScopedQuerySet["BulkCommand"]):
    def visible_to(self, actor: Actor) -> Self:
        """Those of the organization; for who is limited to sites, those whose stations all stand there."""
        visible = super().visible_to(actor)
        if actor.limited_to is None:
            return visible
        elsewhere = BulkPart.objects.exclude(station__site_id__in=actor.limited_to)
        return visible.exclude(models.Exists(elsewhere.filter(bulk=models.OuterRef("pk"))))


class BulkCommand(models.Model):
    """What was said to many stations at once. How each took it is in its own command, or its own plan.

    Above the threshold of W-21 it waits for a second person (``approval``); the wish is kept in ``sealed`` until then.
    """

    class Approval(models.TextChoices):
        AWAITED = "awaited"
        APPROVED = "approved"
        WITHDRAWN = "withdrawn"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT)
    command = models.CharField(max_length=40)
    parameters = models.JSONField()
    reason = models.CharField(max_length=500, blank=True)
    issued_by = models.CharField(max_length=200)
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    run_at = models.DateTimeField(null=True)
    repeat = models.CharField(max_length=200, blank=True)
    approval = models.CharField(max_length=9, blank=True, choices=Approval.choices)
    decided_by = models.CharField(max_length=200, blank=True)
    decided_at = models.DateTimeField(null=True)
    requested_owner = models.CharField(max_length=200, blank=True)
    owner_kind = models.CharField(max_length=4, blank=True)
    owner_id = models.UUIDField(null=True)
    sealed = models.TextField(blank=True)

    objects = BulkCommandQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(approval__in=["", "awaited", "approved", "withdrawn"]),
                name="bulk_command_approval_known",
            ),
            models.CheckConstraint(
                condition=models.Q(approval="awaited", owner_id__isnull=False) & ~models.Q(sealed="")
                | ~models.Q(approval="awaited") & models.Q(sealed=""),
                name="bulk_command_sealed_while_awaited",
            ),
        ]
        indexes = [models.Index(fields=["organization", "-id"], name="bulk_command_newest")]

    def __str__(self) -> str:
        return self.command

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE

    @property
    def planned(self) -> bool:
        """Whether it is said later, or again and again."""
        return self.run_at is not None or bool(self.repeat)


class BulkPart(models.Model):
    """One station of a bulk command: its command or plan, or why there is none (``refusal``); nothing of it
    before it is approved."""

    bulk = models.ForeignKey(BulkCommand, on_delete=models.CASCADE, related_name="parts")
    station = models.ForeignKey(ChargingStation, on_delete=models.PROTECT, db_index=False)
    command = models.OneToOneField(Command, on_delete=models.CASCADE, null=True, related_name="bulk_part")
    plan = models.OneToOneField(
        ScheduledCommand, on_delete=models.CASCADE, null=True, related_name="bulk_part"
    )
    refusal = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["bulk", "station"], name="bulk_part_once"),
            models.CheckConstraint(
                condition=models.Q(command=None, plan=None)
                | models.Q(command=None, refusal="")
                | models.Q(plan=None, refusal=""),
                name="bulk_part_has_one_end",
            ),
        ]

    def __str__(self) -> str:
        return self.refusal or str(self.command_id or self.plan_id)
