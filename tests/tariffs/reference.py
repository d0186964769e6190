"""A second, slow reading of the rules: a session is walked through in ticks, the tariff looked at anew in each.

It knows nothing of the engine: OCPI dictionaries in, exact fractions out. It sees more of a tariff than
``brute_force`` (taxes, limits, power, current, reservations, energy given back) and pays for it with a coarser
clock: whatever decides must change on a tick, so legs are whole minutes, and registers, powers and currents
reach thresholds on multiples of it.
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
Rate = Decimal | str | None
"""A percentage, ``UNKNOWN``, or none where no tax applies."""
UNKNOWN = "unknown"
USED, EXPIRED, FREE = "used", "expired", "free"
PER = {"ENERGY": 1000, "TIME": 3600, "PARKING_TIME": 3600}
TIMES: tuple[Kind, ...] = (("TIME", False), ("PARKING_TIME", False))
WEEK = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")


@dataclass(frozen=True)
class Stretch:
    """So many seconds in a state, with so many Wh in each, while power and current go evenly from one to another."""

    seconds: int
    state: str
    wh_per_s: Fraction
    kw: tuple[Fraction, Fraction]
    amps: tuple[Fraction, Fraction] = (Fraction(0), Fraction(0))


@dataclass(frozen=True)
class Terms:
    """How a reservation before the charge went, rates that a tariff leaves open, and after how many
    seconds another tariff began to hold."""

    reservation: str = USED
    rates: Mapping[str, Decimal] = field(default_factory=dict)
    changes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Sides:
    """Without and with tax; ``None`` where nobody knows."""

    excl: Fraction | None = Fraction(0)
    incl: Fraction | None = Fraction(0)

    def __add__(self, other: "Sides") -> "Sides":
        return Sides(_sum(self.excl, other.excl), _sum(self.incl, other.incl))


@dataclass
class Bill:
    """What is owed by rate before limits, and as a whole after them."""

    by_rate: dict[Rate, Sides] = field(default_factory=dict)
    total: Sides = Sides()
    moved: Sides = Sides()
    """By how much a limit moved each side."""


@dataclass(frozen=True)
class Tick:
    wall: tuple[str, str, str]
    elapsed_s: int
    wh: Fraction
    kw: Fraction
    amps: Fraction
    stretch: Stretch
    flowed: bool


def bill(
    tariff: Json, stretches: Sequence[Stretch], start: datetime, zone: ZoneInfo, terms: Terms = Terms()
) -> Bill:
    elements = _ordered(tariff["elements"], terms.reservation)
    used: dict[Kind, dict[int, Fraction]] = {}
    flat: dict[bool, int] = {}
    last: dict[Kind, int] = {}
    at_s: dict[Kind, int] = {}
    latest_time: Kind | None = None
    for tick in _ticks(stretches, start, zone):
        reserved = tick.stretch.state == "reserved"
        if reserved and terms.reservation == FREE:
            continue
        if tick.stretch.state == "lapsed":
            continue
        matching = [number for number, one in enumerate(elements) if _matches(one, reserved, tick)]
        for kind, amount in _amounts(tick, reserved):
            winner = _winner(elements, matching, kind[0])
            if amount and winner is not None:
                mine = used.setdefault(kind, {})
                mine[winner] = mine.get(winner, Fraction(0)) + amount
                last[kind], at_s[kind] = winner, tick.elapsed_s
                latest_time = kind if kind in TIMES else latest_time
        if reserved not in flat and (winner := _winner(elements, matching, "FLAT")) is not None:
            flat[reserved] = winner
    whole = sum(one.seconds for one in stretches)
    changed_s = max((one for one in terms.changes if one < whole), default=0)
    for kind in (("ENERGY", False), latest_time, ("TIME", True)):
        if kind in last and (kind == ("TIME", True) or at_s[kind] >= changed_s):
            _step_up(elements, kind, used[kind], last[kind])
    return _limited(tariff, _summed(tariff, elements, terms, used, flat))


def limited(of: Bill, *, gross: bool) -> Decimal | None:
    """The leading total where a limit moved it; where taxes hide the leading side, the other leads."""
    leads_incl = of.total.incl is not None if gross else of.total.excl is None
    exact, moved = (of.total.incl, of.moved.incl) if leads_incl else (of.total.excl, of.moved.excl)
    return None if exact is None or not moved else _cents(exact)


def payable(of: Bill, *, gross: bool) -> tuple[Decimal | None, Decimal | None]:
    """What is to be paid in euro, without and with tax, where no limit moved it: each rate rounded once (T-36)."""
    rounded = [_rounded(rate, sides, gross) for rate, sides in of.by_rate.items()]
    excl, incl = [one for one, _ in rounded], [one for _, one in rounded]
    return (None if None in excl else sum(excl, Decimal(0)), None if None in incl else sum(incl, Decimal(0)))  # type: ignore[arg-type]


def _rounded(rate: Rate, sides: Sides, gross: bool) -> tuple[Decimal | None, Decimal | None]:
    if sides.excl is None or sides.incl is None or isinstance(rate, str):
        return tuple(None if one is None else _cents(one) for one in (sides.excl, sides.incl))  # type: ignore[return-value]
    share = Fraction(rate or 0) / 100
    if gross:
        whole = _cents(sides.incl)
        return whole - _cents(Fraction(whole) * share / (1 + share)), whole
    base = _cents(sides.excl)
    return base, base + _cents(Fraction(base) * share)


def _cents(exact: Fraction) -> Decimal:
    """Half up, away from zero for credits."""
    cents = Decimal(floor(abs(exact) * 100 + Fraction(1, 2))) / 100
    return cents if exact >= 0 else -cents


def _ordered(elements: Sequence[Json], reservation: str) -> Sequence[Json]:
    """For one that expired its own elements come first (T-25); else those count for nothing."""
    kinds = {number: one.get("restrictions", {}).get("reservation") for number, one in enumerate(elements)}
    own = [elements[number] for number, kind in kinds.items() if kind == "RESERVATION_EXPIRES"]
    others = [elements[number] for number, kind in kinds.items() if kind != "RESERVATION_EXPIRES"]
    return [*own, *others] if reservation == EXPIRED else others


def _ticks(stretches: Sequence[Stretch], start: datetime, zone: ZoneInfo) -> Iterator[Tick]:
    """Registers, powers and currents are those of the middle of a tick: on a bound, direction decides."""
    elapsed, wh, flowed = 0, Fraction(0), False
    for one in stretches:
        for done in range(0, one.seconds, TICK_S):
            now = start + timedelta(seconds=elapsed)
            share = Fraction(2 * done + TICK_S, 2 * one.seconds)
            kw, amps = (begin + (end - begin) * share for begin, end in (one.kw, one.amps))
            middle = wh + one.wh_per_s * TICK_S / 2
            yield Tick(_wall(now.astimezone(zone)), elapsed, middle, kw, amps, one, flowed)
            elapsed += TICK_S
            wh += one.wh_per_s * TICK_S
        flowed = flowed or wh != 0


def _wall(local: datetime) -> tuple[str, str, str]:
    return f"{local:%H:%M}", f"{local:%Y-%m-%d}", WEEK[local.weekday()]


def _amounts(tick: Tick, reserved: bool) -> tuple[tuple[Kind, Fraction], ...]:
    if reserved:
        return ((("TIME", True), Fraction(TICK_S)),)
    state = tick.stretch.state
    parked = state == "suspended_ev" or (state == "connected" and tick.flowed)
    return (
        (("ENERGY", False), tick.stretch.wh_per_s * TICK_S),
        (("TIME", False), Fraction(TICK_S * (state == "charging"))),
        (("PARKING_TIME", False), Fraction(TICK_S * parked)),
    )


def _matches(element: Json, reserved: bool, tick: Tick) -> bool:
    rules = element.get("restrictions", {})
    return ("reservation" in rules) == reserved and _holds(rules, tick)


def _winner(elements: Sequence[Json], matching: Sequence[int], dimension: str) -> int | None:
    return next((number for number in matching if _component(elements[number], dimension)), None)


def _component(element: Json, dimension: str) -> Json | None:
    return next((one for one in element["price_components"] if one["type"] == dimension), None)


def _holds(rules: Json, tick: Tick) -> bool:
    return (
        _by_clock(rules, *tick.wall)
        and _within(rules, "kwh", tick.wh / 1000)
        and _within(rules, "power", tick.kw)
        and _within(rules, "current", tick.amps)
        and _within(rules, "duration", Fraction(tick.elapsed_s))
    )


def _by_clock(rules: Json, clock: str, day: str, weekday: str) -> bool:
    begin, end = rules.get("start_time", "00:00"), rules.get("end_time", "00:00")
    inside = begin <= clock < end if begin < end else begin == end or clock >= begin or clock < end
    in_days = rules.get("start_date", "0000") <= day < rules.get("end_date", "9999")
    return inside and in_days and weekday in rules.get("day_of_week", WEEK)


def _within(rules: Json, of: str, value: Fraction) -> bool:
    low, high = rules.get(f"min_{of}"), rules.get(f"max_{of}")
    return (low is None or Fraction(low) <= value) and (high is None or value < Fraction(high))


def _step_up(elements: Sequence[Json], kind: Kind, amounts: dict[int, Fraction], last: int) -> None:
    component = _component(elements[last], kind[0])
    step = component["step_size"] if component else 0
    measured = sum(amounts.values())
    if step and measured > 0:
        amounts[last] += ceil(measured / step) * step - measured


def _summed(
    tariff: Json,
    elements: Sequence[Json],
    terms: Terms,
    used: Mapping[Kind, Mapping[int, Fraction]],
    flat: Mapping[bool, int],
) -> Bill:
    result = Bill()
    quantities = [
        (elements[number], dimension, amount / PER[dimension])
        for (dimension, _), amounts in used.items()
        for number, amount in amounts.items()
    ]
    quantities += [(elements[number], "FLAT", Fraction(1)) for number in flat.values()]
    for element, dimension, quantity in quantities:
        component = _component(element, dimension)
        assert component is not None
        rate = _rate(tariff.get("tax_included"), component, terms)
        sides = _sides(tariff.get("tax_included"), Fraction(component["price"]) * quantity, rate)
        result.by_rate[rate] = result.by_rate.get(rate, Sides()) + sides
        result.total += sides
    return result


def _rate(included: str | None, component: Json, terms: Terms) -> Rate:
    if included == "N/A":
        return None
    own: Decimal | None = component.get("vat")
    return terms.rates.get(component["type"], UNKNOWN) if own is None and included else own


def _sides(included: str | None, told: Fraction, rate: Rate) -> Sides:
    """The price as told is one side; the tax makes the other, or hides it where there is something to tax (T-32)."""
    if isinstance(rate, str):
        other = None if told else Fraction(0)
    else:
        factor = 1 + Fraction(rate or 0) / 100
        other = told / factor if included == "YES" else told * factor
    return Sides(other, told) if included == "YES" else Sides(told, other)


def _limited(tariff: Json, of: Bill) -> Bill:
    low, high = (_both(tariff, tariff.get(name, {})) for name in ("min_price", "max_price"))
    before = of.total
    of.total = Sides(
        _clamped(
            before.excl, _bound(low, "excl_vat", "before_taxes"), _bound(high, "excl_vat", "before_taxes")
        ),
        _clamped(
            before.incl, _bound(low, "incl_vat", "after_taxes"), _bound(high, "incl_vat", "after_taxes")
        ),
    )
    of.moved = of.total + Sides(_negative(before.excl), _negative(before.incl))
    return of


def _both(tariff: Json, limit: Json) -> Json:
    """Where no tax applies, both sides are equal (T-32)."""
    untaxed = limit and tariff.get("tax_included") == "N/A"
    return {"after_taxes": limit["before_taxes"], **limit} if untaxed else limit


def _bound(limit: Json, *names: str) -> Decimal | None:
    return next((limit[name] for name in names if name in limit), None)


def _clamped(amount: Fraction | None, low: Decimal | None, high: Decimal | None) -> Fraction | None:
    if amount is None:
        return None
    amount = amount if low is None else max(amount, Fraction(low))
    return amount if high is None else min(amount, Fraction(high))


def _sum(one: Fraction | None, other: Fraction | None) -> Fraction | None:
    return None if one is None or other is None else one + other


def _negative(one: Fraction | None) -> Fraction | None:
    return None if one is None else -one
