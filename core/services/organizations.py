"""What an organization says of itself."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import available_timezones

from django.db.transaction import atomic

from core import audit
from core.access import Actor, Permission
from core.errors import Invalid, NotPermitted
from core.models import Organization
from core.money import minor_units

EDITABLE = frozenset({"name", "currency", "time_zone"})


def lock(organization: Organization) -> Organization:
    """The row as it is now; others cannot change it until the transaction ends."""
    return Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)


def update(organization: Organization, values: Mapping[str, Any], *, by: Actor) -> Organization:
    """Change what may be changed (``EDITABLE``); the short name is in addresses and stays.

    Raises :class:`Invalid` naming the field, :class:`NotPermitted` for those limited to sites.
    """
    by.require(Permission.ORG_SETTINGS)
    if by.organization_id != organization.pk or by.limited_to is not None:
        raise NotPermitted("Who is limited to sites cannot change the organization.")
    changes = audit.difference(organization, values)
    for name, value in values.items():
        if name not in EDITABLE:
            raise Invalid(f"“{name}” cannot be set.", field=name)
        setattr(organization, name, value)
    _check(organization)
    with atomic():
        organization.save(update_fields=list(values))
        audit.record("organization.changed", organization, by=by, changes=changes)
    return organization


def _check(organization: Organization) -> None:
    if not organization.name.strip() or len(organization.name) > 100:
        raise Invalid("A name has 1 to 100 characters.", field="name")
    minor_units(organization.currency)
    if organization.time_zone not in available_timezones():
        raise Invalid(f"“{organization.time_zone}” is not a time zone of the IANA list.", field="time_zone")
