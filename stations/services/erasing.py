"""What stations have told of a person, under a pseudonym: sessions, answers, reservations at once; the logs by a job.

The job looks through frames day by day and through whatever keeps bodies of messages, for the values of the tokens as
whole texts, in any case of letters (security.md W-29). Local lists lose retired tokens by their own upkeep.
"""

import json
import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Q
from django.db.models.functions import Upper
from django.db.transaction import atomic

from core import audit, keys, turns
from core.access import system
from drivers.models import Driver, Erasure, ErasureState, IdToken
from stations.domain.words import TransactionStatus
from stations.models import (
    AuthorizationAnswer,
    Favourite,
    LocalList,
    LocalListEntry,
    SitePermission,
    TariffAssignment,
    Transaction,
)

SEALED_FOR = "erasure"
DAYS_AT_ONCE = 5
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


def is_charging(driver: Driver) -> bool:
    return Transaction.objects.filter(driver=driver, status=TransactionStatus.ACTIVE.value).exists()


@atomic
def pseudonymise(driver: Driver, names: Mapping[str, str]) -> None:
    """In the driver's transaction. ``names`` is the pseudonym of each token's value."""
    for value, name in names.items():
        sessions = Transaction.objects.alias(folded=Upper("token_value"))
        told = sessions.filter(organization_id=driver.organization_id, folded=value.upper())
        if _is_anothers(driver.organization_id, value):
            told = told.filter(driver=driver)
        told.update(token_value=name)
        answers = AuthorizationAnswer.objects.filter(driver=driver, token_value__iexact=value)
        answers.update(token_value=name)
    Favourite.objects.filter(driver=driver).delete()
    SitePermission.objects.filter(Q(driver=driver) | Q(token__driver=driver)).delete()
    TariffAssignment.objects.filter(driver=driver).delete()


def _is_anothers(organization_id: UUID, value: str) -> bool:
    """Whether somebody shows that number still, as a token of another type; then no text tells whose it is."""
    return IdToken.objects.live().filter(organization_id=organization_id, value__iexact=value).exists()


def sealed(names: Mapping[str, str]) -> str:
    """The pairs for :attr:`Erasure.sealed`."""
    return keys.seal(json.dumps(dict(names)), purpose=SEALED_FOR)


def search_due(now: datetime) -> int:
    """Take every running erasure some days further; how many came to their end."""
    running = Erasure.objects.filter(state=ErasureState.RUNNING).order_by("id").values_list("pk", flat=True)
    return sum(turns.guarded(key, partial(_search, key, now)) for key in list(running[:20]))


def _search(key: UUID, now: datetime) -> bool:
    """Some days of frames, or in the end the bodies; a step is a transaction, so that a crash repeats one alone."""
    for _ in range(DAYS_AT_ONCE):
        with atomic():
            rows = Erasure.objects.select_for_update(skip_locked=True, of=("self",)).select_related("driver")
            row = rows.filter(pk=key, state=ErasureState.RUNNING).first()
            if row is None or row.began_at is None:
                return False
            erased: dict[str, str] = json.loads(keys.unseal(row.sealed, purpose=SEALED_FOR))
            names = {
                value: name for value, name in erased.items() if not _is_anothers(row.organization_id, value)
            }
            day = _next_day(row, now)
            if day is not None:
                _replace_in_frames(row, names, day)
                Erasure.objects.filter(pk=row.pk).update(searched=day)
                continue
            if _still_listed(row, names):
                return False
            _finish(row, names, now)
            return True
    return False


def _next_day(row: Erasure, now: datetime) -> date | None:
    """From the oldest day that is kept to the day after it began: what was on its way then is written by now."""
    assert row.began_at is not None
    first = (row.began_at - timedelta(days=settings.OCPP_LOG_RETENTION_DAYS + 1)).date()
    day = first if row.searched is None else row.searched + timedelta(days=1)
    last = min((row.began_at + timedelta(days=1)).date(), now.date())
    return day if day <= last else None


def _replace_in_frames(row: Erasure, names: Mapping[str, str], day: date) -> None:
    for value, name in names.items():
        with connection.cursor() as cursor:
            cursor.execute(_FRAMES, {**_said(row, value, name), "from": day, "to": day + timedelta(days=1)})


def _still_listed(row: Erasure, names: Mapping[str, str]) -> bool:
    """Whether a station that is kept up to date still holds one of the tokens; what nobody keeps is forgotten."""
    held = LocalListEntry.objects.filter(
        local_list__station__organization_id=row.organization_id, value__in=[*names, *map(str.upper, names)]
    )
    kept = LocalList.objects.filter(Q(automatic=True) | Q(withdrawn=True), station__retired_at=None)
    held.exclude(local_list__in=kept).delete()
    return held.exists()


def _finish(row: Erasure, names: Mapping[str, str], now: datetime) -> None:
    for statement, places in ((_TEXT, TEXTS), (_BODY, BODIES)):
        for table, column, where in places:
            _replace(statement.format(table=table, column=column, where=where), row, names)
    row.state, row.done_at, row.sealed = ErasureState.DONE, now, ""
    row.save(update_fields=["state", "done_at", "sealed"])
    audit.record("driver.erased", row.driver, by=system("erasure"), changes={"kept": [None, str(row.kept)]})


def _replace(statement: str, row: Erasure, names: Mapping[str, str]) -> None:
    for value, name in names.items():
        with connection.cursor() as cursor:
            cursor.execute(statement, _said(row, value, name))


def _said(row: Erasure, value: str, name: str) -> dict[str, Any]:
    """The value as a whole JSON text, in any case, behind a name that tokens have or in a list of them."""
    quoted = re.escape(json.dumps(value, ensure_ascii=False)[1:-1])
    return {
        "organization": row.organization_id,
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
