"""How long is what kept: holds that stop every deletion, and what was deleted each day (billing B-65, B-66)."""

from uuid import UUID

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from billing.models.accounts import BillingAccount
from core.access import EVERYWHERE
from core.ids import uuid7
from core.models import Organization, UndividedQuerySet


class LegalHold(models.Model):
    """While it stands nothing of the organization, or of the one payer, is deleted or pseudonymised by its term.

    ``reason`` says for what the data are needed, such as a lawsuit or a tax audit.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="legal_holds")
    account = models.ForeignKey(
        BillingAccount, on_delete=models.PROTECT, null=True, related_name="legal_holds"
    )
    reason = models.CharField(max_length=500)
    placed_at = models.DateTimeField()
    placed_by = models.CharField(max_length=200)
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.CharField(max_length=200, blank=True)

    objects = UndividedQuerySet["LegalHold"].as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "account"],
                condition=models.Q(lifted_at=None),
                nulls_distinct=False,
                name="legal_hold_once",
            ),
            models.CheckConstraint(
                condition=models.Q(lifted_at=None, lifted_by="")
                | models.Q(lifted_at__isnull=False, lifted_by__gt=""),
                name="legal_hold_lifted_by_someone",
            ),
        ]

    def __str__(self) -> str:
        return self.account.audit_label if self.account else str(self.organization)

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE


class RetentionKind(models.TextChoices):
    PERSONS = "persons", _("Data of persons")
    DOCUMENTS = "documents", _("Documents")


class RetentionReport(models.Model):
    """What one day's passes deleted or pseudonymised of an organization, counted in the transactions that did it.

    ``position`` is the last invoice that was looked at: what must stay is looked at once a day.
    """

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="retention_reports")
    kind = models.CharField(max_length=9, choices=RetentionKind.choices)
    day = models.DateField()
    before = models.DateField()
    counts = models.JSONField(default=dict)
    position = models.UUIDField(null=True)

    objects = UndividedQuerySet["RetentionReport"].as_manager()

    class Meta:
        ordering = ["-day", "kind"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "kind", "day"], name="retention_report_once")
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.kind}"

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE


class ExpiredFile(models.Model):
    """A stored file of an invoice that is gone: written with that deletion, and gone once the file is."""

    name = models.CharField(max_length=200, primary_key=True)
    next_try_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["next_try_at"], name="expired_file_due")]

    def __str__(self) -> str:
        return self.name
