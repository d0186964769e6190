"""Sites, as operators keep them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.db.transaction import atomic

from core import audit, clock, countries
from core.access import Actor, Permission
from core.errors import Conflict, Invalid
from core.models import Organization
from stations.models import Site

EDITABLE = frozenset(
    {
        "name",
        "address",
        "city",
        "postal_code",
        "country",
        "latitude",
        "longitude",
        "time_zone",
        "public",
        "free_cancellation",
    }
)


def create(values: Mapping[str, Any], *, by: Actor) -> Site:
    """A new site. Raises :class:`Invalid` naming the field."""
    by.require_everywhere(Permission.STATIONS_EDIT)
    site = Site(organization_id=by.home)
    _assign(site, values)
    with atomic():
        site.save(force_insert=True)
        audit.record("site.created", site, by=by)
    return site


def update(site: Site, values: Mapping[str, Any], *, by: Actor) -> Site:
    """Change what may be changed (``EDITABLE``). Raises :class:`Invalid` naming the field."""
    by.require(Permission.STATIONS_EDIT, site)
    changes = audit.difference(site, values)
    _assign(site, values)
    with atomic():
        site.save(update_fields=[*values, "updated_at"])
        audit.record("site.changed", site, by=by, changes=changes)
    return site


def lock(site_id: UUID) -> UUID:
    """Keep others from changing the site until the transaction ends."""
    Site.objects.select_for_update().filter(pk=site_id).first()
    return site_id


def retire(site: Site, *, by: Actor) -> None:
    """Close a site; its history stays. Raises :class:`Conflict` while stations stand there."""
    by.require(Permission.STATIONS_EDIT, site)
    with atomic():
        count = site.stations.filter(retired_at=None).count()
        if count:
            raise Conflict(f"{count} stations stand at this site. Move or retire them first.")
        site.retired_at = clock.now()
        site.save(update_fields=["retired_at", "updated_at"])
        audit.record("site.retired", site, by=by)


def first_site(organization: Organization, *, by: Actor) -> Site:
    """The organization's first site; made, with the organization's name, where there is none."""
    site = Site.objects.live().visible_to(by).filter(organization=organization).order_by("id").first()
    if site is None:
        site = Site(organization=organization, name=organization.name, time_zone=organization.time_zone)
        site.save(force_insert=True)
        audit.record("site.created", site, by=by)
    return site


def _assign(site: Site, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if name not in EDITABLE:
            raise Invalid(f"“{name}” cannot be set.", field=name)
        setattr(site, name, value)
    if values.get("country"):
        site.country = countries.alpha_2(site.country)
    if site.time_zone not in available_timezones():
        raise Invalid(f"“{site.time_zone}” is not a time zone of the IANA list.", field="time_zone")
    try:
        site.clean_fields(exclude={"organization"})
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise Invalid(" ".join(messages), field=field) from error
