"""A session that a restart cut in two becomes one record: a person merges it with its other half (billing B-06).

The first half is sealed with the times, registers and readings of both; the later one is not billable and names it, so
that each has exactly one outcome (B-01). Who locks what: both settlements, in the order of their keys.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.transaction import atomic

from billing.models import (
    BillingException,
    CallAction,
    Cdr,
    Decision,
    Hold,
    InvoiceLine,
    Outcome,
    ProviderCall,
    Settlement,
    SigningRule,
)
from billing.services import checks, corrections, home_agreements, origins, sealing, signed_values
from billing.services import halves as billed
from billing.services.checks import Doubt
from core import audit, clock
from core.access import Actor, Permission
from core.errors import Conflict, Invalid
from stations.domain.words import TransactionStatus
from stations.models import FrozenTariff, SessionCost, Transaction
from stations.services import halves, session_costs
from stations.services.session_usage import ROUNDED_WH
from tariffs.usage import CannotPrice

LONGEST_GAP = timedelta(minutes=30)
"""A restart takes some minutes, and what came before it may end with the last reading."""
REASON = "merged"
DECIDED = "This is decided already."
_ISSUED = Q(
    voided_at=None, credits=None, cdr__credit=False, cdr__credited_by=None, invoice__number__isnull=False
)
"""Lines by which an issued invoice asks for a record that stands."""
_FROZEN = ("document", "version_id", "currency", "time_zone", "policy", "basis")


@dataclass(frozen=True, slots=True)
class Joined:
    """What both halves are together: the later one is merged into the first. Amounts are payable.

    ``between_wh`` is what the register counted from the end of the one to the start of the other; ``taken_back`` are
    records of the halves that no invoice asks for yet; ``doubt`` is why the whole would wait for a person again.
    """

    first: Transaction
    later: Transaction
    cost: SessionCost
    between_wh: Decimal
    taken_back: tuple[Cdr, ...]
    doubt: Doubt | None

    @property
    def gap(self) -> timedelta:
        assert self.first.ended_at is not None
        return self.later.started_at - self.first.ended_at

    @property
    def energy_kwh(self) -> Decimal:
        return Decimal(self.cost.answer["total_energy"])


def candidates(session: Transaction, *, by: Actor) -> QuerySet[Transaction]:
    """Sessions at the same outlet that ended shortly before this one or began shortly after it, in order of time."""
    ended_at = session.ended_at or session.started_at
    before = Q(ended_at__gte=session.started_at - LONGEST_GAP, ended_at__lte=session.started_at)
    after = Q(started_at__gte=ended_at, started_at__lte=ended_at + LONGEST_GAP)
    rows = Transaction.objects.visible_to(by).filter(before | after, evse__isnull=False, evse=session.evse_id)
    return rows.exclude(pk=session.pk).select_related("station").order_by("started_at", "pk")


def look(exception: BillingException, other: Transaction, *, by: Actor) -> Joined:
    """What merging would do; nothing is written. Raises :class:`Conflict` where the two are no halves of one."""
    _require(exception, other, by)
    if exception.decision:
        raise Conflict(DECIDED)
    return _joined(exception.transaction_id, other.pk)


@atomic
def merge(exception: BillingException, other: Transaction, *, by: Actor, reason: str) -> Joined:
    """Make the session and its other half one record, or one exception where a doubt is left.

    Done once: the same two again change nothing. Raises as :func:`look` does, :class:`Invalid` without a reason.
    """
    _require(exception, other, by)
    if not reason.strip():
        raise Invalid("Say why; the reason stays with the session.", field="reason")
    keys = (exception.transaction_id, other.pk)
    held = {one.pk: one for one in Settlement.objects.select_for_update().filter(pk__in=keys).order_by("pk")}
    decision = BillingException.objects.values_list("decision", flat=True).get(pk=exception.pk)
    if decision == Decision.MERGED and _are_merged(list(held.values())):
        return _as_merged(held[keys[0]], held[keys[1]])
    if decision:
        raise Conflict(DECIDED)
    joined = _joined(*keys)
    _decide(joined, by, reason)
    for record in joined.taken_back:
        corrections.credit(record, by=by, reason=reason)
    first, later = held[joined.first.pk], held[joined.later.pk]
    later.halves.update(merged_into=first)
    later.outcome, later.reason, later.merged_into = Outcome.NOT_BILLABLE, REASON, first
    later.save(update_fields=["outcome", "reason", "merged_into"])
    origins.forget(later.pk)
    first.outcome = Outcome.WAITING
    first.save(update_fields=["outcome"])
    sealing.seal(first, joined.first, now=clock.now())
    return joined


def _require(exception: BillingException, other: Transaction, by: Actor) -> None:
    by.require(Permission.SESSIONS_CORRECT, exception)
    by.require(Permission.SESSIONS_CORRECT, other)


def _decide(joined: Joined, by: Actor, reason: str) -> None:
    """Whatever is open of either is decided by this, each with its row in the audit."""
    now = clock.now()
    changes = {
        "decision": audit.change(None, Decision.MERGED),
        "first": [None, str(joined.first.pk)],
        "later": [None, str(joined.later.pk)],
    }
    for one in BillingException.objects.open().filter(transaction__in=[joined.first, joined.later]):
        one.decision, one.reason = Decision.MERGED, reason[:500]
        one.decided_by, one.decided_at = by.label[:200], now
        one.save(update_fields=["decision", "reason", "decided_by", "decided_at"])
        audit.record("billing_exception.resolved", one, by=by, reason=reason, changes=changes)


def _are_merged(both: Sequence[Settlement]) -> bool:
    return any(one.merged_into_id == other.pk for one in both for other in both)


def _as_merged(one: Settlement, other: Settlement) -> Joined:
    first, later = (one, other) if other.merged_into_id == one.pk else (other, one)
    sessions = Transaction.objects.select_related(*billed.RELATED).in_bulk([first.pk, later.pk])
    halves_ = sessions[first.pk], sessions[later.pk]
    return Joined(*halves_, SessionCost.objects.get(pk=first.pk), _between(*halves_), (), None)


def _joined(key: UUID, other_key: UUID) -> Joined:
    """Raises :class:`Conflict` with what stands in the way."""
    rows = Transaction.objects.filter(pk__in=[key, other_key]).select_related(*billed.RELATED, "settlement")
    both = list(rows.order_by("started_at", "pk"))
    if len(both) < 2:
        raise Conflict("Choose the other half of this session.", field="other")
    first, later = both
    front, back = billed.whole(first), billed.whole(later)
    for why in _obstacles(front, back):
        raise Conflict(why, field="other")
    return _priced(first, later, _between(front, back))


def _obstacles(front: Transaction, back: Transaction) -> Iterator[str]:
    """What keeps them from being one, the plainest first."""
    yield from _strangers(front, back)
    for half in (front, back):
        yield from _unsettled(half)
    yield from _apart(front, back)
    yield from _priced_otherwise(front, back)


def _strangers(front: Transaction, back: Transaction) -> Iterator[str]:
    if front.evse_id is None or front.evse_id != back.evse_id:
        yield "The two are not at the same outlet."
    card, other_card = _card(front), _card(back)
    if not card[0] or card != other_card:
        yield "The two were not begun by the same card and driver."


def _card(session: Transaction) -> tuple[str, UUID | None]:
    return session.token_value.upper(), session.driver_id


def _unsettled(half: Transaction) -> Iterator[str]:
    settlement = getattr(half, "settlement", None)
    waits = settlement is None or (settlement.outcome == Outcome.WAITING and settlement.due_at > clock.now())
    if half.status != TransactionStatus.ENDED or half.ended_at is None or waits:
        yield "One of the two has not ended yet, or may still get readings. Wait for that."
    elif settlement is not None and settlement.outcome in (Outcome.WAIVED, Outcome.NOT_BILLABLE):
        yield "One of the two is decided already."
    elif InvoiceLine.objects.filter(_ISSUED, cdr__transaction=half.pk).exists():
        yield "One of the two is on an invoice already. Credit that first."


def _apart(front: Transaction, back: Transaction) -> Iterator[str]:
    assert front.ended_at is not None
    if front.ended_at > back.started_at:
        yield "The two overlap."
    if back.started_at - front.ended_at > LONGEST_GAP:
        yield "There are more than 30 minutes between the two."
    if Hold.objects.filter(transaction__in=halves.keys_of(back)).exists():
        yield "A card pays for the second of the two."
    parts = [*halves.keys_of(front), *halves.keys_of(back)]
    others = Transaction.objects.filter(
        evse=front.evse_id, started_at__gte=front.started_at, started_at__lt=back.started_at
    )
    if others.exclude(pk__in=parts).exists():
        yield "Another session was between the two."
    if _falls(front, back):
        yield "The register does not go on from the first to the second."


def _falls(front: Transaction, back: Transaction) -> bool:
    last, first = front.meter_last_wh, back.meter_start_wh
    return last is not None and first is not None and last - first >= ROUNDED_WH


def _between(front: Transaction, back: Transaction) -> Decimal:
    """What the register counted between them; 0 where one of the two is not known."""
    if front.meter_last_wh is None or back.meter_start_wh is None:
        return Decimal(0)
    return max(back.meter_start_wh - front.meter_last_wh, Decimal(0))


def _priced_otherwise(front: Transaction, back: Transaction) -> Iterator[str]:
    rows = FrozenTariff.objects.filter(pk__in=[front.pk, back.pk])
    frozen = {key: (*values,) for key, *values in rows.values_list("pk", *_FROZEN)}
    reserved = rows.filter(pk=back.pk).exclude(reserved_from=None).exists()
    if len(frozen) < 2 or len(set(frozen.values())) > 1 or reserved:
        yield "The two are not billed by the same prices from beginning to end."
    if home_agreements.of_session(front) is not None or home_agreements.of_session(back) is not None:
        yield "Charging at home is not merged. Decide each of the two."
    if signed_values.rule_of(front) == SigningRule.REQUIRED:
        yield "This site bills by signed values, and each half has its own. Decide each of the two."
    if ProviderCall.objects.filter(payment__hold__transaction=front.pk, action=CallAction.CAPTURE).exists():
        yield "A card has paid the first half already. Decide each of the two."
    decided = SessionCost.objects.filter(pk__in=[front.pk, back.pk]).exclude(decision="")
    if decided.exists():
        yield "The price of one of the two was set by a person."


def _priced(first: Transaction, later: Transaction, between_wh: Decimal) -> Joined:
    parts = [first, *billed.later_of(first.pk), later, *billed.later_of(later.pk)]
    made = halves.whole(parts)
    try:
        cost = session_costs.cost_of_whole(made, halves.material(parts), now=clock.now())
    except CannotPrice as why:
        raise Conflict("Together they have no price. Repair the sessions first.", field="other") from why
    records = Cdr.objects.filter(transaction__in=[first, later], credit=False, credited_by=None)
    doubt = checks.first_doubt(made, cost)
    return Joined(first, later, cost, between_wh, tuple(records.order_by("pk")), doubt)
