from core.models.audit import AuditCheck, AuditEntry, AuditSeal
from core.models.keys import ApiKey
from core.models.people import Membership, Organization, User
from core.models.scoped import ScopedQuerySet

__all__ = [
    "ApiKey",
    "AuditCheck",
    "AuditEntry",
    "AuditSeal",
    "Membership",
    "Organization",
    "ScopedQuerySet",
    "User",
]
