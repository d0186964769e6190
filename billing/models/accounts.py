"""Who pays: one account for each driver; companies and ad-hoc payers have accounts of their own."""

from uuid import UUID

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
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


class CompanyMemberQuerySet(UndividedQuerySet["CompanyMember"]):
    organization_path = "account__organization_id"

    def present(self) -> "CompanyMemberQuerySet":
        """Those that nobody ended."""
        return self.filter(until=None)


class CompanyMember(models.Model):
    """A company pays for the sessions of a driver that begin from ``since`` on and before ``until`` (billing B-18).

    ``cost_centre`` is the company's own name of where it books them. Rows are ended, not changed: what was sealed by
    them, or will be, has the company and the cost centre of its start.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.ForeignKey(
        BillingAccount, on_delete=models.PROTECT, related_name="members", db_index=False
    )
    driver = models.ForeignKey(Driver, on_delete=models.PROTECT, related_name="companies", db_index=False)
    cost_centre = models.CharField(_("cost centre"), max_length=50, blank=True)
    since = models.DateTimeField(_("since"))
    until = models.DateTimeField(_("until"), null=True)
    made_by = models.CharField(max_length=200)

    objects = CompanyMemberQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            ExclusionConstraint(
                name="company_member_of_one_at_a_time",
                expressions=[
                    ("driver", RangeOperators.EQUAL),
                    (
                        models.Func(
                            "since", "until", function="tstzrange", output_field=DateTimeRangeField()
                        ),
                        RangeOperators.OVERLAPS,
                    ),
                ],
            ),
            models.CheckConstraint(
                condition=models.Q(until=None) | models.Q(until__gte=models.F("since")),
                name="company_member_ends_after_start",
            ),
        ]
        indexes = [models.Index(fields=["account", "-id"], name="company_member_by_account")]

    def __str__(self) -> str:
        return f"{self.account} · {self.driver}"

    @property
    def organization_id(self) -> UUID:
        return self.account.organization_id

    @property
    def audit_label(self) -> str:
        return f"{self.account.audit_label} · {self.driver.audit_label}"

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE
