"""A second, slow reading of the rules: a session is walked through in ticks, the tariff looked at anew in each.

It knows nothing of the engine: OCPI dictionaries in, exact fractions out. It sees more of a tariff than
``brute_force`` (taxes, limits, power, reservations) and pays for it with a coarser clock: whatever decides
must change on a tick, so legs are whole minutes, and registers and powers reach thresholds on multiples of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import Any
from zoneinfo import ZoneInfo

TICK_S = 15
Json = Mapping[str, Any]
Kind = tuple[str, bool]
"""A dimension, and whether it is that of a reservation."""
PER = {"ENERGY": 1000, "TIME": 3600, "PARKING_TIME": 3600}
TIMES: tuple[Kind, ...] = (("TIME", False), ("PARKING_TIME", False))
WEEK = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")


@dataclass(frozen=True)
class Stretch:
    """So many seconds in a state, with so many Wh in each, while the power goes evenly from one to another."""

    seconds: int
    state: str
    wh_per_s: Fraction
    kw: tuple[Fraction, Fraction]


@dataclass
class Bill:
    """What is owed without and with tax, by rate and as a whole, after limits."""

    by_rate: dict[Decimal | None, Fraction] = field(default_factory=dict)
    excl: Fraction = Fraction(0)
    incl: Fraction = Fraction(0)


@dataclass(frozen=True)
class Tick:
    local: datetime
    elapsed_s: int
    wh: Fraction
    kw: Fraction
    stretch: Stretch


def bill(tariff: Json, stretches: Sequence[Stretch], start: datetime, zone: ZoneInfo) -> Bill:
    elements = tariff["elements"]
    used: dict[Kind, dict[int, Fraction]] = {}
    flat: dict[bool, int] = {}
    last: dict[Kind, int] = {}
    latest_time: Kind | None = None
    for tick in _ticks(stretches, start, zone):
        reserved = tick.stretch.state == "reserved"
        for kind, amount in _amounts(tick.stretch, reserved):
            winner = _winner(elements, kind, tick)
            if amount and winner is not None:
                mine = used.setdefault(kind, {})
                mine[winner] = mine.get(winner, Fraction(0)) + amount
                last[kind] = winner
                latest_time = kind if kind in TIMES else latest_time
        if reserved not in flat and (winner := _winner(elements, ("FLAT", reserved), tick)) is not None:
            flat[reserved] = winner
    for kind in (("ENERGY", False), latest_time, ("TIME", True)):
        if kind in last:
            _step_up(elements, kind, used[kind], last[kind])
    return _limited(tariff, _summed(elements, used, flat))


def payable(of: Bill, gross: bool) -> tuple[Decimal, Decimal]:
    """What is to be paid in euro, without and with tax: each rate rounded once, half up (T-36)."""
    excl = incl = Decimal(0)
    for rate, exact in of.by_rate.items():
        share = Fraction(rate or 0) / 100
        if gross:
            whole = _cents(exact * (1 + share))
            vat = _cents(Fraction(whole) * share / (1 + share))
            excl, incl = excl + whole - vat, incl + whole
        else:
            base = _cents(exact)
            excl, incl = excl + base, incl + base + _cents(Fraction(base) * share)
    return excl, incl


def _cents(exact: Fraction) -> Decimal:
    return Decimal(floor(exact * 100 + Fraction(1, 2))) / 100


def _ticks(stretches: Sequence[Stretch], start: datetime, zone: ZoneInfo) -> Iterator[Tick]:
    elapsed, wh = 0, Fraction(0)
    for one in stretches:
        for done in range(0, one.seconds, TICK_S):
            now = start + timedelta(seconds=elapsed)
            begin, end = one.kw
            kw = begin + (end - begin) * Fraction(2 * done + TICK_S, 2 * one.seconds)
            yield Tick(now.astimezone(zone), elapsed, wh, kw, one)
            elapsed += TICK_S
            wh += one.wh_per_s * TICK_S


def _amounts(one: Stretch, reserved: bool) -> tuple[tuple[Kind, Fraction], ...]:
    if reserved:
        return ((("TIME", True), Fraction(TICK_S)),)
    return (
        (("ENERGY", False), one.wh_per_s * TICK_S),
        (("TIME", False), Fraction(TICK_S * (one.state == "charging"))),
        (("PARKING_TIME", False), Fraction(TICK_S * (one.state == "suspended_ev"))),
    )


def _winner(elements: Sequence[Json], kind: Kind, tick: Tick) -> int | None:
    dimension, reserved = kind
    for number, element in enumerate(elements):
        rules = element.get("restrictions", {})
        if ("reservation" in rules) == reserved and _component(element, dimension) and _holds(rules, tick):
            return number
    return None


def _component(element: Json, dimension: str) -> Json | None:
    return next((one for one in element["price_components"] if one["type"] == dimension), None)


def _holds(rules: Json, tick: Tick) -> bool:
    return (
        _by_clock(rules, tick.local)
        and _within(rules, "kwh", tick.wh / 1000)
        and _within(rules, "power", tick.kw)
        and _within(rules, "duration", Fraction(tick.elapsed_s))
    )


def _by_clock(rules: Json, local: datetime) -> bool:
    clock, day = f"{local:%H:%M}", f"{local:%Y-%m-%d}"
    begin, end = rules.get("start_time", "00:00"), rules.get("end_time", "00:00")
    inside = begin <= clock < end if begin < end else begin == end or clock >= begin or clock < end
    in_days = rules.get("start_date", "0000") <= day < rules.get("end_date", "9999")
    return inside and in_days and WEEK[local.weekday()] in rules.get("day_of_week", WEEK)


def _within(rules: Json, of: str, value: Fraction) -> bool:
    low, high = rules.get(f"min_{of}"), rules.get(f"max_{of}")
    return (low is None or Fraction(low) <= value) and (high is None or value < Fraction(high))


def _step_up(elements: Sequence[Json], kind: Kind, amounts: dict[int, Fraction], last: int) -> None:
    component = _component(elements[last], kind[0])
    step = component["step_size"] if component else 0
    if step:
        measured = sum(amounts.values())
        amounts[last] += ceil(measured / step) * step - measured


def _summed(
    elements: Sequence[Json], used: Mapping[Kind, Mapping[int, Fraction]], flat: Mapping[bool, int]
) -> Bill:
    result = Bill()
    for (dimension, _), amounts in used.items():
        for number, amount in amounts.items():
            _add(result, _component(elements[number], dimension), amount / PER[dimension])
    for number in flat.values():
        _add(result, _component(elements[number], "FLAT"), Fraction(1))
    return result


def _add(to: Bill, component: Json | None, quantity: Fraction) -> None:
    assert component is not None
    rate, amount = component.get("vat"), Fraction(component["price"]) * quantity
    to.by_rate[rate] = to.by_rate.get(rate, Fraction(0)) + amount
    to.excl += amount
    to.incl += amount * (1 + Fraction(rate or 0) / 100)


def _limited(tariff: Json, of: Bill) -> Bill:
    low, high = tariff.get("min_price", {}), tariff.get("max_price", {})
    of.excl = _clamped(of.excl, low.get("excl_vat"), high.get("excl_vat"))
    of.incl = _clamped(of.incl, low.get("incl_vat"), high.get("incl_vat"))
    return of


def _clamped(amount: Fraction, low: Decimal | None, high: Decimal | None) -> Fraction:
    amount = amount if low is None else max(amount, Fraction(low))
    return amount if high is None else min(amount, Fraction(high))
