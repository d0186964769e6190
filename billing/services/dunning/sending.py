"""Letters on their way: each once, with the invoice attached, and only while it still has to be asked for.

As with invoices, a row is marked as being sent in a commit of its own before: a mail that was cut off is left to a
person instead of being sent twice.
"""

import logging
import math
from datetime import timedelta

from django.db.models import QuerySet
from django.db.transaction import atomic

from billing.models import DunningStep, Invoice, StepState
from billing.services import delivering
from billing.services.dunning import standing
from core import access, audit, clock, turns
from core.access import Actor, Permission
from core.errors import Conflict, DomainError
from core.services import mails

logger = logging.getLogger(__name__)

SYSTEM = access.system("dunning")
TRIES = 8
AGAIN = timedelta(minutes=1)
STUCK = timedelta(minutes=10)
NO_ADDRESS = "No e-mail address of the payer is known."


def send_due(turn_s: float = math.inf) -> int:
    """Send what waits and whose invoice has its files; how many were tried."""
    stuck = DunningStep.objects.filter(state=StepState.SENDING, next_try_at__lt=clock.now())
    stuck.update(state=StepState.FAILED, reason=delivering.UNSURE)
    return turns.repeat(_send_next, turn_s)


@atomic
def again(invoice: Invoice, *, by: Actor) -> DunningStep:
    """Send a letter that did not go out. Raises :class:`Conflict` where there is none, or dunning has stopped."""
    by.require(Permission.INVOICES_MANAGE, invoice)
    row = invoice.dunning_steps.select_for_update().filter(state=StepState.FAILED).first()
    if row is None:
        raise Conflict("No letter of this invoice failed.")
    if standing.stopped(invoice, clock.now()):
        raise Conflict("Dunning has stopped for this invoice.")
    row.state, row.tries, row.next_try_at, row.reason = StepState.WAITING, 0, clock.now(), ""
    row.save()
    audit.record("invoice.dunning_sent_again", invoice, by=by, changes={"step": [None, row.kind]})
    return row


def _due() -> QuerySet[DunningStep]:
    waiting = DunningStep.objects.filter(state=StepState.WAITING, next_try_at__lte=clock.now())
    return delivering.with_files(waiting).order_by("next_try_at", "id")


def _send_next() -> bool:
    with atomic():
        rows = _due().select_for_update(skip_locked=True, of=("self",))
        row = rows.select_related("invoice__account__driver").first()
        if row is None:
            return False
        if standing.stopped(row.invoice, clock.now()):
            _withdraw(row)
            return True
        row.state, row.tries = StepState.SENDING, row.tries + 1
        row.next_try_at = clock.now() + STUCK
        row.save(update_fields=["state", "tries", "next_try_at"])
    _send(row)
    return True


def _send(row: DunningStep) -> None:
    address = standing.address_of(row.invoice)
    if not address:
        _failed(row, NO_ADDRESS, last=True)
        return
    try:
        name = f"dunning-{row.pk}"
        delivering.letter(row.invoice, row.subject, row.body, to=address, name=name).send()
    except (OSError, ValueError, DomainError) as why:
        cause = str(why) if isinstance(why, DomainError) else mails.cause(why)
        logger.warning("dunning.failed", extra={"invoice": row.invoice.number, "why": cause})
        _failed(row, cause, last=row.tries >= TRIES)
    else:
        sent = DunningStep.objects.filter(pk=row.pk)
        sent.update(state=StepState.SENT, sent_at=clock.now(), reason="")


def _failed(row: DunningStep, why: str, *, last: bool) -> None:
    state = StepState.FAILED if last else StepState.WAITING
    later = clock.now() + AGAIN * 2 ** min(row.tries, 8)
    DunningStep.objects.filter(pk=row.pk).update(state=state, reason=why[:300], next_try_at=later)


def _withdraw(row: DunningStep) -> None:
    """Nobody was told of it, so that it was not taken: it may come when dunning goes on."""
    audit.record("invoice.dunning_withdrawn", row.invoice, by=SYSTEM, changes={"step": [row.kind, None]})
    row.delete()
