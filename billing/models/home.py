"""Employees who charge at home: what they are paid for each kWh, by agreements with dates (billing B-52)."""

from uuid import UUID

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.db import models
from django.db.models import Func, Value
from django.utils.translation import gettext_lazy as _

from billing.models.accounts import BillingAccount
from core.access import EVERYWHERE
from core.ids import uuid7
from core.models import Organization, UndividedQuerySet
from drivers.models import Driver
from stations.models import ChargingStation

DAYS = Func("valid_from", "valid_to", Value("[]"), function="daterange", output_field=DateRangeField())
"""The days of an agreement, the last one included; without an end for ever."""


class HomeChargingPolicy(models.Model):
    """What an organization asks of home chargers; without a row a meter that MID approves is asked for."""

    organization = models.OneToOneField(
        Organization, on_delete=models.PROTECT, primary_key=True, related_name="home_charging_policy"
    )
    mid_required = models.BooleanField(_("only with a meter approved by MID"), default=True)
    changed_at = models.DateTimeField(auto_now=True)

    objects = UndividedQuerySet["HomeChargingPolicy"].as_manager()

    def __str__(self) -> str:
        return str(self.organization_id)

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE


class HomeAgreement(models.Model):
    """What a driver is paid for each kWh charged with an own token at the charger at home.

    ``rate_per_kwh`` is without VAT. ``employer`` is charged what the driver is paid, with VAT at ``vat_rate``
    percent; without one it is the organization's own cost. ``meter_serial`` is the number of the station's meter
    that MID approves. The days are those of the station's site; the last one is included, ``None`` is no end.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, db_index=False)
    driver = models.ForeignKey(Driver, on_delete=models.PROTECT, related_name="home_agreements")
    station = models.ForeignKey(ChargingStation, on_delete=models.PROTECT, related_name="home_agreements")
    employer = models.ForeignKey(
        BillingAccount, on_delete=models.PROTECT, null=True, related_name="home_agreements"
    )
    rate_per_kwh = models.DecimalField(_("rate per kWh"), max_digits=12, decimal_places=6)
    currency = models.CharField(_("currency"), max_length=3)
    vat_rate = models.DecimalField(_("VAT to the employer (%)"), max_digits=7, decimal_places=4, null=True)
    meter_serial = models.CharField(_("MID meter"), max_length=50, blank=True)
    valid_from = models.DateField(_("from"))
    valid_to = models.DateField(_("until"), null=True)
    made_at = models.DateTimeField()
    made_by = models.CharField(max_length=200)

    objects = UndividedQuerySet["HomeAgreement"].as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            ExclusionConstraint(
                name="home_agreements_do_not_overlap",
                expressions=[
                    ("driver", RangeOperators.EQUAL),
                    ("station", RangeOperators.EQUAL),
                    (DAYS, RangeOperators.OVERLAPS),
                ],
            ),
            models.CheckConstraint(
                condition=models.Q(valid_to=None) | models.Q(valid_to__gte=models.F("valid_from")),
                name="home_agreement_ends_after_start",
            ),
            models.CheckConstraint(
                condition=models.Q(rate_per_kwh__gt=0), name="home_agreement_rate_is_a_price"
            ),
            models.CheckConstraint(
                condition=models.Q(employer=None, vat_rate=None)
                | models.Q(employer__isnull=False, vat_rate__gte=0, vat_rate__lte=100),
                name="home_agreement_says_the_employers_vat",
            ),
        ]
        indexes = [models.Index(fields=["organization", "-id"], name="home_agreement_by_org")]

    def __str__(self) -> str:
        return f"{self.driver} · {self.station}"

    @property
    def audit_label(self) -> str:
        return f"Home charging …{str(self.pk)[-8:]}"

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE
