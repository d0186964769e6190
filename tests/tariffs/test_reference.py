"""Prices of random tariffs and sessions are those of a reference written apart from the engine (T-13, T-57).

``PRICED_SESSIONS`` says how many; the suite takes some, a release takes 20,000 (``make price-cases``).
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Context, Decimal
from fractions import Fraction
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tariffs.pricing import Basis, Counted, Metered, Payable, Price, Reservation, Sample, State, Tax, Warned
from tariffs.structure import Dimension
from tests.tariffs.building import component, document, element, metered, price, tariff
from tests.tariffs.reference import TICK_S, UNKNOWN, WEEK, Bill, Sides, Stretch, Terms, bill, limited, payable
from tests.tariffs.test_properties import BEGINNINGS, CLOCKS, DATES, PRICES, as_record

SESSIONS = int(os.environ.get("PRICED_SESSIONS", "300"))
KWH = [Decimal(text) for text in ("0.12", "0.24", "0.48", "0.96", "1.5")]
RATES = st.sampled_from([None, "0", "7", "19", "21", "8.1"])
STEPS = st.sampled_from([0, 0, 1, 60, 250, 900])
AMPERES = st.integers(1, 9).map(lambda number: Decimal(number * 4))
RULES: list[dict[str, st.SearchStrategy[Any]]] = [
    {"start_time": CLOCKS, "end_time": CLOCKS},
    {"start_time": CLOCKS},
    {"end_time": CLOCKS},
    {"start_date": DATES},
    {"end_date": DATES},
    {"day_of_week": st.lists(st.sampled_from(WEEK), min_size=1, max_size=4, unique=True)},
    {"min_kwh": st.sampled_from(KWH)},
    {"max_kwh": st.sampled_from(KWH)},
    {"min_duration": st.sampled_from([0, 60, 600, 1800])},
    {"max_duration": st.sampled_from([90, 900, 2400])},
    {"min_power": st.integers(1, 9).map(Decimal)},
    {"max_power": st.integers(1, 9).map(Decimal)},
    {"min_current": AMPERES},
    {"max_current": AMPERES},
]
STATES = ["charging", "charging", "charging", "suspended_ev", "suspended_evse", "connected"]
FINE = Context(prec=60)


@dataclass(frozen=True)
class Case:
    """A tariff as written, a session in stretches, and the terms of its price."""

    written: dict[str, Any]
    stretches: list[Stretch]
    start: datetime
    zone: ZoneInfo
    terms: Terms

    @property
    def gives_back(self) -> bool:
        return any(one.wh_per_s < 0 for one in self.stretches)

    @property
    def options(self) -> dict[str, Any]:
        return {
            "reservation": Reservation(self.terms.reservation),
            "tax_rates": {Dimension(name): rate for name, rate in self.terms.rates.items()},
            "tariff_changes": [self.start + timedelta(seconds=one) for one in self.terms.changes],
        }


@st.composite
def elements(draw: st.DrawFn, *, reservation: str = "") -> dict[str, Any]:
    kinds = ["TIME", "FLAT"] if reservation else ["ENERGY", "TIME", "PARKING_TIME", "FLAT"]
    chosen = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=4, unique=True))
    components = [component(kind, str(draw(PRICES)), draw(RATES), draw(STEPS)) for kind in chosen]
    rules = draw(st.lists(st.sampled_from(RULES), max_size=2))
    values = {name: draw(strategy) for rule in rules for name, strategy in rule.items()}
    return element(*components, **values, **({"reservation": reservation} if reservation else {}))


@st.composite
def taxes(draw: st.DrawFn) -> dict[str, Any]:
    """None in half of them, which is a tariff of 2.2.1."""
    word = draw(st.sampled_from([None, None, None, "YES", "NO", "N/A"]))
    return {} if word is None else {"tax_included": word}


@st.composite
def limits(draw: st.DrawFn, reached: Callable[[], Bill], names: tuple[str, str]) -> dict[str, Any]:
    """None mostly; sometimes a floor, a ceiling or both, whose side with tax may be missing; or the very total."""
    fields: dict[str, Any] = {}
    excl_name, incl_name = names
    for name, amounts in (("min_price", (1, 4)), ("max_price", (5, 15))):
        if draw(st.integers(0, 3)) == 0:
            excl = Decimal(draw(st.integers(*amounts)))
            fields[name] = {excl_name: excl, **({incl_name: excl + 1} if draw(st.booleans()) else {})}
    hit = not fields and draw(st.integers(0, 3)) == 0
    if hit and (total := _finite(reached().total.excl)) is not None:
        fields[draw(st.sampled_from(["min_price", "max_price"]))] = {excl_name: total}
    return fields


def _finite(exact: Fraction | None) -> Decimal | None:
    """The amount as a decimal that has an end, where it has one and is an amount to be paid."""
    if exact is None or exact < 0:
        return None
    rounded = FINE.divide(Decimal(exact.numerator), Decimal(exact.denominator))
    return rounded if Fraction(rounded) == exact else None


@st.composite
def courses(draw: st.DrawFn, step: int, first: list[int], count: int) -> list[tuple[Fraction, Fraction]]:
    """A quantity from one stretch to the next: it stays, or goes up or down by a step."""
    now, found = Fraction(draw(st.sampled_from(first))), []
    for _ in range(count):
        to = max(Fraction(0), now + draw(st.sampled_from([-step, 0, step])))
        found.append((now, to))
        now = to
    return found


@st.composite
def stretches(draw: st.DrawFn) -> list[Stretch]:
    count = draw(st.integers(2, 5))
    states = [draw(st.sampled_from(STATES)) for _ in range(count)]
    if draw(st.integers(0, 3)) == 0:
        reserved = draw(st.sampled_from([1, 1, 1, count]))
        states[:reserved] = ["reserved"] * reserved
        if reserved < count and draw(st.booleans()):
            states[reserved] = "lapsed"
    rates = draw(st.sampled_from([(0, 1, 2, 4), (0, 1, 2, 4), (-4, -2, -1, 0, 1, 2, 4)]))
    kw, amps = draw(courses(4, [0, 4, 8], count)), draw(courses(16, [0, 16, 32], count))
    return [
        Stretch(
            draw(st.sampled_from([60, 480, 900, 1800, 2700])),
            state,
            Fraction(0)
            if state in ("reserved", "lapsed", "connected")
            else Fraction(draw(st.sampled_from(rates)), 4),
            kw[number],
            amps[number],
        )
        for number, state in enumerate(states)
    ]


@st.composite
def terms(draw: st.DrawFn, *, newer: bool) -> Terms:
    """With a rate for some of what a tariff of 2.3.0 leaves open."""
    named = draw(st.lists(st.sampled_from(list(Dimension)), max_size=3, unique=True)) if newer else []
    rates = {one.value: Decimal(draw(st.sampled_from(["0", "7", "19", "8.1"]))) for one in named}
    reservation = draw(st.sampled_from(["used", "used", "expired", "free"]))
    changes = draw(st.lists(st.integers(0, 240), max_size=2)) if draw(st.booleans()) else []
    return Terms(reservation, rates, tuple(one * TICK_S for one in changes))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    some = draw(st.lists(elements(), min_size=1, max_size=5))
    for kind in draw(st.lists(st.sampled_from(["RESERVATION", "RESERVATION_EXPIRES"]), max_size=2)):
        some.insert(draw(st.integers(0, len(some))), draw(elements(reservation=kind)))
    zone, start = draw(st.sampled_from(BEGINNINGS))
    taxed, session = draw(taxes()), draw(stretches())
    by = draw(terms(newer=bool(taxed)))
    names = ("before_taxes", "after_taxes") if taxed else ("excl_vat", "incl_vat")
    reached = partial(bill, document(*some, **taxed), session, start, zone, by)
    return Case(document(*some, **taxed, **draw(limits(reached, names))), session, start, zone, by)


def session_of(case: Case, parts: int = 1) -> Metered:
    """The readings of the stretches: one at each beginning and so many more within, one at the end."""
    now, wh, samples = case.start, Fraction(0), []
    for one in case.stretches:
        for number in range(parts):
            share = Fraction(number, parts)
            kw, amps = (begin + (end - begin) * share for begin, end in (one.kw, one.amps))
            at = now + timedelta(seconds=one.seconds) * number / parts
            state = State(one.state) if number == 0 else None
            samples.append(_sample(at, wh + one.seconds * one.wh_per_s * share, (kw, amps), state))
        now, wh = now + timedelta(seconds=one.seconds), wh + one.seconds * one.wh_per_s
    last = case.stretches[-1]
    samples.append(_sample(now, wh, (last.kw[1], last.amps[1]), None))
    return metered(*samples, discharges=case.gives_back)


def _sample(at: datetime, wh: Fraction, flows: tuple[Fraction, Fraction], state: State | None) -> Sample:
    register, kw, amps = (
        FINE.divide(Decimal(one.numerator), Decimal(one.denominator)) for one in (wh, *flows)
    )
    return Sample(at=at, register_kwh=register / 1000, power_kw=kw, current_a=amps, state=state)


@pytest.mark.timeout(180 + SESSIONS // 5)
@settings(max_examples=SESSIONS, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_t57_any_session_costs_what_a_reference_written_apart_says(case: Case) -> None:
    expected = bill(case.written, case.stretches, case.start, case.zone, case.terms)
    of, session = tariff(*case.written["elements"], **_fields(case.written)), session_of(case)
    result = price(of, session, case.zone, **case.options)

    assert (result.total.excl, result.total.incl) == (expected.total.excl, expected.total.incl)
    assert _by_rate(result) == {rate: one for rate, one in expected.by_rate.items() if one.excl or one.incl}
    assert (Warned.TAX_UNKNOWN in result.warnings) == (None in (result.payable.excl, result.payable.incl))
    for line in result.lines:
        credit = line.counted is Counted.LIMIT or (line.counted is Counted.ENERGY and case.gives_back)
        assert credit or min(line.amount.excl or 0, line.amount.incl or 0) >= 0
    for basis in Basis:
        due = price(of, session, case.zone, basis=basis, **case.options).payable
        _agrees(due, expected, gross=basis is Basis.GROSS)
        assert case.gives_back or min(_amounts(due), default=Decimal(0)) >= 0
    _does_not_depend_on_cuts(case, result)
    _does_not_need_power_at_the_start(case, result)


def _agrees(due: Payable, expected: Bill, *, gross: bool) -> None:
    """Of a total that a limit moved the leading side is told, and the tax is a part of the whole."""
    excl, vat, incl = (None if one is None else one.amount for one in (due.excl, due.vat, due.incl))
    most = limited(expected, gross=gross)
    if most is None:
        assert (excl, incl) == payable(expected, gross=gross)
    else:
        assert most in (excl, incl)
    if excl is not None and incl is not None:
        assert vat is not None
        assert excl + vat == incl
        assert most is None or 0 <= vat <= incl


def _amounts(due: Payable) -> list[Decimal]:
    return [one.amount for one in (due.excl, due.vat, due.incl) if one is not None]


def _by_rate(of: Price) -> Mapping[Any, Sides]:
    """What each rate comes to before limits, where it comes to anything."""
    words: Mapping[Any, Any] = {Tax.NONE: None, Tax.UNKNOWN: UNKNOWN}
    found = {words.get(group.rate, group.rate): group.exact for group in of.groups}
    return {rate: Sides(one.excl, one.incl) for rate, one in found.items() if one.excl or one.incl}


def _does_not_depend_on_cuts(case: Case, result: Price) -> None:
    """Neither on how often it was read (T-12), nor on how often a record of it is cut (T-13, T-14)."""
    of = tariff(*case.written["elements"], **_fields(case.written))
    often = price(of, session_of(case, parts=4), case.zone, **case.options)
    records = [price(of, as_record(result, cuts), case.zone, **case.options) for cuts in (1, 3)]
    for other in (often, *records):
        assert other.total == result.total
        assert other.payable == result.payable
        assert Warned.UNCUT_PERIOD not in other.warnings


def _does_not_need_power_at_the_start(case: Case, result: Price) -> None:
    """Where nothing flows as the session begins, nobody has to say so (T-15)."""
    first = case.stretches[0]
    if first.state == "reserved" or first.kw[0] or first.amps[0]:
        return
    session = session_of(case)
    begin, *rest = session.samples
    untold = replace(session, samples=(replace(begin, power_kw=None, current_a=None), *rest))
    of = tariff(*case.written["elements"], **_fields(case.written))
    assert price(of, untold, case.zone, **case.options).total == result.total


def _fields(written: Mapping[str, Any]) -> dict[str, Any]:
    return {name: written[name] for name in ("min_price", "max_price", "tax_included") if name in written}
