"""What holds for every tariff and session (tariffs T-13, T-53, T-57), against an oracle that goes by seconds."""

from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.money import Money
from tariffs.ahead import Ahead, dearest
from tariffs.pricing import (
    Amount,
    Basis,
    Counted,
    Metered,
    Part,
    Price,
    Recorded,
    RecordedPeriod,
    Rounding,
    State,
)
from tariffs.rounding import ToRound, make_payable
from tariffs.usage import Conditions
from tests.tariffs.brute_force import DAYS, Leg, total
from tests.tariffs.building import ZULU, charging, component, element, metered, price, sample, tariff

# Both nights of change in Berlin and New York, an ordinary midnight, and the end of a year.
BEGINNINGS = [
    (ZoneInfo("Europe/Berlin"), datetime(2026, 10, 24, 23, 30, tzinfo=UTC)),
    (ZoneInfo("Europe/Berlin"), datetime(2026, 10, 25, 0, 45, tzinfo=UTC)),
    (ZoneInfo("Europe/Berlin"), datetime(2027, 3, 28, 0, 30, tzinfo=UTC)),
    (ZoneInfo("America/New_York"), datetime(2026, 11, 1, 5, 20, tzinfo=UTC)),
    (ZoneInfo("Australia/Lord_Howe"), datetime(2026, 4, 4, 14, 40, tzinfo=UTC)),
    (ZoneInfo("Europe/Amsterdam"), datetime(2026, 12, 31, 22, 40, tzinfo=UTC)),
    (ZULU, datetime(2026, 3, 2, 23, 50, tzinfo=UTC)),
]
PRICES = st.decimals(min_value=0, max_value=9, places=3)
CLOCKS = st.sampled_from(["00:00", "00:30", "01:40", "02:00", "02:20", "02:40", "03:00", "03:30"])
DATES = st.sampled_from(["2026-10-24", "2026-10-25", "2026-10-26", "2027-01-01", "2027-03-28", "2026-03-03"])
KINDS = ["ENERGY", "TIME", "PARKING_TIME", "FLAT"]

RULES: list[dict[str, st.SearchStrategy[Any]]] = [
    {"start_time": CLOCKS, "end_time": CLOCKS},
    {"start_time": CLOCKS},
    {"end_time": CLOCKS},
    {"start_date": DATES},
    {"end_date": DATES},
    {"day_of_week": st.lists(st.sampled_from(DAYS), min_size=1, max_size=4, unique=True)},
    {"min_kwh": st.sampled_from([Decimal("0.1"), Decimal("0.25"), Decimal(1)])},
    {"max_kwh": st.sampled_from([Decimal("0.2"), Decimal("0.5"), Decimal("1.5")])},
    {"min_duration": st.sampled_from([0, 60, 600, 1800])},
    {"max_duration": st.sampled_from([90, 900, 2400])},
]


@st.composite
def restrictions(draw: st.DrawFn) -> dict[str, Any]:
    """One rule mostly, sometimes two: more of them hardly ever hold together."""
    chosen = draw(st.lists(st.sampled_from(RULES), min_size=1, max_size=2))
    return {name: draw(strategy) for rule in chosen for name, strategy in rule.items()}


@st.composite
def elements(draw: st.DrawFn, *, steps: bool = True) -> dict[str, Any]:
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4, unique=True))
    step = st.sampled_from([0, 0, 1, 60, 250, 900]) if steps else st.just(0)
    components = [component(kind, str(draw(PRICES)), step=draw(step)) for kind in kinds]
    return element(*components, **(draw(restrictions()) if draw(st.integers(0, 3)) else {}))


TARIFFS = st.lists(elements(), min_size=2, max_size=5)
LEGS = st.lists(
    st.builds(
        Leg,
        seconds=st.sampled_from([60, 452, 900, 1776, 2700]),
        state=st.sampled_from(["charging", "charging", "suspended_ev", "suspended_evse"]),
        wh_per_s=st.sampled_from([Fraction(0), Fraction(1, 4), Fraction(1, 2), Fraction(1)]),
    ),
    min_size=2,
    max_size=4,
)
NAMES = {
    Counted.ENERGY: "energy_kwh",
    Counted.TIME: "time_h",
    Counted.PARKING_TIME: "parking_h",
    Counted.RESERVATION_TIME: "reservation_h",
}
FLOWS = ("min_power", "max_power", "min_current", "max_current")
EXACT = Context(prec=40)
SLOWLY = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def session_of(legs: list[Leg], start: datetime) -> Metered:
    """The readings of the legs: one at each beginning, one at the end."""
    now, wh, samples = start, Fraction(0), []
    for leg in legs:
        samples.append(sample(now, _kwh(wh), State(leg.state)))
        now, wh = now + timedelta(seconds=leg.seconds), wh + leg.seconds * leg.wh_per_s
    return metered(*samples, sample(now, _kwh(wh)))


def _kwh(wh: Fraction) -> str:
    return str(Decimal(wh.numerator) / wh.denominator / 1000)


def as_record(of: Price, cuts: int = 1) -> Recorded:
    """The periods that the engine cut, as a charge detail record with each of them in so many equal parts.

    Power and current are told where the tariff asks for them.
    """
    parts = []
    for one in of.periods:
        count = cuts if one.end > one.start else 1
        length = (one.end - one.start) / count
        told = {NAMES[counted]: _decimal(volume / count) for counted, volume in one.volumes.items()}
        now = one.conditions._asdict()
        flows = {name: _decimal(Fraction(now[name])) for name in FLOWS if now[name] is not None}
        volumes = {**told, **flows}
        parts += [RecordedPeriod(start=one.start + number * length, **volumes) for number in range(count)]
    return Recorded(start=of.start, end=of.end, periods=tuple(parts))


def _decimal(volume: Fraction) -> Decimal:
    return EXACT.divide(Decimal(volume.numerator), Decimal(volume.denominator))


BY_CLOCK = [
    element(component("ENERGY", "3", step=250), component("TIME", "5"), start_time="01:40", end_time="02:20"),
    element(component("TIME", "7", step=900), start_time="02:40", end_time="03:00"),
    element(component("PARKING_TIME", "9", step=60), component("FLAT", "4"), start_time="00:30"),
    element(component("ENERGY", "2"), component("TIME", "1"), component("PARKING_TIME", "6", step=900)),
]
BY_DAY = [
    element(component("ENERGY", "3"), day_of_week=["SUNDAY", "TUESDAY"], end_time="02:30"),
    element(component("TIME", "5", step=900), start_date="2026-10-25", end_date="2027-01-01"),
    element(component("ENERGY", "2"), component("TIME", "8"), component("FLAT", "3"), end_time="01:00"),
]
BY_AMOUNT = [
    element(component("ENERGY", "3"), component("TIME", "2"), max_kwh=Decimal("0.5")),
    element(component("ENERGY", "7", step=900), min_kwh=Decimal(1), start_time="02:15", end_time="01:15"),
    element(component("PARKING_TIME", "5"), min_duration=3600),
    element(component("ENERGY", "1"), component("TIME", "4", step=60), max_duration=6000),
]


@pytest.mark.parametrize("written", [BY_CLOCK, BY_DAY, BY_AMOUNT], ids=["clock", "day", "amount"])
@pytest.mark.parametrize("beginning", BEGINNINGS, ids=lambda one: f"{one[0]}-{one[1]:%Y-%m-%d}")
def test_each_night_of_change_agrees_with_brute_force_second_by_second(
    written: list[dict[str, Any]], beginning: tuple[ZoneInfo, datetime]
) -> None:
    zone, start = beginning
    legs = [
        Leg(4000, "charging", Fraction(1, 4)),
        Leg(1700, "suspended_ev", Fraction(0)),
        Leg(2000, "charging", Fraction(1, 2)),
        Leg(1111, "suspended_ev", Fraction(0)),
    ]
    result = price(tariff(*written), session_of(legs, start), zone)
    assert result.total.excl == total(written, legs, start, zone)


@SLOWLY
@given(TARIFFS, LEGS, st.sampled_from(BEGINNINGS))
def test_the_engine_agrees_with_brute_force_second_by_second(
    written: list[dict[str, Any]], legs: list[Leg], beginning: tuple[ZoneInfo, datetime]
) -> None:
    zone, start = beginning
    result = price(tariff(*written), session_of(legs, start), zone)
    assert result.total.excl == total(written, legs, start, zone)


@SLOWLY
@given(TARIFFS, LEGS, st.sampled_from(BEGINNINGS), st.sampled_from([2, 4]))
def test_t13_extra_cuts_change_nothing(
    written: list[dict[str, Any]], legs: list[Leg], beginning: tuple[ZoneInfo, datetime], cuts: int
) -> None:
    zone, start = beginning
    of = tariff(*written)
    from_readings = price(of, session_of(legs, start), zone)
    whole = price(of, as_record(from_readings), zone)
    split = price(of, as_record(from_readings, cuts), zone)

    assert whole.total == split.total == from_readings.total
    assert whole.payable == split.payable == from_readings.payable
    assert whole.warnings == split.warnings == ()


@SLOWLY
@given(TARIFFS, LEGS, st.sampled_from(BEGINNINGS))
def test_t53_t57_lines_and_parts_add_up_and_nothing_is_negative(
    written: list[dict[str, Any]], legs: list[Leg], beginning: tuple[ZoneInfo, datetime]
) -> None:
    zone, start = beginning
    limit = {"excl_vat": Decimal(2), "incl_vat": Decimal(3)}
    result = price(tariff(*written, max_price=limit), session_of(legs, start), zone)
    limits = [line for line in result.lines if line.counted is Counted.LIMIT]

    assert result.total == sum((line.amount for line in result.lines), Amount())
    assert result.total == sum(
        (result.part(part) for part in Part), sum((line.amount for line in limits), Amount())
    )
    assert all(line.amount.excl >= 0 for line in result.lines if line not in limits)
    assert 0 <= result.total.excl <= 2
    elapsed_h = Fraction(sum(leg.seconds for leg in legs), 3600)
    assert result.measured(Counted.TIME) + result.measured(Counted.PARKING_TIME) <= elapsed_h
    assert result.total_time_h == elapsed_h
    assert result.measured(Counted.ENERGY) == sum(leg.seconds * leg.wh_per_s for leg in legs) / 1000


