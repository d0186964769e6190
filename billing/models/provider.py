"""A payment provider of an organization: its keys, what we asked of it, and what it told us (B-35 to B-41)."""

from uuid import UUID

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from billing.models.accounts import BillingAccount
from billing.models.payments import Payment, Refund
from core.access import EVERYWHERE
from core.ids import uuid7
from core.models import Organization, UndividedQuerySet


class ProviderKind(models.TextChoices):
    STRIPE = "stripe", "Stripe"


class ProviderSettings(models.Model):
    """With which provider cards are taken; keys are sealed and never shown. No row: no cards.

    Until ``compared_until`` the provider's bookings are known here.
    """

    organization = models.OneToOneField(
        Organization, on_delete=models.PROTECT, primary_key=True, related_name="payment_provider"
    )
    kind = models.CharField(max_length=20, choices=ProviderKind.choices, default=ProviderKind.STRIPE)
    sealed_key = models.TextField()
    sealed_webhook_secret = models.TextField()
    hold_amount = models.DecimalField(max_digits=19, decimal_places=4, default=60)
    set_up_at = models.DateTimeField(db_default=Now())
    compared_until = models.DateTimeField(null=True)
    changed_at = models.DateTimeField()
    changed_by = models.CharField(max_length=200)

    objects = UndividedQuerySet["ProviderSettings"].as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(hold_amount__gt=0), name="provider_hold_is_something")
        ]

    def __str__(self) -> str:
        return f"{self.organization} · {self.kind}"

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE


class CallAction(models.TextChoices):
    CHECKOUT = "checkout", _("Payment page")
    CHARGE = "charge", _("Charge")
    CAPTURE = "capture", _("Capture")
    VOID = "void", _("Release")
    REFUND = "refund", _("Refund")


class CallState(models.TextChoices):
    OPEN = "open", _("Waiting")
    DONE = "done", _("Done")
    REFUSED = "refused", _("Refused")


class ProviderCall(models.Model):
    """What we want of the provider, written and committed before it is asked (B-39, M-05).

    ``key`` is the idempotency key, derived from what the call is for. ``next_try_at`` is also the lease of who
    asks just now; ``tries`` tells whose claim it is.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="calls")
    refund = models.OneToOneField(Refund, on_delete=models.PROTECT, null=True, related_name="call")
    action = models.CharField(max_length=8, choices=CallAction.choices)
    key = models.CharField(max_length=100, unique=True)
    amount = models.DecimalField(max_digits=19, decimal_places=4)
    details = models.JSONField(default=dict)
    state = models.CharField(max_length=7, choices=CallState.choices, default=CallState.OPEN)
    tries = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(db_default=Now())
    error = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [
            models.Index(fields=["next_try_at"], condition=models.Q(state="open"), name="provider_call_open")
        ]

    def __str__(self) -> str:
        return self.key


class ProviderEvent(models.Model):
    """That the provider told something, once; what holds now is read from it later (B-41)."""

    id = models.BigAutoField(primary_key=True)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, db_index=False)
    provider = models.CharField(max_length=20)
    event_id = models.CharField(max_length=255)
    type = models.CharField(max_length=100)
    object_id = models.CharField(max_length=255, blank=True)
    received_at = models.DateTimeField(db_default=Now())
    processed_at = models.DateTimeField(null=True)
    tries = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(db_default=Now())

    objects = UndividedQuerySet["ProviderEvent"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "provider", "event_id"], name="provider_event_once"
            )
        ]
        indexes = [
            models.Index(
                fields=["next_try_at"],
                condition=models.Q(processed_at=None),
                name="provider_event_waiting",
            )
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE


class SavedMethodQuerySet(UndividedQuerySet["SavedMethod"]):
    organization_path = "account__organization_id"

    def live(self) -> "SavedMethodQuerySet":
        """Without the removed ones."""
        return self.filter(removed_at=None)


class SavedMethod(models.Model):
    """A card that the provider keeps for a payer; here are its last four digits and its reference only (B-36)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(BillingAccount, on_delete=models.PROTECT, related_name="saved_methods")
    provider = models.CharField(max_length=20)
    customer = models.CharField(max_length=100)
    reference = models.CharField(max_length=100)
    label = models.CharField(max_length=60)
    created_at = models.DateTimeField(auto_now_add=True)
    removed_at = models.DateTimeField(null=True)

    objects = SavedMethodQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["account", "provider", "reference"], name="saved_method_once")
        ]

    def __str__(self) -> str:
        return self.label
