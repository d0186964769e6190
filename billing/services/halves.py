"""Sessions of which the later half was merged into the first: what belongs together, and its price (billing B-06)."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from billing.models import Settlement
from core.clock import to_wire
from stations.models import SessionCost, Transaction
from stations.services import halves, session_costs
from stations.services.session_material import Material

RELATED = ("station", "site", "evse", "driver", "organization")


def later_of(key: UUID) -> list[Transaction]:
    """The halves that were merged into the session, in order of time; none of an ordinary one."""
    rows = Transaction.objects.filter(settlement__merged_into=key).select_related(*RELATED)
    return list(rows.order_by("started_at", "pk"))


def others_of(session: Transaction) -> list[Transaction]:
    """The session that it was merged into and those that were merged with it, in order of time."""
    into = Settlement.objects.filter(pk=session.pk).values_list("merged_into_id", flat=True).first()
    first = into or session.pk
    rows = Transaction.objects.filter(Q(pk=first) | Q(settlement__merged_into=first)).exclude(pk=session.pk)
    return list(rows.select_related("station").order_by("started_at", "pk"))


def whole(session: Transaction) -> Transaction:
    """The session as it is billed: with the halves that were merged into it, or as it is."""
    later = later_of(session.pk)
    return halves.whole([session, *later]) if later else session


def priced(session: Transaction, *, now: datetime, anew: bool = False) -> Transaction:
    """Price the session as it is billed and keep that, see :func:`stations.services.session_costs.price`."""
    later = later_of(session.pk)
    if not later:
        session_costs.price(session.pk, now=now, anew=anew)
        return session
    made = halves.whole([session, *later])
    cost = SessionCost.objects.filter(pk=session.pk, decision="").first()
    if cost is not None:
        session_costs.keep_whole(made, halves.material([session, *later]), now=now)
    return made


def material(session: Transaction) -> Material | None:
    """What a whole is priced by; ``None`` for an ordinary session, which is read by itself."""
    return halves.material(_parts(session)) if halves.is_whole(session) else None


def first_keys(keys: Sequence[UUID]) -> set[UUID]:
    """These, and of later halves among them the sessions that they were merged into."""
    merged = Settlement.objects.filter(pk__in=keys).exclude(merged_into=None)
    return {*keys, *merged.values_list("merged_into_id", flat=True)}


def told(session: Transaction) -> list[dict[str, str | None]]:
    """What a record says of the parts of a whole; nothing of an ordinary session."""
    if not halves.is_whole(session):
        return []
    return [
        {
            "transaction": str(part.pk),
            "session": part.reference,
            "start_date_time": to_wire(part.started_at),
            "end_date_time": to_wire(part.ended_at) if part.ended_at else None,
            "meter_start_wh": None if part.meter_start_wh is None else f"{part.meter_start_wh:f}",
            "meter_end_wh": None if part.meter_last_wh is None else f"{part.meter_last_wh:f}",
        }
        for part in _parts(session)
    ]


def _parts(session: Transaction) -> list[Transaction]:
    return list(Transaction.objects.filter(pk__in=halves.keys_of(session)).order_by("started_at", "pk"))
