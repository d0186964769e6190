"""The authorization log: one row with each answer, dropped after its time."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import connection

from core import clock, statements
from core.ids import uuid7_of
from stations import live
from stations.domain.events import TokenShown
from stations.domain.station import StationSide
from stations.domain.words import Asked
from stations.models import AuthorizationAnswer

if TYPE_CHECKING:
    from stations.services.authorization import Authorization

KEPT_FOR = timedelta(days=90)
AT_ONCE, AT_MOST = 10_000, 500_000

FORGET = """
    DELETE FROM stations_authorizationanswer WHERE id = ANY(ARRAY(
        SELECT id FROM stations_authorizationanswer WHERE id < %s ORDER BY id LIMIT %s))
"""


def note(
    station: StationSide,
    token: TokenShown,
    answer: "Authorization",
    asked: Asked,
    *,
    evse_id: int | None = None,
    transaction_id: UUID | None = None,
) -> None:
    """Keep the answer: one prepared statement, in the transaction that is open, if one is; and tell who watches."""
    statements.insert(
        AuthorizationAnswer(
            organization_id=station.organization_id,
            site_id=station.site_id,
            station_id=station.station_id,
            evse_id=evse_id,
            transaction_id=transaction_id,
            at=clock.now(),
            ocpp_version=station.version.value if station.version else "",
            asked=asked.value,
            token_value=token.value[:255],
            token_type=token.type[:20],
            token_id=answer.token.pk if answer.token else None,
            driver_id=answer.token.driver_id if answer.token else None,
            verdict=answer.verdict.value,
            rule=answer.rule.value,
            reason=answer.reason[:300],
        )
    )
    live.announce_on_commit(
        "authorization",
        station.organization_id,
        station.station_id,
        site_id=station.site_id,
        station_id=station.station_id,
    )


def forget(now: datetime) -> int:
    """Drop what is older than ``KEPT_FOR``, in pieces; the rest of a great backlog waits for the next run."""
    before, dropped = uuid7_of(now - KEPT_FOR, 0), 0
    while dropped < AT_MOST:
        with connection.cursor() as cursor:
            cursor.execute(FORGET, [before, AT_ONCE])
            dropped += cursor.rowcount
            if cursor.rowcount < AT_ONCE:
                break
    return dropped
