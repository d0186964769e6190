"""Who is connected where: the epoch of a station's newest socket, and the history of its sockets (M-08).

What is scarce: the one row of ``Presence`` per station. Who locks what: each step is one statement that
locks the presence row first, then writes connections; sweeps skip rows that somebody holds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.db import connection

from core import clock
from core.ids import uuid7
from stations.domain.treatment import Treatment
from stations.services import commands, quirks
from stations.services.credentials import StoredPassword

DEAD_AFTER = timedelta(seconds=20)
FORGOTTEN_AFTER = timedelta(days=1)
UNHELD_AFTER = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Candidate:
    """The station that a caller may be, as the door needs it: one row with its valid passwords."""

    id: UUID
    organization_id: UUID
    organization_name: str
    site_id: UUID
    identity: str
    enabled: bool
    registration: str
    security_profile: int
    unauthenticated_reason: str
    pinned_version: str
    lenient: bool
    tolerances: dict[str, bool]
    call_timeout_s: int | None
    ping_interval_s: int | None
    heartbeat_interval_s: int | None
    energy_factor: Decimal | None
    max_power_w: int | None
    booted_at: datetime | None
    treatment: Treatment
    passwords: Sequence[StoredPassword]

    def tolerates(self, tolerance: str) -> bool:
        return self.treatment.tolerates(tolerance)


@dataclass(frozen=True, slots=True)
class Opened:
    """The new epoch, and the socket that had the station until now, where there was one."""

    epoch: int
    previous_epoch: int | None
    previous_gateway: str
    previous_address: str
    taken_over: bool


@dataclass(slots=True)
class _Own:
    """The station's own settings, as they go together with those of its make."""

    lenient: bool
    tolerances: dict[str, bool]
    call_timeout_s: int | None
    ping_interval_s: int | None
    energy_factor: Decimal | None


class Place(NamedTuple):
    """A station whose presence changed, with what an announcement needs."""

    station_id: UUID
    organization_id: UUID
    site_id: UUID


class Held(NamedTuple):
    """A socket that a gateway holds, by the password row that opened the door for it."""

    station_id: UUID
    epoch: int
    credential_id: UUID | None


class Fault(NamedTuple):
    """A held socket that the database knows otherwise: ``outdated``, ``barred`` or ``freed``."""

    station_id: UUID
    epoch: int
    kind: str


def find(identity: str) -> Candidate | None:
    """The live station of that identity in whatever case; the caller compares exactly. One query (P014)."""
    rows = _run(_FIND, {"identity": identity, "now": clock.now()})
    first = rows[0]
    if first[0] is None:
        return None
    passwords = [StoredPassword(*row[20:]) for row in rows if row[20] is not None]
    own = _Own(first[10], orjson.loads(first[11]), first[12], first[13], first[15])
    treatment = quirks.combined(own, orjson.loads(first[18]), first[19])
    return Candidate(*[*first[:11], own.tolerances, *first[12:18], treatment, passwords])


def open(candidate: Candidate, *, version: str, gateway: str, address: str, offered: str) -> Opened:
    """Take the next epoch for a new socket of the station and write its history row, atomically."""
    values = {
        "station": candidate.id,
        "organization": candidate.organization_id,
        "identity": candidate.identity,
        "connection": uuid7(),
        "version": version,
        "gateway": gateway,
        "address": address,
        "offered": offered,
        "now": (now := clock.now()),
        "dead": now - DEAD_AFTER,
    }
    [(epoch, old_epoch, old_gateway, connected, old_address, alive)] = _run(_OPEN, values)
    return Opened(epoch, old_epoch, old_gateway or "", old_address or "", bool(connected and alive))


def close(station_id: UUID, epoch: int, code: int | None, reason: str = "", detail: str = "") -> Place | None:
    """The socket of that epoch is gone. Void for presence (``None``) when a newer one exists (P031).

    ``reason`` is one word for programs, ``detail`` a sentence for people.
    """
    values = {
        "station": station_id,
        "epoch": epoch,
        "code": code,
        "reason": reason[:40],
        "detail": detail[:255],
        "now": clock.now(),
    }
    [(left, organization_id, site_id, unanswered)] = _run(_CLOSE, values) or [(0, None, None, False)]
    if unanswered:
        commands.fail_open_of(station_id, epoch)
    return Place(station_id, organization_id, site_id) if left else None


def beat(gateway: str, now: datetime) -> None:
    """This gateway lives."""
    _run(
        "INSERT INTO stations_gateway (id, started_at, seen_at) VALUES (%(id)s, %(now)s, %(now)s)"
        " ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at",
        {"id": gateway, "now": now},
    )


def start_gateway(gateway: str, now: datetime) -> list[Place]:
    """A process takes this gateway's name: what an earlier one of that name held is free."""
    freed = end_gateway(gateway, now)
    beat(gateway, now)
    return freed


