"""What could not be priced, settled by a person with a reason (tariffs T-15, T-43; billing B-06).

After a correction a session is priced again, where no tariff held by one that the person chooses; where its
readings will never tell, the person sets the amount. Every decision stays with the cost and in the audit log;
the sweeper leaves it alone. Who locks what: the frozen tariff, then the cost, as pricing does.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from django.db.transaction import atomic

from core import audit, clock
from core.access import Actor, Permission
from core.clock import to_wire
from core.errors import Conflict, Invalid
from core.money import minor_units
from stations import live
from stations.domain.words import Flag, TransactionStatus
from stations.models import (
    CostDecision,
    CostState,
    FrozenTariff,
    Level,
    ReservationCost,
    ReservedTariff,
    SessionCost,
    Transaction,
)
from stations.services import costs_kept, reservation_costs, session_costs
from stations.services.transactions import standing
from tariffs import parsing, pricing
from tariffs.local_time import find_zone
from tariffs.models import Tariff, TariffVersion
from tariffs.pricing import DEFAULT_ROUNDING, Basis, Price, Recorded, RecordedPeriod, Rounding
from tariffs.structure import Tariff as Prices

LARGEST = Decimal(1_000_000)
WH_PER_KWH = 1000


def waiting(by: Actor) -> QuerySet[Transaction]:
    """Ended sessions without a price, of the actor's organization and sites."""
    rows = Transaction.objects.visible_to(by)
    return rows.filter(cost__state=CostState.REVIEW, status=TransactionStatus.ENDED.value)


def reservations(by: Actor) -> QuerySet[ReservationCost]:
    """What reservations without a session cost, and those whose cost a person has to settle."""
    return ReservationCost.objects.visible_to(by)


@atomic
def price_again(session: Transaction, *, by: Actor, reason: str, tariff: Tariff | None = None) -> SessionCost:
    """Price it as it stands now, by its own tariff or, where none held, by the one that is chosen.

    Raises :class:`Invalid` without a reason or a tariff, :class:`Conflict` where it has its price or still
    cannot be priced; nothing is changed then.
    """
    cost, frozen = _open(session, by, reason)
    if tariff is not None or frozen is None:
        _freeze(session, tariff)
    cost.state, cost.cause, cost.detail, cost.since = CostState.RUNNING, "", "", clock.now()
    cost.save()
    session_costs.price(session.pk, now=clock.now())
    cost.refresh_from_db()
    if cost.state != CostState.FINAL:
        raise Conflict(
            "It still cannot be priced. Repair the session, choose another tariff or set the amount."
        )
    _decide(cost, session, CostDecision.TARIFF, by, reason)
    return cost


@atomic
def set_amount(
    session: Transaction,
    amount: Decimal,
    *,
    vat: Decimal | None,
    by: Actor,
    reason: str,
    tariff: Tariff | None = None,
) -> SessionCost:
    """Let the session cost that much: with taxes, without for who pays net. ``vat`` is a percentage.

    The tariff gives currency and basis; where none held, the one that is chosen. Raises as
    :func:`price_again` does, and :class:`Invalid` for an amount or rate that cannot be.
    """
    cost, frozen = _open(session, by, reason)
    if tariff is not None or frozen is None:
        frozen = _freeze(session, tariff)
    _require_amount(amount, vat, frozen.currency)
    prices = _by_hand(frozen, amount, vat)
    found = pricing.price(
        prices,
        _energy_of(session),
        zone=find_zone(frozen.time_zone),
        rounding=Rounding(frozen.policy, Basis(frozen.basis)),
    )
    now = clock.now()
    costs_kept.keep(cost, prices, found)
    cost.texts = {code: _said(found, reason) for code in cost.texts}
    cost.is_free, cost.priced_until, cost.computed_at = not amount, found.end, now
    cost.state, cost.cause, cost.detail, cost.since = CostState.FINAL, "", "", now
    cost.save()
    _decide(cost, session, CostDecision.AMOUNT, by, reason)
    return cost


@atomic
def price_reservation(cost: ReservationCost, tariff: Tariff | None, *, by: Actor, reason: str) -> None:
    """Price a reservation that no tariff was found for by the one that is chosen.

    Raises :class:`Conflict` where it has its price or the tariff has none for reservations.
    """
    cost = _locked(cost, by, reason)
    if cost.state != CostState.REVIEW:
        raise Conflict("It has its price already.")
    if tariff is None:
        raise Invalid("No tariff held. Choose one.", field="tariff")
    kept = ReservedTariff.objects.select_related("reservation").get(pk=cost.pk)
    version = _version_at(tariff, cost.started_at)
    kept.version, kept.document, kept.currency = version, version.document, version.currency
    kept.level = Level.HAND
    cost.state, cost.cause, cost.detail = CostState.FINAL, "", ""
    if not reservation_costs.fill_in(cost, kept) or cost.cause:
        raise Conflict("This tariff has no price for a reservation. Choose another one, or waive it.")
    kept.save()
    _settle(cost, CostDecision.TARIFF, by, reason)


@atomic
def waive_reservation(cost: ReservationCost, *, by: Actor, reason: str) -> None:
    """Nothing is to be paid for it. Raises :class:`Conflict` where that is decided already."""
    cost = _locked(cost, by, reason)
    if cost.decision == CostDecision.WAIVED:
        raise Conflict("This is decided already.")
    _settle(cost, CostDecision.WAIVED, by, reason)


