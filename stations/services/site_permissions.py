"""Where tokens, drivers and groups may charge. Each place that names sites has to name the one in question."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db.transaction import atomic

from core import audit
from core.access import Actor, Permission
from core.errors import NotFound
from drivers.models import Driver, DriverGroup, IdToken, TokenGroup
from stations.models import Site, SitePermission

Holder = IdToken | Driver | TokenGroup | DriverGroup
KIND: Mapping[type, str] = {
    IdToken: "token",
    Driver: "driver",
    TokenGroup: "token_group",
    DriverGroup: "driver_group",
}


def sites_of(holder: Holder) -> list[Site]:
    """The sites that the holder is limited to; none: everywhere."""
    rows = SitePermission.objects.filter(**{KIND[type(holder)]: holder})
    return sorted((row.site for row in rows.select_related("site")), key=lambda site: site.name)


def limit(holder: Holder, sites: Sequence[Site | UUID], *, by: Actor) -> list[Site]:
    """Let the holder charge at these sites alone; with none, everywhere.

    Raises :class:`NotFound` for a site of others and :class:`NotPermitted` for who is limited to sites.
    """
    before = sites_of(holder)
    wanted = {site.pk if isinstance(site, Site) else site for site in sites}
    if wanted == {site.pk for site in before}:
        return before
    by.require_everywhere(Permission.DRIVERS_MANAGE, holder)
    found = list(Site.objects.visible_to(by).live().filter(pk__in=wanted))
    if len(found) != len(wanted):
        raise NotFound("There is no such site.", field="sites")
    with atomic():
        _replace(holder, found)
        names = [sorted(site.name for site in those) for those in (before, found)]
        audit.record(f"{KIND[type(holder)]}.limited", holder, by=by, changes={"sites": names})
    return sorted(found, key=lambda site: site.name)


class Places:
    """The limits of an organization, read once for many tokens."""

    def __init__(self, organization_id: UUID) -> None:
        self._sites: dict[tuple[str, UUID], set[UUID]] = {}
        for row in SitePermission.objects.filter(organization_id=organization_id):
            for kind in KIND.values():
                if (holder := getattr(row, f"{kind}_id")) is not None:
                    self._sites.setdefault((kind, holder), set()).add(row.site_id)

    def allow(self, token: IdToken, site_id: UUID | None) -> bool:
        """Whether the token may charge at the site; its driver is loaded."""
        group = token.driver.group_id if token.driver else None
        holders = {
            "token": token.pk,
            "driver": token.driver_id,
            "token_group": token.group_id,
            "driver_group": group,
        }
        named = (self._sites.get((kind, holder)) for kind, holder in holders.items() if holder)
        return all(site_id in sites for sites in named if sites is not None)


def copy(old: IdToken, new: IdToken) -> None:
    """Limit a token that takes the place of another as that one was."""
    _replace(new, sites_of(old))


def _replace(holder: Holder, sites: Sequence[Site]) -> None:
    whose = {KIND[type(holder)]: holder}
    SitePermission.objects.filter(**whose).delete()
    SitePermission.objects.bulk_create(
        SitePermission(organization_id=holder.organization_id, site=site, **whose) for site in sites
    )
