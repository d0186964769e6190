"""What stations tell of a driver who is a duplicate of another: it is the kept driver's.

A session that was allowed while two drivers became one is written after that, for the one that ended.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.db.transaction import atomic

from drivers.models import Driver
from stations.models import AuthorizationAnswer, ReservedTariff, Transaction

LOOKED_AFTER = timedelta(days=7)
"""Long enough for a portal whose workers stood still; what is under way as two are merged comes within seconds."""


@atomic
def give(duplicate: UUID, kept: UUID) -> int:
    """Let the kept driver have sessions, answers and reservations of the duplicate; how many sessions it were."""
    moved = [rows.filter(driver=duplicate).update(driver=kept) for rows in _tables()]
    return moved[0]


def follow(now: datetime) -> int:
    """Give on what came in for drivers who were merged lately; how many of them had something."""
    merged = Driver.objects.filter(merged_into__isnull=False, retired_at__gte=now - LOOKED_AFTER)
    kept = {duplicate: into for duplicate, into in merged.values_list("pk", "merged_into") if into}
    late = _named(kept) if kept else set()
    for duplicate in late:
        give(duplicate, kept[duplicate])
    return len(late)


def _tables() -> tuple[QuerySet[Any], ...]:
    return Transaction.objects.all(), AuthorizationAnswer.objects.all(), ReservedTariff.objects.all()


def _named(drivers: Iterable[UUID]) -> set[UUID]:
    """Of these drivers those that something is told of."""
    keys = list(drivers)
    found = (rows.filter(driver__in=keys).order_by().values_list("driver", flat=True) for rows in _tables())
    return {key for rows in found for key in rows.distinct()}
