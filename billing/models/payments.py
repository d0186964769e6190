"""Money in, money out, and which invoice it settles; states go forward only (billing section 9)."""

from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

from billing.models.accounts import BillingAccount
from billing.models.invoices import Invoice
from billing.models.ledger import Journal
from core.access import EVERYWHERE
from core.ids import uuid7
from core.models import Organization, UndividedQuerySet
from stations.models import Evse, Transaction


class Method(models.TextChoices):
    CARD = "card", _("Card")
    BANK_TRANSFER = "bank_transfer", _("Bank transfer")
    DIRECT_DEBIT = "direct_debit", _("Direct debit")
    WALLET = "wallet", _("Wallet")
    MANUAL = "manual", _("Recorded by hand")
    CREDIT_NOTE = "credit_note", _("Credit note")


class Purpose(models.TextChoices):
    INVOICE = "invoice", _("Invoices")
    AD_HOC = "ad_hoc", _("Session without an account")
    TOP_UP = "top_up", _("Top-up of the wallet")


class PaymentState(models.TextChoices):
    PENDING = "pending", _("Waiting")
    HELD = "held", _("Set aside")
    RECEIVED = "received", _("Received")
    RELEASED = "released", _("Released")
    FAILED = "failed", _("Failed")
    RETURNED = "returned", _("Returned")


class PaymentQuerySet(UndividedQuerySet["Payment"]):
    pass


