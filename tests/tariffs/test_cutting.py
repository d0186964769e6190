"""Periods from readings: thresholds, crossings, clocks and states (tariffs T-11 to T-15, T-21 to T-24, T-44)."""

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from tariffs.local_time import boundaries, find_zone
from tariffs.pricing import CannotPrice, Counted, Metered, Part, Price, Sample, State, Warned
from tariffs.structure import Tariff
from tariffs.usage import state_of
from tests.tariffs.building import (
    AMSTERDAM,
    BERLIN,
    ZULU,
    at,
    charging,
    component,
    element,
    metered,
    period,
    price,
    recorded,
    sample,
    tariff,
)
from tests.tariffs.test_properties import as_record

BY_KWH = tariff(element(component("ENERGY", "0.55"), max_kwh=12), element(component("ENERGY", "0.38")))
BY_POWER = tariff(element(component("ENERGY", "1"), min_power=14), element(component("ENERGY", "2")))


def starts(of: Price) -> list[datetime]:
    return [one.start for one in of.periods]


def energies(of: Price) -> list[Fraction]:
    return [one.volumes[Counted.ENERGY] for one in of.periods]


def test_t12_a_kwh_threshold_is_placed_where_the_register_reaches_it() -> None:
    session = metered(
        sample(at("13:00"), "0", State.CHARGING), sample(at("14:00"), "10.8"), sample(at("14:18"), "16.2")
    )
    result = price(BY_KWH, session)

    assert starts(result) == [at("13:00"), at("14:04:00")]
    assert energies(result) == [12, Fraction("4.2")]
    assert result.total.excl == Fraction("8.196")


def test_t12_a_power_crossing_is_placed_by_linear_interpolation() -> None:
    session = metered(
        sample(at("11:00:00"), "0", State.CHARGING, power="10.5"),
        sample(at("12:00:00"), "4.000", power="10.5"),
        sample(at("12:07:00"), "5.680", power="18.9"),
    )
    result = price(BY_POWER, session)

    assert starts(result) == [at("11:00"), at("12:02:55")]
    assert energies(result) == [Fraction("4.7"), Fraction("0.98")]


def test_t12_falling_power_leaves_the_restriction_where_it_passes_the_bound() -> None:
    session = metered(
        sample(at("12:00:00"), "0", State.CHARGING, power="18.9"),
        sample(at("12:07:00"), "1.68", power="10.5"),
    )
    result = price(BY_POWER, session)
    assert starts(result) == [at("12:00"), at("12:04:05")]
    assert result.total.excl == Fraction("0.98") + 2 * Fraction("0.7")


def test_t12_cuts_are_rounded_down_to_the_millisecond_and_energies_stay_exact() -> None:
    session = metered(sample(at("12:00:00"), "0", State.CHARGING), sample(at("12:00:07"), "36"))
    result = price(BY_KWH, session)
    assert starts(result)[1] == at("12:00:02.333")
    assert energies(result) == [12, 24]


def test_t12_several_thresholds_between_two_readings_all_count() -> None:
    of = tariff(
        element(component("ENERGY", "3"), max_kwh=1),
        element(component("ENERGY", "2"), max_kwh=2),
        element(component("ENERGY", "1")),
    )
    assert price(of, charging(at("10:00"), 30, "3")).total.excl == 6


def test_t12_the_register_need_not_begin_at_zero() -> None:
    assert price(BY_KWH, charging(at("10:00"), 30, "16.2", "98765.4321")).total.excl == Fraction("8.196")


def test_t11_a_duration_counts_elapsed_seconds_and_cuts() -> None:
    of = tariff(element(component("TIME", "0"), max_duration=1800), element(component("TIME", "6")))
    result = price(of, charging(at("10:00"), 50))
    assert starts(result) == [at("10:00"), at("10:30")]
    assert result.total.excl == 2


def test_t11_charging_and_parking_are_periods_of_their_own() -> None:
    session = metered(
        sample(at("10:00"), "0", State.CHARGING),
        sample(at("11:00"), "9", State.SUSPENDED_EV),
        sample(at("11:30"), "9"),
    )
    of = tariff(element(component("TIME", "2"), component("PARKING_TIME", "6")))
    result = price(of, session)
    assert (result.part(Part.TIME).excl, result.part(Part.PARKING).excl) == (2, 3)
    assert starts(result) == [at("10:00"), at("11:00")]


def test_t11_a_tariff_without_thresholds_makes_one_period_of_a_thousand_readings() -> None:
    samples = [
        sample(at("10:00") + timedelta(seconds=30 * number), str(number), State.CHARGING)
        for number in range(1000)
    ]
    result = price(tariff(element(component("ENERGY", "0.5"))), metered(*samples))
    assert len(result.periods) == 1
    assert result.total.excl == Fraction("499.5")


def test_t14_a_record_is_priced_by_its_starts_and_straddling_is_told() -> None:
    straddling = recorded(at("11:00"), period(at("10:00"), energy_kwh="13"))
    result = price(BY_KWH, straddling)
    assert result.total.excl == Fraction("7.15")
    assert result.warnings == (Warned.UNCUT_PERIOD,)

    cut = recorded(at("11:00"), period(at("10:00"), energy_kwh="12"), period(at("10:30"), energy_kwh="1"))
    assert price(BY_KWH, cut).warnings == ()


@pytest.mark.parametrize(
    "restrictions", [{"end_time": "10:30"}, {"max_duration": 1800}, {"end_date": "2026-03-02"}]
)
def test_t14_clocks_and_durations_are_straddled_too(restrictions: dict[str, object]) -> None:
    of = tariff(element(component("TIME", "1"), **restrictions), element(component("TIME", "2")))
    day_long = "24" if "end_date" in restrictions else "1"
    begin = at("2026-03-01 12:00") if "end_date" in restrictions else at("10:00")
    session = recorded(begin + timedelta(hours=int(day_long)), period(begin, time_h=day_long))
    assert price(of, session).warnings == (Warned.UNCUT_PERIOD,)


def test_t14_a_boundary_that_changes_no_component_is_no_warning() -> None:
    of = tariff(element(component("TIME", "1"), end_time="10:30"), element(component("ENERGY", "2")))
    assert price(of, recorded(at("11:00"), period(at("10:00"), energy_kwh="1"))).warnings == ()


def refused(of: Tariff, session: Metered) -> str:
    with pytest.raises(CannotPrice) as caught:
        price(of, session)
    return caught.value.code


def test_t15_contradictions_and_gaps_are_refused_and_never_guessed() -> None:
    begin = sample(at("10:00"), "5", State.CHARGING)
    assert refused(BY_KWH, metered(begin, sample(at("11:00"), "4.9"))) == "register_fell"
    assert refused(BY_KWH, metered(begin, sample(at("09:00"), "6"), end=at("11:00"))) == "out_of_order"
    assert refused(BY_KWH, metered(begin, sample(at("10:00"), "6"))) == "contradiction"
    assert refused(BY_KWH, metered(sample(at("10:00"), state=State.CHARGING))) == "missing_register"
    assert refused(BY_KWH, metered(begin, end=at("09:59"))) == "end_before_start"
    assert refused(BY_KWH, Metered(samples=(), end=at("10:00"))) == "no_readings"
    assert refused(BY_POWER, metered(begin, sample(at("11:00"), "6"))) == "missing_power"


def test_t15_at_the_start_nothing_flows_so_a_first_power_told_later_leaves_no_gap() -> None:
    session = metered(
        sample(at("10:00"), "5", State.CHARGING),
        sample(at("10:10"), "6", power="28"),
        sample(at("11:00"), "26", power="28"),
    )
    result = price(BY_POWER, session)
    # From 0 kW it runs in a line to 28, so that 14 are crossed after five minutes
    assert starts(result) == [at("10:00"), at("10:05")]
    assert result.total.excl == Fraction("0.5") * 2 + Fraction("20.5")
    assert price(BY_POWER, as_record(result)).total == result.total


def test_t15_while_the_register_stands_no_power_flows() -> None:
    session = metered(
        sample(at("10:00"), "5", State.CONNECTED),
        sample(at("10:20"), "5", State.CHARGING),
        sample(at("10:30"), "6", power="28"),
        sample(at("11:00"), "20", power="28"),
    )
    result = price(BY_POWER, session)
    assert starts(result) == [at("10:00"), at("10:20"), at("10:25")]
    assert result.total.excl == Fraction("0.5") * 2 + Fraction("14.5")


def test_t15_a_car_that_takes_nothing_has_no_power_whoever_tells_it() -> None:
    of = tariff(element(component("TIME", "9"), min_power=1), element(component("TIME", "3")))
    session = metered(sample(at("10:00"), "5", State.CHARGING), sample(at("11:00"), "5"))
    assert price(of, session).total.excl == 3


@pytest.mark.parametrize(
    "samples",
    [
        # energy was read without power before power was told
        [
            sample(at("10:00"), "5", State.CHARGING),
            sample(at("10:05"), "6"),
            sample(at("10:10"), "7", power="28"),
        ],
        # nobody knows what flowed before the first register
        [sample(at("10:00"), None, State.CHARGING), sample(at("10:10"), "7", power="28")],
        [
            sample(at("10:00"), None, State.CHARGING),
            sample(at("10:05"), "5"),
            sample(at("10:10"), "7", power="28"),
        ],
    ],
)
def test_t15_a_register_is_no_reading_of_power_so_real_gaps_stay(samples: list[Sample]) -> None:
    assert refused(BY_POWER, metered(*samples, end=at("11:00"))) == "missing_power"


def test_t15_a_car_that_gives_back_stood_still_at_its_start_only() -> None:
    session = metered(
        sample(at("10:00"), "5", State.CHARGING),
        sample(at("10:20"), "5"),
        sample(at("10:40"), "6", power="28"),
        sample(at("11:00"), "6", power="28"),
        discharges=True,
    )
    assert starts(price(BY_POWER, session)) == [at("10:00"), at("10:20")]


def test_t15_after_a_reservation_too_nothing_flows_at_the_start() -> None:
    session = metered(
        sample(at("09:00"), state=State.RESERVED),
        sample(at("10:00"), "5", State.CHARGING),
        sample(at("10:10"), "6", power="28"),
        end=at("10:30"),
    )
    assert starts(price(BY_POWER, session)) == [at("09:00"), at("10:00"), at("10:05")]


@pytest.mark.parametrize(
    ("starts_at", "code"), [(("10:00", "10:00"), "out_of_order"), (("11:00", "10:00"), "out_of_order")]
)
def test_t15_duplicate_or_disordered_periods_of_a_record_are_refused(
    starts_at: tuple[str, str], code: str
) -> None:
    periods = [period(at(start), energy_kwh="1") for start in starts_at]
    with pytest.raises(CannotPrice) as caught:
        price(BY_KWH, recorded(at("12:00"), *periods, start=at("09:00")))
    assert caught.value.code == code


def test_t15_a_record_has_no_period_before_its_start_or_after_its_end() -> None:
    for session in (
        recorded(at("12:00"), period(at("10:00"), energy_kwh="1"), start=at("10:30")),
        recorded(at("12:00"), period(at("12:01"), energy_kwh="1"), start=at("10:30")),
        recorded(at("09:00"), period(at("10:00"), energy_kwh="1")),
    ):
        with pytest.raises(CannotPrice):
            price(BY_KWH, session)


def test_t15_power_is_not_asked_for_while_nothing_is_counted() -> None:
    session = metered(
        sample(at("10:00"), "0", State.CONNECTED),
        sample(at("10:10"), "0", State.CHARGING, power="20"),
        sample(at("10:20"), "3", power="20"),
    )
    assert price(BY_POWER, session).total.excl == 3


def test_t15_declared_discharge_may_be_negative_and_falls_back_below_a_threshold() -> None:
    session = metered(
        sample(at("10:00"), "0", State.CHARGING),
        sample(at("11:00"), "14"),
        sample(at("12:00"), "10"),
        discharges=True,
    )
    result = price(BY_KWH, session)
    assert energies(result) == [12, 2, -2, -2]
    assert result.total.excl == 12 * Fraction("0.55") + 0 * Fraction("0.38") - 2 * Fraction("0.55")


def test_t13_a_record_of_a_battery_that_gave_back_and_took_again_costs_what_the_session_cost() -> None:
    parked = tariff(element(component("PARKING_TIME", "6"), min_kwh=2))
    session = metered(
        sample(at("10:00"), "0", State.CHARGING),
        sample(at("11:00"), "2", State.SUSPENDED_EV),
        sample(at("12:00"), "-2"),
        sample(at("13:00"), "2"),
        sample(at("14:00"), "3"),
        discharges=True,
    )
    result = price(parked, session)

    # Below 2 kWh from 11:00 to 13:00, though it holds as much at 13:00 as it did at 11:00.
    assert energies(result) == [2, -4, 4, 1]
    assert [price(parked, as_record(result, cuts)).total.excl for cuts in (1, 4)] == [6, 6]
    assert result.total.excl == 6


NIGHT = tariff(
    element(component("TIME", "0.60"), start_time="02:00", end_time="03:00"),
    element(component("TIME", "1.50")),
)


def test_t22_in_autumn_the_doubled_hour_counts_twice() -> None:
    session = charging(at("2026-10-25 01:30", BERLIN), 210)
    result = price(NIGHT, session, BERLIN)
    assert result.total_time_h == Fraction("3.5")
    assert result.total.excl == Fraction("3.45")


def test_t22_in_spring_the_missing_hour_does_not_exist() -> None:
    session = metered(
        sample(at("2027-03-28 01:30", BERLIN), "0", State.CHARGING), end=at("2027-03-28 04:00", BERLIN)
    )
    result = price(NIGHT, session, BERLIN)
    assert result.total_time_h == Fraction("1.5")
    assert result.total.excl == Fraction("2.25")


def test_t22_a_window_can_be_left_and_entered_again_by_the_jump_of_the_clock() -> None:
    of = tariff(element(component("TIME", "1"), start_time="02:30", end_time="04:00"))
    session = metered(sample(at("2026-10-24 23:00"), "0", State.CHARGING), end=at("2026-10-25 05:00"))
    result = price(of, session, BERLIN)
    (priced,) = (line for line in result.lines if line.element == 0)
    assert priced.stretches == (
        (at("2026-10-25 00:30"), at("2026-10-25 01:00")),
        (at("2026-10-25 01:30"), at("2026-10-25 03:00")),
    )


@pytest.mark.parametrize(
    ("zone", "night"),
    [("Europe/Berlin", "2026-10-24"), ("Europe/Dublin", "2026-10-24"), ("Australia/Lord_Howe", "2026-04-04"),
     ("America/St_Johns", "2026-10-31"), ("Asia/Kathmandu", "2026-06-01"), ("Africa/Casablanca", "2026-02-14")],
)  # fmt: skip
def test_f21_in_every_zone_each_second_of_a_change_night_is_priced_once(zone: str, night: str) -> None:
    of = tariff(
        element(component("TIME", "1"), start_time="01:30", end_time="02:15"),
        element(component("TIME", "10"), start_time="02:15", end_time="22:00"),
        element(component("TIME", "100"), start_time="22:00", end_time="01:30"),
    )
    session = metered(
        sample(at(f"{night} 00:00"), "0", State.CHARGING), end=at(f"{night} 00:00") + timedelta(days=2)
    )
    result = price(of, session, ZoneInfo(zone))
    assert sum(line.measured for line in result.lines if line.counted is Counted.TIME) == 48
    assert all(line.element is not None for line in result.lines if line.counted is Counted.TIME)


def test_t21_the_zone_of_the_site_decides_and_is_kept_with_the_price() -> None:
    of = tariff(element(component("ENERGY", "1"), end_time="12:00"), element(component("ENERGY", "2")))
    session = charging(at("11:30"), 10, "1")
    assert price(of, session, ZULU).total.excl == 1
    assert price(of, session, BERLIN).total.excl == 2
    assert price(of, session, AMSTERDAM).zone == AMSTERDAM


@pytest.mark.parametrize("name", ["", "Berlin", "Europe/Atlantis", "../../etc/passwd", "CET+99", "a" * 300])
def test_t21_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(Exception, match="is not a time zone"):
        find_zone(name)


def test_t21_without_local_restrictions_no_clock_cuts_a_session() -> None:
    assert boundaries([], BERLIN, at("00:00"), at("2027-03-02 00:00")) == []


@pytest.mark.parametrize(
    ("word", "state"),
    [("Charging", State.CHARGING), ("SuspendedEV", State.SUSPENDED_EV), ("Finishing", State.SUSPENDED_EV),
     ("SuspendedEVSE", State.SUSPENDED_EVSE), ("EVConnected", State.CONNECTED), ("Idle", State.CONNECTED),
     ("Faulted", None), ("", None)],
)  # fmt: skip
def test_t23_words_of_ocpp_are_states(word: str, state: State | None) -> None:
    assert state_of(word) is state


def test_t23_what_we_hold_back_is_never_charged_as_time_or_parking() -> None:
    assert state_of("SuspendedEV", held_back=True) is State.SUSPENDED_EVSE
    assert state_of("Charging", held_back=True) is State.SUSPENDED_EVSE
    assert state_of("EVConnected", held_back=True) is State.SUSPENDED_EVSE
    assert state_of("Faulted", held_back=True) is None


STAYING = tariff(element(component("TIME", "60"), component("PARKING_TIME", "600"), component("ENERGY", "1")))


def test_t23_each_state_counts_as_what_the_table_says() -> None:
    session = metered(
        sample(at("10:00"), "0", State.CONNECTED),
        sample(at("10:01"), "0", State.CHARGING),
        sample(at("10:11"), "2", State.SUSPENDED_EVSE),
        sample(at("10:31"), "2.5", State.CHARGING),
        sample(at("10:33"), "3", None),
        sample(at("10:36"), "3", State.SUSPENDED_EV),
        sample(at("10:39"), "3", State.CONNECTED),
        end=at("10:40"),
    )
    result = price(STAYING, session)
    assert result.part(Part.TIME).excl == 10 + 5
    assert result.part(Part.PARKING).excl == 40
    assert result.part(Part.ENERGY).excl == 3
    assert result.total_time_h == Fraction(40, 60)
    assert result.measured(Counted.PARKING_TIME) == Fraction(4, 60)


def test_t23_a_state_that_was_never_told_counts_as_nothing() -> None:
    result = price(STAYING, metered(sample(at("10:00"), "0"), sample(at("11:00"), "5")))
    assert result.total.excl == 5


@pytest.mark.parametrize("read_at", ["10:30:01", "11:00"])
def test_t23_energy_that_flowed_before_the_car_waited_may_be_read_only_afterwards(read_at: str) -> None:
    charged = metered(
        sample(at("10:00"), "0"),
        sample(at("10:01"), None, State.CHARGING),
        sample(at("10:30"), None, State.CONNECTED),
        sample(at(read_at), "8"),
        end=at("11:00"),
    )
    waiting = metered(
        sample(at("10:00"), "0", State.CONNECTED),
        sample(at("10:10"), None, State.CHARGING),
        sample(at("10:20"), "8"),
    )

    assert price(STAYING, charged).measured(Counted.PARKING_TIME) == Fraction(1, 2)
    assert price(STAYING, waiting).measured(Counted.PARKING_TIME) == 0


def test_t24_nothing_after_the_end_is_billed() -> None:
    session = metered(sample(at("10:00"), "0", State.CHARGING), sample(at("11:00"), "6"), end=at("10:30"))
    result = price(STAYING, session)
    assert (result.part(Part.ENERGY).excl, result.part(Part.TIME).excl) == (3, 30)


def test_t25_a_reservation_is_the_first_state_of_a_session_and_counts_into_durations() -> None:
    of = tariff(
        element(component("TIME", "6"), reservation="RESERVATION"),
        element(component("TIME", "60"), min_duration=1800),
    )
    session = metered(
        sample(at("10:00"), state=State.RESERVED),
        sample(at("10:20"), "100", State.CHARGING),
        sample(at("10:40"), "105"),
    )
    result = price(of, session)
    assert result.part(Part.RESERVATION).excl == 2
    assert result.part(Part.TIME).excl == 10


def test_t44_the_running_cost_is_the_same_function_with_now_as_the_end_and_never_falls() -> None:
    of = tariff(
        element(component("ENERGY", "0.55", "19"), max_kwh=12),
        element(component("ENERGY", "0.38", "19"), component("TIME", "1.20", "19")),
        element(component("FLAT", "1", "19")),
    )
    samples = [
        sample(at(f"10:{minute:02}"), str(Decimal(minute) / 3), State.CHARGING) for minute in range(0, 60, 3)
    ]
    costs = []
    for minute in range(60):
        known = [one for one in samples if one.at <= at(f"10:{minute:02}")]
        costs.append(price(of, metered(*known, end=at(f"10:{minute:02}"))).total.incl or Fraction(0))
    assert costs == sorted(costs)
    assert costs[-1] == price(of, metered(*samples, end=at("10:59"))).total.incl


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_t13_energy_given_back_from_a_threshold_on_is_below_it_however_it_is_cut(parts: int) -> None:
    of = tariff(element(component("ENERGY", "0.50"), min_kwh=6), element(component("ENERGY", "0.30")))
    given = [
        period(at(f"11:{number * 60 // parts:02}"), energy_kwh=str(-Decimal(4) / parts))
        for number in range(parts)
    ]
    result = price(of, recorded(at("12:00"), period(at("10:00"), energy_kwh="6"), *given))

    assert result.total.excl == Fraction("0.30") * (6 - 4)
    assert result.warnings == ()


def test_t14_energy_given_back_down_to_a_threshold_is_cut_as_it_should_be() -> None:
    of = tariff(element(component("ENERGY", "0.50"), min_kwh=6), element(component("ENERGY", "0.30")))
    cut = [period(at("10:00"), energy_kwh="6"), period(at("10:30"), energy_kwh="6")]
    back = [period(at("11:00"), energy_kwh="-6"), period(at("11:30"), energy_kwh="-3")]
    result = price(of, recorded(at("12:00"), *cut, *back))

    assert result.total.excl == Fraction("0.30") * (6 - 3)
    assert result.warnings == ()


def test_t14_energy_given_back_across_a_threshold_is_told_as_uncut() -> None:
    of = tariff(element(component("ENERGY", "0.50"), min_kwh=6), element(component("ENERGY", "0.30")))
    cut = [period(at("10:00"), energy_kwh="6"), period(at("10:30"), energy_kwh="2")]
    result = price(of, recorded(at("12:00"), *cut, period(at("11:00"), energy_kwh="-4")))

    assert result.total.excl == Fraction("0.30") * 6 + Fraction("0.50") * (2 - 4)
    assert result.warnings == (Warned.UNCUT_PERIOD,)


FEES = tariff(
    element(component("FLAT", "7"), component("TIME", "6"), reservation="RESERVATION"),
    element(component("FLAT", "5"), end_time="10:30"),
    element(component("FLAT", "1"), component("ENERGY", "0.50")),
)


@pytest.mark.parametrize("first", [None, State.CONNECTED, State.CHARGING])
def test_t08_the_fee_of_a_session_is_that_of_its_start_not_of_the_gap_after_its_reservation(
    first: State | None,
) -> None:
    session = metered(
        sample(at("09:00"), state=State.RESERVED),
        sample(at("10:00"), state=State.LAPSED),
        sample(at("11:00"), "0", first or State.CONNECTED),
        sample(at("11:10"), "1", State.CHARGING if first else None),
        sample(at("12:00"), "6"),
    )
    result = price(FEES, session)
    fee = next(line for line in result.lines if line.counted is Counted.FLAT)

    assert (fee.element, fee.stretches[0][0]) == (2, at("11:00"))
    assert result.part(Part.RESERVATION).excl == 7 + 6
    assert result.total.excl == 7 + 6 + 1 + 3
    assert [(one.start, dict(one.volumes)) for one in result.periods][1] == (at("10:00"), {})
    assert price(FEES, as_record(result)).total == result.total


def test_t09_a_reservation_that_lapsed_without_a_session_pays_no_fee_of_one() -> None:
    session = metered(
        sample(at("09:00"), "0", State.RESERVED), sample(at("10:00"), state=State.LAPSED), end=at("10:20")
    )
    result = price(FEES, session)
    assert result.part(Part.FIXED).excl == 0
    assert price(FEES, as_record(result)).part(Part.FIXED).excl == 0


def test_t08_a_record_whose_first_period_counts_nothing_has_its_fee_there_all_the_same() -> None:
    session = recorded(at("11:00"), period(at("10:00")), period(at("10:40"), energy_kwh="2"))
    result = price(FEES, session)
    assert [line.element for line in result.lines if line.counted is Counted.FLAT] == [1]
