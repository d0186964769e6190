"""Stored files of invoices that are gone follow them (billing B-65).

A file cannot be had back, so that it goes after the commit that its rows went with. That commit writes its name
down: neither a kill nor a store that fails leaves one that nobody knows of.
"""

import logging
from collections.abc import Iterable
from datetime import timedelta

from django.core.files.storage import storages
from django.db.transaction import atomic

from billing.models import ExpiredFile
from core import clock, turns

logger = logging.getLogger(__name__)

AGAIN = timedelta(hours=1)


def expire(names: Iterable[str]) -> None:
    """In the transaction that deletes their rows."""
    now = clock.now()
    ExpiredFile.objects.bulk_create(
        [ExpiredFile(name=name, next_try_at=now) for name in names], ignore_conflicts=True
    )


def delete_due(turn_s: float) -> int:
    """Delete files whose rows are gone; how many were tried. What the store refuses is tried again in an hour."""
    return turns.repeat(_delete_next, turn_s)


def _delete_next() -> bool:
    with atomic():
        rows = ExpiredFile.objects.select_for_update(skip_locked=True).filter(next_try_at__lte=clock.now())
        row = rows.order_by("next_try_at", "name").first()
        if row is None:
            return False
        try:
            storages["documents"].delete(row.name)
        except Exception:  # whatever the store stumbles over keeps no other file
            logger.exception("retention.file_stays", extra={"file": row.name})
            row.next_try_at = clock.now() + AGAIN
            row.save(update_fields=["next_try_at"])
        else:
            row.delete()
    return True
