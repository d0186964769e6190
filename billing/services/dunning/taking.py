"""Taking the steps that are due: each once, in order, on working days, by any number of workers (billing B-47).

The row is written under the invoice's lock and is unique, so that a task that is killed or runs twice asks for nothing
twice. What keeps a step away is looked at again in that transaction.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.db.transaction import atomic

from billing.models import (
    DocumentType,
    DunningHold,
    DunningPolicy,
    DunningStep,
    Invoice,
    InvoiceKind,
    StepState,
)
from billing.services.dunning import sending, standing, wording
from billing.services.dunning.sending import SYSTEM
from billing.services.dunning.standing import Standing
from billing.services.payments import allocating
from core import audit, clock, turns
from core.turns import TURN_S

MOST_STEPS = 3
AT_ONCE = 100


def run() -> int:
    """Take what is due, then send what waits; how many steps were taken."""
    taken = turns.through(_due, _take_each)
    sending.send_due(TURN_S)
    return taken


def take(invoice: Invoice, now: datetime) -> DunningStep | None:
    """The step that is due now; ``None`` where none is, or another worker is at it."""
    with atomic():
        locked = Invoice.objects.select_for_update(skip_locked=True, of=("self",))
        owed = locked.select_related("account__driver", "organization").filter(pk=invoice.pk).first()
        found = standing.of(owed, now) if owed is not None else None
        if owed is None or found is None or not _is_due(owed, found, now):
            return None
        return _write(owed, found, now)


def _is_due(invoice: Invoice, found: Standing, now: datetime) -> bool:
    today = now.astimezone(ZoneInfo(invoice.account.time_zone)).date()
    return found.stop is None and found.step is not None and found.on == today


def _write(invoice: Invoice, found: Standing, now: datetime) -> DunningStep:
    assert found.step is not None and found.on is not None  # noqa: PT018  one fact: it is due
    step, open_amount = found.step, allocating.open_amount(invoice)
    fee = step.fee if found.terms.currency == invoice.currency else Decimal(0)
    subject, body = wording.letter(invoice, step, open_amount=open_amount, fee=fee, fees=found.fees + fee)
    row = DunningStep.objects.create(
        invoice=invoice, kind=step.kind, taken_on=found.on, taken_at=now, days=step.days,
        currency=invoice.currency, open_amount=open_amount, fee=fee, subject=subject, body=body,
    )  # fmt: skip
    changes = {
        "step": [None, step.kind.value],
        "open": [None, f"{open_amount:.2f}"],
        "fee": [None, f"{fee:.2f}"],
    }
    audit.record("invoice.dunned", invoice, by=SYSTEM, changes=changes)
    return row


def _take_each(rows: Sequence[Invoice]) -> int:
    now = clock.now()
    return sum(turns.guarded(one.pk, partial(_took, one, now)) for one in rows)


def _took(invoice: Invoice, now: datetime) -> int:
    return int(take(invoice, now) is not None)


def _due(done: set[Any]) -> list[Invoice]:
    """Some that may be due, in no fixed order: what cannot be asked for holds up no others."""
    return list(candidates(clock.now()).exclude(pk__in=done).order_by("?")[:AT_ONCE])


def candidates(now: datetime) -> QuerySet[Invoice]:
    """Overdue, owed, not held, with a step left and none on its way; :func:`take` looks closely."""
    tomorrow = (now + timedelta(days=1)).date()
    policies = DunningPolicy.objects.filter(pk=OuterRef("organization"), enabled=True)
    holds = DunningHold.objects.open().filter(Q(until=None) | Q(until__gte=tomorrow))
    rows = Invoice.objects.filter(
        state__in=allocating.ASKED_FOR, document_type=DocumentType.INVOICE, kind=InvoiceKind.COLLECTIVE,
        due_on__lt=tomorrow,
    )  # fmt: skip
    counted = rows.annotate(
        steps=Count("dunning_steps"),
        sent=Count("dunning_steps", filter=Q(dunning_steps__state=StepState.SENT)),
    )
    return counted.filter(
        Exists(policies.filter(starts_on__lte=OuterRef("due_on"))),
        ~Exists(holds.filter(invoice=OuterRef("pk"))),
        ~Exists(holds.filter(account=OuterRef("account"), invoice=None)),
        steps__lt=MOST_STEPS, steps=F("sent"),
    ).select_related("organization")  # fmt: skip
