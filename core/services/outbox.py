"""From the outbox to the readers: events in one order that never gains a latecomer (M-05, decision 13).

What is scarce: the end of the order. Rows are committed in another order than that of their ids, so a reader
of the outbox itself could pass over one. The relay moves what is committed to ``Event``, one process at a
time, and makes the deliveries of webhooks in the same statement. Events of one object keep their order: the
later one is inserted after the earlier one was committed.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet
from django.db.transaction import atomic

from core import clock
from core.access import Actor
from core.models import Event, EventHorizon, OutboxRow
from core.services import keys

BATCH = 1_000
FORGOTTEN_AT_ONCE = 5_000
LOCK = 0x6F757462  # of pg_advisory_xact_lock: one process gives out places at a time
TEST = "webhook.test"
SCOPE_OF: Mapping[str, str] = {
    "alert.acknowledged": "alerts:read",
    "alert.cleared": "alerts:read",
    "alert.raised": "alerts:read",
    "billing.alert": "invoices:read",
    "cdr.created": "cdrs:read",
    "charging_profile.changed": "charging-profiles:read",
    "charging_profile.cleared": "charging-profiles:read",
    "charging_profile.installed": "charging-profiles:read",
    "command.effect": "commands:read",
    "command.missed": "commands:read",
    "command.refused": "commands:read",
    "command.scheduled": "commands:read",
    "command.settled": "commands:read",
    "command.unscheduled": "commands:read",
    "driver.changed": "drivers:read",
    "driver.created": "drivers:read",
    "driver.retired": "drivers:read",
    "group.changed": "groups:read",
    "group.created": "groups:read",
    "group.retired": "groups:read",
    "invoice.issued": "invoices:read",
    "rollout.finished": "firmware:read",
    "rollout.progressed": "firmware:read",
    "invoice.paid": "invoices:read",
    "invoice.uncollectible": "invoices:read",
    "payment.received": "payments:read",
    "payment.returned": "payments:read",
    "reservation.accepted": "reservations:read",
    "reservation.cancelled": "reservations:read",
    "reservation.changed": "reservations:read",
    "reservation.created": "reservations:read",
    "reservation.expired": "reservations:read",
    "reservation.failed": "reservations:read",
    "reservation.refused": "reservations:read",
    "reservation.removed": "reservations:read",
    "reservation.used": "reservations:read",
    "site.changed": "sites:read",
    "site.created": "sites:read",
    "site.retired": "sites:read",
    "station.booted": "stations:read",
    "station.connected": "stations:read",
    "station.created": "stations:read",
    "station.disconnected": "stations:read",
    "station.registration_changed": "stations:read",
    "station.retired": "stations:read",
    "station.status_changed": "stations:read",
    "tariff.created": "tariffs:read",
    "tariff.published": "tariffs:read",
    "tariff.retired": "tariffs:read",
    "tariff.withdrawn": "tariffs:read",
    "token.changed": "tokens:read",
    "token.created": "tokens:read",
    "token.retired": "tokens:read",
    "transaction.ended": "transactions:read",
    "transaction.priced": "transactions:read",
    "transaction.started": "transactions:read",
    "transaction.updated": "transactions:read",
    "webhook.disabled": "webhooks:read",
    TEST: "webhooks:read",
}
"""Every type of event, with the scope that its reader needs."""


class Forgotten(Exception):
    """The event to go on from is older than what is kept, or was never there; ``oldest`` is the first kept."""

    def __init__(self, oldest: int) -> None:
        super().__init__(f"Events before {oldest} are forgotten.")
        self.oldest = oldest


def record(
    kind: str,
    *,
    organization_id: UUID,
    object_id: UUID,
    data: Mapping[str, Any],
    limit_id: UUID | None = None,
) -> None:
    """Write an event that no trigger writes, inside the transaction of its cause."""
    OutboxRow.objects.create(
        type=kind,
        organization_id=organization_id,
        object_id=object_id,
        data=dict(data),
        limit_id=limit_id,
    )


def keep_silent() -> None:
    """What the present transaction writes is history and no news: it leaves no events."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL chargeyard.outbox = 'off'")


