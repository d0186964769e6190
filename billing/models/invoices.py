"""Invoices and credit notes: free while drafts, unchangeable once issued (billing B-14 to B-21)."""

from typing import Any
from uuid import UUID

from django.contrib.postgres.constraints import ExclusionConstraint
from django.db import models
from django.utils.translation import gettext_lazy as _

from billing.models.accounts import BillingAccount
from billing.models.cdrs import Cdr
from core.access import EVERYWHERE
from core.ids import uuid7
from core.models import Organization, UndividedQuerySet


class DocumentType(models.TextChoices):
    """Codes of UNTDID 1001, as EN 16931 has them in BT-3."""

    INVOICE = "380", _("Invoice")
    CREDIT_NOTE = "381", _("Credit note")
    SELF_BILLED = "389", _("Self-billed invoice")


class InvoiceState(models.TextChoices):
    DRAFT = "draft", _("Draft")
    ISSUED = "issued", _("Issued")
    PARTLY_PAID = "partly_paid", _("Partly paid")
    PAID = "paid", _("Paid")
    CREDITED = "credited", _("Credited")
    UNCOLLECTIBLE = "uncollectible", _("Uncollectible")
    DISCARDED = "discarded", _("Discarded")


class InvoiceKind(models.TextChoices):
    COLLECTIVE = "collective", _("Monthly")
    RECEIPT = "receipt", _("Receipt")
    CREDIT = "credit", _("Credit")
    STATEMENT = "statement", _("Statement of what is paid")


UNISSUED = [InvoiceState.DRAFT.value, InvoiceState.DISCARDED.value]


class InvoiceSeries(models.Model):
    """Where numbers come from: only by who holds this row's lock, inside the transaction that issues."""

    id = models.BigAutoField(primary_key=True)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT)
    document_type = models.CharField(max_length=3, choices=DocumentType.choices)
    year = models.PositiveSmallIntegerField()
    next_number = models.PositiveIntegerField(default=1)
    last_date = models.DateField(null=True)

    objects = UndividedQuerySet["InvoiceSeries"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "document_type", "year"], name="invoice_series_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.document_type} {self.year}"

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE


class InvoiceQuerySet(UndividedQuerySet["Invoice"]):
    pass


class Invoice(models.Model):
    """A claim against one account in one currency, or with type 381 what the account gets (amounts are positive).

    A credit note of kind ``credit`` takes back an invoice or some of it; one that is monthly is of a month in which
    the account gave more than it took (B-28). One of type 389 is what the account is paid for home charging or as a
    host: made in its name, issued at once, with ``shares`` instead of lines (B-52, B-53).

    ``period`` is ``YYYY-MM`` in the account's time zone. ``net + vat + rounding = due``, whole minor units.
    ``snapshot`` is what documents are made of, frozen when it is issued; ``digest`` its SHA-256.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, db_index=False)
    account = models.ForeignKey(BillingAccount, on_delete=models.PROTECT, related_name="invoices")
    kind = models.CharField(max_length=10, choices=InvoiceKind.choices)
    document_type = models.CharField(max_length=3, choices=DocumentType.choices)
    state = models.CharField(max_length=13, choices=InvoiceState.choices, default=InvoiceState.DRAFT)
    credits = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="credit_notes")
    period = models.CharField(max_length=7)
    currency = models.CharField(max_length=3)
    basis = models.CharField(max_length=5)
    net = models.DecimalField(max_digits=19, decimal_places=4, default=0)
    vat = models.DecimalField(max_digits=19, decimal_places=4, default=0)
    rounding = models.DecimalField(max_digits=19, decimal_places=4, default=0)
    due = models.DecimalField(max_digits=19, decimal_places=4, default=0)
    vat_groups = models.JSONField(default=list)
    series = models.ForeignKey(InvoiceSeries, on_delete=models.PROTECT, null=True, db_index=False)
    sequence = models.PositiveIntegerField(null=True)
    number = models.CharField(max_length=30, blank=True)
    issued_on = models.DateField(null=True)
    due_on = models.DateField(null=True)
    issued_at = models.DateTimeField(null=True)
    snapshot = models.JSONField(default=dict)
    digest = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = InvoiceQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["series", "sequence"], name="invoice_number_once"),
            models.UniqueConstraint(
                fields=["account", "period", "kind", "currency", "basis"],
                condition=models.Q(kind__in=["collective", "statement"]) & ~models.Q(state="discarded"),
                name="invoice_once_per_period",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    state__in=UNISSUED, series=None, sequence=None, number="", issued_at=None, digest=""
                )
                | (
                    ~models.Q(state__in=UNISSUED)
                    & models.Q(series__isnull=False, sequence__isnull=False, issued_at__isnull=False)
                    & models.Q(number__gt="", digest__gt="")
                ),
                name="invoice_issued_has_number",
            ),
            models.CheckConstraint(
                condition=models.Q(due=models.F("net") + models.F("vat") + models.F("rounding")),
                name="invoice_amounts_agree",
            ),
            models.CheckConstraint(
                condition=models.Q(document_type="381", kind="credit", credits__isnull=False)
                | models.Q(document_type="381", kind="collective", credits=None)
                | models.Q(document_type="380", kind__in=["collective", "receipt"], credits=None)
                | models.Q(document_type="389", kind="statement", credits=None),
                name="invoice_credit_names_invoice",
            ),
        ]
        indexes = [models.Index(fields=["organization", "-id"], name="invoice_by_organization")]

    def __str__(self) -> str:
        return self.number or f"{self.get_state_display()} {self.period}"

    @property
    def items(self) -> Any:
        """Its lines, or of a statement its shares."""
        return self.shares if self.document_type == DocumentType.SELF_BILLED else self.lines

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE


class InvoiceLine(models.Model):
    """What one record costs at one rate of VAT. ``leading`` is net or gross by the invoice's basis.

    ``vat_category`` is a code of UNTDID 5305 (B-26), ``vat_reason`` why no VAT is charged (a VATEX code). A line of
    a credit note ``credits`` that line of the invoice; its record is the credit of that line's record where the
    note takes it back in full, else that line's record itself, which then stands.
    """

    id = models.BigAutoField(primary_key=True)
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="lines")
    cdr = models.ForeignKey(Cdr, on_delete=models.PROTECT, related_name="lines")
    credits = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="credited_by")
    place = models.PositiveIntegerField()
    vat_rate = models.DecimalField(max_digits=7, decimal_places=4)
    vat_category = models.CharField(max_length=2, default="S")
    vat_reason = models.CharField(max_length=30, blank=True)
    leading = models.DecimalField(max_digits=19, decimal_places=4)
    net = models.DecimalField(max_digits=19, decimal_places=4)
    voided_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["place"]
        constraints = [
            models.UniqueConstraint(fields=["invoice", "place"], name="invoice_line_place_once"),
            models.UniqueConstraint(
                fields=["cdr", "vat_rate"],
                condition=models.Q(voided_at=None, credits=None),
                name="invoice_line_cdr_once",
            ),
            ExclusionConstraint(
                name="invoice_line_one_invoice_per_cdr",
                expressions=[("cdr", "="), ("invoice", "<>")],
                condition=models.Q(voided_at=None, credits=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.invoice} · {self.place}"
