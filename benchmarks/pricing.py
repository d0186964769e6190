"""The price of one session with 1,000 readings: an ordinary tariff, and one by power that is crossed often.

It needs no server: `python -m benchmarks.pricing`.
"""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from benchmarks import harness
from benchmarks.harness import Place, Row, median

READINGS = 1000
BERLIN = ZoneInfo("Europe/Berlin")
BEGIN = datetime(2026, 3, 2, 14, tzinfo=UTC)


def run(_place: Place | None = None, *, quick: bool = False) -> list[Row]:
    """Medians of one process."""
    from tariffs import parsing, pricing

    session = _session()
    rounds = 10 if quick else 100
    rows = []
    for what, of in (
        ("time of day and kWh", _by_clock()),
        ("power crossed at every second reading", _by_power()),
    ):
        tariff = parsing.parse_tariff(of)
        price = pricing.price(tariff, session, zone=BERLIN)
        took = _median(partial(pricing.price, tariff, session, zone=BERLIN), rounds)
        note = f"{len(price.periods)} periods, {len(price.lines)} lines, {what}"
        rows.append(
            Row(f"price of a session with {READINGS:,} readings", f"{took * 1000:.1f} ms", "<= 5 ms", note)
        )
    return rows


def _median(work: Callable[[], Any], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return median(times)


def _session() -> Any:
    from tariffs.pricing import Metered, Sample, State

    chance = random.Random(1)
    kwh, samples = Decimal(1000), []
    for number in range(READINGS):
        at, power = BEGIN + timedelta(seconds=30 * number), Decimal(chance.randint(400, 600)) / 10
        samples.append(Sample(at=at, register_kwh=kwh, power_kw=power, state=State.CHARGING))
        kwh += (power / 120).quantize(Decimal("0.001"))
    return Metered(samples=tuple(samples), end=samples[-1].at)


def _component(kind: str, price: str) -> dict[str, Any]:
    return {"type": kind, "price": Decimal(price), "vat": 19, "step_size": 1}


def _by_clock() -> dict[str, Any]:
    by_day = {"start_time": "06:30", "end_time": "21:15", "max_kwh": 40}
    return {
        "currency": "EUR",
        "elements": [
            {"price_components": [_component("ENERGY", "0.61")], "restrictions": by_day},
            {"price_components": [_component("ENERGY", "0.43"), _component("TIME", "0.90")]},
            {"price_components": [_component("FLAT", "0.85")]},
        ],
    }


def _by_power() -> dict[str, Any]:
    tariff = _by_clock()
    fast = {"price_components": [_component("ENERGY", "0.70")], "restrictions": {"min_power": 50}}
    return {**tariff, "elements": [fast, *tariff["elements"]]}


if __name__ == "__main__":
    print(harness.machine())
    print(harness.HEAD, *run(), sep="\n")
