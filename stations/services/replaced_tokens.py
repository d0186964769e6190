"""A pseudonym in the place of a token's value, wherever a station's words are kept (security.md W-29).

Values are looked for as whole texts, in any case of letters: by the day in frames, at once elsewhere.
"""

import json
import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

TOKEN_NAMES = (
    '"(?:idTag|parentIdTag|idToken|additionalIdToken|token|token_value|stop_token_value|value)"\\s*:'
)

OF_ORGANIZATION = "t.organization_id = %(organization)s"
OF_STATION = (
    "EXISTS (SELECT FROM stations_chargingstation s WHERE s.id = t.station_id"
    " AND s.organization_id = %(organization)s)"
)
OF_TRANSACTION = (
    "EXISTS (SELECT FROM stations_transaction x WHERE x.id = t.transaction_id"
    " AND x.organization_id = %(organization)s)"
)
TEXTS = (
    ("stations_transaction", "token_value", OF_ORGANIZATION),
    ("stations_transaction", "stop_token_value", OF_ORGANIZATION),
    ("stations_authorizationanswer", "token_value", OF_ORGANIZATION),
    ("stations_reservation", "token_value", OF_STATION),
    ("stations_orphanstop", "token_value", OF_STATION),
)
"""Where a token stands for itself."""
BODIES = (
    ("stations_command", "parameters", OF_ORGANIZATION),
    ("stations_command", "response", OF_ORGANIZATION),
    ("stations_bulkcommand", "parameters", OF_ORGANIZATION),
    ("stations_scheduledcommand", "parameters", OF_ORGANIZATION),
    ("stations_stationtariff", "token_values", OF_STATION),
    ("stations_transactionconflict", "content", OF_TRANSACTION),
    ("core_event", "data", OF_ORGANIZATION),
    ("core_outbox", "data", OF_ORGANIZATION),
)
"""Where bodies of messages are kept as JSON, and what is the organization's of them."""


def in_frames(organization_id: UUID, names: Mapping[str, str], day: date) -> None:
    """Put the names in the place of the values in the frames of one day."""
    for value, name in names.items():
        said = _said(organization_id, value, name)
        with connection.cursor() as cursor:
            cursor.execute(_FRAMES, {**said, "from": day, "to": day + timedelta(days=1)})


def elsewhere(organization_id: UUID, names: Mapping[str, str]) -> None:
    """Put the names in the place of the values wherever else a station's words are kept."""
    for statement, places in ((_TEXT, TEXTS), (_BODY, BODIES)):
        for table, column, where in places:
            _replace(statement.format(table=table, column=column, where=where), organization_id, names)


def _replace(statement: str, organization_id: UUID, names: Mapping[str, str]) -> None:
    for value, name in names.items():
        with connection.cursor() as cursor:
            cursor.execute(statement, _said(organization_id, value, name))


def _said(organization_id: UUID, value: str, name: str) -> dict[str, Any]:
    """The value as a whole JSON text, in any case, behind a name that tokens have or in a list of them."""
    quoted = re.escape(json.dumps(value, ensure_ascii=False)[1:-1])
    return {
        "organization": organization_id,
        "value": value,
        "plain": name,
        "like": f'%"{_like(value)}"%',
        "pattern": f'((?:{TOKEN_NAMES})\\s*|[\\[,]\\s*)"{quoted}"(?!\\s*:)',
        "name": f'\\1"{name}"',
    }


def _like(value: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", value)


_FRAMES = """
UPDATE stations_rawframe f SET text = regexp_replace(f.text, %(pattern)s, %(name)s, 'gi')
WHERE f.at >= %(from)s AND f.at < %(to)s AND f.text ILIKE %(like)s
    AND f.station_id IN (SELECT id FROM stations_chargingstation WHERE organization_id = %(organization)s)
"""
_TEXT = """
UPDATE {table} t SET {column} = %(plain)s WHERE {where} AND lower(t.{column}) = lower(%(value)s)
"""
_BODY = """
UPDATE {table} t SET {column} = regexp_replace(t.{column}::text, %(pattern)s, %(name)s, 'gi')::jsonb
WHERE {where} AND t.{column}::text ILIKE %(like)s
"""
