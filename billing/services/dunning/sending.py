"""Reminders on their way, only while their invoice still has to be asked for."""

import math

from django.db.models import QuerySet
from django.db.transaction import atomic

from billing.models import DunningStep, Invoice, StepState
from billing.services import delivering, letters
from billing.services.dunning import standing
from core import access, audit, clock, turns
from core.access import Actor, Permission
from core.errors import Conflict

SYSTEM = access.system("dunning")


def send_due(turn_s: float = math.inf) -> int:
    """Send what waits and whose invoice has its files; how many were tried."""
    letters.give_up_stuck(DunningStep)
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
        letters.claim(row)
    letters.send(row, name="dunning")
    return True


def _withdraw(row: DunningStep) -> None:
    """Nobody was told of it, so that it was not taken: it may come when dunning goes on."""
    audit.record("invoice.dunning_withdrawn", row.invoice, by=SYSTEM, changes={"step": [row.kind, None]})
    row.delete()
