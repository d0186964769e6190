"""A slow oracle: it walks through a session second by second and looks at the tariff anew each time.

It knows nothing of the engine: OCPI dictionaries in, exact totals without tax out. Power and registers run
evenly within a second, so sessions must be made of whole seconds and of rates that reach thresholds on them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo

DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
Json = Mapping[str, Any]
Wall = tuple[str, str, str]


@dataclass(frozen=True)
class Leg:
    """A stretch of a session: so many seconds in a state, with so many Wh in each of them."""

    seconds: int
    state: str
    wh_per_s: Fraction


def total(elements: Sequence[Json], legs: Sequence[Leg], start: datetime, zone: ZoneInfo) -> Fraction:
    """What the session costs without tax, before any limit."""
    wh: dict[str, dict[int, Fraction]] = {"ENERGY": {}, "TIME": {}, "PARKING_TIME": {}}
    last: dict[str, int] = {}
    last_time = ""
    flat = Fraction(0)
    flat_found = False
    for now, elapsed, energy, leg in _seconds(legs, start):
        local = _wall(now.astimezone(zone))
        for kind, amount in (
            ("ENERGY", leg.wh_per_s),
            ("TIME", Fraction(leg.state == "charging")),
            ("PARKING_TIME", Fraction(leg.state == "suspended_ev")),
        ):
            winner = _winner(elements, kind, local, elapsed, energy)
            if amount and winner is not None:
                wh[kind][winner] = wh[kind].get(winner, Fraction(0)) + amount
                last[kind] = winner
                last_time = kind if kind != "ENERGY" else last_time
        winner = None if flat_found else _winner(elements, "FLAT", local, elapsed, energy)
        if winner is not None:
            flat, flat_found = _price(elements[winner], "FLAT"), True
    for kind in ("ENERGY", last_time):
        if kind and kind in last:
            _add_step(elements, kind, wh[kind], last[kind])
    per = {"ENERGY": 1000, "TIME": 3600, "PARKING_TIME": 3600}
    return flat + sum(
        _price(elements[element], kind) * amount / per[kind]
        for kind, amounts in wh.items()
        for element, amount in amounts.items()
    )


def _seconds(legs: Sequence[Leg], start: datetime) -> Iterator[tuple[datetime, int, Fraction, Leg]]:
    elapsed, energy = 0, Fraction(0)
    for leg in legs:
        for _ in range(leg.seconds):
            yield start + timedelta(seconds=elapsed), elapsed, energy, leg
            elapsed += 1
            energy += leg.wh_per_s


def _wall(local: datetime) -> Wall:
    return f"{local:%H:%M:%S}", f"{local:%Y-%m-%d}", DAYS[local.weekday()]


def _winner(elements: Sequence[Json], kind: str, local: Wall, elapsed: int, energy: Fraction) -> int | None:
    for number, element in enumerate(elements):
        if any(one["type"] == kind for one in element["price_components"]) and _holds(
            element.get("restrictions", {}), local, elapsed, energy
        ):
            return number
    return None


def _holds(rules: Json, local: Wall, elapsed: int, energy: Fraction) -> bool:
    clock, day, weekday = local
    begin, end = rules.get("start_time", "00:00"), rules.get("end_time", "00:00")
    inside = begin <= clock < end if begin < end else clock >= begin or clock < end or begin == end
    return (
        inside
        and rules.get("start_date", "0000") <= day < rules.get("end_date", "9999")
        and weekday in rules.get("day_of_week", DAYS)
        and 1000 * Fraction(rules.get("min_kwh", 0)) <= energy
        and ("max_kwh" not in rules or energy < 1000 * Fraction(rules["max_kwh"]))
        and rules.get("min_duration", 0) <= elapsed < rules.get("max_duration", 10**9)
    )


def _add_step(elements: Sequence[Json], kind: str, amounts: dict[int, Fraction], last: int) -> None:
    step = next(one["step_size"] for one in elements[last]["price_components"] if one["type"] == kind)
    if step:
        measured = sum(amounts.values())
        amounts[last] += ceil(measured / step) * step - measured


def _price(element: Json, kind: str) -> Fraction:
    return Fraction(next(one["price"] for one in element["price_components"] if one["type"] == kind))
