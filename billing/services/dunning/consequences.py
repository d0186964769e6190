"""What follows from a final reminder: a decision of a person, seen on the invoice, never of dunning itself (B-47)."""

from django.db.models import Q, QuerySet
from django.db.transaction import atomic

from billing.models import CompanyMember, DunningKind, DunningStep, Invoice, StepState
from billing.services.payments import allocating
from core import audit, clock
from core.access import Actor, Permission
from core.errors import Conflict, Invalid
from drivers.models import IdToken, TokenStatus
from drivers.services import tokens


@atomic
def block_cards(invoice: Invoice, *, reason: str, by: Actor) -> int:
    """Refuse the payer's cards from now on; how many. Sessions that run go on, and only a person lets them in again.

    Raises :class:`Conflict` before the final reminder went out, or where nothing is owed or no card is left.
    """
    by.require(Permission.INVOICES_MANAGE, invoice)
    by.require_everywhere(Permission.DRIVERS_MANAGE, invoice)
    said = " ".join(reason.split())
    if not 0 < len(said) <= 300 or not said.isprintable():
        raise Invalid("Say why, in at most 300 characters.", field="reason")
    locked = Invoice.objects.select_for_update(of=("self",)).select_related("account").get(pk=invoice.pk)
    final = final_of(locked)
    if final is None or locked.state not in allocating.ASKED_FOR:
        raise Conflict("Cards are blocked only after the final reminder of an invoice that is still owed.")
    found = list(cards_of(locked).select_for_update())
    if not found:
        raise Conflict("The payer has no card that could be blocked.")
    for card in found:
        tokens.block(card, reason=said, by=by)
    final.cards_blocked_at, final.cards_blocked_by = clock.now(), by.label[:200]
    final.save(update_fields=["cards_blocked_at", "cards_blocked_by"])
    audit.record("invoice.cards_blocked", invoice, by=by, changes={"cards": [None, len(found)]}, reason=said)
    return len(found)


def final_of(invoice: Invoice) -> DunningStep | None:
    """The final reminder, where it went out."""
    return invoice.dunning_steps.filter(kind=DunningKind.FINAL, state=StepState.SENT).first()


def cards_of(invoice: Invoice) -> QuerySet[IdToken]:
    """Cards of the payer, or of those for whom it pays, that are let in, now or once a block ends by itself."""
    of_company = CompanyMember.objects.filter(account=invoice.account_id, until=None)
    owned = Q(driver__in=of_company.values("driver"))
    if invoice.account.driver_id is not None:
        owned |= Q(driver=invoice.account.driver_id)
    let_in = Q(status=TokenStatus.ACCEPTED) | Q(status=TokenStatus.BLOCKED, blocked_until__isnull=False)
    return IdToken.objects.filter(let_in, owned, retired_at=None).order_by("pk")
