"""How stations of a make are to be treated, and why."""

from typing import Self
from uuid import UUID

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from core.access import EVERYWHERE, Actor
from core.ids import uuid7
from core.models import Organization, ScopedQuerySet


class QuirkQuerySet(ScopedQuerySet["Quirk"]):
    def visible_to(self, actor: Actor) -> Self:
        """Those of the organization, and those that came with the product."""
        own = super().visible_to(actor)
        return own | self.filter(organization=None)


class Quirk(models.Model):
    """A treatment for stations whose vendor, model and firmware match; ``*`` stands for anything.

    Without an organization it came with the product: an example to copy, in force nowhere.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, null=True)
    vendor = models.CharField(_("vendor"), max_length=50, blank=True)
    model = models.CharField(_("model"), max_length=50, blank=True)
    firmware = models.CharField(_("firmware"), max_length=50, blank=True)
    reason = models.CharField(_("reason"), max_length=500)
    enabled = models.BooleanField(_("in force"), default=True)
    lenient = models.BooleanField(_("lenient"), null=True, blank=True)
    tolerances = models.JSONField(default=dict, blank=True)
    call_timeout_s = models.PositiveSmallIntegerField(
        _("response time-out (s)"),
        null=True,
        blank=True,
        validators=[MinValueValidator(5), MaxValueValidator(300)],
    )
    ping_interval_s = models.PositiveSmallIntegerField(_("ping interval (s)"), null=True, blank=True)
    energy_factor = models.DecimalField(
        _("energy factor"), max_digits=12, decimal_places=6, null=True, blank=True
    )
    changed_by = models.CharField(max_length=200, blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    objects = QuirkQuerySet.as_manager()

    class Meta:
        ordering = ["vendor", "model", "firmware", "id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(enabled=False) | ~models.Q(vendor="", model=""),
                name="quirk_names_a_make",
            )
        ]

    def __str__(self) -> str:
        return " · ".join(part for part in (self.vendor, self.model, self.firmware) if part) or "*"

    @property
    def limit_id(self) -> UUID:
        return EVERYWHERE
