"""Keys of meters, and how much a site's bills depend on them (billing B-61, B-63)."""

from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.access import EVERYWHERE
from core.ids import uuid7
from core.models import Organization, ScopedQuerySet, UndividedQuerySet
from stations.models import Site


class SigningRule(models.TextChoices):
    REQUIRED = "required", _("Billed from signed values only")
    RECORDED = "recorded", _("Kept and checked")
    OFF = "off", _("Not looked at")


class SitePolicyQuerySet(ScopedQuerySet["SitePolicy"]):
    organization_path = "site__organization_id"
    limit_path = "site_id"


class SitePolicy(models.Model):
    """How signed values count at a site; without a row they are kept and checked.

    ``free``: nothing that is charged there is billed (B-13).
    """

    site = models.OneToOneField(
        Site, on_delete=models.CASCADE, primary_key=True, related_name="signing_policy"
    )
    rule = models.CharField(max_length=8, choices=SigningRule.choices, default=SigningRule.RECORDED)
    synchronized_clock = models.BooleanField(default=False)
    free = models.BooleanField(default=False, db_default=False)

    objects = SitePolicyQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.site} · {self.rule}"

    @property
    def organization_id(self) -> UUID:
        return self.site.organization_id

    @property
    def limit_id(self) -> UUID:
        return self.site_id


class MeterKeyQuerySet(UndividedQuerySet["MeterKey"]):
    def live(self) -> "MeterKeyQuerySet":
        """Without those of meters that were taken out."""
        return self.filter(retired_at=None)


class MeterKey(models.Model):
    """The public key that came with a meter, not with its values.

    After ``retired_at`` it counts for sessions that began before only; its serial number is free for another. Of two
    with one number the session's is the one that was taken out first after it began.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, db_index=False)
    serial = models.CharField(_("meter serial number"), max_length=50)
    public_key = models.TextField(_("public key"), max_length=2000)
    registered_at = models.DateTimeField()
    registered_by = models.CharField(max_length=200)
    retired_at = models.DateTimeField(null=True)

    objects = MeterKeyQuerySet.as_manager()

    class Meta:
        ordering = ["serial"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "serial"],
                condition=models.Q(retired_at=None),
                name="meter_key_live_once",
            )
        ]
        indexes = [models.Index(fields=["organization", "serial"], name="meter_key_by_serial")]

    def __str__(self) -> str:
        return self.serial

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE
