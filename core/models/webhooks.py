"""Addresses of other programs that are told what happens, and what became of each telling."""

from datetime import timedelta
from typing import Self
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from core.access import Actor
from core.ids import uuid7
from core.models.events import Event
from core.models.people import Organization
from core.models.scoped import ScopedQuerySet

LEASE = timedelta(seconds=60)
"""How long a delivery belongs to the process that tries it."""


class WebhookQuerySet(ScopedQuerySet["Webhook"]):
    def visible_to(self, actor: Actor) -> Self:
        """A webhook tells of all sites, so who is limited to some sees none."""
        return super().visible_to(actor) if actor.limited_to is None else self.none()

    def live(self) -> "WebhookQuerySet":
        """Without the retired ones."""
        return self.filter(retired_at=None)


class Webhook(models.Model):
    """An address that events are posted to, signed (security.md W-26). No types, no limits: all of them."""

    class State(models.TextChoices):
        ACTIVE = "active", _("Active")
        PAUSED = "paused", _("Paused")
        DISABLED = "disabled", _("Switched off")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="webhooks")
    name = models.CharField(_("name"), max_length=100, blank=True)
    url = models.CharField(_("address"), max_length=2000)
    types = ArrayField(models.CharField(max_length=40), default=list, blank=True, verbose_name=_("events"))
    limits = ArrayField(models.UUIDField(), default=list, blank=True)
    state = models.CharField(max_length=8, default=State.ACTIVE, choices=State.choices)
    disabled_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    blocked_until = models.DateTimeField(null=True)
    sealed_secret = models.TextField()
    sealed_previous = models.TextField(blank=True)
    previous_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=200)
    retired_at = models.DateTimeField(null=True)

    objects = WebhookQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=["active", "paused", "disabled"]), name="webhook_state_known"
            )
        ]
        indexes = [models.Index(fields=["organization", "name", "id"], name="webhook_by_name")]

    def __str__(self) -> str:
        return self.name or self.url

    @property
    def limit_id(self) -> UUID | None:
        return None


class DeliveryQuerySet(ScopedQuerySet["Delivery"]):
    organization_path = "webhook__organization_id"


class Delivery(models.Model):
    """One event for one webhook, once. ``next_try_at`` is also the lease of who tries it just now."""

    class Status(models.TextChoices):
        PENDING = "pending", _("Waiting")
        DELIVERED = "delivered", _("Delivered")
        FAILED = "failed", _("Given up")

    id = models.BigAutoField(primary_key=True)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="deliveries")
    status = models.CharField(
        max_length=9, default=Status.PENDING, db_default=Status.PENDING, choices=Status.choices
    )
    tries = models.PositiveIntegerField(default=0, db_default=0)
    tries_before = models.PositiveIntegerField(default=0, db_default=0)
    next_try_at = models.DateTimeField(null=True, db_default=Now())
    delivered_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-event_id"]
        constraints = [
            models.UniqueConstraint(fields=["webhook", "event"], name="delivery_once"),
            models.CheckConstraint(
                condition=models.Q(status="pending") ^ models.Q(next_try_at=None),
                name="delivery_has_next_try",
            ),
        ]
        indexes = [
            models.Index(
                fields=["webhook", "next_try_at"], condition=models.Q(status="pending"), name="delivery_due"
            ),
            models.Index(fields=["webhook", "-id"], name="delivery_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.webhook_id} {self.event_id} {self.status}"


class DeliveryAttempt(models.Model):
    """One try: what came back, never the body of the answer (security.md W-17). ``failure`` is empty on success."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="attempts", db_index=False)
    number = models.PositiveIntegerField()
    at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField()
    status_code = models.PositiveSmallIntegerField(null=True)
    content_type = models.CharField(max_length=100, blank=True)
    size_bytes = models.PositiveIntegerField(null=True)
    failure = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["delivery", "number"], name="attempt_once")]

    def __str__(self) -> str:
        return f"{self.delivery_id} #{self.number}"
