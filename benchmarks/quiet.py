"""What others notice: Heartbeats of bystanders while a station's query hangs, a page is opened again and again, or an
export runs."""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from functools import partial

import orjson
import psycopg

from benchmarks import builds, fleet
from benchmarks.builds import Build
from benchmarks.harness import ROOT, MachineMeter, Place, Row, others_during, percentile
from benchmarks.lean import BOOT, Charger, Fleet, call

BYSTANDERS = 20
GAP_S = 0.02
START_S = 1.0  # until the fetching process fetches
NOW = "%Y-%m-%dT%H:%M:%SZ"
Disturbance = Callable[[], contextlib.AbstractAsyncContextManager[None]]


def run(place: Place, *, quick: bool) -> list[Row]:
    """Quiet and disturbed in turn, the same bystanders throughout."""
    stations = builds.make_stations(BYSTANDERS + 1, "QUIET")
    fleet.prepare("quiet")
    with builds.portal() as build:
        return asyncio.run(_measure(place, build, stations, 3.0 if quick else 10.0))


async def _measure(place: Place, build: Build, stations: list[tuple[str, str]], seconds: float) -> list[Row]:
    chargers = Fleet(build.port)
    made = [await chargers.connect(station) for station in stations]
    known = [charger for charger in made if charger is not None]
    for charger in known:
        await charger.ask(call("BootNotification", BOOT["1.6"]))
    troubled, *others = known
    begun = {
        "connectorId": 1,
        "idTag": "BENCH",
        "meterStart": 0,
        "timestamp": time.strftime(NOW, time.gmtime()),
    }
    number = orjson.loads(await troubled.ask(call("StartTransaction", begun)))[2]["transactionId"]
    session = await asyncio.to_thread(fleet.sign_in, build, "quiet")
    bystander = await asyncio.to_thread(_id_of, stations[1][0])
    frames = f"{build.http_url}/api/v1/stations/{bystander}/messages/"
    export = {"Authorization": f"Bearer {await asyncio.to_thread(_key)}", "Accept": "text/csv"}
    viewer = {"Cookie": "; ".join(f"{one.name}={one.value}" for one in session.cookies)}
    disturbances: list[tuple[str, Disturbance]] = [
        ("one station's query hangs", partial(_hanging, place, troubled, stations[0][0], number)),
        (
            "pages are opened without a pause",
            partial(_fetching, viewer, f"{build.http_url}/o/quiet/stations/"),
        ),
        (
            "exports run without a pause",
            partial(_fetching, export, frames),
        ),
    ]
    rows = []
    for name, disturbance in disturbances:
        rows.append(_row(name, *[await _beats(others, seconds, made) for made in (_nothing, disturbance)]))
    chargers.close()
    return rows


async def _beats(
    chargers: list[Charger], seconds: float, disturbance: Disturbance
) -> tuple[list[float], float]:
    """Latencies of Heartbeats meanwhile, and the share of others."""
    async with disturbance():
        await asyncio.sleep(0.3)
        machine, begin = MachineMeter(), time.monotonic()
        for charger in chargers:
            charger.answers.latencies.clear()
        while time.monotonic() - begin < seconds:
            await asyncio.gather(*(charger.ask(call("Heartbeat", {})) for charger in chargers[::4]))
            await asyncio.sleep(GAP_S)
        others = others_during(machine, time.monotonic() - begin)
    return [latency for charger in chargers for latency in charger.answers.latencies], others


@contextlib.asynccontextmanager
async def _nothing() -> AsyncIterator[None]:
    yield


@contextlib.asynccontextmanager
async def _hanging(place: Place, charger: Charger, identity: str, number: int) -> AsyncIterator[None]:
    """Another connection holds the rows of the station's session, for whose end and readings the portal waits."""
    with psycopg.connect(place.owner_url) as holder:
        holder.execute(HOLD, [identity])
        stop = {"transactionId": number, "meterStop": 10, "timestamp": time.strftime(NOW, time.gmtime())}
        charger.say(call("MeterValues", {**_reading(), "transactionId": number}))
        charger.say(call("StopTransaction", stop))
        yield
        holder.rollback()
    for _ in range(1000):
        if not charger.waiting:
            return
        await asyncio.sleep(0.05)
    raise SystemExit("What hung was never answered.")


def _id_of(identity: str) -> str:
    from stations.models import ChargingStation

    return str(ChargingStation.objects.get(identity=identity).pk)


def _key() -> str:
    from core import access
    from core.models import Organization
    from core.services import keys

    organization = Organization.objects.get(slug="bench-quiet")
    return keys.create(organization, name="export", scopes=["*"], by=access.system("benchmark"))[1]


def _reading() -> dict[str, object]:
    value = {"timestamp": time.strftime(NOW, time.gmtime()), "sampledValue": [{"value": "5"}]}
    return {"connectorId": 1, "meterValue": [value]}


HOLD = """
SELECT 1 FROM stations_evse e JOIN stations_chargingstation s ON s.id = e.station_id
WHERE s.identity = %s FOR UPDATE OF e
"""


@contextlib.asynccontextmanager
async def _fetching(headers: dict[str, str], url: str) -> AsyncIterator[None]:
    """By another process: its work on what it gets must not hold up the heartbeats that are timed here."""
    command = [sys.executable, "-m", "benchmarks.fetching", url]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=asyncio.subprocess.PIPE)
    try:
        assert process.stdin is not None
        process.stdin.write(json.dumps(headers).encode())
        process.stdin.close()
        await asyncio.sleep(START_S)
        yield
        if process.returncode is not None:
            raise SystemExit(f"{url} could not be fetched.")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def _row(name: str, quiet: tuple[list[float], float], disturbed: tuple[list[float], float]) -> Row:
    before, after = percentile(quiet[0], 0.99), percentile(disturbed[0], 0.99)
    return Row(
        f"Heartbeat p99 of others while {name}",
        f"{after / before:.1f} times ({before * 1000:.1f} and {after * 1000:.1f} ms)",
        "<= 2 times",
        f"p50 {percentile(quiet[0], 0.5) * 1000:.1f} and {percentile(disturbed[0], 0.5) * 1000:.1f} ms; "
        f"processes of others {quiet[1]:.0%} and {disturbed[1]:.0%}",
    )
