"""Asking for what is overdue: when, in which words and for which fee, and what has been asked (billing B-47)."""

from uuid import UUID

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from billing.models.accounts import BillingAccount
from billing.models.invoices import Invoice
from core.access import EVERYWHERE
from core.ids import uuid7
from core.models import Organization, UndividedQuerySet


class DunningKind(models.TextChoices):
    """The steps, in their order."""

    REMINDER = "reminder", _("Reminder")
    SECOND = "second", _("Second reminder")
    FINAL = "final", _("Final reminder")


class DunningPolicy(models.Model):
    """Whether an organization's overdue invoices are asked for: those that were due on ``starts_on`` or later."""

    organization = models.OneToOneField(
        Organization, on_delete=models.PROTECT, primary_key=True, related_name="dunning_policy"
    )
    enabled = models.BooleanField(default=False)
    starts_on = models.DateField(null=True)
    changed_at = models.DateTimeField(auto_now=True)

    objects = UndividedQuerySet["DunningPolicy"].as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(enabled=False) | models.Q(starts_on__isnull=False),
                name="dunning_enabled_from_a_day",
            )
        ]

    def __str__(self) -> str:
        return str(self.organization_id)

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE


class DunningTerms(models.Model):
    """How payers of a country are asked (ISO 3166-1 alpha-2; empty: of all others). Fees are in ``currency``."""

    id = models.BigAutoField(primary_key=True)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, db_index=False)
    country = models.CharField(max_length=2, blank=True)
    currency = models.CharField(max_length=3)

    objects = UndividedQuerySet["DunningTerms"].as_manager()

    class Meta:
        ordering = ["country"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "country"], name="dunning_terms_once_per_country")
        ]

    def __str__(self) -> str:
        return self.country or "*"

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE


class DunningRule(models.Model):
    """One step of these terms, so many ``days`` after the due date; ``texts`` has its words for a language."""

    id = models.BigAutoField(primary_key=True)
    terms = models.ForeignKey(DunningTerms, on_delete=models.CASCADE, related_name="rules")
    kind = models.CharField(max_length=8, choices=DunningKind.choices)
    days = models.PositiveSmallIntegerField()
    fee = models.DecimalField(max_digits=19, decimal_places=4, default=0)
    texts = models.JSONField(default=dict)

    class Meta:
        ordering = ["days"]
        constraints = [
            models.UniqueConstraint(fields=["terms", "kind"], name="dunning_rule_once_per_step"),
            models.UniqueConstraint(fields=["terms", "days"], name="dunning_rule_days_differ"),
            models.CheckConstraint(condition=models.Q(days__gte=1), name="dunning_rule_after_due_date"),
            models.CheckConstraint(condition=models.Q(fee__gte=0), name="dunning_rule_fee_is_an_amount"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} +{self.days}"


class StepState(models.TextChoices):
    WAITING = "waiting", _("Waiting")
    SENDING = "sending", _("Being sent")
    SENT = "sent", _("Sent")
    FAILED = "failed", _("Failed")


class DunningStepQuerySet(UndividedQuerySet["DunningStep"]):
    organization_path = "invoice__organization_id"


class DunningStep(models.Model):
    """One time that an invoice was asked for, once for each kind; what the letter says is frozen with it.

    ``open_amount`` is what was open then, ``fee`` what this step adds to it, both in ``currency``. ``cards_blocked``
    tells that a person drew the consequence from the final one.
    """

    id = models.BigAutoField(primary_key=True)
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="dunning_steps")
    kind = models.CharField(max_length=8, choices=DunningKind.choices)
    taken_on = models.DateField()
    taken_at = models.DateTimeField()
    days = models.PositiveSmallIntegerField()
    currency = models.CharField(max_length=3)
    open_amount = models.DecimalField(max_digits=19, decimal_places=4)
    fee = models.DecimalField(max_digits=19, decimal_places=4)
    subject = models.CharField(max_length=300)
    body = models.TextField()
    state = models.CharField(max_length=7, choices=StepState.choices, default=StepState.WAITING)
    reason = models.CharField(max_length=300, blank=True)
    tries = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True)
    cards_blocked_at = models.DateTimeField(null=True)
    cards_blocked_by = models.CharField(max_length=200, blank=True)

    objects = DunningStepQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["invoice", "kind"], name="dunning_step_once"),
            models.CheckConstraint(
                condition=models.Q(fee__gte=0, open_amount__gt=0), name="dunning_step_asks_for_something"
            ),
            models.CheckConstraint(
                condition=~models.Q(state="sent") | models.Q(sent_at__isnull=False),
                name="dunning_step_sent_at_a_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_try_at"], condition=models.Q(state="waiting"), name="dunning_step_waiting"
            )
        ]

    def __str__(self) -> str:
        return f"{self.invoice} · {self.kind}"

    @property
    def organization_id(self) -> UUID:
        return self.invoice.organization_id

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE


class HoldKind(models.TextChoices):
    HOLD = "hold", _("On hold")
    PROMISE = "promise", _("Payment promised")
    DISPUTE = "dispute", _("Disputed")


class DunningHoldQuerySet(UndividedQuerySet["DunningHold"]):
    def open(self) -> "DunningHoldQuerySet":
        """Those that nobody has taken back; their last day may be over."""
        return self.filter(released_at=None)


class DunningHold(models.Model):
    """Nothing is asked for of an invoice, or of a payer where that is empty, to the end of ``until`` or for good."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, db_index=False)
    account = models.ForeignKey(BillingAccount, on_delete=models.PROTECT, related_name="dunning_holds")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, null=True, related_name="dunning_holds")
    kind = models.CharField(max_length=7, choices=HoldKind.choices)
    reason = models.CharField(max_length=300)
    until = models.DateField(null=True)
    made_by = models.CharField(max_length=200)
    made_at = models.DateTimeField()
    released_by = models.CharField(max_length=200, blank=True)
    released_at = models.DateTimeField(null=True)

    objects = DunningHoldQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["invoice"], condition=models.Q(released_at=None), name="dunning_hold_once_per_invoice"
            ),
            models.UniqueConstraint(
                fields=["account"],
                condition=models.Q(released_at=None, invoice=None),
                name="dunning_hold_once_per_payer",
            ),
            models.CheckConstraint(
                condition=~models.Q(kind="promise") | models.Q(until__isnull=False),
                name="dunning_promise_has_a_day",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} · {self.invoice_id or self.account_id}"

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE
