"""What an organization wants of all its tokens."""

from uuid import UUID

from django.db.transaction import atomic

from core import audit
from core.access import Actor, Permission
from core.errors import Invalid
from drivers.models import ChargingPolicy
from drivers.models.policies import MOST_AT_ONCE


def of(organization_id: UUID) -> ChargingPolicy:
    """The policy of the organization, or the default one that is not stored yet."""
    found = ChargingPolicy.objects.filter(pk=organization_id).first()
    return found or ChargingPolicy(organization_id=organization_id)


def change(*, sessions_at_once: int, by: Actor) -> ChargingPolicy:
    """Set the default of all tokens. Raises :class:`Invalid` and :class:`NotPermitted`."""
    by.require_everywhere(Permission.DRIVERS_MANAGE)
    require_number(sessions_at_once)
    with atomic():
        ChargingPolicy.objects.get_or_create(pk=by.home)
        policy = ChargingPolicy.objects.select_for_update().select_related("organization").get(pk=by.home)
        changes = audit.difference(policy, {"sessions_at_once": sessions_at_once})
        policy.sessions_at_once = sessions_at_once
        policy.save(update_fields=["sessions_at_once"])
        audit.record("charging_policy.changed", policy, by=by, changes=changes)
    return policy


def require_number(sessions_at_once: int | None) -> None:
    """Raise :class:`Invalid` for a number of sessions at once that nobody means."""
    if sessions_at_once is not None and not 0 <= sessions_at_once <= MOST_AT_ONCE:
        raise Invalid(f"Choose 0 (any number) to {MOST_AT_ONCE} sessions.", field="sessions_at_once")
