"""Records that nobody pays yet, and giving them a payer (billing B-10, B-12)."""

from django.db.models import Q
from django.db.transaction import atomic

from billing.models import BillingAccount, Cdr
from billing.models.cdrs import CdrQuerySet
from billing.services import corrections, sealing
from core import audit
from core.access import Actor, Permission
from core.errors import Conflict


def missing(actor: Actor) -> CdrQuerySet:
    """Standing records over an amount that no account and no ad-hoc payment pays; what drivers are paid is none."""
    standing = Cdr.objects.visible_to(actor).filter(credit=False, credited_by=None, account=None)
    standing = standing.filter(home_agreement=None)
    costly = standing.exclude(Q(payable_incl_vat=0) | Q(payable_incl_vat=None, payable_excl_vat=0))
    return costly.filter(transaction__hold=None)


@atomic
def give(record: Cdr, account: BillingAccount, *, reason: str, by: Actor) -> Cdr:
    """Let an account pay for a record: a record never changes, so it is credited and a like one stands for it.

    The new one is on the account's next invoice. Raises :class:`Conflict` where a payer is known or it is
    credited, :class:`Invalid` without a reason.
    """
    by.require(Permission.SESSIONS_CORRECT, record)
    by.require(Permission.INVOICES_MANAGE, account)
    corrections.hold(record)
    if record.home_charging_compensation:
        raise Conflict(
            "This is paid to its driver. Nobody is billed for it but the employer of the agreement."
        )
    if record.account_id is not None:
        raise Conflict("It is known already who pays this record.")
    if Cdr.objects.filter(pk=record.pk, transaction__hold__isnull=False).exists():
        raise Conflict("This session was paid without an account.")
    corrections.credit(record, by=by, reason=reason)
    made = corrections.like(record, account)
    made.save(force_insert=True)
    sealing.tell(made)
    audit.record("cdr.payer_given", made, by=by, reason=reason, changes={"account": [None, str(account.pk)]})
    return made
