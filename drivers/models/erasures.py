"""A person asks to be forgotten: what was asked, and how far it is (security.md W-29, billing.md B-67)."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.access import EVERYWHERE
from core.ids import uuid7
from core.models import Organization, ScopedQuerySet
from drivers.models.drivers import Driver

ANSWERED_WITHIN = timedelta(days=30)


class ErasureState(models.TextChoices):
    ASKED = "asked", _("Asked for")
    RUNNING = "running", _("Being carried out")
    DONE = "done", _("Done")
    WITHDRAWN = "withdrawn", _("Withdrawn")


class ErasureQuerySet(ScopedQuerySet["Erasure"]):
    pass


class Erasure(models.Model):
    """One for each driver, but those that were withdrawn. Runs until the logs are done, too.

    ``kept`` counts what the law makes us keep. ``sealed`` holds which values the logs are searched for, and by what
    they are replaced, ``searched`` up to which day that is done; ``sealed`` is empty in the end.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE)
    driver = models.ForeignKey(Driver, on_delete=models.PROTECT, related_name="erasures", db_index=False)
    state = models.CharField(max_length=9, choices=ErasureState.choices, default=ErasureState.ASKED)
    by_driver = models.BooleanField()
    asked_at = models.DateTimeField()
    began_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    kept = models.JSONField(default=dict)
    sealed = models.TextField(blank=True)
    searched = models.DateField(null=True)

    objects = ErasureQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["driver"], condition=~models.Q(state="withdrawn"), name="erasure_once"
            ),
            models.CheckConstraint(
                condition=models.Q(state="running") ^ models.Q(sealed=""),
                name="erasure_forgets_what_it_sought",
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "-id"], name="erasure_newest"),
            models.Index(fields=["id"], condition=models.Q(state="running"), name="erasure_running"),
        ]

    def __str__(self) -> str:
        return f"Erasure …{str(self.id)[-8:]}"

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE

    @property
    def due_at(self) -> datetime:
        """By when it has to be answered (GDPR, Article 12)."""
        return self.asked_at + ANSWERED_WITHIN


class ErasedTokenQuerySet(ScopedQuerySet["ErasedToken"]):
    pass


class ErasedToken(models.Model):
    """A keyed hash of what somebody showed to stations who is forgotten: they may tell of it later."""

    id = models.BigAutoField(primary_key=True)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, db_index=False)
    key_id = models.CharField(max_length=40)
    digest = models.CharField(max_length=64)
    name = models.CharField(max_length=40)
    erased_at = models.DateTimeField()

    objects = ErasedTokenQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "key_id", "digest"], name="erased_token_once")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE
