"""What reservations cost (tariffs T-25, T-26): with the session that uses one, or by itself where none does.

The tariff is copied as the station accepts. A session that begins with the reservation takes that copy over and
is priced from there; one that expired, or was cancelled, is priced by a sweeper, once its station had time to
tell of a session after all. Who locks what: the copy's row, in either case.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID

from django.db.models import Q
from django.db.transaction import atomic

from core import clock, turns
from stations.domain.reservations import ReservationStatus
from stations.domain.words import Flag
from stations.models import (
    CostDecision,
    CostState,
    FrozenTariff,
    Reservation,
    ReservationCost,
    ReservedTariff,
    SessionCost,
    TariffAssignment,
    Transaction,
)
from stations.services import costs_kept, tariff_choice
from stations.services.tariff_choice import Place, kind_of
from stations.services.transactions import standing
from tariffs import pricing
from tariffs.local_time import find_zone
from tariffs.pricing import DEFAULT_ROUNDING, Basis, Metered, Options, Price, Rounding, Sample, State
from tariffs.structure import Tariff
from tariffs.usage import CannotPrice

SETTLING = timedelta(minutes=5)
WHILE_OFFLINE = timedelta(hours=24)
"""How long a station that is away may hold the start of a session that used the reservation."""
AT_ONCE = 300
_NOTHING = Decimal(0)
NO_TARIFF = "no_tariff"
USED_LATE = "used_after_all"
_PRICED = frozenset({ReservationStatus.EXPIRED, ReservationStatus.CANCELLED})


def freeze(reservation: Reservation, *, at: datetime) -> None:
    """Copy the tariff that holds as the station accepts; nothing where the organization prices nothing.

    Takes the place of what was copied before.
    """
    token = reservation.token
    _copy(reservation, at, token.driver_id if token else None)


def _copy(reservation: Reservation, at: datetime, driver_id: UUID | None) -> None:
    station = reservation.station
    place = Place(
        station.organization_id,
        station.site_id,
        station.pk,
        reservation.evse_id,
        driver_id=driver_id,
    )
    found = tariff_choice.applicable(place, at, kind=kind_of(reservation.token_type))
    if found is None and not TariffAssignment.objects.filter(organization=station.organization_id).exists():
        return
    where = station.site or station.organization
    ReservedTariff.objects.update_or_create(
        reservation=reservation,
        defaults={
            "version_id": found.version_id if found else None,
            "level": found.level if found else "",
            "document": found.document if found else "",
            "currency": found.currency if found else "",
            "time_zone": where.time_zone,
            "policy": DEFAULT_ROUNDING.policy,
            "basis": (found.basis if found else "") or DEFAULT_ROUNDING.basis.value,
            "site": station.site,
            "driver_id": place.driver_id,
            "free_cancellation": station.site is not None and station.site.free_cancellation,
            "accepted_at": at,
        },
    )


def carry(transaction: Transaction) -> bool:
    """Let the session have the tariff of the reservation that it uses; ``False`` where there is none.

    Who charges may be another than who reserved (of one group, say): then it is what held for them at that time.
    Where the session does not tell who charges, it is taken for who reserved.
    """
    with atomic():
        kept = _kept_for(transaction)
        if kept is not None and transaction.token_value and kept.driver_id != transaction.driver_id:
            _copy(kept.reservation, kept.accepted_at, transaction.driver_id)
            kept.refresh_from_db()
        if kept is None or kept.version_id is None:
            return False
        now = clock.now()
        FrozenTariff.objects.update_or_create(
            transaction=transaction,
            defaults={
                "version_id": kept.version_id,
                "level": kept.level,
                "document": kept.document,
                "currency": kept.currency,
                "time_zone": kept.time_zone,
                "policy": kept.policy,
                "basis": kept.basis,
                "at_receipt": False,
                "reserved_from": kept.accepted_at,
                "reserved_until": kept.reservation.expires_at,
                "tariff_changes": [],
                "frozen_at": now,
            },
        )
        _to_be_priced(transaction, now)
        ReservedTariff.objects.filter(pk=kept.pk, settled_at=None).update(settled_at=now)
    return True


def doubt(reservation_id: UUID) -> None:
    """A session used it although it counted as expired: what it cost by itself is left to a person.

    Also where a person had set the price, who did not know of the session; that stays in the audit.
    """
    rows = ReservationCost.objects.select_for_update().exclude(decision=CostDecision.WAIVED)
    cost = rows.filter(pk=reservation_id).first()
    if cost is not None:
        cost.decision, cost.reason, cost.decided_by, cost.decided_at = "", "", "", None
        leave(cost, USED_LATE)


def leave(cost: ReservationCost, cause: str, detail: str = "") -> None:
    """To a person, without an amount. The caller holds the row's lock."""
    cost.state, cost.cause, cost.detail, cost.since = CostState.REVIEW, cause, detail[:300], clock.now()
    costs_kept.forget(cost)
    cost.save()


