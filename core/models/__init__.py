from core.models.audit import AuditCheck, AuditEntry, AuditSeal
from core.models.events import Event, EventHorizon, OutboxRow
from core.models.keys import AccessToken, ApiKey
from core.models.mails import Mail, MailState
from core.models.people import Membership, Organization, User
from core.models.scoped import ScopedQuerySet, UndividedQuerySet
from core.models.webhooks import Delivery, DeliveryAttempt, Webhook

__all__ = [
    "AccessToken",
    "ApiKey",
    "AuditCheck",
    "AuditEntry",
    "AuditSeal",
    "Delivery",
    "DeliveryAttempt",
    "Event",
    "EventHorizon",
    "Mail",
    "MailState",
    "Membership",
    "Organization",
    "OutboxRow",
    "ScopedQuerySet",
    "UndividedQuerySet",
    "User",
    "Webhook",
]
