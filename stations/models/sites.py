"""Places where stations stand."""

from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.ids import uuid7
from core.models import Organization, ScopedQuerySet


class SiteQuerySet(ScopedQuerySet["Site"]):
    limit_path = "id"

    def live(self) -> "SiteQuerySet":
        """Without the retired ones."""
        return self.filter(retired_at=None)


class Site(models.Model):
    """A place with an address and a time zone, in which sessions, tariffs and windows are told."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT)
    name = models.CharField(_("name"), max_length=100)
    address = models.CharField(_("address"), max_length=200, blank=True)
    city = models.CharField(_("city"), max_length=100, blank=True)
    postal_code = models.CharField(_("postal code"), max_length=20, blank=True)
    country = models.CharField(_("country"), max_length=2, blank=True)
    latitude = models.DecimalField(_("latitude"), max_digits=9, decimal_places=6, null=True, blank=True)
    longitude = models.DecimalField(_("longitude"), max_digits=9, decimal_places=6, null=True, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64, default="Europe/Berlin")
    public = models.BooleanField(_("public"), default=True)
    free_cancellation = models.BooleanField(_("cancelling a reservation is free"), default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    retired_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = SiteQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        indexes = [
            models.Index(fields=["organization", "name", "id"], name="site_by_name"),
            models.Index(fields=["organization", "created_at", "id"], name="site_by_creation"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def limit_id(self) -> UUID:
        return self.id
