"""Hosts of sites: what they get of each session there, by agreements with dates (billing B-53)."""

from uuid import UUID

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.db import models
from django.utils.translation import gettext_lazy as _

from billing.models.accounts import BillingAccount
from billing.models.home import DAYS
from core.access import EVERYWHERE
from core.ids import uuid7
from core.models import Organization, UndividedQuerySet
from stations.models import ChargingStation, Site


class HostAgreement(models.Model):
    """What an account gets of each record of a site, or of one station there, without VAT.

    ``percent`` of its amount without VAT, ``per_kwh``, and ``per_session`` together, at least ``minimum``; all the
    hosts of a record together no more than its amount. Where a station has agreements of its own on a day, those of
    its site do not hold for it. The days are those of the site; the last one is included, ``None`` is no end.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, db_index=False)
    account = models.ForeignKey(BillingAccount, on_delete=models.PROTECT, related_name="host_agreements")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, null=True, related_name="host_agreements")
    station = models.ForeignKey(
        ChargingStation, on_delete=models.PROTECT, null=True, related_name="host_agreements"
    )
    percent = models.DecimalField(_("percent of the amount"), max_digits=7, decimal_places=4, default=0)
    per_kwh = models.DecimalField(_("for each kWh"), max_digits=12, decimal_places=6, default=0)
    per_session = models.DecimalField(_("for each session"), max_digits=19, decimal_places=4, default=0)
    minimum = models.DecimalField(_("at least, for each session"), max_digits=19, decimal_places=4, default=0)
    currency = models.CharField(_("currency"), max_length=3)
    valid_from = models.DateField(_("from"))
    valid_to = models.DateField(_("until"), null=True)
    made_at = models.DateTimeField()
    made_by = models.CharField(max_length=200)

    objects = UndividedQuerySet["HostAgreement"].as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            *(
                ExclusionConstraint(
                    name=f"host_agreements_of_a_{place}_do_not_overlap",
                    expressions=[
                        ("account", RangeOperators.EQUAL),
                        (place, RangeOperators.EQUAL),
                        (DAYS, RangeOperators.OVERLAPS),
                    ],
                )
                for place in ("site", "station")
            ),
            models.CheckConstraint(
                condition=models.Q(site=None) ^ models.Q(station=None), name="host_agreement_of_one_place"
            ),
            models.CheckConstraint(
                condition=models.Q(valid_to=None) | models.Q(valid_to__gte=models.F("valid_from")),
                name="host_agreement_ends_after_start",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    percent__gte=0, percent__lte=100, per_kwh__gte=0, per_session__gte=0, minimum__gte=0
                ),
                name="host_agreement_takes_nothing",
            ),
        ]
        indexes = [models.Index(fields=["organization", "-id"], name="host_agreement_by_org")]

    def __str__(self) -> str:
        return f"{self.account} · {self.site or self.station}"

    @property
    def audit_label(self) -> str:
        return f"Host …{str(self.pk)[-8:]}"

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE
