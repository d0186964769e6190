"""The double-entry ledger: journals whose entries add up to nothing, never changed (billing B-48)."""

from uuid import UUID

from django.db import models

from billing.models.accounts import BillingAccount
from billing.models.invoices import Invoice
from core.access import EVERYWHERE
from core.ids import uuid7
from core.models import Organization, UndividedQuerySet
from stations.models import Site


class LedgerAccount(models.TextChoices):
    RECEIVABLE = "receivable"
    REVENUE = "revenue"
    VAT = "vat"
    ROUNDING = "rounding"
    CASH = "cash"
    BANK = "bank"
    WALLET = "wallet"
    UNASSIGNED = "unassigned"
    FEES = "fees"
    PAYABLE = "payable"
    COMPENSATION = "compensation"
    HOST_SHARE = "host_share"
    CARRIED = "carried"
    WRITE_OFF = "write_off"


class JournalQuerySet(UndividedQuerySet["Journal"]):
    pass


class Journal(models.Model):
    """One posting: at least two entries, sum 0 in its currency. Issuing an invoice posts exactly one."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT)
    invoice = models.OneToOneField(Invoice, on_delete=models.PROTECT, null=True, related_name="journal")
    currency = models.CharField(max_length=3)
    posted_at = models.DateTimeField()

    objects = JournalQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["organization", "posted_at"], name="journal_by_day")]

    def __str__(self) -> str:
        return f"{self.posted_at:%Y-%m-%d} {self.invoice}"

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE


class LedgerEntry(models.Model):
    """One side: debit is positive. Receivables name the payer, revenue the site, VAT its rate.

    What is ``payable`` names who is paid; ``compensation`` and ``host_share`` are what charging at
    home and hosts cost, by site. ``write_off`` is what nobody is expected to pay. ``carried`` stands against what a
    wallet has of postings that are over their term and gone: one journal of each wallet, made anew by the function
    that deletes them (B-65).
    """

    id = models.BigAutoField(primary_key=True)
    journal = models.ForeignKey(Journal, on_delete=models.PROTECT, related_name="entries")
    account = models.CharField(max_length=12, choices=LedgerAccount.choices)
    payer = models.ForeignKey(BillingAccount, on_delete=models.PROTECT, null=True, related_name="entries")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, null=True)
    vat_rate = models.DecimalField(max_digits=7, decimal_places=4, null=True)
    amount = models.DecimalField(max_digits=19, decimal_places=4)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~models.Q(amount=0), name="ledger_entry_is_something")
        ]

    def __str__(self) -> str:
        return f"{self.account} {self.amount}"


class WriteOffQuerySet(UndividedQuerySet["WriteOff"]):
    organization_path = "invoice__organization_id"


class WriteOff(models.Model):
    """So much of an uncollectible invoice was written off by a journal of its own, or below nothing taken back (B-14).

    The first of an invoice says ``reason`` and who gave it up.
    """

    id = models.BigAutoField(primary_key=True)
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="write_offs")
    journal = models.OneToOneField(Journal, on_delete=models.PROTECT, related_name="write_off")
    amount = models.DecimalField(max_digits=19, decimal_places=4)
    reason = models.CharField(max_length=300, blank=True)
    made_by = models.CharField(max_length=200, blank=True)
    made_at = models.DateTimeField()

    objects = WriteOffQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [models.CheckConstraint(condition=~models.Q(amount=0), name="write_off_is_something")]

    def __str__(self) -> str:
        return f"{self.invoice} · {self.amount}"

    @property
    def organization_id(self) -> UUID:
        return self.invoice.organization_id

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE
