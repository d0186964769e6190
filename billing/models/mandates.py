"""SEPA direct debit: mandates, files and what is in them, announcements (B-43 to B-45)."""

from datetime import date
from uuid import UUID

from dateutil.relativedelta import relativedelta
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from billing.models.accounts import BillingAccount
from billing.models.documents import DeliveryState
from billing.models.invoices import Invoice
from core.access import EVERYWHERE
from core.ids import uuid7
from core.models import Organization, UndividedQuerySet

MONTHS_UNUSED = 36


class MandateType(models.TextChoices):
    CORE = "CORE", "CORE"
    B2B = "B2B", "B2B"


class MandateState(models.TextChoices):
    ACTIVE = "active", _("Active")
    STOPPED = "stopped", _("Stopped")


class MandateQuerySet(UndividedQuerySet["Mandate"]):
    organization_path = "account__organization_id"


class Mandate(models.Model):
    """A payer's permission to collect from an account. The IBAN is sealed; its last four characters are not."""

    PURPOSE = "mandate"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT)
    account = models.ForeignKey(BillingAccount, on_delete=models.PROTECT, related_name="mandates")
    reference = models.CharField(max_length=35)
    type = models.CharField(max_length=4, choices=MandateType.choices, default=MandateType.CORE)
    holder = models.CharField(max_length=70)
    sealed_iban = models.TextField()
    iban_end = models.CharField(max_length=4)
    signed_on = models.DateField()
    state = models.CharField(max_length=7, choices=MandateState.choices, default=MandateState.ACTIVE)
    stopped_because = models.CharField(max_length=100, blank=True)
    last_used_on = models.DateField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = MandateQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "reference"], name="mandate_reference_once"),
            models.UniqueConstraint(
                fields=["account"], condition=models.Q(state="active"), name="mandate_active_once"
            ),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE

    @property
    def expires_on(self) -> date:
        """The first day on which it was not used for 36 months (B-43)."""
        over: date = (self.last_used_on or self.signed_on) + relativedelta(months=MONTHS_UNUSED)
        return over

    def is_usable(self, on: date) -> bool:
        """Active, and used or signed within 36 months."""
        return self.state == MandateState.ACTIVE and on < self.expires_on


class DebitFileState(models.TextChoices):
    OPEN = "open", _("Open")
    COLLECTED = "collected", _("Collected")
    DISCARDED = "discarded", _("Discarded")


class DebitFileQuerySet(UndividedQuerySet["DebitFile"]):
    pass


class DebitFile(models.Model):
    """One pain.008 document as it is handed to the bank: sealed (it holds IBANs), with its SHA-256."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT)
    message_id = models.CharField(max_length=35, unique=True)
    collect_on = models.DateField()
    currency = models.CharField(max_length=3, default="EUR")
    total = models.DecimalField(max_digits=19, decimal_places=4)
    state = models.CharField(max_length=9, choices=DebitFileState.choices, default=DebitFileState.OPEN)
    sealed_content = models.TextField()
    digest = models.CharField(max_length=64)
    made_at = models.DateTimeField()
    made_by = models.CharField(max_length=200)

    objects = DebitFileQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.message_id

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE


class DebitItem(models.Model):
    """One invoice that is collected; ``open`` until its file is closed or it came back."""

    id = models.BigAutoField(primary_key=True)
    file = models.ForeignKey(DebitFile, on_delete=models.PROTECT, related_name="items")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="debits")
    mandate = models.ForeignKey(Mandate, on_delete=models.PROTECT, related_name="debits")
    amount = models.DecimalField(max_digits=19, decimal_places=4)
    sequence = models.CharField(max_length=4)
    end_to_end_id = models.CharField(max_length=35, unique=True)
    open = models.BooleanField(default=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["invoice"], condition=models.Q(open=True), name="debit_invoice_in_one_open_file"
            ),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="debit_is_something"),
        ]

    def __str__(self) -> str:
        return self.end_to_end_id


class DebitNoticeQuerySet(UndividedQuerySet["DebitNotice"]):
    organization_path = "invoice__organization_id"


class DebitNotice(models.Model):
    """A direct debit that is announced by mail because the invoice did not: what the payer is told, and when.

    ``amount``, ``collect_on``, ``subject`` and ``body`` are those of the day on which it goes out.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="debit_notices")
    mandate = models.ForeignKey(Mandate, on_delete=models.PROTECT, related_name="notices")
    creditor_id = models.CharField(max_length=35)
    amount = models.DecimalField(max_digits=19, decimal_places=4)
    collect_on = models.DateField()
    subject = models.CharField(max_length=300, blank=True)
    body = models.TextField(blank=True)
    state = models.CharField(max_length=7, choices=DeliveryState.choices, default=DeliveryState.WAITING)
    reason = models.CharField(max_length=300, blank=True)
    tries = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True)
    made_at = models.DateTimeField()
    made_by = models.CharField(max_length=200)

    objects = DebitNoticeQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["invoice"], condition=models.Q(state__in=["waiting", "sending"]),
                name="debit_notice_on_its_way_once",
            ),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="debit_notice_is_of_something"),
            models.CheckConstraint(
                condition=~models.Q(state="sent") | models.Q(sent_at__isnull=False),
                name="debit_notice_sent_at_a_time",
            ),
        ]  # fmt: skip
        indexes = [
            models.Index(
                fields=["next_try_at"], condition=models.Q(state="waiting"), name="debit_notice_waiting"
            )
        ]

    def __str__(self) -> str:
        return f"{self.invoice} · {self.collect_on}"

    @property
    def organization_id(self) -> UUID:
        return self.invoice.organization_id

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE
