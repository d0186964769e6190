"""Reservations: asked for by a command, kept by the station, ended by what it reports (P255).

A reservation changes by the answer to its command, by a report of the station, by the session that uses it
or by its expiry; never by our wish alone. Each step is one statement that names the states it leaves.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import F, Q
from django.db.transaction import atomic

from core import clock
from core.access import Actor
from core.errors import Conflict, Invalid, NotFound
from drivers import authorization
from drivers.models import IdToken
from stations import live
from stations.domain.intents.reservations import CancelReservation, ReserveNow
from stations.domain.reservations import NEXT, OPEN, ReservationEnded, ReservationStatus
from stations.domain.station import StationSide
from stations.domain.words import CommandStatus
from stations.models import ChargingStation, Command, Evse, Reservation, Transaction
from stations.services import effects, numbers, preconditions, reservation_costs

LONGEST = timedelta(days=7)
KEPT = timedelta(minutes=5)
"""A reservation is taken as expired by itself this long after its time; the station usually says so before."""


def prepare(station: ChargingStation, intent: ReserveNow, by: Actor) -> ReserveNow:
    """Write the reservation down as requested, or renew an open one, and name it in the intent.

    Raises :class:`Invalid` for a time that has passed or lies too far ahead, :class:`Conflict` where
    another reservation keeps the same EVSE.
    """
    now = clock.now()
    if not now < intent.expires_at <= now + LONGEST:
        raise Invalid(f"Choose a time within the next {LONGEST.days} days.", field="expires_at")
    preconditions.require_evse(station, intent.evse_id)
    token = authorization.find(station.organization_id, intent.token_value, intent.token_type)
    group = token.group.token if token is not None and token.group else ""
    _require_free(station, intent)
    reservation = (
        _renewed(station, intent, by) if intent.reservation else _requested(station, intent, token, by)
    )
    return replace(intent, reservation=reservation.pk, number=reservation.number, group_value=group)


def prepare_cancellation(station: ChargingStation, intent: CancelReservation, by: Actor) -> CancelReservation:
    """Name the open reservation. Raises :class:`NotFound`, and :class:`Conflict` for one that has ended."""
    reservation = _open_of(station, intent.reservation, by)
    return replace(intent, number=reservation.number, evse_id=_evse_id(reservation))


def command_settled(command: Command) -> None:
    """What became of a ReserveNow or CancelReservation command."""
    pk = UUID(command.parameters["reservation"])
    if command.command == CancelReservation.name:
        if command.status == CommandStatus.ACCEPTED:
            _move(pk, ReservationStatus.CANCELLED, detail=f"Cancelled by {command.issued_by}.")
        return
    Reservation.objects.filter(pk=pk).update(command=command)
    answer = str((command.response or {}).get("status", ""))
    if command.status == CommandStatus.ACCEPTED:
        _accepted(pk, command, answer)
    elif command.status == CommandStatus.REJECTED:
        _move(pk, ReservationStatus.REFUSED, detail=answer)
    else:
        detail = str((command.error or {}).get("description", command.status))
        _move(pk, ReservationStatus.FAILED, detail=detail)


def end(station: StationSide, event: ReservationEnded) -> None:
    """The station gave it up. A number that we never gave changes nothing."""
    found = Reservation.objects.filter(station_id=station.station_id, number=event.number)
    for pk in found.values_list("pk", flat=True):
        with atomic():
            _move(pk, event.status, detail=event.detail)
            effects.reservation_ended(station.station_id, pk, f"The station reports {event.detail}.")


def use(transaction: Transaction) -> None:
    """A session began that names its reservation: the reservation has served.

    One that was taken as expired has served, too, where the session began within its time.
    """
    if transaction.reservation_id is None:
        return
    found = Reservation.objects.filter(station_id=transaction.station_id, number=transaction.reservation_id)
    over = Q(status=ReservationStatus.EXPIRED.value, expires_at__lt=transaction.started_at)
    for pk in found.exclude(over).values_list("pk", flat=True):
        with atomic():
            detail = f"Transaction {transaction.reference} began."
            if _move(pk, ReservationStatus.USED, detail=detail, transaction=transaction):
                reservation_costs.carry(transaction)
                reservation_costs.doubt(pk)


def expire(now: datetime) -> int:
    """End those whose time is over although no word of it came; answers with how many."""
    overdue = Reservation.objects.open().filter(expires_at__lt=now - KEPT)
    ended = [_move(pk, ReservationStatus.EXPIRED) for pk in overdue.values_list("pk", flat=True)[:500]]
    return sum(ended)


def _accepted(pk: UUID, command: Command, answer: str) -> None:
    """What it costs is settled as the station accepts; asking again for longer changes nothing of that.

    Asked for somebody else's token, it is theirs from now on, by their tariff.
    """
    with atomic():
        rows = Reservation.objects.select_related("station__site", "station__organization", "token")
        before, told = rows.get(pk=pk), _as_accepted(command)
        first = _move(pk, ReservationStatus.ACTIVE, detail=answer, **told)
        if not first:
            rows.filter(pk=pk).update(**told)
        now = rows.get(pk=pk)
        if first or before.token_id != now.token_id:
            reservation_costs.freeze(now, at=clock.now())


def _as_accepted(command: Command) -> dict[str, Any]:
    """What the station keeps from now on, which a renewal may have changed."""
    wish, station = command.parameters, command.station
    return {
        "evse": _evse_of(station, wish.get("evse_id")),
        "connector_type": wish.get("connector_type") or "",
        "token": authorization.find(station.organization_id, wish["token_value"], wish["token_type"]),
        "token_value": wish["token_value"],
        "token_type": wish["token_type"],
        "expires_at": wish["expires_at"],
    }


def _evse_of(station: ChargingStation, evse_id: int | None) -> Evse | None:
    return station.evses.filter(evse_id=evse_id).first() if evse_id else None


def _require_free(station: ChargingStation, intent: ReserveNow) -> None:
    if intent.evse_id is None:
        return
    others = station.reservations.open().filter(evse__evse_id=intent.evse_id, expires_at__gt=clock.now())
    if intent.reservation is not None:
        others = others.exclude(pk=intent.reservation)
    if others.exists():
        raise Conflict(f"EVSE {intent.evse_id} is reserved already. Cancel that reservation first.")


def _requested(station: ChargingStation, intent: ReserveNow, token: IdToken | None, by: Actor) -> Reservation:
    return Reservation.objects.create(
        station=station,
        number=numbers.next_request_id(),
        evse=_evse_of(station, intent.evse_id),
        connector_type=intent.connector_type,
        token=token,
        token_value=intent.token_value,
        token_type=intent.token_type,
        expires_at=intent.expires_at,
        created_at=clock.now(),
        created_by=by.label[:200],
    )


def _renewed(station: ChargingStation, intent: ReserveNow, by: Actor) -> Reservation:
    """The same number again replaces what the station keeps (2.0.1 H01.FR.02, 1.6 section 5.13)."""
    assert intent.reservation is not None
    return _open_of(station, intent.reservation, by)


def _open_of(station: ChargingStation, pk: UUID, by: Actor) -> Reservation:
    found = Reservation.objects.visible_to(by).filter(pk=pk, station=station).select_related("evse").first()
    if found is None:
        raise NotFound("There is no such reservation at this station.", field="reservation")
    if not found.open:
        raise Conflict(f"The reservation has ended already ({found.status}).", field="reservation")
    return found


def _evse_id(reservation: Reservation) -> int | None:
    return reservation.evse.evse_id if reservation.evse else None


def _move(pk: UUID, status: ReservationStatus, *, detail: str = "", **also: Any) -> bool:
    """Take the step where the present state allows it; ``False`` where it does not.

    What changes ``also`` is in the same statement, so that one event tells all of it.
    """
    before = [state.value for state, following in NEXT.items() if status in following]
    ended = None if status in OPEN else clock.now()
    with atomic():
        moved = Reservation.objects.filter(pk=pk, status__in=before).update(
            status=status.value, detail=detail[:200], ended_at=ended, **also
        )
        if moved:
            _tell(pk)
    return bool(moved)


def _tell(pk: UUID) -> None:
    rows = Reservation.objects.filter(pk=pk).values(
        "station_id", organization=F("station__organization_id"), site=F("station__site_id")
    )
    for row in rows:
        live.announce_on_commit(
            "station",
            row["organization"],
            row["station_id"],
            site_id=row["site"],
            station_id=row["station_id"],
        )
