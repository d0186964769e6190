"""Sites whose sessions are not billed: the stated reason ``free_site`` (billing B-13)."""

from collections.abc import Collection
from uuid import UUID

from django.db.transaction import atomic

from billing.models import SitePolicy
from core import audit
from core.access import Actor, Permission
from core.errors import Invalid
from core.models import Organization
from stations.models import Site


def chosen(organization: Organization) -> list[UUID]:
    """The sites where nothing is billed."""
    rows = SitePolicy.objects.filter(site__organization=organization, free=True)
    return list(rows.order_by("pk").values_list("pk", flat=True))


@atomic
def choose(organization: Organization, sites: Collection[UUID], *, by: Actor) -> None:
    """Bill nothing that is sealed from now on at these sites, and at no other. Raises :class:`Invalid`."""
    by.require_everywhere(Permission.ORG_SETTINGS, organization)
    Organization.objects.select_for_update().get(pk=organization.pk)
    before, wanted = set(chosen(organization)), set(sites)
    ours = set(Site.objects.filter(organization=organization, pk__in=wanted).values_list("pk", flat=True))
    if ours != wanted:
        raise Invalid("There is no such site.", field="free_sites")
    if before == wanted:
        return
    SitePolicy.objects.filter(pk__in=before - wanted).update(free=False)
    for key in sorted(wanted - before):
        SitePolicy.objects.update_or_create(site_id=key, defaults={"free": True})
    told = audit.change(sorted(map(str, before)), sorted(map(str, wanted)))
    audit.record("free_sites.changed", organization, by=by, changes={"sites": told})
