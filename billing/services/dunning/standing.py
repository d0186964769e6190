"""Where an invoice stands: which step comes next and when, or why none does (billing B-47)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

from django.db.models import F, Q

from billing.models import (
    DocumentType,
    DunningHold,
    DunningPolicy,
    DunningStep,
    Invoice,
    InvoiceKind,
    Payment,
    StepState,
)
from billing.models.dunning import DunningHoldQuerySet
from billing.services import letters
from billing.services.dunning import policies, working_days
from billing.services.dunning.policies import Step, Terms
from billing.services.payments import allocating, collecting, under_way
from core import clock


class Stop(StrEnum):
    """Why nothing is asked for."""

    OFF = "off"
    NOT_OWED = "not_owed"
    TOO_OLD = "too_old"
    DISPUTED = "disputed"
    PROMISED = "promised"
    HELD = "held"
    BEING_PAID = "being_paid"
    NO_ADDRESS = "no_address"
    UNSENT = "unsent"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Standing:
    """``step`` is taken on ``on``, a working day, unless ``stop`` says why not."""

    taken: tuple[DunningStep, ...]
    terms: Terms
    stop: Stop | None = None
    hold: DunningHold | None = None
    step: Step | None = None
    on: date | None = None

    @property
    def fees(self) -> Decimal:
        """What the letters that went out ask for beside the invoice."""
        return sum((one.fee for one in self.taken if one.state == StepState.SENT), Decimal(0))


def of(invoice: Invoice, now: datetime) -> Standing:
    """Of an invoice with its account; who acts on it holds its lock."""
    today = now.astimezone(ZoneInfo(invoice.account.time_zone)).date()
    taken = tuple(invoice.dunning_steps.order_by("id"))
    terms = policies.terms_for(policies.all_terms(invoice.organization), _country(invoice))
    step = terms.after([one.kind for one in taken])
    hold = hold_on(invoice, today)
    stop = _why_never(invoice) or _why_not_now(invoice, hold) or _why_no_next(invoice, taken, step)
    if step is None or stop in (Stop.OFF, Stop.NOT_OWED, Stop.TOO_OLD):
        return Standing(taken, terms, stop, hold)
    return Standing(taken, terms, stop, hold, step, _day(invoice, taken, step, terms, today))


def stopped(invoice: Invoice, now: datetime) -> bool:
    """Whether a letter that is not sent yet must not go out any more."""
    today = now.astimezone(ZoneInfo(invoice.account.time_zone)).date()
    return (_why_never(invoice) or _why_not_now(invoice, hold_on(invoice, today))) is not None


def hold_on(invoice: Invoice, today: date) -> DunningHold | None:
    """What holds it or its payer on that day, the invoice's own first."""
    return in_force(DunningHold.objects.filter(_concerns(invoice)), today)


def in_force(rows: DunningHoldQuerySet, today: date) -> DunningHold | None:
    """The one of these that nobody took back and whose last day is not over."""
    lasting = rows.open().filter(Q(until=None) | Q(until__gte=today))
    return lasting.order_by(F("invoice").asc(nulls_last=True)).first()


def countries_of(invoice: Invoice) -> tuple[str, ...]:
    """Whose holidays count: the seller's and the payer's."""
    named = (invoice.snapshot.get(side, {}).get("country", "") for side in ("seller", "buyer"))
    return tuple(country for country in named if country)


def _concerns(invoice: Invoice) -> Q:
    return Q(invoice=invoice) | Q(account=invoice.account_id, invoice=None)


def _country(invoice: Invoice) -> str:
    return str(invoice.snapshot.get("buyer", {}).get("country", ""))


def _why_never(invoice: Invoice) -> Stop | None:
    policy = DunningPolicy.objects.filter(pk=invoice.organization_id).first()
    if not _is_claim(invoice):
        return Stop.NOT_OWED
    if policy is None or not policy.enabled or policy.starts_on is None:
        return Stop.OFF
    return Stop.TOO_OLD if invoice.due_on is None or invoice.due_on < policy.starts_on else None


def _is_claim(invoice: Invoice) -> bool:
    is_invoice = invoice.document_type == DocumentType.INVOICE and invoice.kind == InvoiceKind.COLLECTIVE
    return is_invoice and invoice.state in allocating.ASKED_FOR and allocating.open_amount(invoice) > 0


def _why_not_now(invoice: Invoice, hold: DunningHold | None) -> Stop | None:
    if hold is not None:
        return {"promise": Stop.PROMISED, "dispute": Stop.DISPUTED}.get(hold.kind, Stop.HELD)
    if Payment.objects.filter(allocations__invoice=invoice, disputed_at__isnull=False).exists():
        return Stop.DISPUTED
    is_coming = under_way.has(invoice) or collecting.is_announced(invoice, clock.now().date())
    return Stop.BEING_PAID if is_coming else None


def _why_no_next(invoice: Invoice, taken: Sequence[DunningStep], step: Step | None) -> Stop | None:
    if any(one.state != StepState.SENT for one in taken):
        return Stop.UNSENT
    if step is None:
        return Stop.DONE
    return None if letters.address_of(invoice) else Stop.NO_ADDRESS


def _day(invoice: Invoice, taken: Sequence[DunningStep], step: Step, terms: Terms, today: date) -> date:
    """As long after the step before as the terms have between the two, so that a pause is not made up for."""
    assert invoice.due_on is not None
    wanted = [today, invoice.due_on + timedelta(days=step.days)]
    if taken:
        apart = max(step.days - (terms.days_of(taken[-1].kind) or taken[-1].days), 1)
        wanted.append(_told_on(taken[-1], invoice) + timedelta(days=apart))
    return working_days.from_then_on(max(wanted), countries_of(invoice))


def _told_on(step: DunningStep, invoice: Invoice) -> date:
    """When its letter went out, which may be long after it was written."""
    at = step.sent_at or step.taken_at
    return max(step.taken_on, at.astimezone(ZoneInfo(invoice.account.time_zone)).date())