class Payment(models.Model):
    """One sum of money from one payer. Whoever changes its amounts holds this row's lock.

    ``amount`` is what was asked for or came in, ``authorized`` what the provider holds, ``captured`` what is
    ours, ``refunded`` what went back. ``account`` is empty while nobody knows who paid. ``checkout`` and
    ``provider_reference`` are the provider's names of it. One of a credit note moved no money: it is what the payer
    has by ``credit_note`` of a month below nothing, to be set off or paid out (B-28).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, db_index=False)
    account = models.ForeignKey(BillingAccount, on_delete=models.PROTECT, null=True, related_name="payments")
    method = models.CharField(max_length=13, choices=Method.choices)
    purpose = models.CharField(max_length=7, choices=Purpose.choices, default=Purpose.INVOICE)
    state = models.CharField(max_length=8, choices=PaymentState.choices, default=PaymentState.PENDING)
    currency = models.CharField(max_length=3)
    amount = models.DecimalField(max_digits=19, decimal_places=4)
    authorized = models.DecimalField(max_digits=19, decimal_places=4, default=0)
    captured = models.DecimalField(max_digits=19, decimal_places=4, default=0)
    refunded = models.DecimalField(max_digits=19, decimal_places=4, default=0)
    provider = models.CharField(max_length=20, blank=True)
    provider_reference = models.CharField(max_length=100, blank=True)
    checkout = models.CharField(max_length=100, blank=True)
    checkout_url = models.CharField(max_length=2000, blank=True)
    credit_note = models.OneToOneField(Invoice, on_delete=models.PROTECT, null=True, related_name="credit")
    end_to_end_id = models.CharField(max_length=35, blank=True)
    failure = models.CharField(max_length=200, blank=True)
    note = models.CharField(max_length=300, blank=True)
    received_on = models.DateField(null=True)
    disputed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=200)

    objects = PaymentQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "provider", "provider_reference"],
                condition=~models.Q(provider_reference=""),
                name="payment_reference_once",
            ),
            models.UniqueConstraint(
                fields=["organization", "end_to_end_id"],
                condition=~models.Q(end_to_end_id=""),
                name="payment_end_to_end_once",
            ),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="payment_is_something"),
            models.CheckConstraint(
                condition=models.Q(method="credit_note", credit_note__isnull=False)
                | (~models.Q(method="credit_note") & models.Q(credit_note=None)),
                name="payment_of_a_credit_note_names_it",
            ),
            models.CheckConstraint(
                condition=models.Q(captured__gte=0, captured__lte=models.F("authorized")),
                name="payment_captured_within_hold",
            ),
            models.CheckConstraint(
                condition=models.Q(refunded__gte=0, refunded__lte=models.F("captured")),
                name="payment_refunded_within_captured",
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "-id"], name="payment_by_organization"),
            models.Index(
                fields=["state", "id"],
                condition=models.Q(state__in=["pending", "held"]),
                name="payment_under_way",
            ),
            models.Index(
                fields=["id"], condition=models.Q(disputed_at__isnull=False), name="payment_in_dispute"
            ),
            models.Index(fields=["checkout"], condition=~models.Q(checkout=""), name="payment_by_checkout"),
        ]

    def __str__(self) -> str:
        return f"{self.amount:.2f} {self.currency} · {self.get_method_display()}"

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE


class AllocationQuerySet(UndividedQuerySet["Allocation"]):
    organization_path = "payment__organization_id"

    def live(self) -> "AllocationQuerySet":
        """Without those that were undone."""
        return self.filter(undone_at=None)


class Allocation(models.Model):
    """So much of a payment settles that invoice, until it is undone."""

    id = models.BigAutoField(primary_key=True)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="allocations")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="allocations")
    amount = models.DecimalField(max_digits=19, decimal_places=4)
    made_by = models.CharField(max_length=200)
    made_at = models.DateTimeField()
    undone_at = models.DateTimeField(null=True)

    objects = AllocationQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="allocation_is_something")
        ]

    def __str__(self) -> str:
        return f"{self.payment} → {self.invoice}"


class RefundState(models.TextChoices):
    PENDING = "pending", _("Waiting")
    DONE = "done", _("Sent")
    FAILED = "failed", _("Failed")


class RefundQuerySet(UndividedQuerySet["Refund"]):
    organization_path = "payment__organization_id"


class Refund(models.Model):
    """Money that goes back: of a credit note, of a credit left over, or of a wallet's rest (B-42)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    credit_note = models.ForeignKey(Invoice, on_delete=models.PROTECT, null=True, related_name="refunds")
    amount = models.DecimalField(max_digits=19, decimal_places=4)
    state = models.CharField(max_length=7, choices=RefundState.choices, default=RefundState.PENDING)
    reason = models.CharField(max_length=300)
    provider_reference = models.CharField(max_length=100, blank=True)
    failure = models.CharField(max_length=200, blank=True)
    made_by = models.CharField(max_length=200)
    made_at = models.DateTimeField()

    objects = RefundQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [models.CheckConstraint(condition=models.Q(amount__gt=0), name="refund_is_something")]

    def __str__(self) -> str:
        return f"{self.payment} ← {self.amount:.2f}"


class PaymentPosting(models.Model):
    """Which journal a step of a payment wrote; each step posts once."""

    id = models.BigAutoField(primary_key=True)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="postings")
    step = models.CharField(max_length=60)
    journal = models.OneToOneField(Journal, on_delete=models.PROTECT, related_name="payment_posting")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["payment", "step"], name="payment_step_posted_once")]

    def __str__(self) -> str:
        return f"{self.payment} · {self.step}"


class Hold(models.Model):
    """A sum set aside for a session without an account (B-37 to B-40): one open hold for each outlet."""

    payment = models.OneToOneField(Payment, on_delete=models.PROTECT, primary_key=True, related_name="hold")
    evse = models.ForeignKey(Evse, on_delete=models.PROTECT, related_name="+")
    transaction = models.OneToOneField(Transaction, on_delete=models.PROTECT, null=True, related_name="hold")
    give_up_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    warned_at = models.DateTimeField(null=True)
    stop_asked_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["evse"], condition=models.Q(closed_at=None), name="hold_open_once_per_evse"
            )
        ]

    def __str__(self) -> str:
        return f"{self.payment} · {self.evse}"
