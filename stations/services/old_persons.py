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


def of_reservations(keys: Sequence[Any]) -> Mapping[str, int]:
    """Reservations that are over lose token and driver. Safe to repeat."""
    if not keys:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_RESERVATIONS, {"keys": list(keys)})
        return {"reservations": cursor.rowcount}


def of_logs(
    organization_id: UUID, before: datetime, most: int, *, spared: Sequence[Any] = ()
) -> Mapping[str, int]:
    """What else names tokens from before then: stops without a session, commands; some of each.

    Those of the drivers in ``spared`` stay. Safe to repeat.
    """
    values = {
        "organization": organization_id,
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
WITH freed AS (
    UPDATE stations_reservedtariff f SET driver_id = NULL WHERE f.reservation_id = ANY(%(keys)s::uuid[])
)
UPDATE stations_reservation r SET token_id = NULL, token_value = {_KEY}
WHERE r.id = ANY(%(keys)s::uuid[]) AND r.ended_at IS NOT NULL
"""
_SPARED = """EXISTS (
    SELECT FROM drivers_idtoken o WHERE o.driver_id = ANY(%(spared)s::uuid[]) AND upper(o.value) = upper({value}))"""
_ORPHANS = f"""
UPDATE stations_orphanstop o SET token_value = {_KEY} WHERE o.id = ANY(ARRAY(
    SELECT x.id FROM stations_orphanstop x JOIN stations_chargingstation s ON s.id = x.station_id
    WHERE s.organization_id = %(organization)s AND x.id < %(until)s AND x.token_value <> ''
        AND x.token_value NOT LIKE %(known)s AND NOT {_SPARED.format(value="x.token_value")}
    ORDER BY x.id LIMIT %(most)s))
"""
_TOKEN = "x.parameters ->> 'token_value'"
_COMMANDS = f"""
UPDATE stations_command c SET parameters = jsonb_set(c.parameters, '{{token_value}}', to_jsonb({_KEY}))
WHERE c.id = ANY(ARRAY(
    SELECT x.id FROM stations_command x WHERE x.organization_id = %(organization)s AND x.id < %(until)s
        AND coalesce({_TOKEN}, '') <> '' AND {_TOKEN} NOT LIKE %(known)s
        AND NOT {_SPARED.format(value=_TOKEN)}
    ORDER BY x.id LIMIT %(most)s))
"""
_LOGS: Mapping[str, str] = {"orphans": _ORPHANS, "commands": _COMMANDS}
