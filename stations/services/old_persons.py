"""Whose sessions, reservations and commands were, taken out of them after a term (billing B-66).

A random key of its own takes the place of each token, so that nothing tells which were of one person.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from core.ids import uuid7_of

PREFIX = "anon-"
_KEY = f"'{PREFIX}' || left(replace(gen_random_uuid()::text, '-', ''), 16)"


def of_sessions(keys: Sequence[Any]) -> Mapping[str, int]:
    """Ended sessions lose driver and tokens, and the messages that contradicted them. Safe to repeat."""
    if not keys:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_SESSIONS, {"keys": list(keys)})
        cursor.execute(_CONFLICTS, {"keys": list(keys)})
        return {"conflicts": cursor.rowcount}


def of_logs(
    organization_id: UUID, before: datetime, most: int, *, spared: Sequence[Any] = ()
) -> Mapping[str, int]:
    """What else names tokens from before then: reservations, stops without a session, commands; some of each.

    Those of the drivers in ``spared`` stay. Safe to repeat.
    """
    values = {
        "organization": organization_id,
        "before": before,
        "until": uuid7_of(before, 0),
        "most": most,
        "spared": list(spared),
        "known": f"{PREFIX}%",
    }
    with connection.cursor() as cursor:
        counted = {name: _count(cursor, statement, values) for name, statement in _LOGS.items()}
    return {name: count for name, count in counted.items() if count}


def _count(cursor: Any, statement: str, values: Mapping[str, Any]) -> int:
    cursor.execute(statement, values)
    return int(cursor.rowcount)


_SESSIONS = f"""
UPDATE stations_transaction t SET driver_id = NULL, token_id = NULL,
    token_value = CASE t.token_value WHEN '' THEN '' ELSE k.name END,
    stop_token_value = CASE WHEN t.stop_token_value = '' THEN ''
        WHEN upper(t.stop_token_value) = upper(t.token_value) THEN k.name ELSE k.other END
FROM (SELECT x.id, {_KEY} AS name, {_KEY} AS other FROM unnest(%(keys)s::uuid[]) AS x(id)) k
WHERE t.id = k.id AND t.status = 'ended'
"""
_CONFLICTS = "DELETE FROM stations_transactionconflict WHERE transaction_id = ANY(%(keys)s::uuid[])"
_RESERVATIONS = f"""
WITH due AS (
    SELECT r.id FROM stations_reservation r JOIN stations_chargingstation s ON s.id = r.station_id
    LEFT JOIN stations_reservedtariff f ON f.reservation_id = r.id
    LEFT JOIN stations_reservationcost c ON c.reservation_id = r.id
    LEFT JOIN drivers_idtoken o ON o.id = r.token_id
    WHERE s.organization_id = %(organization)s AND r.id < %(until)s AND r.ended_at < %(before)s
        AND r.token_value NOT LIKE %(known)s AND (c.reservation_id IS NULL OR c.state = 'final' OR c.decision <> '')
        AND NOT coalesce(f.driver_id = ANY(%(spared)s::uuid[]) OR o.driver_id = ANY(%(spared)s::uuid[]), false)
    ORDER BY r.id LIMIT %(most)s
), freed AS (
    UPDATE stations_reservedtariff f SET driver_id = NULL FROM due WHERE f.reservation_id = due.id
)
UPDATE stations_reservation r SET token_id = NULL, token_value = {_KEY} FROM due WHERE r.id = due.id
"""
_ORPHANS = f"""
UPDATE stations_orphanstop o SET token_value = {_KEY} WHERE o.id = ANY(ARRAY(
    SELECT x.id FROM stations_orphanstop x JOIN stations_chargingstation s ON s.id = x.station_id
    WHERE s.organization_id = %(organization)s AND x.id < %(until)s AND x.token_value <> ''
        AND x.token_value NOT LIKE %(known)s ORDER BY x.id LIMIT %(most)s))
"""
_COMMANDS = f"""
UPDATE stations_command c SET parameters = jsonb_set(c.parameters, '{{token_value}}', to_jsonb({_KEY}))
WHERE c.id = ANY(ARRAY(
    SELECT x.id FROM stations_command x WHERE x.organization_id = %(organization)s AND x.id < %(until)s
        AND coalesce(x.parameters ->> 'token_value', '') <> '' AND x.parameters ->> 'token_value' NOT LIKE %(known)s
    ORDER BY x.id LIMIT %(most)s))
"""
_LOGS: Mapping[str, str] = {"reservations": _RESERVATIONS, "orphans": _ORPHANS, "commands": _COMMANDS}
