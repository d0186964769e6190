"""What is kept of a driver, for the driver: everything of theirs in one document (billing B-67)."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Q, QuerySet

from core import audit, clock
from core.access import Actor
from core.errors import NotFound
from drivers.models import Driver, IdToken
from stations.models import (
    AuthorizationAnswer,
    Favourite,
    Reservation,
    ReservationCost,
    SessionCost,
    Transaction,
)

AT_ONCE = 500


def owned(driver: Driver, *, by: Actor) -> None:
    """Only the person itself may have it; noted in the audit. Raises :class:`NotFound` for anybody else."""
    if driver.user_id is None or by.subject_id != driver.user_id:
        raise NotFound("There is no such driver.")
    audit.record("driver.exported", driver, by=by)


def about(driver: Driver) -> dict[str, Any]:
    """Everything but what may be many: :func:`sessions` and :func:`reservations`."""
    return {
        "made_at": clock.to_wire(clock.now()),
        "operator": driver.organization.name,
        "driver": _details(driver),
        "tokens": [_token(one) for one in IdToken.objects.filter(driver=driver).order_by("id")],
        "favourites": _favourites(driver),
        "authorizations": [_answer(one) for one in _answers(driver)],
    }


def _details(driver: Driver) -> dict[str, Any]:
    return {
        "id": str(driver.pk),
        "name": driver.name,
        "email": driver.email,
        "account": driver.user.email if driver.user else None,
        "language": driver.language,
        "reference": driver.reference,
        "group": driver.group.name if driver.group else None,
        "status": driver.own_status,
        "blocked_reason": driver.block_reason,
        "blocked_until": driver.block_end and clock.to_wire(driver.block_end),
    }


def _token(token: IdToken) -> dict[str, Any]:
    return {
        "value": token.value,
        "type": token.type,
        "label": token.label,
        "status": token.effective_status(),
        "blocked_reason": token.block_reason,
        "blocked_until": token.block_end and clock.to_wire(token.block_end),
        "retired_at": token.retired_at and clock.to_wire(token.retired_at),
    }


def _answers(driver: Driver) -> QuerySet[AuthorizationAnswer]:
    rows = AuthorizationAnswer.objects.filter(driver=driver).select_related("station__site")
    return rows.order_by("-id")[:AT_ONCE]


def _answer(one: AuthorizationAnswer) -> dict[str, Any]:
    return {
        "at": clock.to_wire(one.at),
        "station": one.station.name,
        "token": one.token_value,
        "asked": one.asked,
        "answer": one.verdict,
        "reason": one.reason,
    }


def _favourites(driver: Driver) -> list[dict[str, str]]:
    rows = Favourite.objects.filter(driver=driver).select_related("station__site")
    return [
        {"station": one.station.name, "site": one.station.site.name, "since": clock.to_wire(one.created_at)}
        for one in rows
    ]


def sessions(driver: Driver) -> Iterator[dict[str, Any]]:
    """The driver's sessions, oldest first, read as they are taken."""
    rows = Transaction.objects.filter(driver=driver).select_related("site", "station", "evse", "cost")
    for session in rows.order_by("started_at", "id").iterator(AT_ONCE):
        cost: SessionCost | None = getattr(session, "cost", None)
        yield {
            "id": str(session.pk),
            "site": session.site.name if session.site else None,
            "station": session.station.name,
            "evse": session.evse.code if session.evse else None,
            "token": session.token_value,
            "started_at": clock.to_wire(session.started_at),
            "ended_at": session.ended_at and clock.to_wire(session.ended_at),
            "energy_wh": None if session.energy_wh is None else str(session.energy_wh),
            "stopped_reason": session.stopped_reason,
            "price": _price(cost),
        }


def reservations(driver: Driver) -> Iterator[dict[str, Any]]:
    """What was kept free for the driver, oldest first, read as they are taken. ``session`` is what used it."""
    theirs = Q(token__driver=driver) | Q(reserved_tariff__driver=driver)
    rows = Reservation.objects.filter(theirs).select_related("station__site", "evse", "cost")
    for one in rows.order_by("created_at", "id").iterator(AT_ONCE):
        yield {
            "id": str(one.pk),
            "site": one.station.site.name if one.station.site else None,
            "station": one.station.name,
            "evse": one.evse.code if one.evse else None,
            "token": one.token_value,
            "made_at": clock.to_wire(one.created_at),
            "expires_at": clock.to_wire(one.expires_at),
            "ended_at": one.ended_at and clock.to_wire(one.ended_at),
            "status": one.status,
            "session": str(one.transaction_id) if one.transaction_id else None,
            "price": _price(getattr(one, "cost", None)),
        }


def _price(cost: SessionCost | ReservationCost | None) -> dict[str, Any] | None:
    return cost.answer if cost and cost.is_known else None
