"""Who issues an invoice and who gets it: what stands on documents (billing BG-4, BG-7 in B-57)."""

from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from billing.models.accounts import AccountKind, BillingAccount
from core.access import EVERYWHERE
from core.models import Organization, UndividedQuerySet


class Party(models.Model):
    """Name, address and tax numbers. ``country`` is ISO 3166-1 alpha-2, ``vat_id`` compact with its country."""

    name = models.CharField(_("name"), max_length=200, blank=True)
    street = models.CharField(_("street and number"), max_length=200, blank=True)
    postal_code = models.CharField(_("postal code"), max_length=20, blank=True)
    city = models.CharField(_("city"), max_length=100, blank=True)
    country = models.CharField(_("country"), max_length=2, blank=True)
    vat_id = models.CharField(_("VAT id"), max_length=20, blank=True)
    email = models.EmailField(_("e-mail address"), blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True

    @property
    def has_address(self) -> bool:
        return bool(self.street and self.postal_code and self.city and self.country)

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE


class Seller(Party):
    """The organization on its documents. ``vat_exempt``: a small business, whose supplies bear no VAT.

    ``logo`` is a PNG or JPEG of at most 200 kB. ``texts`` has a closing text for each language. ``languages`` are
    those that documents can have, the first where the buyer names none.
    """

    organization = models.OneToOneField(
        Organization, on_delete=models.PROTECT, primary_key=True, related_name="seller"
    )
    tax_number = models.CharField(_("tax number"), max_length=30, blank=True)
    vat_exempt = models.BooleanField(_("exempt from VAT"), default=False)
    contact = models.CharField(_("contact"), max_length=100, blank=True)
    phone = models.CharField(_("telephone"), max_length=40, blank=True)
    logo = models.BinaryField(default=bytes)
    texts = models.JSONField(default=dict)
    languages = ArrayField(models.CharField(max_length=2), default=list)

    objects = UndividedQuerySet["Seller"].as_manager()

    def __str__(self) -> str:
        return self.name

    @property
    def is_complete(self) -> bool:
        """Whether documents may be made in its name."""
        return bool(self.name and self.has_address and (self.vat_id or self.tax_number))


class Letterhead(models.Model):
    """A logo that an issued document has, kept as it was; ``sha256`` is of its bytes, which snapshots name."""

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, db_index=False)
    sha256 = models.CharField(max_length=64)
    logo = models.BinaryField()

    objects = UndividedQuerySet["Letterhead"].as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "sha256"], name="letterhead_once")]

    def __str__(self) -> str:
        return self.sha256[:16]

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE


class BuyerQuerySet(UndividedQuerySet["Buyer"]):
    organization_path = "account__organization_id"


class Buyer(Party):
    """The payer on documents. ``vat_id_checked_on`` is when its check digits were found right.

    ``minimum_amount``: a month of less waits for the next ones of the year (B-21), in whatever currency it is.
    ``staff``: its sessions are not billed (B-13).
    ``reseller``: buys electricity to sell it on, such as a roaming partner (B-26). ``reference`` is BT-10.
    ``by_cost_centre``: its invoices are grouped by the cost centres of its drivers, with a sum for each (B-18).
    """

    account = models.OneToOneField(
        BillingAccount, on_delete=models.PROTECT, primary_key=True, related_name="buyer"
    )
    vat_id_checked_on = models.DateField(null=True)
    reseller = models.BooleanField(_("sells the electricity on"), default=False)
    staff = models.BooleanField(_("staff, whose sessions are not billed"), default=False)
    minimum_amount = models.DecimalField(_("minimum amount"), max_digits=19, decimal_places=4, default=0)
    reference = models.CharField(_("buyer reference"), max_length=100, blank=True)
    language = models.CharField(_("language"), max_length=2, blank=True)
    by_cost_centre = models.BooleanField(_("invoices by cost centre"), default=False, db_default=False)

    objects = BuyerQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(vat_id="") | models.Q(vat_id_checked_on__isnull=False),
                name="buyer_vat_id_is_checked",
            ),
            models.CheckConstraint(
                condition=models.Q(minimum_amount__gte=0), name="buyer_minimum_is_an_amount"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def organization_id(self) -> UUID:
        return self.account.organization_id

    @property
    def audit_label(self) -> str:
        return self.account.audit_label

    @property
    def is_person(self) -> bool:
        return self.account.kind != AccountKind.COMPANY
