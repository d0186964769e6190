"""Reservations that no session used become records, each once (billing section 1, tariffs T-25).

Their price is that of the sweeper of reservations, which waits until a session that used one would have been told.
Who locks what: the cost, then what became of it. A reservation that was billed and turns out to have been used after
all waits for a person, whose waiving takes its record back.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.transaction import atomic

from billing.models import Cdr, Outcome, ReservationSettlement
from billing.services import agreement, companies, crediting, origins, sealing
from core import clock, turns
from core.access import Actor
from core.clock import to_wire
from core.errors import Conflict
from core.ids import uuid7
from drivers.models import Driver
from stations.models import CostDecision, CostState, Reservation, ReservationCost, ReservedTariff
from stations.services import cost_decisions, reservation_costs
from tariffs.models import Tariff

AT_ONCE = 300
TOTALS_DIFFER = "totals_differ"


def seal_due() -> int:
    """Give reservations that have their price a record, or the reason why none; how many were decided."""
    return turns.through(_some_due, _seal_each)


def standing(reservation_id: UUID) -> Cdr | None:
    """The record that counts now: neither a credit nor credited."""
    return Cdr.objects.filter(reservation=reservation_id, credit=False, credited_by=None).first()


def waits(driver: Driver) -> bool:
    """Whether one of the driver's has no outcome yet: its price, or its record."""
    theirs = Q(reserved_tariff__driver=driver) | Q(token__driver=driver)
    rows = Reservation.objects.filter(theirs)
    unpriced = rows.filter(reserved_tariff__isnull=False, reserved_tariff__settled_at=None)
    undecided = Q(cost__state=CostState.REVIEW, cost__decision="") | Q(cost__in=_due())
    return unpriced.exists() or rows.filter(undecided).exists()


@atomic
def waive(cost: ReservationCost, *, by: Actor, reason: str) -> None:
    """Nothing is to be paid for it: what was billed is taken back, on its invoice too (B-11).

    Raises :class:`Conflict` where that is decided already, or a part of it was credited before.
    """
    cost_decisions.waive_reservation(cost, by=by, reason=reason)
    record = standing(cost.pk)
    if record is not None:
        crediting.credit_record(record, by=by, reason=reason)
    settled = {"outcome": Outcome.WAIVED, "reason": "waived", "settled_at": clock.now()}
    ReservationSettlement.objects.update_or_create(reservation_id=cost.pk, defaults=settled)


@atomic
def price(cost: ReservationCost, tariff: Tariff | None, *, by: Actor, reason: str) -> None:
    """Let it cost what the chosen tariff says; it is billed from then on. Raises :class:`Conflict` once it was."""
    cost_decisions.price_reservation(cost, tariff, by=by, reason=reason)
    if standing(cost.pk) is not None:
        raise Conflict("This reservation is billed already. Waive it, which takes that back.")
    if ReservationSettlement.objects.filter(pk=cost.pk).exists():
        raise Conflict("This is decided already.")


def _due() -> QuerySet[ReservationCost]:
    priced = ReservationCost.objects.filter(state=CostState.FINAL, currency__gt="")
    return priced.filter(reservation__settlement=None).exclude(decision=CostDecision.WAIVED)


def _some_due(done: set[UUID]) -> list[ReservationCost]:
    return list(_due().exclude(pk__in=done).order_by("pk").only("pk")[:AT_ONCE])


def _seal_each(rows: Sequence[ReservationCost]) -> int:
    return sum(turns.guarded(row.pk, partial(_seal, row.pk, clock.now())) for row in rows)


@atomic
def _seal(key: UUID, now: datetime) -> int:
    rows = ReservationCost.objects.select_for_update(of=("self",), skip_locked=True)
    cost = rows.filter(pk=key, state=CostState.FINAL).exclude(decision=CostDecision.WAIVED).first()
    if cost is None or ReservationSettlement.objects.filter(pk=key).exists():
        return 0
    kept = _kept(key)
    if why := sealing.excused(kept.site_id, _driver(kept), cost.started_at):
        _settle(key, Outcome.NOT_BILLABLE, why, now)
    elif differing := next(agreement.of_price(cost.answer), ""):
        reservation_costs.leave(cost, TOTALS_DIFFER, differing)
    else:
        # First the proof, whose key is the lock against another worker's record.
        _settle(key, Outcome.SEALED, "", now)
        _make(cost, kept, now)
    return 1


def _kept(key: UUID) -> ReservedTariff:
    rows = ReservedTariff.objects.select_related(
        "driver", "site", "reservation__station", "reservation__evse", "reservation__token__driver"
    )
    return rows.get(pk=key)


def _driver(kept: ReservedTariff) -> Driver | None:
    """Who reserved; the token says it where the copy was made without. Of a duplicate the driver who is kept."""
    token = kept.reservation.token
    driver = kept.driver or (token.driver if token else None)
    return driver and (driver.merged_into or driver)


def _settle(key: UUID, outcome: Outcome, reason: str, now: datetime) -> None:
    ReservationSettlement.objects.create(reservation_id=key, outcome=outcome, reason=reason, settled_at=now)


def _make(cost: ReservationCost, kept: ReservedTariff, now: datetime) -> Cdr:
    key, content = uuid7(), _content(cost, kept)
    record = Cdr(
        id=key,
        reference=str(key),
        organization_id=kept.reservation.station.organization_id,
        site=kept.site,
        reservation=kept.reservation,
        account=companies.payer_of(_driver(kept), cost.started_at),
        started_at=cost.started_at,
        ended_at=cost.ended_at,
        content=content,
        digest=sealing.digest_of(content),
        sealed_at=now,
        **sealing.amounts_of(cost),
    )
    record.save(force_insert=True)
    sealing.tell(record)
    return record


def _content(cost: ReservationCost, kept: ReservedTariff) -> dict[str, Any]:
    """As that of a session (B-04), of which it has neither registers nor a reference."""
    reservation, driver = kept.reservation, _driver(kept)
    return {
        "reservation": reservation.number,
        "status": reservation.status,
        "start_date_time": to_wire(cost.started_at),
        "end_date_time": to_wire(cost.ended_at),
        "token": {"uid": reservation.token_value, "type": reservation.token_type},
        "driver": None if driver is None else driver.name,
        "place": origins.place_of(kept.site, reservation.evse),
        "tariff": json.loads(kept.document),
        "tariff_version": str(kept.version_id),
        "time_zone": kept.time_zone,
        "policy": kept.policy,
        "basis": kept.basis,
        **companies.cost_centre_of(driver, cost.started_at),
        "price": cost.answer,
        "texts": cost.texts,
    }
