"""Whether the events of a session of a day cost the same from the first to the last."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from benchmarks import builds
from benchmarks.builds import Build
from benchmarks.harness import CpuMeter, Place, Row, median
from benchmarks.lean import BOOT, Charger, Fleet, call
from benchmarks.load import meter_values

EVENTS = 8640  # one every ten seconds for 24 hours
QUICK_EVENTS = 1200
PART = 400


def run(place: Place, *, quick: bool) -> list[Row]:
    """A 2.0.1 station tells a day as fast as it is answered; its first and last events are compared."""
    [station] = builds.make_stations(1, "LONG")
    with builds.portal(place) as build:
        return [asyncio.run(_tell(place, build, station, QUICK_EVENTS if quick else EVENTS))]


async def _tell(place: Place, build: Build, station: tuple[str, str], events: int) -> Row:
    async with _connected(build, station) as charger:
        await charger.ask(call("BootNotification", BOOT["2.0.1"]))
        await charger.ask(_event("Started", 0, events))
    await _part(place, build, station, 1, events)  # warm
    first = await _part(place, build, station, 1 + PART, events)
    for begin in range(1 + 2 * PART, events - PART, PART):
        await _part(place, build, station, begin, events, most=events - PART - begin)
    last = await _part(place, build, station, events - PART, events)
    return Row(
        f"the {events:,}th event of a transaction against the {2 * PART:,}th, answer time",
        f"{last[0] / first[0]:.2f} times ({first[0] * 1000:.2f} and {last[0] * 1000:.2f} ms)",
        "1, whatever n",
        f"medians of {PART} events with ten samples each, one at a time and so a commit each; CPU per event of the "
        f"gateway {first[1] * 1e6:.0f} and {last[1] * 1e6:.0f} us, of PostgreSQL {first[2] * 1e6:.0f} and "
        f"{last[2] * 1e6:.0f} us",
    )


@contextlib.asynccontextmanager
async def _connected(build: Build, station: tuple[str, str]) -> AsyncIterator[Charger]:
    """A fresh socket: the portal slows down who says more than some hundred messages in a row on one."""
    fleet = Fleet(build.port)
    charger = await fleet.connect(station, "2.0.1")
    assert charger is not None
    yield charger
    fleet.close()
    if charger.answers.errors:
        raise SystemExit(f"{charger.answers.errors} events were refused: {charger.answers.first_error}")


async def _part(
    place: Place, build: Build, station: tuple[str, str], begin: int, events: int, *, most: int = PART
) -> tuple[float, float, float]:
    """Median seconds to an answer, and CPU seconds of gateway and PostgreSQL for each event."""
    async with _connected(build, station) as charger:
        server, postgres = CpuMeter(build.pid), CpuMeter(place.postgres_pid, family=True)
        for number in range(begin, begin + min(PART, most, events - begin)):
            await charger.ask(_event("Updated", number, events))
        count = len(charger.answers.latencies)
        return median(charger.answers.latencies), server.seconds() / count, postgres.seconds() / count


def _event(kind: str, number: int, events: int) -> bytes:
    at = time.time() - 10 * (events - number)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    sampled = [_sample(sample) for sample in meter_values(5 * number, at)["meterValue"][0]["sampledValue"]]  # type: ignore[index]
    event = {
        "eventType": kind,
        "timestamp": stamp,
        "triggerReason": "MeterValuePeriodic",
        "seqNo": number,
        "transactionInfo": {"transactionId": "a-day", "chargingState": "Charging"},
        "evse": {"id": 1, "connectorId": 1},
        "meterValue": [{"timestamp": stamp, "sampledValue": sampled}],
    }
    return call("TransactionEvent", event)


def _sample(of: dict[str, str]) -> dict[str, object]:
    """The same as 2.0.1 writes it, which knows no temperature."""
    measurand = of["measurand"].replace("Temperature", "Frequency")
    sample: dict[str, object] = {"value": float(of["value"]), "measurand": measurand}
    if "phase" in of:
        sample["phase"] = of["phase"]
    if of["measurand"] == "SoC":
        sample["location"] = "EV"
    sample["unitOfMeasure"] = {"unit": of["unit"].replace("Celsius", "Hertz")}
    return sample
