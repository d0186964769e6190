"""What drivers and hosts get: documents that the organization makes in their name (type 389; billing B-52, B-53)."""

from decimal import Decimal
from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

from billing.models.accounts import BillingAccount
from billing.models.cdrs import Cdr
from billing.models.home import HomeAgreement
from billing.models.hosts import HostAgreement
from billing.models.invoices import Invoice
from billing.models.ledger import Journal
from core.access import EVERYWHERE
from core.models import UndividedQuerySet


class SupplyTax(models.TextChoices):
    """What one who is paid says of the VAT on it; nothing is guessed."""

    NONE = "none", _("Not subject to VAT, such as of a private person")
    EXEMPT = "exempt", _("Exempt: a small enterprise")
    STANDARD = "standard", _("With VAT")


class SupplierQuerySet(UndividedQuerySet["Supplier"]):
    organization_path = "account__organization_id"


class Supplier(models.Model):
    """What one who is paid said of taxes; without a row no statement is made. ``vat_rate`` is in percent.

    Name, address and VAT id are those of the account. ``tax_number`` is the national one.
    """

    account = models.OneToOneField(
        BillingAccount, on_delete=models.PROTECT, primary_key=True, related_name="supplier"
    )
    tax = models.CharField(_("VAT"), max_length=8, choices=SupplyTax.choices)
    vat_rate = models.DecimalField(_("rate of VAT (%)"), max_digits=7, decimal_places=4, default=0)
    tax_number = models.CharField(_("tax number"), max_length=30, blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    objects = SupplierQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(tax="standard", vat_rate__gt=0, vat_rate__lte=100)
                | models.Q(tax__in=["none", "exempt"], vat_rate=0),
                name="supplier_rate_fits_its_tax",
            )
        ]

    def __str__(self) -> str:
        return str(self.account)

    @property
    def organization_id(self) -> UUID:
        return self.account.organization_id

    @property
    def audit_label(self) -> str:
        return self.account.audit_label

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE


class ShareQuerySet(UndividedQuerySet["Share"]):
    organization_path = "invoice__organization_id"


class Share(models.Model):
    """A line of a statement: what is paid for one record, without VAT; of a credit record it is below nothing.

    An agreement pays for a record once. Written while the statement is a draft, in the transaction that issues it.
    """

    id = models.BigAutoField(primary_key=True)
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="shares")
    cdr = models.ForeignKey(Cdr, on_delete=models.PROTECT, related_name="shares")
    home_agreement = models.ForeignKey(
        HomeAgreement, on_delete=models.PROTECT, null=True, related_name="shares"
    )
    host_agreement = models.ForeignKey(
        HostAgreement, on_delete=models.PROTECT, null=True, related_name="shares"
    )
    place = models.PositiveIntegerField()
    vat_rate = models.DecimalField(max_digits=7, decimal_places=4)
    vat_category = models.CharField(max_length=2)
    vat_reason = models.CharField(max_length=30, blank=True)
    net = models.DecimalField(max_digits=19, decimal_places=4)

    objects = ShareQuerySet.as_manager()

    class Meta:
        ordering = ["place"]
        constraints = [
            models.UniqueConstraint(fields=["invoice", "place"], name="share_place_once"),
            models.UniqueConstraint(fields=["cdr", "home_agreement"], name="share_of_home_charging_once"),
            models.UniqueConstraint(fields=["cdr", "host_agreement"], name="share_of_host_once"),
            models.CheckConstraint(
                condition=models.Q(home_agreement=None) ^ models.Q(host_agreement=None),
                name="share_by_one_agreement",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.invoice} · {self.place}"

    @property
    def leading(self) -> Decimal:
        """As lines of invoices have it; statements are net."""
        return self.net

    @property
    def credits_id(self) -> None:
        """A share that takes another back is of the credit of its record, and no credit note's."""
        return None

    @property
    def organization_id(self) -> UUID:
        return self.invoice.organization_id

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE


class PayoutQuerySet(UndividedQuerySet["Payout"]):
    organization_path = "invoice__organization_id"


class Payout(models.Model):
    """That a statement was paid, once; the money itself goes by the organization's bank."""

    invoice = models.OneToOneField(Invoice, on_delete=models.PROTECT, primary_key=True, related_name="payout")
    journal = models.OneToOneField(Journal, on_delete=models.PROTECT, related_name="payout")
    paid_on = models.DateField()
    note = models.CharField(max_length=200, blank=True)
    made_at = models.DateTimeField()
    made_by = models.CharField(max_length=200)

    objects = PayoutQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.invoice} · {self.paid_on}"

    @property
    def organization_id(self) -> UUID:
        return self.invoice.organization_id

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE
