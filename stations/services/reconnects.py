"""Stations that came back without a boot: what to ask them for (P041)."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from stations.services.connections import Held


class Unheard(NamedTuple):
    """A station that has not booted on its present socket, with its connectors as (EVSE, connector)."""

    station_id: UUID
    connectors: list[tuple[int, int]]


def unheard(sockets: Sequence[Held]) -> list[Unheard]:
    """Those of the held sockets whose station is accepted and has not booted since it connected."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT s.id, array_agg(ARRAY[e.evse_id, c.connector_id] ORDER BY e.evse_id, c.connector_id)
                         FILTER (WHERE c.id IS NOT NULL)
            FROM unnest(%s::uuid[], %s::bigint[]) AS mine (station_id, epoch)
            JOIN stations_presence p USING (station_id, epoch)
            JOIN stations_chargingstation s ON s.id = p.station_id
            LEFT JOIN stations_evse e ON e.station_id = s.id AND e.evse_id > 0
            LEFT JOIN stations_connector c ON c.evse_id = e.id AND c.connector_id > 0
            WHERE s.registration = 'accepted' AND s.booted_at < p.connected_since
            GROUP BY s.id
            """,
            [[socket.station_id for socket in sockets], [socket.epoch for socket in sockets]],
        )
        return [Unheard(row[0], [(evse, plug) for evse, plug in row[1] or ()]) for row in cursor.fetchall()]
