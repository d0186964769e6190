"""The month-end run: rows that say what is done, so that it goes on wherever it was cut off (billing B-30)."""

from datetime import timedelta
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from billing.models.accounts import BillingAccount
from billing.models.invoices import Invoice
from core.access import EVERYWHERE
from core.ids import uuid7
from core.models import Organization, UndividedQuerySet


class RunState(models.TextChoices):
    OPEN = "open", _("Running")
    FINISHED = "finished", _("Finished")


class ItemState(models.TextChoices):
    OPEN = "open", _("Waiting")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")


class RunKind(models.TextChoices):
    INVOICES = "invoices", _("Invoices")
    STATEMENTS = "statements", _("Statements of what is paid")


class BillingRunQuerySet(UndividedQuerySet["BillingRun"]):
    pass


class BillingRun(models.Model):
    """One run over the accounts of an organization for a month, or those that ``only`` names by their ids.

    ``issue``: drafts are issued at once. Those of ``kind`` statements say what drivers and hosts get (B-52, B-53).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT)
    period = models.CharField(max_length=7)
    kind = models.CharField(
        max_length=10, choices=RunKind.choices, default=RunKind.INVOICES, db_default=RunKind.INVOICES
    )
    issue = models.BooleanField(default=False)
    only = ArrayField(models.UUIDField(), default=list)
    state = models.CharField(max_length=8, choices=RunState.choices, default=RunState.OPEN)
    started_by = models.CharField(max_length=200)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    objects = BillingRunQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "period", "kind"],
                condition=models.Q(state="open"),
                name="billing_run_open_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.organization} {self.period}"

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE

    @property
    def took(self) -> timedelta | None:
        """From its start to its end; None while it is open."""
        return None if self.finished_at is None else self.finished_at - self.started_at


class BillingRunItem(models.Model):
    """One account of a run, done in one transaction with its ``invoices``; ``error`` says why it failed."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(BillingRun, on_delete=models.CASCADE, related_name="items")
    account = models.ForeignKey(BillingAccount, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=6, choices=ItemState.choices, default=ItemState.OPEN)
    documents = models.PositiveIntegerField(default=0)
    invoices = models.ManyToManyField(Invoice, related_name="run_items")
    error = models.CharField(max_length=300, blank=True)
    done_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["run", "account"], name="billing_run_item_once")]
        indexes = [
            models.Index(fields=["run", "id"], condition=models.Q(state="open"), name="billing_run_item_open")
        ]

    def __str__(self) -> str:
        return f"{self.run} · {self.account}"


class AccountExceptionQuerySet(UndividedQuerySet["AccountException"]):
    def open(self) -> "AccountExceptionQuerySet":
        """Those whose cause stands."""
        return self.filter(closed_at=None)


class AccountException(models.Model):
    """An account that a run could not invoice, and why; closed by the run that does (billing B-34)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT)
    account = models.ForeignKey(
        BillingAccount, on_delete=models.PROTECT, related_name="exceptions", db_index=False
    )
    period = models.CharField(max_length=7)
    kind = models.CharField(
        max_length=10, choices=RunKind.choices, default=RunKind.INVOICES, db_default=RunKind.INVOICES
    )
    reason = models.CharField(max_length=300)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    objects = AccountExceptionQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "period", "kind"],
                condition=models.Q(closed_at=None),
                name="account_exception_open_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.account} {self.period}"

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE
