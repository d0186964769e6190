"""What sessions cost so far and in the end: priced by the frozen tariff, stored, never silently zero (T-44).

Nothing here is on the way of a message. A running session is priced again by a sweeper, at most every
``EVERY``; one that ended when its end is stored, and once more after ``SETTLING``, when what was late has
arrived. What cannot be priced waits for a person, with its cause. Who locks what: the frozen tariff, before
the cost is read; nobody who stores a message needs that row.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import F, Q, QuerySet
from django.db.transaction import atomic

from core import clock, turns
from stations import live
from stations.domain.words import TransactionStatus
from stations.models import Alert, CostState, FrozenTariff, SessionCost, Transaction
from stations.services import alerts, cost_comparison, costs_kept, dynamic_tariffs
from stations.services.costs_kept import parsed
from stations.services.session_material import Material, gather
from stations.services.session_usage import (
    THOUSAND,
    Kept,
    after_reservation,
    between,
    tells_states,
    usage_of,
)
from tariffs import present, pricing
from tariffs.local_time import find_zone
from tariffs.pricing import Basis, Options, Price, Rounding
from tariffs.structure import Dimension, Tariff
from tariffs.usage import CannotPrice, Counted, Metered

logger = logging.getLogger(__name__)

EVERY = timedelta(seconds=30)
SETTLING = timedelta(minutes=5)
AT_ONCE = 300
TOGETHER = 50
"""Running sessions of one transaction: who ends one of them waits for no more."""
ROSE = "cost_rose"
TOLD_TO_KWH = Decimal("0.000001")
NOT_YET = frozenset(
    {"missing_register", "missing_export", "no_readings", "missing_state", "missing_power", "missing_current"}
)
"""What a running session may lack for now; once it has ended these are causes."""
_BY_TIME = frozenset({Dimension.TIME, Dimension.PARKING_TIME})


def settle(transaction: Transaction) -> SessionCost | None:
    """The final cost of a session whose end is stored; ``None`` where no tariff held, or it must be done again.

    Never raises: whatever pricing stumbles over must not make a station repeat its end. The sweeper retries.
    """
    try:
        return price(transaction.pk, now=clock.now())
    except Exception:
        logger.exception("cost.failed", extra={"transaction": str(transaction.pk)})
        return None


def so_far(transaction: Transaction) -> Decimal | None:
    """What a running session costs, as it was stored last; ``None`` while that is not known (T-46)."""
    known = Q(incl_vat__gt=0) | Q(is_free=True)
    rows = SessionCost.objects.filter(known, transaction=transaction, state=CostState.RUNNING)
    return rows.values_list("incl_vat", flat=True).first()


def price(transaction_id: UUID, *, now: datetime, anew: bool = False) -> SessionCost | None:
    """Price the session as it stands and keep the result. Safe to run at any time, by any number at once.

    What has settled stays, but ``anew`` for a person who corrects it by what came late (billing B-08).
    """
    with atomic():
        frozen = FrozenTariff.objects.select_for_update(no_key=True).filter(pk=transaction_id).first()
        if frozen is None:
            return None
        session = Transaction.objects.get(pk=transaction_id)
        cost = SessionCost.objects.get(pk=transaction_id)
        if _has_settled(cost, session) and not anew:
            return cost
        before = (cost.state, cost.shown)
        _take(cost, session, frozen, now)
        cost.save(update_fields=costs_kept.COMPUTED)
        cost_comparison.compare(session, cost)
        if (cost.state, cost.shown) != before:
            _announce(session)
    return cost


def priced_now(
    session: Transaction, frozen: FrozenTariff, *, until: datetime, told: Material | None = None
) -> tuple[Tariff, Price]:
    """The price by the frozen copy, in the zone and by the policy of the start. Raises :class:`CannotPrice`.

    ``told`` is what was read for many sessions together.
    """
    tariff = parsed(frozen.document)
    return tariff, _priced(tariff, usage_of(session, until=until, told=told), _terms_of(frozen))


def reserved_of(frozen: FrozenTariff | None) -> Kept | None:
    """How long the place was kept for the session before it; ``None`` where it was not reserved."""
    if frozen is None or frozen.reserved_from is None or frozen.reserved_until is None:
        return None
    return Kept(frozen.reserved_from, frozen.reserved_until)


def priced_by(
    tariff: Tariff,
    session: Transaction,
    *,
    zone: ZoneInfo,
    rounding: Rounding,
    until: datetime,
    reserved: Kept | None = None,
) -> Price:
    """The price of the session's readings, and of the reservation before it, by any tariff.

    Raises :class:`CannotPrice`.
    """
    return _priced(tariff, usage_of(session, until=until), _Terms(zone, rounding, reserved))


def price_between(
    transaction_id: UUID, first_wh: Decimal, last_wh: Decimal, *, now: datetime
) -> SessionCost | None:
    """Price an ended session by these registers of its two ends instead of its own, and keep the result.

    ``None`` where no tariff held or that cannot be priced. Safe to run again (billing B-63).
    """
    with atomic():
        frozen = FrozenTariff.objects.select_for_update(no_key=True).filter(pk=transaction_id).first()
        if frozen is None:
            return None
        session = Transaction.objects.get(pk=transaction_id)
        cost = SessionCost.objects.get(pk=transaction_id)
        tariff = parsed(frozen.document)
        try:
            usage = between(usage_of(session, until=now), first_wh / THOUSAND, last_wh / THOUSAND)
            found = _priced(tariff, usage, _terms_of(frozen))
            costs_kept.require_taxes(found)
        except CannotPrice:
            return None
        before = (cost.state, cost.shown)
        cost.computed_at, cost.measured_at = now, _heard_at(session)
        cost.state, cost.cause, cost.detail = CostState.FINAL, "", ""
        _keep(cost, tariff, found)
        cost.save(update_fields=costs_kept.COMPUTED)
        if (cost.state, cost.shown) != before:
            _announce(session)
    return cost


def cost_of_whole(session: Transaction, told: Material, *, now: datetime) -> SessionCost:
    """What the whole of a session of several parts costs, by the copy of its first; not stored (billing B-06).

    Raises :class:`CannotPrice`, :class:`FrozenTariff.DoesNotExist` where no tariff held.
    """
    frozen = FrozenTariff.objects.get(pk=session.pk)
    cost = SessionCost.objects.get(pk=session.pk)
    tariff, found = priced_now(session, frozen, until=now, told=told)
    costs_kept.require_taxes(found)
    cost.computed_at, cost.measured_at = now, _heard_at(session)
    cost.state, cost.cause, cost.detail = CostState.FINAL, "", ""
    _keep(cost, tariff, found)
    return cost


def keep_whole(session: Transaction, told: Material, *, now: datetime) -> SessionCost | None:
    """Price the whole of a session of several parts and keep that with its first. Safe to run again.

    ``None`` where no tariff held; what cannot be priced is left to a person.
    """
    with atomic():
        if not FrozenTariff.objects.select_for_update(no_key=True).filter(pk=session.pk).exists():
            return None
        try:
            cost = cost_of_whole(session, told, now=now)
        except CannotPrice as why:
            cost = SessionCost.objects.get(pk=session.pk)
            cost.computed_at = now
            _leave_to_a_person(cost, why, now)
        cost.save(update_fields=costs_kept.COMPUTED)
        _announce(session)
    return cost


class _Terms(NamedTuple):
    """What a price depends on beside tariff and readings; ``changes`` as in :class:`tariffs.pricing.Options`."""

    zone: ZoneInfo
    rounding: Rounding
    reserved: Kept | None = None
    changes: Sequence[datetime] = ()


def _terms_of(frozen: FrozenTariff) -> _Terms:
    rounding = Rounding(frozen.policy, Basis(frozen.basis))
    return _Terms(find_zone(frozen.time_zone), rounding, reserved_of(frozen), frozen.tariff_changes)


def _priced(tariff: Tariff, usage: Metered, by: _Terms) -> Price:
    if counts_time(tariff) and not tells_states(usage):
        raise CannotPrice("missing_state", "The tariff counts time, and nothing tells what the session did.")
    options = Options(tariff_changes=by.changes)
    whole = after_reservation(usage, by.reserved)
    return pricing.price(tariff, whole, zone=by.zone, rounding=by.rounding, options=options)


def sweep(now: datetime) -> int:
    """Price what is due; answers with how many sessions were. Those that wait longest come first."""
    return turns.through(lambda done: _due(now, done), lambda rows: _look_at(rows, now))


def _look_at(rows: Sequence[SessionCost], now: datetime) -> int:
    """Running sessions together, some at a time; those that have ended one by one, since people wait for those."""
    unchanged = [cost.pk for cost in rows if _is_unchanged(cost)]
    SessionCost.objects.filter(pk__in=unchanged).update(computed_at=now)
    rest = [cost for cost in rows if cost.pk not in set(unchanged)]
    running = [cost for cost in rest if cost.transaction.status == TransactionStatus.ACTIVE]
    ended = [cost for cost in rest if cost.transaction.status != TransactionStatus.ACTIVE]
    count = sum(settle(cost.transaction) is not None for cost in ended)
    for begin in range(0, len(running), TOGETHER):
        count += _price_or_each(running[begin : begin + TOGETHER], now)
    return count


def _price_or_each(costs: Sequence[SessionCost], now: datetime) -> int:
    """What keeps some from being stored together keeps none from being priced by itself."""
    try:
        with atomic():
            return _price_together([cost.pk for cost in costs], now)
    except Exception:  # whatever one of them has, the others go on
        logger.exception("cost.not_together", extra={"sessions": len(costs)})
        return sum(settle(cost.transaction) is not None for cost in costs)


def _price_together(keys: Sequence[UUID], now: datetime) -> int:
    """What somebody else is pricing at this moment is passed over."""
    locked = FrozenTariff.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
    locked = locked.select_related("version")
    frozen = {one.pk: one for one in locked.filter(pk__in=keys).order_by("pk")}
    sessions = Transaction.objects.filter(status=TransactionStatus.ACTIVE.value).in_bulk(list(frozen))
    material = gather(list(sessions.values()))
    priced = []
    costs = SessionCost.objects.filter(pk__in=list(sessions), state=CostState.RUNNING)
    for cost in costs.defer("texts"):
        session, before = sessions[cost.pk], cost.shown
        try:
            _take(cost, session, frozen[cost.pk], now, material[cost.pk])
        except Exception:  # whatever this one has, the others go on
            logger.exception("cost.failed", extra={"transaction": str(cost.pk)})
            continue
        priced.append(cost)
        if (cost.state, cost.shown) != (CostState.RUNNING, before):
            _announce(session)
    costs_kept.store(priced)
    return len(priced)


def _due(now: datetime, done: set[Any]) -> list[SessionCost]:
    ended = Q(transaction__status=TransactionStatus.ENDED.value)
    changed = Q(price_changes_at__lte=now, computed_at__lt=F("price_changes_at"))
    active = Q(transaction__status=TransactionStatus.ACTIVE.value) & (
        Q(computed_at__lt=now - EVERY) | changed
    )
    running = SessionCost.objects.filter(ended | active, state=CostState.RUNNING)
    unsettled = SessionCost.objects.filter(
        state=CostState.FINAL,
        computed_at__gt=now - timedelta(days=2),
        computed_at__lt=F("transaction__end_received_at") + SETTLING,
        transaction__end_received_at__lt=now - SETTLING,
    )
    return [cost for rows in (running, unsettled) for cost in _longest_waiting(rows, done)]


def _longest_waiting(rows: QuerySet[SessionCost], done: set[Any]) -> QuerySet[SessionCost]:
    """Without what was told of them, which takes its time to read and is written anew."""
    rows = rows.exclude(pk__in=done).select_related("transaction", "transaction__frozen_tariff")
    return rows.defer("answer", "texts", "prices").order_by("computed_at")[:AT_ONCE]


def _is_unchanged(cost: SessionCost) -> bool:
    """Whether a running session without a price of time said nothing since it was priced."""
    session = cost.transaction
    if session.status != TransactionStatus.ACTIVE or cost.measured_at is None:
        return False
    frozen = getattr(session, "frozen_tariff", None)
    if frozen is None or _heard_at(session) > cost.measured_at:
        return False
    return not _depends_on_time(parsed(frozen.document))


def _has_settled(cost: SessionCost, session: Transaction) -> bool:
    """Whether it was priced after what was late had time to arrive: then it stays (billing B-08)."""
    heard = session.end_received_at
    settled = heard is not None and cost.computed_at >= heard + SETTLING
    return cost.state == CostState.FINAL and (settled or cost.decision != "")


def _take(
    cost: SessionCost,
    session: Transaction,
    frozen: FrozenTariff,
    now: datetime,
    told: Material | None = None,
) -> None:
    ended = session.status == TransactionStatus.ENDED
    cost.computed_at, cost.measured_at = now, _heard_at(session)
    dynamic_tariffs.follow(frozen, session, now)
    try:
        tariff, found = priced_now(session, frozen, until=now, told=told)
        if ended:
            costs_kept.require_taxes(found)
    except CannotPrice as why:
        if ended or why.code not in NOT_YET:
            _leave_to_a_person(cost, why, now)
        return
    state = CostState.FINAL if ended else CostState.RUNNING
    if state != cost.state:
        cost.state, cost.cause, cost.detail, cost.since = state, "", "", now
    if not ended and _would_fall(cost, found):
        logger.info("cost.kept", extra={"transaction": str(session.pk)})
        return
    shown, answered = cost.shown, cost.answer
    _keep(cost, tariff, found)
    if not ended:
        _follow_prices(cost, tariff, found, now)
    if ended and shown is not None:
        _compare(session, cost, shown, answered)


def _keep(cost: SessionCost, tariff: Tariff, found: Price) -> None:
    costs_kept.keep(cost, tariff, found)
    cost.is_free = not any(component.price for _element, _place, component in tariff.components())
    cost.priced_until = found.end


def _follow_prices(cost: SessionCost, tariff: Tariff, found: Price, now: datetime) -> None:
    """When a price changed, and when the clock changes one next: who shows prices is told then (T-46)."""
    if not (tariff.varies or tariff.dynamic):
        return
    last = found.periods[-1].conditions._replace(
        local=found.end.astimezone(found.zone),
        elapsed_s=found.total_time_h * 3600,
        kwh=found.measured(Counted.ENERGY),
    )
    prices = present.prices_at(tariff, last).as_json()
    if cost.prices is not None and cost.prices != prices:
        cost.price_changed_at = now
    same = cost.prices == prices and not tariff.dynamic
    cost.prices = prices
    if same and cost.price_changes_at is not None and cost.price_changes_at > found.end:
        return
    change = present.next_change(tariff, last, found.zone, found.end) if _depends_on_clock(tariff) else None
    cost.price_changes_at = change[0] if change else None


def _would_fall(cost: SessionCost, found: Price) -> bool:
    """It never does, but for a credit of what the car gave back (T-44)."""
    shown, incl = cost.shown, found.payable.incl
    told_kwh = Decimal(cost.answer.get("total_energy", 0))
    if found.measured(Counted.ENERGY) < Fraction(told_kwh - TOLD_TO_KWH):
        return False
    return shown is not None and incl is not None and incl.amount < shown


def _compare(session: Transaction, cost: SessionCost, shown: Decimal, answered: Mapping[str, Any]) -> None:
    """A final cost below one that was shown is logged; above it without new usage a person looks (T-44)."""
    final = cost.shown
    if final is None or final == shown:
        return
    if final < shown:
        logger.warning(
            "cost.fell", extra={"transaction": str(session.pk), "shown": str(shown), "final": str(final)}
        )
    elif _same_usage(answered, cost.answer):
        alerts.raise_(
            ROSE,
            station_id=session.station_id,
            organization_id=session.organization_id,
            severity=Alert.Severity.WARNING,
            detail=f"Session {session.reference} costs {final} {cost.currency}; {shown} was shown for the same usage.",
            at=cost.computed_at,
            subject=str(session.pk)[:80],
        )


def _same_usage(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    return all(
        Decimal(before[name]) >= Decimal(after[name])
        for name in ("total_energy", "total_time", "total_parking_time")
    )


def _leave_to_a_person(cost: SessionCost, why: CannotPrice, now: datetime) -> None:
    if cost.state != CostState.REVIEW or cost.cause != why.code:
        cost.since = now
    cost.state, cost.cause, cost.detail = CostState.REVIEW, why.code[:40], str(why)[:300]
    costs_kept.forget(cost)


def counts_time(tariff: Tariff) -> bool:
    """Whether it has a price of charging time or of occupancy."""
    return any(
        component.dimension in _BY_TIME and component.price
        for number, _place, component in tariff.components()
        if tariff.elements[number].restrictions.reservation is None
    )


def _depends_on_time(tariff: Tariff) -> bool:
    return counts_time(tariff) or _depends_on_clock(tariff)


def _depends_on_clock(tariff: Tariff) -> bool:
    return tariff.is_local or tariff.dynamic or bool(tariff.thresholds("duration"))


def _heard_at(session: Transaction) -> datetime:
    return max(filter(None, [session.last_event_at, session.measured_at]))


def _announce(session: Transaction) -> None:
    live.announce_on_commit(
        "transaction",
        session.organization_id,
        session.pk,
        site_id=session.site_id,
        station_id=session.station_id,
    )
