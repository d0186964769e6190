"""Files made of an issued invoice, and their way to the buyer (billing B-15, B-32, B-55, B-56)."""

from uuid import UUID

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from billing.models.invoices import Invoice
from core.access import EVERYWHERE
from core.models import UndividedQuerySet


class DocumentKind(models.TextChoices):
    PDF = "pdf", _("PDF with embedded e-invoice")
    CII = "cii", _("E-invoice (CII)")
    UBL = "ubl", _("E-invoice (UBL)")


class DocumentState(models.TextChoices):
    WAITING = "waiting", _("Being made")
    READY = "ready", _("Ready")
    FAILED = "failed", _("Does not pass its checks")


class InvoiceDocumentQuerySet(UndividedQuerySet["InvoiceDocument"]):
    organization_path = "invoice__organization_id"


class InvoiceDocument(models.Model):
    """One file of an invoice; ``sha256`` is of its bytes. It waits with a reason where the machine lacks a library."""

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="files")
    kind = models.CharField(max_length=3, choices=DocumentKind.choices)
    state = models.CharField(max_length=7, choices=DocumentState.choices, default=DocumentState.WAITING)
    file = models.FileField(upload_to="", max_length=200, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    failed_reason = models.CharField(max_length=500, blank=True)
    tries = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(db_default=Now())
    made_at = models.DateTimeField(null=True)

    objects = InvoiceDocumentQuerySet.as_manager()

    class Meta:
        ordering = ["kind"]
        constraints = [
            models.UniqueConstraint(fields=["invoice", "kind"], name="invoice_document_once"),
            models.CheckConstraint(
                condition=~models.Q(state="ready") | (models.Q(sha256__gt="") & models.Q(file__gt="")),
                name="invoice_document_ready_has_file",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_try_at"], condition=models.Q(state="waiting"), name="invoice_document_waiting"
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


class DeliveryState(models.TextChoices):
    WAITING = "waiting", _("Waiting")
    SENDING = "sending", _("Being sent")
    SENT = "sent", _("Sent")
    FAILED = "failed", _("Failed")


class InvoiceDelivery(models.Model):
    """An invoice's way to its buyer by e-mail; once for each invoice and address."""

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="deliveries")
    address = models.EmailField()
    state = models.CharField(max_length=7, choices=DeliveryState.choices, default=DeliveryState.WAITING)
    reason = models.CharField(max_length=300, blank=True)
    tries = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["invoice", "address"], name="invoice_delivery_once"),
        ]
        indexes = [
            models.Index(
                fields=["next_try_at"], condition=models.Q(state="waiting"), name="invoice_delivery_waiting"
            )
        ]

    def __str__(self) -> str:
        return f"{self.invoice} · {self.state}"
