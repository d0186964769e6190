"""Who may do what: permissions, roles, the actor of every read and write."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from core.errors import NotFound, NotPermitted


class Permission(StrEnum):
    """One thing a person or program may be allowed to do inside an organization."""

    STATIONS_VIEW = "stations.view"
    SESSIONS_VIEW = "sessions.view"
    ALERTS_VIEW = "alerts.view"
    ALERTS_ACK = "alerts.ack"
    ALERTS_RULES = "alerts.rules"
    MESSAGES_VIEW = "messages.view"
    COMMANDS_SESSION = "commands.session"
    COMMANDS_RESET_SOFT = "commands.reset_soft"
    COMMANDS_STATION = "commands.station"
    COMMANDS_EXPERT = "commands.expert"
    STATIONS_EDIT = "stations.edit"
    VARIABLES_EDIT = "variables.edit"
    FIRMWARE_MANAGE = "firmware.manage"
    FIRMWARE_UPLOAD = "firmware.upload"
    LOAD_MANAGE = "load.manage"
    SECURITY_MANAGE = "security.manage"
    DRIVERS_VIEW = "drivers.view"
    DRIVERS_MANAGE = "drivers.manage"
    TARIFFS_MANAGE = "tariffs.manage"
    INVOICES_MANAGE = "invoices.manage"
    SESSIONS_CORRECT = "sessions.correct"
    SESSIONS_REFUND = "sessions.refund"
    REPORTS_EXPORT = "reports.export"
    ORG_USERS = "org.users"
    ORG_API = "org.api"
    ORG_SETTINGS = "org.settings"
    AUDIT_VIEW = "audit.view"


class Role(StrEnum):
    """What a member is in an organization (matrix: docs/operators/roles.md)."""

    ADMIN = "admin"
    SUPPORT = "support"
    TECHNICIAN = "technician"
    BILLING = "billing"
    VIEWER = "viewer"


ROLE_NAMES = {
    Role.ADMIN: _("Admin"),
    Role.SUPPORT: _("Support"),
    Role.TECHNICIAN: _("Technician"),
    Role.BILLING: _("Billing"),
    Role.VIEWER: _("Viewer"),
}

_P = Permission
_SEE = frozenset({_P.STATIONS_VIEW, _P.SESSIONS_VIEW, _P.ALERTS_VIEW})
_OPERATE = frozenset({_P.COMMANDS_SESSION, _P.COMMANDS_RESET_SOFT, _P.ALERTS_ACK, _P.MESSAGES_VIEW})

ROLE_PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: _SEE,
    Role.SUPPORT: _SEE | _OPERATE | {_P.DRIVERS_VIEW, _P.DRIVERS_MANAGE},
    Role.TECHNICIAN: _SEE
    | _OPERATE
    | {
        _P.COMMANDS_STATION,
        _P.STATIONS_EDIT,
        _P.VARIABLES_EDIT,
        _P.FIRMWARE_MANAGE,
        _P.LOAD_MANAGE,
        _P.ALERTS_RULES,
        _P.REPORTS_EXPORT,
    },
    Role.BILLING: _SEE
    | {
        _P.DRIVERS_VIEW,
        _P.DRIVERS_MANAGE,
        _P.TARIFFS_MANAGE,
        _P.INVOICES_MANAGE,
        _P.SESSIONS_CORRECT,
        _P.SESSIONS_REFUND,
        _P.REPORTS_EXPORT,
    },
    Role.ADMIN: frozenset(Permission),
}


def roles_with(permission: Permission) -> list[Role]:
    """The roles that hold a permission, for the page that tells whom to ask."""
    return [role for role, permissions in ROLE_PERMISSIONS.items() if permission in permissions]


class ActorKind(StrEnum):
    USER = "user"
    KEY = "key"
    STATION = "station"
    SYSTEM = "system"


# The ``limit_id`` of what belongs to no site, so that no limit hides it: tokens and their groups.
EVERYWHERE = UUID(int=0)


class Owned(Protocol):
    """What belongs to an organization, and maybe to something a member can be limited to."""

    @property
    def organization_id(self) -> UUID | None: ...

    @property
    def limit_id(self) -> UUID | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts: a member, an API key, a station or the system, inside one organization.

    ``limited_to`` holds the ids (of sites) that the actor is limited to; ``None`` means all of the
    organization. ``label`` is what pages and the audit show, such as ``user:anna@example.org``. ``owner_id`` is the
    person who holds the key.
    """

    kind: ActorKind
    label: str
    organization_id: UUID | None
    permissions: frozenset[Permission] = frozenset()
    limited_to: frozenset[UUID] | None = None
    subject_id: UUID | None = None
    owner_id: UUID | None = None
    scopes: frozenset[str] = frozenset()
    address: str = field(default="", compare=False)
    request_id: str = field(default="", compare=False)

    @property
    def person_id(self) -> UUID | None:
        """Whose word it is where two persons have to agree (W-21): by whatever key or browser, the person's.

        A key that the installation made stands for itself; the system and stations are nobody.
        """
        return self.owner_id or self.subject_id

    @property
    def home(self) -> UUID:
        """The organization that what the actor makes belongs to. Raises :class:`NotPermitted` outside of one."""
        if self.organization_id is None:
            raise NotPermitted("This can only be done inside an organization.")
        return self.organization_id

    def can(self, permission: Permission) -> bool:
        """Whether the actor holds the permission at all; objects are checked by :meth:`require`."""
        return self.kind is ActorKind.SYSTEM or permission in self.permissions

    def can_everywhere(self, permission: Permission) -> bool:
        """Whether the actor may do it for all sites of the organization."""
        return self.can(permission) and self.limited_to is None

    def sees(self, thing: Owned) -> bool:
        """Whether the thing is in the actor's organization and within its limits."""
        if self.kind is ActorKind.SYSTEM:
            return True
        if thing.organization_id is None or thing.organization_id != self.organization_id:
            return False
        return self.limited_to is None or thing.limit_id == EVERYWHERE or thing.limit_id in self.limited_to

    def require(self, permission: Permission, thing: Owned | None = None) -> None:
        """Raise :class:`NotFound` for what the actor cannot see, :class:`NotPermitted` for what it may not do."""
        if thing is not None and not self.sees(thing):
            raise NotFound("There is no such object here.")
        if not self.can(permission):
            raise NotPermitted(
                f"This needs the permission “{permission}”. An administrator of the organization can grant it.",
                field=permission.value,
            )

    def require_everywhere(self, permission: Permission, thing: Owned | None = None) -> None:
        """For what holds at all sites. Raises :class:`NotPermitted` also for who is limited to some of them."""
        self.require(permission, thing)
        if not self.can_everywhere(permission):
            raise NotPermitted(
                "This holds for all sites, and you are limited to some. Ask who sees the whole organization."
            )


def system(name: str) -> Actor:
    """The system itself, acting in the name of a job such as ``sweeper``."""
    return Actor(kind=ActorKind.SYSTEM, label=f"system:{name}", organization_id=None)