def _open(session: Transaction, by: Actor, reason: str) -> tuple[SessionCost, FrozenTariff | None]:
    by.require(Permission.SESSIONS_CORRECT, session)
    _require_reason(reason)
    frozen = FrozenTariff.objects.select_for_update(no_key=True).filter(pk=session.pk).first()
    cost = SessionCost.objects.select_for_update().filter(pk=session.pk).first()
    if cost is None or cost.state != CostState.REVIEW:
        raise Conflict("It has its price already.")
    if session.status != TransactionStatus.ENDED:
        raise Conflict("The session has not ended yet.")
    return cost, frozen


def _locked(cost: ReservationCost, by: Actor, reason: str) -> ReservationCost:
    by.require(Permission.SESSIONS_CORRECT, cost)
    _require_reason(reason)
    rows = ReservationCost.objects.select_for_update(of=("self",)).select_related("reservation__station")
    return rows.get(pk=cost.pk)


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid("Say why; the reason stays with the session.", field="reason")


def _require_amount(amount: Decimal, vat: Decimal | None, currency: str) -> None:
    digits = minor_units(currency)
    if not amount.is_finite() or not 0 <= amount <= LARGEST or amount != round(amount, digits):
        raise Invalid("Enter an amount from 0 to 1,000,000 in whole minor units.", field="amount")
    if vat is not None and (not vat.is_finite() or not 0 <= vat <= 100):
        raise Invalid("A rate of VAT is from 0 to 100 percent.", field="vat")


def _freeze(session: Transaction, tariff: Tariff | None) -> FrozenTariff:
    """The copy of what a person chose for a session that had none."""
    if tariff is None:
        raise Invalid("No tariff held. Choose one.", field="tariff")
    if tariff.organization_id != session.organization_id:
        raise Invalid("No tariff held. Choose one.", field="tariff")
    version = _version_at(tariff, session.started_at)
    where = session.site or session.organization
    frozen, _made = FrozenTariff.objects.update_or_create(
        transaction=session,
        defaults={
            "version": version,
            "level": Level.HAND,
            "document": version.document,
            "currency": version.currency,
            "tariff_changes": [],
            "frozen_at": clock.now(),
        },
        create_defaults={
            "version": version,
            "level": Level.HAND,
            "document": version.document,
            "currency": version.currency,
            "time_zone": where.time_zone,
            "policy": DEFAULT_ROUNDING.policy,
            "basis": DEFAULT_ROUNDING.basis.value,
            "frozen_at": clock.now(),
        },
    )
    if Flag.NO_TARIFF in session.flags:
        standing.set_flag(session, Flag.NO_TARIFF, False)
        session.save(update_fields=["flags"])
    return frozen


def _version_at(tariff: Tariff, at: datetime) -> TariffVersion:
    """The version that was in force then, else the one that is now."""
    versions = [one for one in tariff.versions.all() if not one.is_draft]
    for instant in (at, clock.now()):
        for version in versions:
            if version.holds_at(instant):
                return version
    raise Invalid("This tariff has no version in force. Choose another one.", field="tariff")


def _by_hand(frozen: FrozenTariff, amount: Decimal, vat: Decimal | None) -> Prices:
    rate: dict[str, Any] = {} if vat is None else {"vat": vat}
    own = costs_kept.parsed(frozen.document)
    return parsing.parse_tariff(
        {
            "country_code": own.country_code,
            "party_id": own.party_id,
            "id": own.id,
            "currency": frozen.currency,
            "tax_included": "N/A" if vat is None else "YES" if frozen.basis == Basis.GROSS else "NO",
            "elements": [{"price_components": [{"type": "FLAT", "price": amount, "step_size": 0, **rate}]}],
            "last_updated": to_wire(frozen.frozen_at),
        }
    )


def _energy_of(session: Transaction) -> Recorded:
    """What the registers say was charged, which an amount by hand does not depend on."""
    first, last = session.meter_start_wh, session.meter_last_wh
    known = first is not None and last is not None and last >= first
    energy_kwh = (last - first) / WH_PER_KWH if known and first is not None and last is not None else None
    start = session.started_at
    end = max(session.ended_at or session.last_event_at, start)
    period = RecordedPeriod(start=start, energy_kwh=energy_kwh)
    return Recorded(start=start, end=end, periods=(period,))


def _said(found: Price, reason: str) -> list[dict[str, str]]:
    return [{"why": reason[:500], "text": reason[:500]} for _line in found.lines]


def _decide(cost: SessionCost, session: Transaction, decision: CostDecision, by: Actor, reason: str) -> None:
    _sign(cost, decision, by, reason)
    cost.save(update_fields=["decision", "reason", "decided_by", "decided_at"])
    changes = {
        "price": audit.change(None, f"{cost.shown} {cost.currency}"),
        "decision": [None, decision.value],
    }
    audit.record("transaction.priced", session, by=by, reason=reason, changes=changes)
    live.announce_on_commit(
        "transaction", session.organization_id, session.pk, site_id=session.site_id,
        station_id=session.station_id,
    )  # fmt: skip


def _settle(cost: ReservationCost, decision: CostDecision, by: Actor, reason: str) -> None:
    _sign(cost, decision, by, reason)
    cost.computed_at = clock.now()
    cost.save()
    changes = {"decision": [None, decision.value]}
    audit.record("reservation.priced", cost.reservation, by=by, reason=reason, changes=changes)


def _sign(cost: SessionCost | ReservationCost, decision: CostDecision, by: Actor, reason: str) -> None:
    cost.decision, cost.reason = decision, reason.strip()[:500]
    cost.decided_by, cost.decided_at = by.label[:200], clock.now()
