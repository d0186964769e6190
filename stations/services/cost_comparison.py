"""A station's own reckoning of a session beside ours (tariffs T-49). Ours is billed, whatever the station says."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from core.money import minor_units
from stations.domain.events import StationCostTold
from stations.models import Alert, SessionCost, StationCost, Transaction
from stations.services import alerts

DIFFERS = "station_cost_differs"


def note(transaction_id: UUID, told: StationCostTold, *, at: datetime) -> None:
    """Keep what the station computed; a later word of it takes the place of an earlier one."""
    StationCost.objects.update_or_create(
        transaction_id=transaction_id,
        defaults={
            "currency": told.currency,
            "excl_vat": told.excl_vat,
            "incl_vat": told.incl_vat,
            "failed": told.failed,
            "reason": told.reason,
            "differs": None,
            "told_at": at,
        },
    )


def compare(session: Transaction, cost: SessionCost) -> None:
    """Alert where the station's total is over one minor unit from our final one, or where it has none."""
    if not cost.is_final or not cost.is_known:
        return
    told = StationCost.objects.filter(transaction=session).first()
    if told is None:
        return
    told.differs = not _agrees(told, cost)
    told.save(update_fields=["differs"])
    subject = str(session.pk)
    if not told.differs:
        alerts.clear(DIFFERS, station_id=session.station_id, at=cost.computed_at, subject=subject)
        return
    alerts.raise_(
        DIFFERS,
        station_id=session.station_id,
        organization_id=session.organization_id,
        severity=Alert.Severity.WARNING,
        detail=_detail(session, told, cost),
        at=cost.computed_at,
        subject=subject,
    )


def _agrees(told: StationCost, cost: SessionCost) -> bool:
    theirs, ours = _sides(told, cost)
    if told.failed or theirs is None or ours is None or told.currency != cost.currency:
        return False
    return abs(theirs - ours) <= Decimal(1).scaleb(-minor_units(cost.currency))


def _sides(told: StationCost, cost: SessionCost) -> tuple[Decimal | None, Decimal | None]:
    """Both totals with taxes, or both without where one of them has no other."""
    if told.incl_vat is not None and cost.incl_vat is not None:
        return told.incl_vat, cost.incl_vat
    return told.excl_vat, cost.excl_vat


def _detail(session: Transaction, told: StationCost, cost: SessionCost) -> str:
    if told.failed:
        why = told.reason or "no reason given"
        return (
            f"The station could not compute what session {session.reference} costs ({why}); ours is billed."
        )
    theirs, ours = _sides(told, cost)
    return (
        f"Session {session.reference} costs {ours} {cost.currency}; the station computed {theirs} {told.currency}. "
        "Ours is billed. Check the tariff that the station holds."
    )
