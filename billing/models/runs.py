"""The month-end run: rows that say what is done, so that it goes on wherever it was cut off (billing B-30)."""

from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

from billing.models.accounts import BillingAccount
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


class BillingRunQuerySet(UndividedQuerySet["BillingRun"]):
    pass


class BillingRun(models.Model):
    """One run over the accounts of an organization for a month. ``issue``: drafts are issued at once."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT)
    period = models.CharField(max_length=7)
    issue = models.BooleanField(default=False)
    state = models.CharField(max_length=8, choices=RunState.choices, default=RunState.OPEN)
    started_by = models.CharField(max_length=200)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    objects = BillingRunQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "period"],
                condition=models.Q(state="open"),
                name="billing_run_open_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.organization} {self.period}"

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE


class BillingRunItem(models.Model):
    """One account of a run, done in one transaction with its documents; ``error`` says why it failed."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(BillingRun, on_delete=models.CASCADE, related_name="items")
    account = models.ForeignKey(BillingAccount, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=6, choices=ItemState.choices, default=ItemState.OPEN)
    documents = models.PositiveIntegerField(default=0)
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
