"""What the provider booked on the organization's account there, beside what we know of it (billing B-42)."""

from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

from billing.models.ledger import Journal
from billing.models.payments import Payment, Refund
from core.access import EVERYWHERE
from core.ids import uuid7
from core.models import Organization, UndividedQuerySet


class Movement(models.TextChoices):
    PAYMENT = "payment", _("Payment")
    REFUND = "refund", _("Refund")
    DISPUTE = "dispute", _("Dispute")
    PAYOUT = "payout", _("Payout")
    FEE = "fee", _("Fee")
    OTHER = "other", _("Other")


class Difference(models.TextChoices):
    UNKNOWN = "unknown", _("Not known here")
    AMOUNT = "amount", _("Another amount here")
    MISSING = "missing", _("Not booked at the provider")


class ProviderMovementQuerySet(UndividedQuerySet["ProviderMovement"]):
    def open(self) -> "ProviderMovementQuerySet":
        """Differences that nobody has explained."""
        return self.exclude(difference="").filter(decided_at=None)


class ProviderMovement(models.Model):
    """One booking at the provider: ``amount`` in or (negative) out, before its ``fee``.

    ``reference`` is the provider's name of it, ``about`` and ``refund_reference`` those of payment and refund. A
    ``missing`` one is no booking: money that should be there and was not seen; its reference is ours. ``difference`` is
    empty where both sides agree. The ``journal`` books the fee, and what was paid out to the bank.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, db_index=False)
    provider = models.CharField(max_length=20)
    reference = models.CharField(max_length=100)
    kind = models.CharField(max_length=7, choices=Movement.choices)
    amount = models.DecimalField(max_digits=19, decimal_places=4)
    fee = models.DecimalField(max_digits=19, decimal_places=4, default=0)
    currency = models.CharField(max_length=3)
    at = models.DateTimeField()
    about = models.CharField(max_length=100, blank=True)
    refund_reference = models.CharField(max_length=100, blank=True)
    text = models.CharField(max_length=200, blank=True)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, null=True, related_name="movements")
    refund = models.ForeignKey(Refund, on_delete=models.PROTECT, null=True, related_name="movements")
    journal = models.OneToOneField(Journal, on_delete=models.PROTECT, null=True, related_name="movement")
    difference = models.CharField(max_length=7, choices=Difference.choices, blank=True)
    note = models.CharField(max_length=300, blank=True)
    decided_by = models.CharField(max_length=200, blank=True)
    decided_at = models.DateTimeField(null=True)

    objects = ProviderMovementQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "provider", "reference"], name="provider_movement_once"
            )
        ]
        indexes = [
            models.Index(fields=["organization", "-id"], name="movement_by_organization"),
            models.Index(
                fields=["organization", "-id"],
                condition=models.Q(decided_at=None) & ~models.Q(difference=""),
                name="movement_that_differs",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.amount:.2f} {self.currency}"

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE
