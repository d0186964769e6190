"""Legal holds: what a lawsuit or an audit needs is kept beyond its term (billing B-65)."""

from django.db.models import Q, QuerySet
from django.db.transaction import atomic

from billing.models import BillingAccount, LegalHold
from core import audit, clock
from core.access import Actor, Permission
from core.errors import Conflict, Invalid
from core.models import Organization
from drivers.models import Driver

LONGEST_REASON = 500


@atomic
def place(
    organization: Organization, *, account: BillingAccount | None = None, reason: str, by: Actor
) -> LegalHold:
    """Keep everything of the organization, or of one of its payers, until the hold is lifted.

    Raises :class:`Invalid` without a reason or for a payer of another organization, :class:`Conflict` where one
    stands already.
    """
    by.require_everywhere(Permission.ORG_SETTINGS, organization)
    if not 0 < len(reason.strip()) <= LONGEST_REASON:
        raise Invalid("Say in up to 500 characters what the data are needed for.", field="reason")
    if account is not None and account.organization_id != organization.pk:
        raise Invalid("There is no such payer.", field="account")
    lock(organization)
    if standing(organization).filter(account=account).exists():
        raise Conflict("There is a hold already.")
    made = LegalHold.objects.create(
        organization=organization, account=account, reason=reason.strip(), placed_at=clock.now(),
        placed_by=by.label[:200],
    )  # fmt: skip
    audit.record("legal_hold.placed", made, by=by, reason=reason)
    return made


@atomic
def lift(hold: LegalHold, *, reason: str, by: Actor) -> LegalHold:
    """Let the terms count again. Raises :class:`Invalid` without a reason, :class:`Conflict` where it is lifted."""
    by.require_everywhere(Permission.ORG_SETTINGS, hold)
    if not reason.strip():
        raise Invalid("Say why the data are not needed any more.", field="reason")
    held = LegalHold.objects.select_for_update().get(pk=hold.pk)
    if held.lifted_at is not None:
        raise Conflict("This hold is lifted already.")
    held.lifted_at, held.lifted_by = clock.now(), by.label[:200]
    held.save(update_fields=["lifted_at", "lifted_by"])
    audit.record("legal_hold.lifted", held, by=by, reason=reason)
    return held


def standing(organization: Organization) -> QuerySet[LegalHold]:
    """Holds that are not lifted."""
    return LegalHold.objects.filter(organization=organization, lifted_at=None)


def lock(organization: Organization) -> None:
    """Whoever deletes and whoever places a hold take turns; rows that point to the organization do not wait."""
    Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)


def stops_all(organization: Organization) -> bool:
    """Whether nothing at all of the organization may go."""
    return standing(organization).filter(account=None).exists()


def keeps(driver: Driver) -> bool:
    """Whether a hold of everything, or of what the driver pays, keeps the driver's data."""
    mine = Q(account=None) | Q(account__driver=driver)
    return LegalHold.objects.filter(mine, organization=driver.organization_id, lifted_at=None).exists()
