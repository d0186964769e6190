"""What a full database costs: 100 million readings and 5 million sessions of 5,000 stations, or a part of them.

`make bench-growth ARGS="--scale 0.2"`. The data is made by the database itself and dropped at the end. The same
figures are taken before and after: CPU per message, and the lists and pages with their queries.
"""

import argparse
import asyncio
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg

from benchmarks import builds, door, harness
from benchmarks.builds import Build
from benchmarks.harness import MachineMeter, Place, Row, median, percentile

STATIONS = 5000
SESSIONS = 5_000_000
READINGS_PER_SESSION = 20
DAYS = 700
BYTES_PER_READING = 420
AT_ONCE = 100
TALKING = 50
ROUNDS = 30
FULL = "full"


@dataclass(frozen=True)
class Page:
    """One page or list: milliseconds of each request and the queries of one."""

    times: list[float]
    queries: int


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="part of the full size (default 1)")
    parser.add_argument(
        "--readings", type=int, default=READINGS_PER_SESSION,
        help="of each session (default %(default)s); with 1 the lists are measured at full length in a few minutes",
    )  # fmt: skip
    told = parser.parse_args()
    sessions = int(SESSIONS * told.scale) // STATIONS
    needed = sessions * STATIONS * max(told.readings, 1) * BYTES_PER_READING
    with harness.servers() as place:
        if shutil.disk_usage(place.directory).free < needed:
            raise SystemExit(
                f"{needed / 2**30:.0f} GiB of disk are needed. Choose less by --scale or --readings."
            )
        print(harness.machine(), harness.HEAD, sep="\n\n", flush=True)
        for row in run(place, sessions, told.readings):
            print(row, flush=True)


def run(place: Place, sessions: int, readings: int) -> list[Row]:
    """``sessions`` of each of the stations, with so many ``readings`` each."""
    talking = builds.make_stations(TALKING, FULL.upper())
    before = _messages(place, talking)
    pages_before = _pages()
    begin, machine = time.monotonic(), MachineMeter()
    _fill(place, sessions, readings)
    took = time.monotonic() - begin
    others = harness.others_during(machine, took)
    after, pages_after = _messages(place, talking), _pages(again=True)
    return [
        Row(
            "stored meanwhile",
            f"{_count(place, 'stations_meterreading') / 1e6:.1f} million readings, "
            f"{_count(place, 'stations_transaction') / 1e6:.2f} million sessions",
            "100 and 5 million",
            f"{STATIONS} stations over {DAYS} days, {_size(place)} on disk, made in {took:.0f} s; "
            f"processes of others {others:.0%}",
        ),
        _row_of_messages(before, after),
        *(_row_of_page(name, pages_before.get(name), page) for name, page in pages_after.items()),
    ]


def _messages(place: Place, stations: list[tuple[str, str]]) -> list[door.Figures]:
    with builds.portal(place) as build:
        return [asyncio.run(_turn(place, build, stations)) for _ in range(3)]


async def _turn(place: Place, build: Build, stations: list[tuple[str, str]]) -> door.Figures:
    return await door.measure(place, build, stations, 4.0, only_readings=True)


def _row_of_messages(before: list[door.Figures], after: list[door.Figures]) -> Row:
    def figure(of: Callable[[door.Figures], float]) -> str:
        return f"{median([of(one) for one in before]):.0f} and {median([of(one) for one in after]):.0f} us"

    return Row(
        "CPU per MeterValues of ten samples, empty and full",
        f"gateway {figure(lambda one: one.server_us)}, PostgreSQL {figure(lambda one: one.postgres_us)}",
        "flat",
        f"{TALKING} stations of {STATIONS} push; medians of 3 turns",
    )


def _row_of_page(name: str, before: Page | None, after: Page) -> Row:
    empty = f"; empty {percentile(before.times, 0.5):.0f} ms" if before else ""
    return Row(
        f"{name}, p50 / p95 in the server",
        f"{percentile(after.times, 0.5):.0f} / {percentile(after.times, 0.95):.0f} ms",
        "<= 100 ms, <= 8 queries" if "first page" in name else "-",
        f"{after.queries} queries{empty}",
    )


