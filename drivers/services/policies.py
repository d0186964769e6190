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


def change(*, sessions_at_once: int | None = None, any_card: bool | None = None, by: Actor) -> ChargingPolicy:
    """Set what is given of the default of all tokens. Raises :class:`Invalid` and :class:`NotPermitted`."""
    by.require_everywhere(Permission.DRIVERS_MANAGE)
    require_number(sessions_at_once)
    given = {"sessions_at_once": sessions_at_once, "any_card": any_card}
    values = {name: value for name, value in given.items() if value is not None}
    with atomic():
        ChargingPolicy.objects.get_or_create(pk=by.home)
        policy = ChargingPolicy.objects.select_for_update().select_related("organization").get(pk=by.home)
        changes = audit.difference(policy, values)
        for name, value in values.items():
            setattr(policy, name, value)
        policy.save(update_fields=list(values))
        audit.record("charging_policy.changed", policy, by=by, changes=changes)
    return policy


def require_number(sessions_at_once: int | None) -> None:
    """Raise :class:`Invalid` for a number of sessions at once that nobody means."""
    if sessions_at_once is not None and not 0 <= sessions_at_once <= MOST_AT_ONCE:
        raise Invalid(f"Choose 0 (any number) to {MOST_AT_ONCE} sessions.", field="sessions_at_once")
