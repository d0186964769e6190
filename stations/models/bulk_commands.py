"""One wish towards many stations: the parent of the commands that came of it."""

from typing import Self
from uuid import UUID

from django.db import models

from core.access import EVERYWHERE, Actor
from core.ids import uuid7
from core.models import Organization, ScopedQuerySet
from stations.models.commands import Command
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
    """What was said to many stations at once. How each took it is in its own command."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT)
    command = models.CharField(max_length=40)
    parameters = models.JSONField()
    reason = models.CharField(max_length=500, blank=True)
    issued_by = models.CharField(max_length=200)
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    objects = BulkCommandQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.command

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE


class BulkPart(models.Model):
    """One station of a bulk command: its command, or why there is none (``refusal``)."""

    bulk = models.ForeignKey(BulkCommand, on_delete=models.CASCADE, related_name="parts")
    station = models.ForeignKey(ChargingStation, on_delete=models.PROTECT, db_index=False)
    command = models.OneToOneField(Command, on_delete=models.CASCADE, null=True, related_name="bulk_part")
    refusal = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["bulk", "station"], name="bulk_part_once"),
            models.CheckConstraint(
                condition=models.Q(command__isnull=False) ^ ~models.Q(refusal=""),
                name="bulk_part_sent_or_refused",
            ),
        ]

    def __str__(self) -> str:
        return self.refusal or str(self.command_id)
