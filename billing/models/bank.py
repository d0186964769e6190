"""The organization's bank account, and what its statements say (B-46)."""

from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

from billing.models.invoices import Invoice
from billing.models.payments import Payment
from core.access import EVERYWHERE
from core.ids import uuid7
from core.models import Organization, ScopedQuerySet


class BankDetails(models.Model):
    """Where transfers go to and debits come from. ``notice_days``: between pre-notification and collection."""

    organization = models.OneToOneField(
        Organization, on_delete=models.PROTECT, primary_key=True, related_name="bank_details"
    )
    holder = models.CharField(max_length=70)
    iban = models.CharField(max_length=34)
    bic = models.CharField(max_length=11, blank=True)
    creditor_id = models.CharField(max_length=35, blank=True)
    notice_days = models.PositiveSmallIntegerField(default=14)
    first_as_frst = models.BooleanField(default=False)

    objects = ScopedQuerySet["BankDetails"].as_manager()

    def __str__(self) -> str:
        return self.iban

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE


class BankStatementQuerySet(ScopedQuerySet["BankStatement"]):
    pass


class BankStatement(models.Model):
    """One imported file; the same file is imported once."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT)
    name = models.CharField(max_length=200)
    format = models.CharField(max_length=8)
    digest = models.CharField(max_length=64)
    lines_new = models.PositiveIntegerField(default=0)
    lines_known = models.PositiveIntegerField(default=0)
    imported_at = models.DateTimeField()
    imported_by = models.CharField(max_length=200)

    objects = BankStatementQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["organization", "digest"], name="bank_statement_once")]

    def __str__(self) -> str:
        return self.name

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE


class LineState(models.TextChoices):
    MATCHED = "matched", _("Matched")
    PROPOSED = "proposed", _("To be confirmed")
    OPEN = "open", _("Unknown")
    LEFT = "left", _("Not ours")


class BankLineQuerySet(ScopedQuerySet["BankLine"]):
    pass


class BankLine(models.Model):
    """One booking; ``fingerprint`` makes the same booking known in another file. Debits are negative."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT)
    statement = models.ForeignKey(BankStatement, on_delete=models.PROTECT, related_name="lines")
    fingerprint = models.CharField(max_length=64)
    booked_on = models.DateField()
    amount = models.DecimalField(max_digits=19, decimal_places=4)
    currency = models.CharField(max_length=3)
    text = models.CharField(max_length=500, blank=True)
    name = models.CharField(max_length=140, blank=True)
    end_to_end_id = models.CharField(max_length=35, blank=True)
    return_reason = models.CharField(max_length=35, blank=True)
    state = models.CharField(max_length=8, choices=LineState.choices, default=LineState.OPEN)
    proposed = models.ForeignKey(Invoice, on_delete=models.PROTECT, null=True, related_name="+")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, null=True, related_name="bank_lines")
    decided_by = models.CharField(max_length=200, blank=True)
    decided_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=300, blank=True)

    objects = BankLineQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "fingerprint"], name="bank_line_once"),
            models.CheckConstraint(condition=~models.Q(amount=0), name="bank_line_is_something"),
        ]
        indexes = [models.Index(fields=["organization", "state", "-id"], name="bank_line_by_state")]

    def __str__(self) -> str:
        return f"{self.booked_on} {self.amount:.2f} {self.currency}"

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE
