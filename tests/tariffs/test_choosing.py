"""Which component prices what (tariffs T-01 to T-10), with the example of section 3."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from tariffs.pricing import Part, Reservation, State
from tests.tariffs.building import (
    AMSTERDAM,
    BERLIN,
    at,
    charging,
    component,
    element,
    lines,
    metered,
    payable,
    period,
    price,
    recorded,
    sample,
    tariff,
)

DAY_AND_NIGHT = tariff(
    element(component("ENERGY", "0.61", "21"), start_time="06:30", end_time="21:15"),
    element(component("ENERGY", "0.43", "21"), component("TIME", "0.90", "21")),
    element(component("FLAT", "0.85", "21")),
)


def energy_of(of: Any, session: Any, zone: Any = BERLIN) -> Fraction | None:
    return price(of, session, zone).part(Part.ENERGY).excl


def test_the_example_of_day_and_night_is_exact() -> None:
    night = at("21:15", AMSTERDAM)
    session = recorded(
        at("22:05", AMSTERDAM),
        period(at("20:50", AMSTERDAM), energy_kwh="8.125", time_h="0.416666666666666667"),
        period(night, energy_kwh="13.4", time_h="0.833333333333333333"),
    )
    result = price(DAY_AND_NIGHT, session, AMSTERDAM)

    assert result.total.excl == Fraction("12.69325")
    assert result.total.incl == Fraction("15.3588325")
    assert payable(result) == ("12.69", "2.67", "15.36")
    assert lines(result) == [
        ("ENERGY", 0, Fraction("8.125"), Fraction("8.125")),
        ("ENERGY", 1, Fraction("13.4"), Fraction("13.4")),
        ("TIME", 1, Fraction("1.25"), Fraction("1.25")),
        ("FLAT", 2, 1, 1),
    ]
    assert result.warnings == ()


def test_the_example_of_day_and_night_is_the_same_from_readings() -> None:
    session = metered(
        sample(at("20:50", AMSTERDAM), "100", State.CHARGING),
        sample(at("21:15", AMSTERDAM), "108.125"),
        sample(at("22:05", AMSTERDAM), "121.525"),
    )
    assert price(DAY_AND_NIGHT, session, AMSTERDAM).total.excl == Fraction("12.69325")


def test_t01_all_restrictions_of_an_element_must_hold() -> None:
    of = tariff(
        element(component("ENERGY", "1"), start_time="10:00", end_time="12:00", day_of_week=["MONDAY"]),
        element(component("ENERGY", "2")),
    )
    assert energy_of(of, charging(at("10:00", BERLIN), 60, "1")) == 1
    assert energy_of(of, charging(at("2026-03-03 10:00", BERLIN), 60, "1")) == 2
    assert energy_of(of, charging(at("12:00", BERLIN), 60, "1")) == 2


def test_t02_a_lower_bound_includes_and_an_upper_bound_excludes() -> None:
    of = tariff(
        element(component("ENERGY", "1"), max_kwh=12),
        element(component("ENERGY", "2"), min_kwh=12),
    )
    session = recorded(at("12:00"), period(at("10:00"), energy_kwh="12"), period(at("11:00"), energy_kwh="5"))
    assert energy_of(of, session) == 12 + 10


@pytest.mark.parametrize(
    ("window", "hour", "matches"),
    [
        (("22:00", "06:00"), "23:30", True),
        (("22:00", "06:00"), "05:59", True),
        (("22:00", "06:00"), "06:00", False),
        (("22:00", "06:00"), "21:59", False),
        (("22:00", "00:00"), "23:59", True),
        (("22:00", "00:00"), "00:00", False),
        (("08:00", "08:00"), "03:00", True),
        (("08:00", None), "23:00", True),
        (("08:00", None), "07:00", False),
        ((None, "08:00"), "07:59", True),
        ((None, "08:00"), "08:00", False),
        ((None, "00:00"), "12:00", True),
    ],
)
def test_daily_windows_wrap_over_midnight_and_end_at_midnight(
    window: tuple[str | None, str | None], hour: str, matches: bool
) -> None:
    given = {name: value for name, value in zip(("start_time", "end_time"), window, strict=True) if value}
    of = tariff(element(component("ENERGY", "1"), **given))
    session = recorded(
        at(f"2026-03-03 {hour}", BERLIN), period(at(f"2026-03-03 {hour}", BERLIN), energy_kwh="1")
    )
    assert energy_of(of, session) == int(matches)


def test_dates_include_the_first_and_exclude_the_last_local_day() -> None:
    of = tariff(element(component("ENERGY", "1"), start_date="2026-03-02", end_date="2026-03-03"))
    session = metered(
        sample(at("2026-03-01 23:00", BERLIN), "0", State.CHARGING),
        sample(at("2026-03-03 01:00", BERLIN), "26"),
    )
    assert energy_of(of, session) == 24


def test_a_night_window_belongs_to_the_day_it_is_evaluated_on() -> None:
    of = tariff(
        element(component("ENERGY", "1"), start_time="22:00", end_time="02:00", day_of_week=["MONDAY"])
    )
    monday_night = charging(at("2026-03-02 22:00", BERLIN), 240, "4")
    early_monday = charging(at("2026-03-02 00:00", BERLIN), 240, "4")
    assert energy_of(of, monday_night) == 2
    assert energy_of(of, early_monday) == 2


def test_t03_a_record_is_compared_by_its_least_and_greatest_power() -> None:
    of = tariff(
        element(component("ENERGY", "3"), min_power=14),
        element(component("ENERGY", "2"), max_power=11),
        element(component("ENERGY", "1")),
    )

    def one(**powers: str) -> Fraction | None:
        return energy_of(of, recorded(at("11:00"), period(at("10:00"), energy_kwh="1", **powers)))

    assert one(min_power="14", max_power="20") == 3
    assert one(min_power="13.9", max_power="20") == 1
    assert one(min_power="2", max_power="10.9") == 2
    assert one(min_power="2", max_power="11") == 1
    assert one(max_power="20") == 1
    assert one() == 1


def test_t03_current_is_compared_alike() -> None:
    of = tariff(element(component("ENERGY", "3"), min_current=32), element(component("ENERGY", "1")))
    fast = period(at("10:00"), energy_kwh="1", min_current="32")
    assert energy_of(of, recorded(at("11:00"), fast)) == 3
    assert energy_of(of, recorded(at("11:00"), period(at("10:00"), energy_kwh="1", max_current="40"))) == 1


def test_t05_dimensions_are_chosen_apart_and_the_first_element_wins() -> None:
    of = tariff(
        element(component("TIME", "6"), max_kwh=0),
        element(component("ENERGY", "1")),
        element(component("ENERGY", "9"), component("TIME", "3")),
    )
    result = price(of, recorded(at("11:00"), period(at("10:00"), energy_kwh="2", time_h="1")))
    assert [(line.counted, line.element) for line in result.lines] == [("ENERGY", 1), ("TIME", 2)]
    assert result.total.excl == 5


def test_t06_without_a_winner_a_dimension_is_free_and_has_a_line_that_says_so() -> None:
    of = tariff(element(component("ENERGY", "1"), start_time="10:00", end_time="11:00"))
    result = price(of, charging(at("10:30"), 60, "4"))
    free = result.lines[1]

    assert result.part(Part.ENERGY).excl == 2
    assert (free.element, free.measured, free.billed, free.amount.excl) == (None, 2, 0, 0)


def test_t07_restrictions_are_evaluated_at_the_start_of_a_period() -> None:
    of = tariff(element(component("ENERGY", "1"), end_time="11:00"), element(component("ENERGY", "2")))
    late = recorded(at("12:00"), period(at("10:59"), energy_kwh="10"))
    assert price(of, late).total.excl == 10


def test_t08_a_flat_fee_is_charged_once_at_the_first_period_that_finds_one() -> None:
    of = tariff(
        element(component("FLAT", "5"), min_kwh=4),
        element(component("FLAT", "7"), min_kwh=2),
    )
    session = recorded(
        at("14:00"),
        *(period(at(f"1{hour}:00"), energy_kwh="2") for hour in range(4)),
    )
    result = price(of, session)
    assert result.part(Part.FIXED).excl == 7
    assert result.lines[-1].stretches == ((at("11:00"), at("12:00")),)


RESERVING = tariff(
    element(component("FLAT", "1"), component("TIME", "6"), reservation="RESERVATION"),
    element(component("FLAT", "10"), component("TIME", "3"), component("ENERGY", "1")),
)


def test_t09_a_reservation_that_never_became_a_charge_pays_no_ordinary_fee() -> None:
    result = price(RESERVING, recorded(at("10:30"), period(at("10:00"), reservation_h="0.5")))
    assert result.total.excl == 1 + 3
    assert result.part(Part.RESERVATION).excl == 4
    assert result.part(Part.FIXED).excl == 0


def test_t09_ordinary_elements_never_price_a_reservation_nor_the_other_way() -> None:
    session = recorded(
        at("11:30"), period(at("10:00"), reservation_h="0.5"), period(at("10:30"), energy_kwh="2", time_h="1")
    )
    result = price(RESERVING, session)
    assert result.part(Part.RESERVATION).excl == 4
    assert result.part(Part.FIXED).excl == 10
    assert result.part(Part.TIME).excl == 3
    assert result.part(Part.ENERGY).excl == 2
    free = price(RESERVING, session, reservation=Reservation.FREE)
    assert (free.part(Part.RESERVATION).excl, free.total.excl) == (0, 15)


def test_t10_of_two_components_of_one_type_the_first_counts() -> None:
    of = tariff(element(component("ENERGY", "1"), component("ENERGY", "2")))
    result = price(of, recorded(at("11:00"), period(at("10:00"), energy_kwh="1")))
    assert result.total.excl == 1
    assert result.lines[0].component is not None
    assert result.lines[0].component.price == Decimal(1)
