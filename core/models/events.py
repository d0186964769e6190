"""What happened, for programs: written with its cause, then put in the order in which it is told."""

from uuid import UUID

from django.db import models
from django.db.models.functions import Now

from core.ids import uuid7_of
from core.models.people import Organization
from core.models.scoped import ScopedQuerySet


class OutboxRow(models.Model):
    """An event as the transaction that changed the object wrote it (M-05); the relay moves it to ``Event``.

    For one object the ids are in the order of its changes: who changes it holds its row until the commit.
    ``limit_id`` is what a member can be limited to (a site), ``cause`` the transaction that wrote the row.
    """

    id = models.BigAutoField(primary_key=True)
    organization_id = models.UUIDField()
    limit_id = models.UUIDField(null=True)
    type = models.CharField(max_length=40)
    object_id = models.UUIDField()
    data = models.JSONField()
    occurred_at = models.DateTimeField(db_default=Now())
    cause = models.BigIntegerField(
        db_default=models.Func(function="core_transaction_id", output_field=models.BigIntegerField())
    )

    class Meta:
        db_table = "core_outbox"
        ordering = ["id"]
        indexes = [models.Index(fields=["object_id"], name="outbox_by_object")]

    def __str__(self) -> str:
        return f"{self.type} {self.object_id}"


class EventQuerySet(ScopedQuerySet["Event"]):
    limit_path = "limit_id"


class Event(models.Model):
    """An event in its place: ids grow in the order in which events became readable, without latecomers."""

    id = models.BigAutoField(primary_key=True)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, db_index=False)
    limit_id = models.UUIDField(null=True)
    type = models.CharField(max_length=40)
    object_id = models.UUIDField()
    data = models.JSONField()
    occurred_at = models.DateTimeField()

    objects = EventQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["organization", "id"], name="event_by_organization"),
            models.Index(fields=["occurred_at"], name="event_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.type}"

    @property
    def uid(self) -> UUID:
        """The id by which receivers know the event, the same however often it is told."""
        return uuid7_of(self.occurred_at, self.id)


class EventHorizon(models.Model):
    """One row: the id of the newest event that was forgotten."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    forgotten = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="event_horizon_is_one")]

    def __str__(self) -> str:
        return str(self.forgotten)