@given(PRICES, st.integers(0, 5000), st.lists(st.integers(0, 10**6), min_size=2, max_size=2))
def test_t57_more_usage_never_costs_less(per_kwh: Decimal, step: int, wh: list[int]) -> None:
    of = tariff(element(component("ENERGY", str(per_kwh), "19", step=step)))
    less, more = (price(of, charging(BEGINNINGS[0][1], 10, str(Decimal(one) / 1000))) for one in sorted(wh))
    assert less.total.incl <= more.total.incl
    assert less.payable.incl.amount <= more.payable.incl.amount


STEPPED = st.lists(
    st.builds(component, st.just("ENERGY"), st.sampled_from(["1", "2"]), step=st.sampled_from([0, 70, 1000]))
    | st.builds(
        component, st.sampled_from(["TIME", "PARKING_TIME"]), st.just("6"), step=st.sampled_from([0, 70, 900])
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda one: one["type"],
)


@settings(SLOWLY, max_examples=200)
@given(TARIFFS, STEPPED, STEPPED, LEGS, st.sampled_from([None, -60, 0, 30, 400]))
def test_b40_no_leg_costs_more_than_was_said_before_it_began(
    written: list[dict[str, Any]],
    before: list[dict[str, Any]],
    after: list[dict[str, Any]],
    legs: list[Leg],
    change_s: int | None,
) -> None:
    """By any tariff, and by one whose steps are others as the leg begins."""
    zone, start = BEGINNINGS[0]
    stands_s = sum(leg.seconds for leg in legs[:-1])
    now = start + timedelta(seconds=stands_s)
    changes = [] if change_s is None else [now + timedelta(seconds=change_s)]
    ends = element(*before, max_duration=stands_s + 10)
    for of in (tariff(*written), tariff(ends, element(*after))):
        so_far, whole = (
            price(of, session_of(some, start), zone, tariff_changes=changes) for some in (legs[:-1], legs)
        )
        ahead = Ahead(
            stands=Conditions(now.astimezone(zone), Fraction(stands_s), so_far.measured(Counted.ENERGY)),
            span=timedelta(seconds=legs[-1].seconds),
            power_kw=_decimal(legs[-1].wh_per_s * Fraction(18, 5)),
            fee_is_due=not any(line.counted is Counted.FLAT and line.component for line in so_far.lines),
        )
        assert whole.total.excl - so_far.total.excl <= dearest(of, ahead)


@SLOWLY
@given(TARIFFS, LEGS, st.sampled_from(BEGINNINGS), elements(), st.integers(0, 5))
def test_t57_an_element_that_never_matches_changes_nothing(
    written: list[dict[str, Any]],
    legs: list[Leg],
    beginning: tuple[ZoneInfo, datetime],
    another: dict[str, Any],
    place: int,
) -> None:
    zone, start = beginning
    never = {**another, "restrictions": {**another.get("restrictions", {}), "end_date": "2020-01-01"}}
    with_it = tariff(*written[:place], never, *written[place:])
    session = session_of(legs, start)
    assert price(with_it, session, zone).total == price(tariff(*written), session, zone).total


@SLOWLY
@given(TARIFFS, LEGS, st.sampled_from(BEGINNINGS), st.randoms(use_true_random=False))
def test_t57_the_order_of_components_within_an_element_changes_nothing(
    written: list[dict[str, Any]], legs: list[Leg], beginning: tuple[ZoneInfo, datetime], random: Any
) -> None:
    zone, start = beginning
    shuffled = [
        {**one, "price_components": random.sample(one["price_components"], len(one["price_components"]))}
        for one in written
    ]
    session = session_of(legs, start)
    assert price(tariff(*shuffled), session, zone).total == price(tariff(*written), session, zone).total


@given(
    st.lists(st.fractions(min_value=0, max_value=50), min_size=1, max_size=5),
    st.sampled_from(["EUR", "JPY", "KWD"]),
    st.sampled_from(list(Basis)),
    st.integers(0, 100),
)
def test_t36_groups_of_what_is_payable_always_add_up(
    shares: list[Fraction], currency: str, basis: Basis, most: int
) -> None:
    groups = [(Decimal(rate), Amount(share, share)) for rate, share in enumerate(shares)]
    for limited in (None, Fraction(most, 7)):
        parts, whole = make_payable(Rounding(basis=basis), ToRound(currency, groups, limited))
        assert whole.excl + whole.vat == whole.incl
        assert sum(part.payable.incl.amount for part in parts) == whole.incl.amount
        if limited is not None:
            leading = whole.incl if basis is Basis.GROSS else whole.excl
            assert leading == Money.from_exact(limited, currency)
