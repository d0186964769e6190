"""A person decides what becomes of a session that waits (billing B-06)."""

from django.db.models import QuerySet
from django.db.transaction import atomic

from billing.models import BillingException, Cause, Decision, Outcome, Settlement
from billing.services import sealing
from core import audit, clock
from core.access import Actor, Permission
from core.errors import Conflict, Invalid
from stations.models import Transaction

_OUTCOME = {Decision.WAIVED: Outcome.WAIVED, Decision.TEST: Outcome.NOT_BILLABLE}


def visible_to(actor: Actor) -> QuerySet[BillingException]:
    """Exceptions of the actor's organization and sites, the newest first."""
    return BillingException.objects.visible_to(actor).select_related("transaction__station", "site")


@atomic
def resolve(exception: BillingException, decision: Decision, *, by: Actor, reason: str) -> BillingException:
    """Decide it: accept what stands, look at it again after a repair, waive the amount, or call it a test.

    Raises :class:`Conflict` where it is decided already or there is still no price to accept,
    :class:`Invalid` without a reason.
    """
    by.require(Permission.SESSIONS_CORRECT, exception)
    if not reason.strip():
        raise Invalid("Say why; the reason stays with the session.", field="reason")
    settlement = Settlement.objects.select_for_update().get(pk=exception.transaction_id)
    exception = BillingException.objects.get(pk=exception.pk)
    if exception.decision:
        raise Conflict("This is decided already.")
    exception.decision, exception.reason = decision, reason[:500]
    exception.decided_by, exception.decided_at = by.label[:200], clock.now()
    exception.save()
    audit.record("billing_exception.resolved", exception, by=by, reason=reason,
                 changes={"decision": audit.change(None, decision)})  # fmt: skip
    if exception.cause != Cause.LATE_DATA:
        _apply(settlement, decision)
    return exception


def _apply(settlement: Settlement, decision: Decision) -> None:
    """Late data leaves the record as it is; all else gives the session its outcome."""
    if decision in _OUTCOME:
        settlement.outcome, settlement.reason = _OUTCOME[decision], decision.value
        settlement.save(update_fields=["outcome", "reason"])
        return
    session = Transaction.objects.select_related("site", "evse", "driver").get(pk=settlement.pk)
    accepted = decision == Decision.ACCEPTED
    sealing.seal(settlement, session, now=clock.now(), accepted=accepted)
    if accepted and settlement.outcome != Outcome.SEALED:
        raise Conflict("There is no price to accept. Repair the session first, then look at it again.")