def end_gateway(gateway: str, now: datetime) -> list[Place]:
    """The process ends in good order: nothing is held under its name."""
    freed = free([gateway], now)
    _run("DELETE FROM stations_gateway WHERE id = %(id)s", {"id": gateway})
    return freed


def free_dead_gateways(now: datetime) -> list[Place]:
    """Free the stations of gateways that have been silent for 20 s; safe to run anywhere at any time."""
    rows = _run(_DEAD, {"dead": now - DEAD_AFTER})
    freed = free([gateway for (gateway,) in rows], now)
    _run("DELETE FROM stations_gateway WHERE seen_at < %(old)s", {"old": now - FORGOTTEN_AFTER})
    return freed


def free(gateways: Sequence[str], now: datetime) -> list[Place]:
    """Mark what these gateways held as disconnected."""
    if not gateways:
        return []
    return [Place(*row) for row in _run(_FREE, {"gateways": list(gateways), "now": now})]


def faults_of(gateway: str, held: Iterable[Held]) -> list[Fault]:
    """Which of the sockets that a gateway holds must be closed or claimed again."""
    sockets = list(held)
    if not sockets:
        return []
    values = {"gateway": gateway, **_columns(sockets), "credentials": [h.credential_id for h in sockets]}
    return [Fault(*row) for row in _run(_FAULTS, values)]


def reclaim(gateway: str, sockets: Sequence[Held]) -> list[Place]:
    """Take back stations that were freed while this gateway was silent, where no newer socket exists."""
    if not sockets:
        return []
    return [Place(*row) for row in _run(_RECLAIM, {"gateway": gateway, **_columns(sockets)})]


def unheld_of(gateway: str, held: Iterable[Held], now: datetime) -> list[tuple[UUID, int]]:
    """Stations that count as connected to this gateway though it holds no such socket."""
    values = {"gateway": gateway, **_columns(list(held)), "before": now - UNHELD_AFTER}
    return [(station_id, epoch) for station_id, epoch in _run(_UNHELD, values)]


def _columns(sockets: Sequence[Held]) -> dict[str, list[Any]]:
    return {"stations": [h.station_id for h in sockets], "epochs": [h.epoch for h in sockets]}


