from core.models.audit import AuditEntry
from core.models.keys import ApiKey
from core.models.people import Membership, Organization, User
from core.models.scoped import ScopedQuerySet

__all__ = ["ApiKey", "AuditEntry", "Membership", "Organization", "ScopedQuerySet", "User"]
