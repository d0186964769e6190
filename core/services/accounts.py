"""Organizations, people and their roles."""

import secrets
from uuid import UUID

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email, validate_slug
from django.db import IntegrityError
from django.db.transaction import atomic

from core import audit
from core.access import Actor, Permission, Role
from core.errors import Conflict, Invalid, NotFound
from core.models import Membership, Organization, User


def create_organization(slug: str, *, name: str, by: Actor, **details: object) -> Organization:
    """A new operator. Raises :class:`Invalid` for a bad slug, :class:`Conflict` for a taken one."""
    try:
        validate_slug(slug)
    except ValidationError as error:
        raise Invalid(
            "A short name has letters, digits, hyphens and underscores only.", field="slug"
        ) from error
    organization = Organization(slug=slug, name=name, **details)
    try:
        with atomic():
            organization.save(force_insert=True)
            audit.record("organization.created", organization, by=by)
    except IntegrityError as error:
        raise Conflict(f"There is already an organization “{slug}”.", field="slug") from error
    return organization


def create_admin(email: str, *, by: Actor, password: str | None = None) -> tuple[User, str | None]:
    """A platform administrator; answers with the password only where it was made here.

    An existing person is made an administrator and keeps the password, unless one is given.
    """
    with atomic():
        user, made = _find_or_create(email, password)
        User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
        audit.record("platform_admin.created", user, by=by)
    user.refresh_from_db()
    return user, made


def person(email: str) -> tuple[User, str | None]:
    """The account of that address, with the password only where it was made here. Raises :class:`Invalid`."""
    return _find_or_create(email, None)


def add_member(
    email: str, organization: Organization, role: Role, *, by: Actor
) -> tuple[Membership, str | None]:
    """Give a person a role; answers with the password only where the account was made here.

    Raises :class:`Conflict` for a member: adding again must not change a role or lift a limit unnoticed.
    """
    by.require(Permission.ORG_USERS, organization)
    with atomic():
        user, made = _find_or_create(email, None)
        membership, created = Membership.objects.get_or_create(
            user=user, organization=organization, defaults={"role": role.value}
        )
        if not created:
            raise Conflict(
                f"{user.email} is a member already, as {membership.role}. Change the role in the list of members; "
                "to change the sites, remove the person and add them again.",
                field="email",
            )
        audit.record("member.added", membership, by=by, changes={"role": [None, role.value]})
    return membership, made


def give_role(
    email: str, organization: Organization, role: Role, *, by: Actor
) -> tuple[Membership, str | None]:
    """As :func:`add_member`, but a member's role is changed, on purpose. What limits the member stays."""
    membership = Membership.objects.filter(user__email__iexact=email, organization=organization).first()
    if membership is None:
        return add_member(email, organization, role, by=by)
    return change_role(membership, role, by=by), None


def change_role(membership: Membership, role: Role, *, by: Actor) -> Membership:
    """Raises :class:`Conflict` where the organization would be left without an administrator."""
    by.require(Permission.ORG_USERS, membership.organization)
    before = membership.role
    if before == role:
        return membership
    with atomic():
        if before == Role.ADMIN and role is not Role.ADMIN:
            _keep_an_admin(membership)
        membership.role = role.value
        membership.save(update_fields=["role"])
        audit.record("member.role_changed", membership, by=by, changes={"role": [before, role.value]})
    return membership


def remove_member(membership: Membership, *, by: Actor) -> None:
    """End a person's membership. Raises :class:`Conflict` for the last administrator."""
    by.require(Permission.ORG_USERS, membership.organization)
    with atomic():
        if membership.role == Role.ADMIN:
            _keep_an_admin(membership)
        audit.record("member.removed", membership, by=by, changes={"role": [membership.role, None]})
        membership.delete()


def find_organization(slug: str) -> Organization:
    """Raises :class:`NotFound` with the slugs that there are."""
    organization = Organization.objects.filter(slug=slug).first()
    if organization is None:
        known = ", ".join(Organization.objects.order_by("slug").values_list("slug", flat=True)[:10])
        raise NotFound(
            f"There is no organization “{slug}”. There are: {known or 'none yet'}.", field="organization"
        )
    return organization


def membership_of(user_id: UUID, slug: str) -> Membership | None:
    """A person's membership in the organization of that short name."""
    memberships = Membership.objects.select_related("organization", "user")
    return memberships.filter(user_id=user_id, organization__slug=slug).first()


def _find_or_create(email: str, password: str | None) -> tuple[User, str | None]:
    try:
        validate_email(email)
        if password is not None:
            validate_password(password)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages), field="email") from error
    user = User.objects.filter(email__iexact=email).first()
    if user is None:
        made = None if password else secrets.token_urlsafe(15)
        return User.objects.create_user(email, password or made), made
    if password:
        user.set_password(password)
        user.save(update_fields=["password"])
    return user, None


def _keep_an_admin(leaving: Membership) -> None:
    admins = Membership.objects.select_for_update().filter(
        organization_id=leaving.organization_id, role=Role.ADMIN.value
    )
    if not [admin for admin in admins if admin.pk != leaving.pk]:
        raise Conflict("The last administrator cannot be removed. Make somebody else administrator first.")
