"""What past sessions would have cost by another version of a tariff; nothing is stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from time import monotonic
from zoneinfo import ZoneInfo

from django.db.models import QuerySet

from core.access import Actor, Permission
from stations.domain.words import TransactionStatus
from stations.models import CostState, SessionCost, Transaction
from stations.services.session_costs import priced_by, reserved_of
from tariffs.pricing import DEFAULT_ROUNDING, Basis, Rounding
from tariffs.structure import Tariff
from tariffs.usage import CannotPrice

AT_MOST = 300
"""Sessions of one trial, the newest first; each takes some milliseconds."""
LONGEST = timedelta(seconds=20)
MUCH_DEARER = Decimal("1.2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One session, taxes included: what it cost, and would have cost; ``cause`` where that cannot be said."""

    session: Transaction
    was: Decimal | None
    would_be: Decimal | None
    cause: str = ""

    @property
    def difference(self) -> Decimal | None:
        return None if self.was is None or self.would_be is None else self.would_be - self.was


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """All sessions that were looked at; the sums are of those that have both prices."""

    tried: Sequence[Tried]
    currency: str
    more: bool

    @property
    def compared(self) -> list[Tried]:
        return [one for one in self.tried if one.difference is not None]

    @property
    def was(self) -> Decimal:
        return sum((one.was for one in self.compared if one.was is not None), Decimal(0))

    @property
    def would_be(self) -> Decimal:
        return sum((one.would_be for one in self.compared if one.would_be is not None), Decimal(0))

    @property
    def change_percent(self) -> Decimal | None:
        """``None`` where nothing was paid before."""
        return (self.would_be / self.was - 1) * 100 if self.was else None

    @property
    def much_dearer(self) -> int:
        """How many would have cost more than a fifth more."""
        return sum(
            one.would_be > one.was * MUCH_DEARER
            for one in self.compared
            if one.would_be is not None and one.was is not None
        )

    @property
    def unpriced(self) -> list[Tried]:
        return [one for one in self.tried if one.cause]


def run(
    tariff: Tariff,
    sessions: QuerySet[Transaction],
    *,
    by: Actor,
    at_most: int = AT_MOST,
    within: timedelta = LONGEST,
) -> Trial:
    """Price the newest of these sessions, as far as they have ended and the actor sees them.

    No more than ``at_most``, and none is begun after ``within``; what is left out is told as ``more``.
    """
    by.require(Permission.SESSIONS_VIEW)
    rows = sessions.filter(status=TransactionStatus.ENDED.value).order_by("-started_at", "-id")
    rows = rows.select_related("cost", "frozen_tariff", "site", "organization", "station", "evse")
    found, stop = list(rows[: at_most + 1]), monotonic() + within.total_seconds()
    tried = [_tried(session, tariff) for session in found[:at_most] if monotonic() < stop]
    return Trial(tried=tried, currency=tariff.currency, more=len(found) > len(tried))


def between(since: datetime, until: datetime, *, by: Actor) -> QuerySet[Transaction]:
    """The sessions that began from ``since`` to before ``until`` and that the actor sees."""
    return Transaction.objects.visible_to(by).filter(started_at__gte=since, started_at__lt=until)


def _tried(session: Transaction, tariff: Tariff) -> Tried:
    was = _was(session, tariff.currency)
    frozen = getattr(session, "frozen_tariff", None)
    rounding = Rounding(frozen.policy, Basis(frozen.basis)) if frozen else DEFAULT_ROUNDING
    try:
        price = priced_by(
            tariff, session, zone=_zone(session), rounding=rounding, until=_end(session),
            reserved=reserved_of(frozen),
        )  # fmt: skip
    except CannotPrice as why:
        return Tried(session=session, was=was, would_be=None, cause=why.code)
    due = price.payable.incl
    return Tried(session=session, was=was, would_be=due.amount if due is not None else None)


def _was(session: Transaction, currency: str) -> Decimal | None:
    cost: SessionCost | None = getattr(session, "cost", None)
    if cost is None or cost.state != CostState.FINAL or cost.currency != currency:
        return None
    return cost.incl_vat


def _end(session: Transaction) -> datetime:
    return session.ended_at or session.last_event_at


def _zone(session: Transaction) -> ZoneInfo:
    frozen = getattr(session, "frozen_tariff", None)
    place = session.site or session.organization
    return ZoneInfo(frozen.time_zone if frozen else place.time_zone)
