"""Who pays: one account for each driver; companies and ad-hoc payers have accounts of their own."""

from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.access import EVERYWHERE
from core.ids import uuid7
from core.models import Organization, UndividedQuerySet
from drivers.models import Driver


class AccountKind(models.TextChoices):
    DRIVER = "driver", _("Driver")
    COMPANY = "company", _("Company")
    AD_HOC = "ad_hoc", _("Ad hoc")


class BillingAccountQuerySet(UndividedQuerySet["BillingAccount"]):
    pass


class BillingAccount(models.Model):
    """One payer of an operator. Its time zone decides to which month a session belongs (billing B-19)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT)
    kind = models.CharField(max_length=7, choices=AccountKind.choices)
    driver = models.OneToOneField(
        Driver, on_delete=models.SET_NULL, null=True, related_name="billing_account"
    )
    name = models.CharField(_("name"), max_length=200)
    time_zone = models.CharField(_("time zone"), max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = BillingAccountQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization"], condition=models.Q(kind="ad_hoc"), name="billing_account_ad_hoc_once"
            )
        ]
        indexes = [models.Index(fields=["organization", "name"], name="billing_account_by_name")]

    def __str__(self) -> str:
        return self.name

    @property
    def audit_label(self) -> str:
        """How the audit, which nothing can be erased from, calls the payer: not by name."""
        return f"Payer …{str(self.id)[-8:]}"

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE
