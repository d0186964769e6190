"""A person decides what becomes of a session that waits (billing B-06)."""

from django.db.models import QuerySet
from django.db.transaction import atomic

from billing.models import AccountKind, BillingException, Cause, Cdr, Decision, Outcome, Settlement
from billing.services import checks, crediting, late_data, sealing
from core import audit, clock
from core.access import Actor, Permission
from core.errors import Conflict, Invalid
from stations.models import SessionCost, Transaction

_OUTCOME = {Decision.WAIVED: Outcome.WAIVED, Decision.TEST: Outcome.NOT_BILLABLE}


def visible_to(actor: Actor) -> QuerySet[BillingException]:
    """Exceptions of the actor's organization and sites, the newest first."""
    return BillingException.objects.visible_to(actor).select_related("transaction__station", "site")


@atomic
def resolve(
    exception: BillingException, decision: Decision, *, by: Actor, reason: str, consent: str = ""
) -> BillingException:
    """Decide it: accept what stands, look at it again after a repair, correct the record by what came late, waive
    the amount, or call it a test.

    ``consent`` says when and how a person agreed to pay more (B-08). Raises :class:`Conflict` where it is decided
    already or there is no price to accept, :class:`Invalid` without a reason or a consent that is needed.
    """
    by.require(Permission.SESSIONS_CORRECT, exception)
    if not reason.strip():
        raise Invalid("Say why; the reason stays with the session.", field="reason")
    settlement = Settlement.objects.select_for_update().get(pk=exception.transaction_id)
    exception = BillingException.objects.get(pk=exception.pk)
    if exception.decision:
        raise Conflict("This is decided already.")
    if decision == Decision.CORRECTED and exception.cause != Cause.LATE_DATA:
        raise Invalid("Only a session that is sealed can be corrected.", field="decision")
    if decision == Decision.MERGED:
        raise Invalid("Say which session is the other half.", field="decision")
    exception.decision, exception.reason = decision, reason[:500]
    exception.decided_by, exception.decided_at = by.label[:200], clock.now()
    exception.consent = consent.strip()[:300] if decision == Decision.CORRECTED else ""
    exception.save()
    audit.record("billing_exception.resolved", exception, by=by, reason=reason,
                 changes={"decision": audit.change(None, decision)})  # fmt: skip
    if decision == Decision.CORRECTED:
        _correct(exception, by, reason)
    elif exception.cause != Cause.LATE_DATA:
        _apply(settlement, decision)
    return exception


def _correct(exception: BillingException, by: Actor, reason: str) -> None:
    """Take the record back, on its invoice too, and make a new one by what is known now (B-08, B-10)."""
    session = Transaction.objects.select_related("site", "evse", "driver").get(pk=exception.transaction_id)
    record = late_data.standing(session.pk)
    if record is None:
        raise Conflict("This session has no record that could be corrected.")
    home = record.home_agreement
    session, cost = sealing.priced_anew(session, now=clock.now(), home=home)
    if cost is None or not checks.is_sealable(session, cost):
        raise Conflict("There is no price to accept. Repair the session first, then look at it again.")
    if _costs_more(cost, record) and _is_person(record) and not exception.consent:
        raise Invalid(
            "A person's bill is corrected upwards only if that person agrees. Say when and how.",
            field="consent",
        )
    crediting.credit_record(record, by=by, reason=reason)
    sealing.make(session, cost, now=clock.now(), replaces=record, home=home)


def _costs_more(cost: SessionCost, record: Cdr) -> bool:
    before = record.payable_excl_vat if record.payable_incl_vat is None else record.payable_incl_vat
    after = cost.excl_vat if cost.incl_vat is None else cost.incl_vat
    return before is None or after is None or cost.currency != record.currency or after > before


def _is_person(record: Cdr) -> bool:
    """Whether a person pays; for charging at home nobody is billed, or the employer is (B-52)."""
    if record.home_charging_compensation:
        return False
    return record.account is None or record.account.kind != AccountKind.COMPANY


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