def sweep(now: datetime) -> int:
    """Price what expired or was cancelled and has settled; answers with how many were decided."""
    here = Q(reservation__station__presence__connected=True)
    due = ReservedTariff.objects.filter(
        here | Q(reservation__ended_at__lt=now - WHILE_OFFLINE),
        settled_at=None,
        reservation__ended_at__lt=now - SETTLING,
    )
    keys = due.order_by("accepted_at").values_list("pk", flat=True)[:AT_ONCE]
    return sum(turns.guarded(key, partial(_settle, key, now)) for key in list(keys))


def _kept_for(transaction: Transaction) -> ReservedTariff | None:
    rows = ReservedTariff.objects.select_for_update(of=("self",)).select_related("reservation")
    return rows.filter(
        reservation__station_id=transaction.station_id,
        reservation__transaction_id=transaction.pk,
        reservation__status=ReservationStatus.USED.value,
    ).first()


def _to_be_priced(transaction: Transaction, now: datetime) -> None:
    """It has a tariff now, whatever was missing before."""
    waiting = {"state": CostState.RUNNING, "cause": "", "detail": "", "since": now}
    SessionCost.objects.get_or_create(transaction=transaction, defaults={**waiting, "computed_at": now})
    found = Q(state=CostState.REVIEW, cause=NO_TARIFF)
    SessionCost.objects.filter(found, transaction=transaction).update(**waiting)
    if Flag.NO_TARIFF in transaction.flags:
        standing.set_flag(transaction, Flag.NO_TARIFF, False)
        transaction.save(update_fields=["flags"])


@atomic
def _settle(key: UUID, now: datetime) -> bool:
    rows = ReservedTariff.objects.select_for_update(of=("self",)).select_related("reservation")
    kept = rows.get(pk=key)
    if kept.settled_at is not None:
        return False
    if kept.reservation.status in _PRICED:
        _price(kept, now)
    kept.settled_at = now
    kept.save(update_fields=["settled_at"])
    return True


def _price(kept: ReservedTariff, now: datetime) -> None:
    """A row for what is to be paid; none where nothing is: the reserved time is free, or the tariff has no price."""
    reservation = kept.reservation
    assert reservation.ended_at is not None
    end = min(reservation.ended_at, reservation.expires_at)
    cancelled = reservation.status == ReservationStatus.CANCELLED
    if end < kept.accepted_at or (cancelled and kept.free_cancellation):
        return
    cost = ReservationCost(
        reservation=reservation,
        state=CostState.FINAL,
        since=now,
        started_at=kept.accepted_at,
        ended_at=end,
        computed_at=now,
    )
    if kept.version_id is None:
        cost.state, cost.cause = CostState.REVIEW, NO_TARIFF
    elif not fill_in(cost, kept):
        return
    cost.save(force_insert=True)


def fill_in(cost: ReservationCost, kept: ReservedTariff) -> bool:
    """Fill in the price; ``False`` where the tariff has none for it."""
    tariff = costs_kept.parsed(kept.document)
    try:
        found = _price_of(tariff, cost, kept)
        costs_kept.require_taxes(found)
    except CannotPrice as why:
        cost.state, cost.cause, cost.detail = CostState.REVIEW, why.code[:40], str(why)[:300]
        return True
    if all(line.component is None for line in found.lines):
        return False
    costs_kept.keep(cost, tariff, found)
    return True


def _price_of(tariff: Tariff, cost: ReservationCost, kept: ReservedTariff) -> Price:
    expired = kept.reservation.status == ReservationStatus.EXPIRED
    how = pricing.Reservation.EXPIRED if expired else pricing.Reservation.USED
    reserved = Sample(cost.started_at, register_kwh=_NOTHING, state=State.RESERVED)
    return pricing.price(
        tariff,
        Metered(samples=(reserved,), end=cost.ended_at),
        zone=find_zone(kept.time_zone),
        rounding=Rounding(kept.policy, Basis(kept.basis)),
        options=Options(reservation=how),
    )
