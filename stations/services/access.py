"""Actors of people and keys, with what limits them to sites."""

from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

from django.db.transaction import atomic

from core import audit
from core.access import ROLE_PERMISSIONS, Actor, ActorKind, Permission, Role
from core.errors import NotFound
from core.models import AccessToken, ApiKey, Membership, Organization
from core.services import accounts, keys
from stations.models import Site, SiteLimit

# Who is limited to sites cannot lift the limit: not by members or keys of their own, not by the audit of all.
OF_THE_WHOLE = frozenset(
    {Permission.ORG_USERS, Permission.ORG_API, Permission.ORG_SETTINGS, Permission.AUDIT_VIEW}
)


def actor_of_member(
    membership: Membership, *, address: str = "", request_id: str = "", sites: Iterable[UUID] | None = None
) -> Actor:
    """The member acting in that organization; ``sites`` where what limits it is known already."""
    if sites is None:
        sites = SiteLimit.objects.filter(membership=membership).values_list("site_id", flat=True)
    limits = _limits(sites)
    return Actor(
        kind=ActorKind.USER,
        label=f"user:{membership.user.email}",
        organization_id=membership.organization_id,
        permissions=_within(limits, ROLE_PERMISSIONS[Role(membership.role)]),
        limited_to=limits,
        subject_id=membership.user_id,
        address=address,
        request_id=request_id,
    )


def actor_of_key(
    key: ApiKey, *, address: str = "", request_id: str = "", scopes: Iterable[str] | None = None
) -> Actor:
    """The program that holds the key; ``scopes`` where it asked for some of them only."""
    held = frozenset(key.scopes if scopes is None else scopes)
    limits = _limits(SiteLimit.objects.filter(api_key=key).values_list("site_id", flat=True))
    return Actor(
        kind=ActorKind.KEY,
        label=f"key:{key.name}",
        organization_id=key.organization_id,
        permissions=_within(limits, keys.permissions_of(held)),
        limited_to=limits,
        subject_id=key.id,
        owner_id=key.holder_id,
        scopes=held,
        address=address,
        request_id=request_id,
    )


def actor_of_token(token: AccessToken, *, address: str = "", request_id: str = "") -> Actor:
    """The program that holds the access token, for the person whose secret bought it."""
    actor = actor_of_key(token.key, address=address, request_id=request_id, scopes=token.scopes)
    return replace(actor, owner_id=token.owner_id)


def person_behind(by: Actor) -> str:
    """``person_id`` of the actor as it is kept with what waits for another person (W-21); of the system its label."""
    return str(by.person_id) if by.person_id else by.label[:200]


def actor_again(kind: str, subject_id: UUID, organization_id: UUID) -> Actor | None:
    """A member or key that acted before, with what it may do now; ``None`` where it is gone or refused."""
    if kind == ActorKind.KEY:
        key = ApiKey.objects.filter(pk=subject_id, organization_id=organization_id).first()
        return actor_of_key(key) if key is not None and key.usable else None
    membership = (
        Membership.objects.select_related("user")
        .filter(user_id=subject_id, user__is_active=True, organization_id=organization_id)
        .first()
    )
    return None if membership is None else actor_of_member(membership)


def admit(
    email: str, organization: Organization, role: Role, site_names: Iterable[str], *, by: Actor
) -> tuple[Membership, str | None]:
    """A new member and what limits it, or nothing at all. Raises as ``accounts.add_member`` does."""
    with atomic():
        membership, password = accounts.add_member(email, organization, role, by=by)
        if sites := list(site_names):
            limit_member(membership, sites, by=by)
    return membership, password


def limit_member(membership: Membership, site_names: Iterable[str], *, by: Actor) -> None:
    """Limit a member to sites, by name or id; none lifts the limit. Raises :class:`NotFound`."""
    by.require(Permission.ORG_USERS, membership.organization)
    with atomic():
        sites = {_site(membership.organization_id, name) for name in site_names}
        former = SiteLimit.objects.filter(membership=membership).select_related("site")
        before = _names(limit.site for limit in former)
        former.delete()
        SiteLimit.objects.bulk_create(SiteLimit(membership=membership, site=site) for site in sites)
        audit.record("member.limited", membership, by=by, changes={"sites": [before, _names(sites)]})


def limit_key(key: ApiKey, site_names: Iterable[str], *, by: Actor) -> None:
    """Limit an API key to sites, by name or id. Raises :class:`NotFound`."""
    by.require(Permission.ORG_API, key)
    with atomic():
        sites = {_site(key.organization_id, name) for name in site_names}
        former = SiteLimit.objects.filter(api_key=key).select_related("site")
        before = _names(limit.site for limit in former)
        former.delete()
        SiteLimit.objects.bulk_create(SiteLimit(api_key=key, site=site) for site in sites)
        audit.record("api_key.limited", key, by=by, changes={"sites": [before, _names(sites)]})


def _within(limits: frozenset[UUID] | None, permissions: frozenset[Permission]) -> frozenset[Permission]:
    return permissions if limits is None else permissions - OF_THE_WHOLE


def _limits(site_ids: Iterable[UUID]) -> frozenset[UUID] | None:
    return frozenset(site_ids) or None


def _names(sites: Iterable[Site]) -> list[str]:
    return sorted(site.name for site in sites)


def _site(organization_id: UUID, name: str) -> Site:
    sites = Site.objects.live().filter(organization_id=organization_id)
    try:
        found = sites.filter(pk=UUID(name)).first()
    except ValueError:
        found = sites.filter(name__iexact=name).first()
    if found is None:
        raise NotFound(f"There is no site “{name}” in this organization.", field="site")
    return found