def _pages(*, again: bool = False) -> dict[str, Page]:
    from django.test import Client

    from core import access, memory
    from core.models import Organization
    from core.services import accounts

    memory.settle()  # as the server does: its collector pauses no page for 200 ms
    organization = Organization.objects.get(slug=f"bench-{FULL}")
    Organization.objects.filter(pk=organization.pk).update(demo=True)  # nobody has a second factor here
    by = access.system("benchmark")
    name = "viewer-again" if again else "viewer"
    member, _ = accounts.add_member(f"{name}@example.org", organization, access.Role.VIEWER, by=by)
    client = Client()
    client.force_login(member.user)
    home = f"/o/bench-{FULL}/"
    found = {
        "station list, first page": _page(client, f"{home}stations/"),
        "session list, first page": _page(client, f"{home}sessions/"),
        "session list, of one status": _page(client, f"{home}sessions/?status=orphaned"),
        "session list, one word searched": _page(client, f"{home}sessions/?q=GROW-00017", rounds=3),
        "overview": _page(client, home),
    }
    older = _older(client, f"{home}sessions/")
    if older:
        found["session list, far down"] = _page(client, f"{home}sessions/?before={older}")
    key = _key()
    for name, address in (
        ("API, sessions, first page", "/api/v1/transactions/?limit=50"),
        ("API, stations, first page", "/api/v1/stations/?limit=50"),
    ):
        found[name] = _page(Client(headers={"Authorization": f"Bearer {key}"}), address)
    plot = _plot(client, home)
    if plot:
        found["plot of an EVSE over a year"] = _page(client, plot)
    return found


def _older(client: Any, _address: str) -> str:
    """The id of a session in the middle of the table, where there are many."""
    from stations.models import Transaction

    middle = Transaction.objects.filter(reference=f"GROW-{STATIONS // 2}-1").first()
    return str(middle.pk) if middle else ""


def _plot(client: Any, home: str) -> str:
    from stations.models import Evse

    evse = Evse.objects.filter(station__identity=f"{FULL.upper()}-00000").first()
    return f"{home}stations/{evse.station_id}/evses/{evse.evse_id}/plot/?range=1y" if evse else ""


def _key() -> str:
    from core import access
    from core.models import Organization
    from core.services import keys

    organization = Organization.objects.get(slug=f"bench-{FULL}")
    return keys.create(organization, name="growth", scopes=["*"], by=access.system("benchmark"))[1]


def _page(client: Any, address: str, rounds: int = ROUNDS) -> Page:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client.get(address)
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        answer = client.get(address)
        times.append((time.perf_counter() - begin) * 1000)
        if answer.status_code != 200:
            raise SystemExit(f"{address} answered {answer.status_code}.")
    with CaptureQueriesContext(connection) as queries:
        client.get(address)
    return Page(times, len(queries))


