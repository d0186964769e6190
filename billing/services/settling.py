"""From ended sessions to exactly one record or exception each (billing B-01 to B-03).

Told by the outbox; a sweeper finds what no event told. What is scarce: the row of ``Settlement``. It is made
once by its key, and whoever decides a session's outcome holds its lock until the commit, so that two workers,
a repeated task or a kill at any statement end in the state of one clean run (B-29).
"""

import logging
import math
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet
from django.db.transaction import atomic

from billing.models import Cause, EventCursor, Outcome, Settlement
from billing.services import alarms, late_data, origins, sealing
from billing.services.checks import Doubt
from core import clock, turns
from core.models import Event
from core.services import outbox
from stations.models import Presence, Transaction

logger = logging.getLogger(__name__)

SETTLING = timedelta(minutes=5)
WHILE_OFFLINE = timedelta(minutes=10)
"""How long it is put off again while the station is away and may hold readings ..."""
AT_MOST = timedelta(days=3)
"""... and until when after the end it is put off."""
TRIES = 10
AGAIN = timedelta(minutes=1)
LATEST_AGAIN = timedelta(hours=6)
CURSOR = "billing.settling"
AT_ONCE = 500
_BEGUN = "transaction.started"
_TOLD = ("transaction.ended", "transaction.updated")


def run(turn_s: float = math.inf) -> int:
    """Take in what was told and settle what is due; how many sessions got an outcome."""
    listen()
    return settle_due(clock.now(), turn_s)


def listen() -> int:
    """Read new events of the outbox once; how many ended sessions were new."""
    outbox.relay()
    new = 0
    while some := _listen_some():
        new += some[1]
        if some[0] < AT_ONCE:
            break
    return new


def sweep() -> int:
    """Find ended sessions of which no event told; how many there were."""
    with connection.cursor() as cursor:
        cursor.execute(_FORGOTTEN, {"settling": str(SETTLING), "limit": AT_ONCE * 20})
        return int(cursor.rowcount)


def settle_due(now: datetime, turn_s: float = math.inf) -> int:
    """Give every session that has settled its outcome, each in a transaction of its own; how many were looked at."""
    return turns.repeat(partial(_settle_next, now), turn_s)


def _listen_some() -> tuple[int, int] | None:
    with atomic():
        EventCursor.objects.get_or_create(name=CURSOR)
        cursor = EventCursor.objects.select_for_update().get(name=CURSOR)
        events = list(Event.objects.filter(id__gt=cursor.position).order_by("id")[:AT_ONCE])
        if not events:
            return None
        origins.keep({event.object_id for event in events if event.type == _BEGUN})
        told = {event.object_id for event in events if event.type in _TOLD}
        new = _enlist(told)
        late_data.look(told)
        cursor.position = events[-1].pk
        cursor.save(update_fields=["position"])
        return len(events), new


def _enlist(keys: set[UUID]) -> int:
    if not keys:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_ENLIST, {"settling": str(SETTLING), "keys": list(keys)})
        return int(cursor.rowcount)


def _settle_next(now: datetime) -> bool:
    """Settle one; what fails is logged, tried again later and later, and at last left to a person."""
    with atomic():
        found = _due(now).first()
        if found is None:
            return False
        try:
            with atomic():
                _settle(found, now)
        except Exception:  # one session that stumbles keeps no other from being sealed
            logger.exception("settling.failed", extra={"transaction": str(found.pk)})
            _stumble(found.pk, now)
    return True


def _stumble(key: UUID, now: datetime) -> None:
    settlement = Settlement.objects.get(pk=key)
    settlement.tries += 1
    settlement.due_at = now + min(AGAIN * 2 ** (settlement.tries - 1), LATEST_AGAIN)
    if settlement.tries >= TRIES:
        session = Transaction.objects.get(pk=key)
        sealing.open_exception(session, Doubt(Cause.STUMBLED), now=now)
        settlement.outcome = Outcome.EXCEPTION
        alarms.tell(
            "settling", f"Session {session.reference} could not be settled in {TRIES} tries.",
            organization_id=session.organization_id, object_id=key,
        )  # fmt: skip
    settlement.save(update_fields=["tries", "due_at", "outcome"])


def _due(now: datetime) -> QuerySet[Settlement]:
    waiting = Settlement.objects.filter(outcome=Outcome.WAITING, due_at__lte=now)
    return waiting.select_for_update(skip_locked=True).order_by("due_at")


def _settle(settlement: Settlement, now: datetime) -> None:
    session = Transaction.objects.select_related("station", "site", "evse", "driver").get(pk=settlement.pk)
    if _may_hold_readings(session, now):
        settlement.due_at = now + WHILE_OFFLINE
        settlement.save(update_fields=["due_at"])
        return
    sealing.seal(settlement, session, now=now)


def _may_hold_readings(session: Transaction, now: datetime) -> bool:
    heard = session.end_received_at or session.ended_at
    if heard is None or now - heard > AT_MOST:
        return False
    gone = Presence.objects.filter(
        station_id=session.station_id, connected=False, disconnected_at__lt=heard + SETTLING
    )
    return gone.exists()


_COLUMNS = "(transaction_id, outcome, reason, due_at, created_at)"
_SELECT = """
SELECT t.id, 'waiting', '', coalesce(t.end_received_at, t.ended_at, now()) + %(settling)s::interval, now()
FROM stations_transaction t
"""
_ENLIST = f"""
INSERT INTO billing_settlement {_COLUMNS} {_SELECT}
WHERE t.status = 'ended' AND t.id = ANY(%(keys)s::uuid[])
ON CONFLICT DO NOTHING
"""
_FORGOTTEN = f"""
INSERT INTO billing_settlement {_COLUMNS} {_SELECT}
WHERE t.status = 'ended' AND NOT EXISTS (SELECT FROM billing_settlement s WHERE s.transaction_id = t.id)
ORDER BY t.id LIMIT %(limit)s
ON CONFLICT DO NOTHING
"""
