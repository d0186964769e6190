"""Letters about an invoice on their way: each once, with the invoice attached (billing B-44, B-47).

As with invoices, a row is marked as being sent in a commit of its own before: a mail that was cut off is left to a
person instead of being sent twice.
"""

import logging
from datetime import timedelta
from typing import Any

from billing.models import DebitNotice, DeliveryState, DunningStep, Invoice
from billing.services import delivering, parties
from core import clock
from core.errors import DomainError, Invalid
from core.services import mails

logger = logging.getLogger(__name__)

Letter = DunningStep | DebitNotice
"""Their states are those of a delivery."""
TRIES = 8
AGAIN = timedelta(minutes=1)
STUCK = timedelta(minutes=10)
NO_ADDRESS = "No e-mail address of the payer is known."


def address_of(invoice: Invoice) -> str:
    """Where the payer is written to today; empty where that is not known."""
    try:
        return parties.buyer_of(invoice.account, parties.seller_of(invoice.organization_id)).email
    except Invalid:
        return ""


def give_up_stuck(kind: type[Letter]) -> None:
    """Those of which nobody knows whether they went out are for a person."""
    stuck = kind.objects.filter(state=DeliveryState.SENDING, next_try_at__lt=clock.now())
    stuck.update(state=DeliveryState.FAILED, reason=delivering.UNSURE)


def claim(row: Letter) -> None:
    """Mark it as being sent; the caller holds its lock and commits before :func:`send`."""
    row.state, row.tries, row.next_try_at = DeliveryState.SENDING, row.tries + 1, clock.now() + STUCK
    row.save()


def send(row: Letter, *, name: str) -> None:
    """Send one that is claimed; ``name`` makes its message id, the same at every try."""
    address = address_of(row.invoice)
    if not address:
        _failed(row, NO_ADDRESS, last=True)
        return
    try:
        delivering.letter(row.invoice, row.subject, row.body, to=address, name=f"{name}-{row.pk}").send()
    except (OSError, ValueError, DomainError) as why:
        cause = str(why) if isinstance(why, DomainError) else mails.cause(why)
        logger.warning("letter.failed", extra={"kind": name, "invoice": row.invoice.number, "why": cause})
        _failed(row, cause, last=row.tries >= TRIES)
    else:
        _keep(row, state=DeliveryState.SENT, sent_at=clock.now(), reason="")


def _failed(row: Letter, why: str, *, last: bool) -> None:
    state = DeliveryState.FAILED if last else DeliveryState.WAITING
    _keep(row, state=state, reason=why[:300], next_try_at=clock.now() + AGAIN * 2 ** min(row.tries, 8))


def _keep(row: Letter, **values: Any) -> None:
    type(row).objects.filter(pk=row.pk).update(**values)