def _fill(place: Place, sessions: int, readings: int) -> None:
    """Stations first, then sessions and their readings, some stations at a time."""
    from stations.models import ChargingStation, Evse

    for station in ChargingStation.objects.filter(identity__startswith=f"{FULL.upper()}-"):
        Evse.objects.get_or_create(station=station, evse_id=1, defaults={"code": f"F{station.identity[-5:]}"})
    with psycopg.connect(place.owner_url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        for month in range(0, DAYS // 30 + 1, 3):
            connection.execute(
                "SELECT stations_make_partitions(now() - make_interval(months => %s))", [month]
            )
        for statement in STATION_ROWS:
            connection.execute(statement, {"count": STATIONS - TALKING, "identity": f"{FULL.upper()}-00000"})
        connection.execute("CREATE TEMPORARY TABLE numbered AS " + NUMBERED)
        values = {"sessions": sessions, "step": f"{DAYS * 86400 // max(1, sessions)} seconds"}
        for first in range(0, STATIONS, AT_ONCE):
            some = {**values, "first": first, "last": first + AT_ONCE, "readings": readings}
            connection.execute(SESSION_ROWS, some)
            connection.execute(READING_ROWS, some)
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")  # what a settled database would not be writing meanwhile


def _count(place: Place, table: str) -> int:
    with psycopg.connect(place.owner_url) as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(row[0]) if row else 0


def _size(place: Place) -> str:
    with psycopg.connect(place.owner_url) as connection:
        row = connection.execute("SELECT pg_size_pretty(pg_database_size(current_database()))").fetchone()
    return str(row[0]) if row else "?"


STATION_ROWS = (
    """
    INSERT INTO stations_chargingstation SELECT r.* FROM stations_chargingstation t,
        generate_series(1, %(count)s) AS n, LATERAL jsonb_populate_record(t, jsonb_build_object(
            'id', gen_random_uuid(), 'identity', 'GROW-' || lpad(n::text, 5, '0'))) AS r
    WHERE t.identity = %(identity)s
    """,
    """
    INSERT INTO stations_presence SELECT r.* FROM stations_presence t
        JOIN stations_chargingstation o ON o.id = t.station_id AND o.identity = %(identity)s,
        stations_chargingstation s, LATERAL jsonb_populate_record(t, jsonb_build_object(
            'station_id', s.id, 'connected', false, 'gateway', '')) AS r
    WHERE s.identity LIKE 'GROW-%%' AND %(count)s > 0
    """,
    """
    INSERT INTO stations_evse SELECT r.* FROM stations_evse t
        JOIN stations_chargingstation o ON o.id = t.station_id AND o.identity = %(identity)s,
        stations_chargingstation s, LATERAL jsonb_populate_record(t, jsonb_build_object(
            'id', gen_random_uuid(), 'station_id', s.id, 'code', 'G' || right(s.identity, 5))) AS r
    WHERE s.identity LIKE 'GROW-%%' AND %(count)s > 0
    """,
)
NUMBERED = """
SELECT s.*, row_number() OVER (ORDER BY s.identity) - 1 AS place, e.id AS evse
FROM stations_chargingstation s JOIN stations_evse e ON e.station_id = s.id AND e.evse_id = 1
"""
SESSION_ID = """(lpad(to_hex((extract(epoch FROM now() - n * %(step)s::interval) * 1000)::bigint), 12, '0')
    || '70008000' || lpad(to_hex(s.place), 12, '0'))::uuid"""
SESSION_ROWS = f"""
INSERT INTO stations_transaction (
    id, organization_id, site_id, station_id, evse_id, connector_id, reference, token_value, token_type,
    "authorization", status, charging_state, stopped_reason, stop_token_value, flags, repairs, started_at, ended_at,
    last_event_at, event_count, meter_start_exact, meter_stop_exact, energy_wh, power_max_w, created_at)
SELECT {SESSION_ID}, s.organization_id, s.site_id, s.id, s.evse, 1, 'GROW-' || s.place || '-' || n,
    lpad(to_hex((s.place * 7919 + n) %% 100000), 14, '0'), 'ISO14443', '', 'ended', '', 'Local', '', '{{}}', '{{}}',
    now() - n * %(step)s::interval, now() - n * %(step)s::interval + interval '1 hour', now(), 22, true, true,
    10000, 11000, now()
FROM numbered s, generate_series(1, %(sessions)s) AS n WHERE s.place >= %(first)s AND s.place < %(last)s
"""
READING_ROWS = f"""
INSERT INTO stations_meterreading (
    station_id, transaction_id, evse_id, occurred_at, received_at, digest, context, energy_wh, power_w,
    current_l1_a, current_l2_a, current_l3_a, voltage_l1_v, voltage_l2_v, voltage_l3_v, soc_percent, samples)
SELECT s.id, {SESSION_ID}, 1, now() - n * %(step)s::interval + i * interval '3 minutes',
    now() - n * %(step)s::interval + i * interval '3 minutes', n * 1000 + i, 'Sample.Periodic', i * 500, 11000,
    16, 16, 16, 230, 230, 230, 50, '[{{"value": "11040.5", "measurand": "Power.Active.Import", "unit": "W"}}]'
FROM numbered s, generate_series(1, %(sessions)s) AS n, generate_series(0, %(readings)s - 1) AS i
WHERE s.place >= %(first)s AND s.place < %(last)s
"""


if __name__ == "__main__":
    main()