def _run(statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


# One row comes back for unknown identities too, so that the work is the same (P009).
_FIND = """
SELECT s.id, s.organization_id, o.name, s.site_id, s.identity, s.enabled, s.registration, s.security_profile,
       s.unauthenticated_reason, s.pinned_version, s.lenient, s.tolerances::text, s.call_timeout_s,
       s.ping_interval_s, s.heartbeat_interval_s, s.energy_factor, s.max_power_w, s.booted_at,
       s.quirks::text, s.own_settings,
       c.id, c.state, c.key_id, c.salt, c.digest_text, c.digest_bytes, c.length
FROM (VALUES (%(identity)s)) AS asked (identity)
LEFT JOIN stations_chargingstation s ON lower(s.identity) = lower(asked.identity) AND s.retired_at IS NULL
LEFT JOIN core_organization o ON o.id = s.organization_id
LEFT JOIN stations_stationcredential c
  ON c.station_id = s.id AND c.state IN ('current', 'next')
 AND (c.valid_until IS NULL OR c.valid_until > %(now)s)
"""

# ``taken`` reads ``old``, so that the row is locked before it is written.
_OPEN = """
WITH old AS MATERIALIZED (
    SELECT p.epoch, p.gateway, p.connected, p.address FROM stations_presence p
    WHERE p.station_id = %(station)s FOR UPDATE
), taken AS (
    INSERT INTO stations_presence AS p (station_id, epoch, gateway, connected, ocpp_version, connected_since,
                                        disconnected_at, last_seen_at, address)
    SELECT %(station)s, 1, %(gateway)s, true, %(version)s, %(now)s, NULL, %(now)s, %(address)s
    FROM (SELECT count(*) FROM old) AS locked
    ON CONFLICT (station_id) DO UPDATE SET
        epoch = p.epoch + 1, gateway = excluded.gateway, connected = true,
        ocpp_version = excluded.ocpp_version, connected_since = excluded.connected_since,
        disconnected_at = NULL, last_seen_at = excluded.last_seen_at, address = excluded.address
    RETURNING p.epoch
), before AS (
    SELECT old.*, EXISTS (
        SELECT 1 FROM stations_gateway g WHERE g.id = old.gateway AND g.seen_at > %(dead)s
    ) AS alive FROM old
), ended AS (
    UPDATE stations_connection SET outcome = 'closed', closed_at = %(now)s, reason = 'gateway_lost'
    WHERE outcome = 'open' AND id = (
        SELECT c.id FROM stations_connection c, before b
        WHERE c.station_id = %(station)s AND c.epoch = b.epoch AND b.connected AND NOT b.alive
        ORDER BY c.opened_at DESC LIMIT 1)
), noted AS (
    INSERT INTO stations_connection (id, organization_id, station_id, identity, address, outcome, epoch, gateway,
                                     ocpp_version, offered_protocols, opened_at, reason, detail)
    SELECT %(connection)s, %(organization)s, %(station)s, %(identity)s, %(address)s, 'open', taken.epoch,
           %(gateway)s, %(version)s, %(offered)s, %(now)s, '', '' FROM taken
)
SELECT taken.epoch, b.epoch, b.gateway, b.connected, b.address, b.alive FROM taken LEFT JOIN before b ON true
"""

_CLOSE = """
WITH gone AS (
    UPDATE stations_presence SET connected = false, gateway = '', disconnected_at = %(now)s
    WHERE station_id = %(station)s AND epoch = %(epoch)s AND connected
    RETURNING station_id
), ended AS (
    UPDATE stations_connection
    SET outcome = 'closed', closed_at = %(now)s, close_code = %(code)s, reason = %(reason)s, detail = %(detail)s
    WHERE outcome = 'open' AND id = (
        SELECT c.id FROM stations_connection c
        WHERE c.station_id = %(station)s AND c.epoch = %(epoch)s ORDER BY c.opened_at DESC LIMIT 1)
)
SELECT (SELECT count(*) FROM gone), s.organization_id, s.site_id, EXISTS (
    SELECT 1 FROM stations_command m
    WHERE m.station_id = s.id AND m.status = 'sent' AND m.epoch = %(epoch)s)
FROM stations_chargingstation s WHERE s.id = %(station)s
"""

_DEAD = """
SELECT DISTINCT p.gateway FROM stations_presence p LEFT JOIN stations_gateway g ON g.id = p.gateway
WHERE p.connected AND (g.id IS NULL OR g.seen_at < %(dead)s)
"""

_FREE = """
WITH lost AS (
    SELECT p.station_id, p.epoch FROM stations_presence p
    WHERE p.connected AND p.gateway = ANY(%(gateways)s) ORDER BY p.station_id FOR UPDATE SKIP LOCKED
), freed AS (
    UPDATE stations_presence p SET connected = false, gateway = '', disconnected_at = %(now)s
    FROM lost WHERE p.station_id = lost.station_id AND p.epoch = lost.epoch
    RETURNING p.station_id, p.epoch
), ended AS (
    UPDATE stations_connection c SET outcome = 'closed', closed_at = %(now)s, reason = 'gateway_lost'
    FROM freed WHERE c.station_id = freed.station_id AND c.epoch = freed.epoch AND c.outcome = 'open'
)
SELECT s.id, s.organization_id, s.site_id
FROM freed JOIN stations_chargingstation s ON s.id = freed.station_id
"""

_FAULTS = """
SELECT mine.station_id, mine.epoch,
       CASE WHEN p.epoch IS DISTINCT FROM mine.epoch THEN 'outdated'
            WHEN s.enabled AND s.retired_at IS NULL AND (mine.credential_id IS NULL OR c.id IS NOT NULL) THEN 'freed'
            ELSE 'barred' END
FROM unnest(%(stations)s::uuid[], %(epochs)s::bigint[], %(credentials)s::uuid[])
     AS mine (station_id, epoch, credential_id)
LEFT JOIN stations_presence p ON p.station_id = mine.station_id
LEFT JOIN stations_chargingstation s ON s.id = mine.station_id
LEFT JOIN stations_stationcredential c ON c.id = mine.credential_id
WHERE p.epoch IS DISTINCT FROM mine.epoch OR NOT p.connected OR p.gateway <> %(gateway)s
   OR NOT s.enabled OR s.retired_at IS NOT NULL OR (mine.credential_id IS NOT NULL AND c.id IS NULL)
"""

_RECLAIM = """
WITH mine AS (
    SELECT * FROM unnest(%(stations)s::uuid[], %(epochs)s::bigint[]) AS held (station_id, epoch)
), locked AS (
    SELECT p.station_id FROM stations_presence p JOIN mine USING (station_id, epoch)
    WHERE NOT p.connected ORDER BY p.station_id FOR UPDATE OF p SKIP LOCKED
), taken AS (
    UPDATE stations_presence p SET connected = true, gateway = %(gateway)s, disconnected_at = NULL
    FROM locked WHERE p.station_id = locked.station_id RETURNING p.station_id, p.epoch
), opened AS (
    UPDATE stations_connection c SET outcome = 'open', closed_at = NULL, reason = ''
    FROM taken WHERE c.station_id = taken.station_id AND c.epoch = taken.epoch AND c.reason = 'gateway_lost'
)
SELECT s.id, s.organization_id, s.site_id
FROM taken JOIN stations_chargingstation s ON s.id = taken.station_id
"""

_UNHELD = """
SELECT p.station_id, p.epoch FROM stations_presence p
LEFT JOIN unnest(%(stations)s::uuid[], %(epochs)s::bigint[]) AS mine (station_id, epoch)
  ON mine.station_id = p.station_id AND mine.epoch = p.epoch
WHERE p.gateway = %(gateway)s AND p.connected AND p.connected_since < %(before)s AND mine.station_id IS NULL
"""
