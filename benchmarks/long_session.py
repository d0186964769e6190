"""Whether the events of a session of a day cost the same from the first to the last."""

import asyncio
import time

from benchmarks import builds
from benchmarks.builds import Build
from benchmarks.harness import CpuMeter, Place, Row, median
from benchmarks.lean import BOOT, Charger, Fleet, call
from benchmarks.load import meter_values

EVENTS = 8640  # one every ten seconds for 24 hours
QUICK_EVENTS = 2000
PART = 500


def run(place: Place, *, quick: bool) -> list[Row]:
    """A 2.0.1 station tells a day as fast as it is answered; its first and last events are compared."""
    [station] = builds.make_stations(1, "LONG")
    with builds.portal() as build:
        return [asyncio.run(_tell(place, build, station, QUICK_EVENTS if quick else EVENTS))]


async def _tell(place: Place, build: Build, station: tuple[str, str], events: int) -> Row:
    fleet = Fleet(build.port)
    charger = await fleet.connect(station, "2.0.1")
    assert charger is not None
    await charger.ask(call("BootNotification", BOOT["2.0.1"]))
    await charger.ask(_event("Started", 0, events))
    await _some(charger, 1, PART, events)  # warm
    charger.answers.latencies.clear()
    first = await _part(place, build, charger, PART, events)
    for number in range(2 * PART, events - PART, PART):
        await _some(charger, number, min(PART, events - PART - number), events)
    charger.answers.latencies.clear()
    last = await _part(place, build, charger, events - PART, events)
    fleet.close()
    if charger.answers.errors:
        raise SystemExit(f"{charger.answers.errors} events were refused: {charger.answers.first_error}")
    return Row(
        f"the {events:,}th event of a transaction against the {PART:,}th, answer time",
        f"{last[0] / first[0]:.2f} times ({first[0] * 1000:.2f} and {last[0] * 1000:.2f} ms)",
        "1, whatever n",
        f"medians of {PART} events with ten samples each; CPU of gateway and PostgreSQL "
        f"{first[1] * 1e6:.0f} and {last[1] * 1e6:.0f} us per event",
    )


async def _part(place: Place, build: Build, charger: Charger, begin: int, events: int) -> tuple[float, float]:
    """Median seconds to an answer, and CPU seconds for each event."""
    server, postgres = CpuMeter(build.pid), CpuMeter(place.postgres_pid, family=True)
    await _some(charger, begin, PART, events)
    return median(charger.answers.latencies), (server.seconds() + postgres.seconds()) / PART


async def _some(charger: Charger, begin: int, count: int, events: int) -> None:
    for number in range(begin, begin + count):
        await charger.ask(_event("Updated", number, events))


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