def relay(*, patiently: bool = False) -> int:
    """Put every committed event in its place, with the deliveries of webhooks; how many there were.

    Where another process is at it already, that one is left to it, or with ``patiently`` waited for.
    """
    moved = 0
    while some := _relay_some(patiently):
        moved += some
        if some < BATCH:
            break
    return moved


def types_for(actor: Actor) -> list[str]:
    """The types that the actor may read."""
    return sorted(kind for kind, scope in SCOPE_OF.items() if keys.holds(actor, scope))


def visible_to(actor: Actor) -> QuerySet[Event]:
    """Events of the actor's organization, sites and scopes, in order."""
    return Event.objects.visible_to(actor).filter(type__in=types_for(actor)).order_by("id")


def newest() -> int:
    """The id of the newest event of all, kept or forgotten."""
    last = Event.objects.order_by("-id").values_list("id", flat=True).first()
    return max(last or 0, _forgotten())


def require_kept(after: int) -> None:
    """Raises :class:`Forgotten` where events that follow this one are no longer kept, or it lies ahead of us."""
    forgotten = _forgotten()
    if after < forgotten or after > newest():
        raise Forgotten(forgotten + 1)


def forget() -> int:
    """Drop events, and with them their deliveries, older than ``EVENTS_KEPT_DAYS``; how many."""
    before = clock.now() - timedelta(days=settings.EVENTS_KEPT_DAYS)
    forgotten = 0
    while ids := _oldest_before(before):
        with atomic():
            EventHorizon.objects.update_or_create(id=1, defaults={"forgotten": max(ids)})
            Event.objects.filter(id__lte=max(ids)).delete()
        forgotten += len(ids)
    return forgotten


def _oldest_before(before: Any) -> list[int]:
    """The first events in order, up to the first that is to be kept."""
    oldest = list(Event.objects.order_by("id").values_list("id", "occurred_at")[:FORGOTTEN_AT_ONCE])
    ids: list[int] = []
    for key, occurred_at in oldest:
        if occurred_at >= before:
            break
        ids.append(key)
    return ids


def _forgotten() -> int:
    return EventHorizon.objects.values_list("forgotten", flat=True).first() or 0


def _relay_some(patiently: bool) -> int:
    if not OutboxRow.objects.exists():
        return 0
    with atomic(), connection.cursor() as cursor:
        cursor.execute(_WAIT if patiently else _TRY, [LOCK])
        if cursor.fetchone()[0] is False:
            return 0
        cursor.execute(_MOVE, {"batch": BATCH, "test": TEST})
        return int(cursor.fetchone()[0])


_TRY, _WAIT = "SELECT pg_try_advisory_xact_lock(%s)", "SELECT pg_advisory_xact_lock(%s)"
_MOVE = """
WITH taken AS (
    DELETE FROM core_outbox WHERE id IN (SELECT id FROM core_outbox ORDER BY id LIMIT %(batch)s) RETURNING *
), placed AS (
    INSERT INTO core_event (organization_id, limit_id, type, object_id, data, occurred_at)
    SELECT organization_id, limit_id, type, object_id, data, occurred_at
    FROM taken ORDER BY taken.id
    RETURNING id, organization_id, limit_id, type, object_id
), made AS (
    INSERT INTO core_delivery (webhook_id, event_id)
    SELECT w.id, e.id FROM placed e JOIN core_webhook w ON w.organization_id = e.organization_id
    WHERE w.retired_at IS NULL AND CASE
        WHEN e.type = %(test)s THEN w.id = e.object_id
        ELSE (w.types = '{}' OR e.type = ANY(w.types)) AND (w.limits = '{}' OR e.limit_id = ANY(w.limits)) END
    ORDER BY e.id
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM taken
"""
