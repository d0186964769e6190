"""Prices of random tariffs and sessions are those of a reference written apart from the engine (T-13, T-57).

``PRICED_SESSIONS`` says how many; the suite takes some, a release takes 20,000.
"""

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tariffs.pricing import Basis, Counted, Metered, Sample, State
from tests.tariffs.building import component, document, element, metered, price, tariff
from tests.tariffs.reference import WEEK, Stretch, bill, payable
from tests.tariffs.test_properties import BEGINNINGS, CLOCKS, DATES, PRICES, as_record

SESSIONS = int(os.environ.get("PRICED_SESSIONS", "300"))
KWH = [Decimal(text) for text in ("0.12", "0.24", "0.48", "0.96", "1.5")]
RATES = st.sampled_from([None, "0", "7", "19", "21", "8.1"])
STEPS = st.sampled_from([0, 0, 1, 60, 250, 900])
RULES: list[dict[str, st.SearchStrategy[Any]]] = [
    {"start_time": CLOCKS, "end_time": CLOCKS},
    {"start_date": DATES},
    {"end_date": DATES},
    {"day_of_week": st.lists(st.sampled_from(WEEK), min_size=1, max_size=4, unique=True)},
    {"min_kwh": st.sampled_from(KWH)},
    {"max_kwh": st.sampled_from(KWH)},
    {"min_duration": st.sampled_from([0, 60, 600, 1800])},
    {"max_duration": st.sampled_from([90, 900, 2400])},
    {"min_power": st.integers(1, 9).map(Decimal)},
    {"max_power": st.integers(1, 9).map(Decimal)},
]


@dataclass(frozen=True)
class Case:
    """A tariff as written, and a session in stretches."""

    written: dict[str, Any]
    stretches: list[Stretch]
    start: datetime
    zone: ZoneInfo

    @property
    def by_power(self) -> bool:
        rules = [one.get("restrictions", {}) for one in self.written["elements"]]
        return any("min_power" in rule or "max_power" in rule for rule in rules)

    @property
    def is_limited(self) -> bool:
        return "min_price" in self.written or "max_price" in self.written


@st.composite
def elements(draw: st.DrawFn, *, reserved: bool = False) -> dict[str, Any]:
    kinds = ["TIME", "FLAT"] if reserved else ["ENERGY", "TIME", "PARKING_TIME", "FLAT"]
    chosen = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=4, unique=True))
    components = [component(kind, str(draw(PRICES)), draw(RATES), draw(STEPS)) for kind in chosen]
    rules = draw(st.lists(st.sampled_from(RULES), max_size=2))
    values = {name: draw(strategy) for rule in rules for name, strategy in rule.items()}
    return element(*components, **values, **({"reservation": "RESERVATION"} if reserved else {}))


@st.composite
def limits(draw: st.DrawFn) -> dict[str, Any]:
    """None mostly; sometimes a floor, a ceiling or both, whose side with tax may be missing."""
    fields = {}
    for name, amounts in (("min_price", (1, 4)), ("max_price", (5, 15))):
        if draw(st.integers(0, 3)) == 0:
            excl = Decimal(draw(st.integers(*amounts)))
            fields[name] = {"excl_vat": excl, **({"incl_vat": excl + 1} if draw(st.booleans()) else {})}
    return fields


@st.composite
def stretches(draw: st.DrawFn) -> list[Stretch]:
    kw, found = Fraction(draw(st.sampled_from([0, 4, 8]))), []
    for number in range(draw(st.integers(2, 5))):
        state = draw(st.sampled_from(["charging", "charging", "suspended_ev", "suspended_evse"]))
        if number == 0 and draw(st.integers(0, 3)) == 0:
            state = "reserved"
        rate = Fraction(0) if state == "reserved" else Fraction(draw(st.sampled_from([0, 1, 2, 4])), 4)
        to = max(Fraction(0), kw + draw(st.sampled_from([-4, 0, 4])))
        found.append(Stretch(draw(st.sampled_from([60, 480, 900, 1800, 2700])), state, rate, (kw, to)))
        kw = to
    return found


@st.composite
def cases(draw: st.DrawFn) -> Case:
    some = draw(st.lists(elements(), min_size=1, max_size=5))
    some += draw(st.lists(elements(reserved=True), max_size=1))
    zone, start = draw(st.sampled_from(BEGINNINGS))
    return Case(document(*some, **draw(limits())), draw(stretches()), start, zone)


def session_of(case: Case) -> Metered:
    now, wh, samples = case.start, Fraction(0), []
    for one in case.stretches:
        samples.append(_sample(now, wh, one.kw[0], State(one.state)))
        now, wh = now + timedelta(seconds=one.seconds), wh + one.seconds * one.wh_per_s
    return metered(*samples, _sample(now, wh, case.stretches[-1].kw[1], None))


def _sample(at: datetime, wh: Fraction, kw: Fraction, state: State | None) -> Sample:
    register = Decimal(wh.numerator) / wh.denominator / 1000
    return Sample(at=at, register_kwh=register, power_kw=Decimal(int(kw)), state=state)


@pytest.mark.timeout(180 + SESSIONS // 5)
@settings(max_examples=SESSIONS, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_t57_any_session_costs_what_a_reference_written_apart_says(case: Case) -> None:
    expected = bill(case.written, case.stretches, case.start, case.zone)
    of, session = tariff(*case.written["elements"], **_fields(case)), session_of(case)
    result = price(of, session, case.zone)

    assert (result.total.excl, result.total.incl) == (expected.excl, expected.incl)
    assert all(line.amount.excl >= 0 for line in result.lines if line.counted is not Counted.LIMIT)
    for basis in Basis:
        due = price(of, session, case.zone, basis=basis).payable
        leading = due.incl.amount if basis is Basis.GROSS else due.excl.amount
        assert min(due.excl.amount, due.incl.amount, due.vat.amount) >= 0
        assert due.excl + due.vat == due.incl
        if not case.is_limited:
            assert (due.excl.amount, due.incl.amount) == payable(expected, gross=basis is Basis.GROSS)
        else:
            exact = expected.incl if basis is Basis.GROSS else expected.excl
            assert abs(Fraction(leading) - exact) <= Fraction(1, 200) * max(1, len(expected.by_rate))
    if not case.by_power:
        whole, split = (price(of, as_record(result, cuts), case.zone) for cuts in (1, 3))
        assert whole.total == split.total == result.total
        assert whole.payable == split.payable == result.payable


def _fields(case: Case) -> dict[str, Any]:
    return {name: case.written[name] for name in ("min_price", "max_price") if name in case.written}
