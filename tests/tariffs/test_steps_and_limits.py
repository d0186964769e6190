"""Steps, reservations, limits, VAT and rounding (tariffs T-16 to T-20, T-25 to T-39), example by example."""

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from core.errors import Invalid
from tariffs import pricing
from tariffs.pricing import Basis, Counted, Part, Reservation, Rounding, State, Tax, Warned
from tariffs.rounding import ocpi
from tariffs.structure import Dimension
from tests.tariffs.building import (
    ZULU,
    at,
    charging,
    component,
    element,
    metered,
    minutes,
    payable,
    period,
    price,
    recorded,
    sample,
    tariff,
)


def test_t16_the_surplus_of_energy_goes_to_the_last_priced_component() -> None:
    of = tariff(
        element(component("ENERGY", "0.52", step=1), max_kwh=Decimal("3.47")),
        element(component("ENERGY", "0.36", step=400)),
    )
    session = recorded(
        at("12:00"), period(at("10:00"), energy_kwh="3.47"), period(at("11:00"), energy_kwh="2.18")
    )
    result = price(of, session)

    assert result.total.excl == Fraction("2.7152")
    assert result.measured(Counted.ENERGY) == Fraction("5.65")
    assert result.billed(Counted.ENERGY) == 6
    assert [line.billed for line in result.lines] == [Fraction("3.47"), Fraction("2.53")]
    assert result.lines[1].added_by_step == Fraction("0.35")


STAY = tariff(
    element(component("TIME", "1.80", step=420), component("PARKING_TIME", "4.20", step=480)),
)


@pytest.mark.parametrize(
    ("periods", "total"),
    [
        ((("time_h", 33), ("parking_h", 17)), "2.67"),
        ((("parking_h", 17), ("time_h", 33)), "2.24"),
    ],
)
def test_t17_only_the_last_priced_of_charging_and_parking_is_rounded(periods: Any, total: str) -> None:
    (first, one), (second, other) = periods
    begin, middle = at("10:00"), at("10:33" if one == 33 else "10:17")
    session = recorded(
        at("10:50"), period(begin, **{first: hours(one)}), period(middle, **{second: hours(other)})
    )
    assert ocpi(price(STAY, session).total.excl) == Decimal(total)


def test_t17_in_one_period_parking_counts_as_the_later() -> None:
    both = recorded(at("10:50"), period(at("10:00"), time_h=minutes(33), parking_h="0.3"))
    assert price(STAY, both).billed(Counted.PARKING_TIME) == Fraction(24, 60)
    assert price(STAY, both).billed(Counted.TIME) == Fraction(33, 60)


def test_t18_parking_that_nothing_prices_leaves_the_step_to_the_charging_beside_it() -> None:
    of = tariff(element(component("TIME", "1.20", step=3600)))
    both = recorded(at("10:51"), period(at("10:00"), time_h="0.55", parking_h="0.3"))

    assert price(of, both).billed(Counted.TIME) == 1


def test_t18_an_unpriced_tail_is_ignored() -> None:
    of = tariff(
        element(component("TIME", "1.20", step=60)),
        element(component("PARKING_TIME", "3.00", step=900), end_time="19:00"),
    )
    session = recorded(
        at("19:25"),
        period(at("18:20"), time_h=hours(17)),
        period(at("18:37"), parking_h=hours(23)),
        period(at("19:00"), parking_h=hours(25)),
    )
    result = price(of, session)
    assert ocpi(result.total.excl) == Decimal("1.8400")
    priced = [line for line in result.lines if line.counted is Counted.PARKING_TIME and line.component]
    assert [line.billed for line in priced] == [Fraction(30, 60)]


@pytest.mark.parametrize(
    ("kwh", "billed"), [("6", 6), ("0", 0), ("6.0001", Fraction("6.4")), ("-3.1", "-3.1")]
)
def test_t19_an_exact_multiple_and_nothing_at_all_are_not_rounded(kwh: str, billed: Any) -> None:
    of = tariff(element(component("ENERGY", "1", step=400)))
    result = price(of, recorded(at("11:00"), period(at("10:00"), energy_kwh=kwh)))
    assert result.billed(Counted.ENERGY) == Fraction(billed)


def test_t19_before_a_change_of_tariff_no_step_is_rounded() -> None:
    of = tariff(element(component("ENERGY", "1", step=400), max_duration=1800))
    session = recorded(
        at("11:00"), period(at("10:00"), energy_kwh="6.1"), period(at("10:30"), energy_kwh="2")
    )
    assert price(of, session, tariff_changes=[at("10:30")]).total.excl == Fraction("6.1")
    assert price(of, session).total.excl == Fraction("6.4")


def test_t19_what_the_last_tariff_prices_is_rounded_with_its_own_step_on_the_sessions_total() -> None:
    of = tariff(
        element(component("ENERGY", "0.52", step=300), max_duration=1800),
        element(component("ENERGY", "0.36", step=400)),
    )
    session = recorded(
        at("11:00"), period(at("10:00"), energy_kwh="3.47"), period(at("10:30"), energy_kwh="2.18")
    )
    result = price(of, session, tariff_changes=[at("10:30")])
    assert [line.billed for line in result.lines] == [Fraction("3.47"), Fraction("2.53")]


@pytest.mark.parametrize("when", ["09:00", "11:00", "12:00"])
def test_t19_a_change_before_the_start_or_from_the_end_on_is_none_of_the_session(when: str) -> None:
    of = tariff(element(component("ENERGY", "1", step=400)))
    session = recorded(at("11:00"), period(at("10:00"), energy_kwh="6.1"))
    assert price(of, session, tariff_changes=[at(when)]).total.excl == Fraction("6.4")


def test_t11_a_period_begins_where_the_tariff_changes_though_its_price_stays() -> None:
    of = tariff(element(component("ENERGY", "1", step=400)))
    result = price(of, charging(at("10:00"), 60, "6.1"), tariff_changes=[at("10:20")])
    assert [one.start for one in result.periods] == [at("10:00"), at("10:20")]
    assert result.total.excl == Fraction("6.4")


@pytest.mark.parametrize("microseconds", [0, 123_000, 123_456, 999_999])
def test_t19_a_change_within_a_millisecond_is_rounded_as_one_that_begins_with_it(microseconds: int) -> None:
    of = tariff(
        element(component("ENERGY", "0.50", step=1000), max_duration=1800),
        element(component("ENERGY", "0.60", step=1000)),
    )
    start = at("10:00") + timedelta(microseconds=microseconds)
    result = price(of, charging(start, 60, "5.5"), tariff_changes=[start + timedelta(minutes=30)])
    assert result.billed(Counted.ENERGY) == 6
    assert result.total.excl == Fraction("3.325")


def test_t19_a_change_within_the_millisecond_of_the_start_is_none_of_the_session() -> None:
    start = at("10:00")
    changes = [start + timedelta(microseconds=300)]
    of = tariff(element(component("ENERGY", "1", step=1000)))
    assert price(of, charging(start, 60, "5.5"), tariff_changes=changes).total.excl == 6


def test_t19_parking_before_the_change_is_exact_and_a_reservation_keeps_its_step() -> None:
    of = tariff(
        element(component("TIME", "6", step=900), reservation="RESERVATION"),
        element(
            component("TIME", "6", step=900), component("PARKING_TIME", "6", step=900), max_duration=3600
        ),
        element(component("ENERGY", "1")),
    )
    session = metered(
        sample(at("09:50"), state=State.RESERVED),
        sample(at("10:00"), "0", State.CHARGING),
        sample(at("10:40"), "5", State.SUSPENDED_EV),
        end=at("11:10"),
    )
    changed = price(of, session, tariff_changes=[at("10:50")])
    assert changed.part(Part.RESERVATION).excl == Fraction("1.5")
    assert changed.billed(Counted.TIME) == Fraction(40, 60)
    assert changed.billed(Counted.PARKING_TIME) == Fraction(10, 60)
    assert price(of, session).billed(Counted.PARKING_TIME) == Fraction(15, 60)


def test_no_step_means_no_rounding_and_a_zero_quantity_moves_no_surplus() -> None:
    of = tariff(
        element(component("ENERGY", "1", step=400), max_duration=3600),
        element(component("ENERGY", "2", step=1000)),
    )
    idle_tail = recorded(
        at("12:00"), period(at("10:00"), energy_kwh="1.1"), period(at("11:00"), energy_kwh="0")
    )
    assert price(of, idle_tail).total.excl == Fraction("1.2")
    plain = tariff(element(component("ENERGY", "1")))
    odd = recorded(at("11:00"), period(at("10:00"), energy_kwh="1.23456789"))
    assert price(plain, odd).total.excl == Fraction("1.23456789")


RESERVED = tariff(
    element(component("TIME", "2.40", step=360), reservation="RESERVATION"),
    element(component("FLAT", "3.30"), reservation="RESERVATION_EXPIRES"),
    element(component("TIME", "1.00", step=600)),
)


def test_t20_t26_reservation_time_is_rounded_apart_by_its_own_step() -> None:
    fifty = recorded(at("10:50"), period(at("10:00"), reservation_h=hours(50)))
    assert ocpi(price(RESERVED, fifty).total.excl) == Decimal("2.16")
    assert price(RESERVED, fifty, reservation=Reservation.EXPIRED).total.excl == Fraction("5.46")

    charged = recorded(
        at("11:15"), period(at("10:00"), reservation_h=hours(50)), period(at("10:50"), time_h=hours(25))
    )
    result = price(RESERVED, charged)
    assert result.part(Part.RESERVATION).excl == Fraction("2.16")
    assert result.part(Part.TIME).excl == Fraction("0.5")


def test_t25_an_expiry_replaces_per_dimension_and_both_kinds_add_up_otherwise() -> None:
    of = tariff(
        element(component("TIME", "2"), component("FLAT", "1"), reservation="RESERVATION"),
        element(component("TIME", "6"), reservation="RESERVATION_EXPIRES"),
    )
    hour = recorded(at("11:00"), period(at("10:00"), reservation_h="1"))
    assert price(of, hour, reservation=Reservation.EXPIRED).total.excl == 6 + 1
    assert price(of, hour).total.excl == 2 + 1


LIMITED = (element(component("ENERGY", "0.42", "19")), element(component("FLAT", "1.20", "7")))
USE = recorded(at("11:00"), period(at("10:00"), energy_kwh="5.5"))


@pytest.mark.parametrize(
    ("limit", "excl", "incl"),
    [
        (None, "3.51", "4.0329"),
        ({"excl_vat": Decimal(4), "incl_vat": Decimal("4.60")}, "4.00", "4.60"),
        ({"excl_vat": Decimal("3.60"), "incl_vat": Decimal("4.00")}, "3.60", "4.0329"),
        ({"excl_vat": Decimal(4)}, "4.00", "4.0329"),
    ],
)
def test_t27_t29_each_side_is_clamped_by_itself(limit: Any, excl: str, incl: str) -> None:
    result = price(tariff(*LIMITED, **({"min_price": limit} if limit else {})), USE)
    assert (result.total.excl, result.total.incl) == (Fraction(excl), Fraction(incl))


def test_t28_dimensions_are_not_scaled_and_a_line_shows_the_difference() -> None:
    of = tariff(*LIMITED, max_price={"excl_vat": Decimal(3), "incl_vat": Decimal("3.5")})
    result = price(of, USE)

    assert result.part(Part.ENERGY).excl == Fraction("2.31")
    assert result.part(Part.FIXED).excl == Fraction("1.20")
    assert result.lines[-1].counted is Counted.LIMIT
    assert result.lines[-1].amount.excl == Fraction("-0.51")
    assert result.total.excl == 3


def test_t30_a_session_without_usage_is_clamped_too() -> None:
    of = tariff(*LIMITED, min_price={"excl_vat": Decimal(4), "incl_vat": Decimal("4.76")})
    energy_only = tariff(LIMITED[0], min_price={"excl_vat": Decimal(4), "incl_vat": Decimal("4.76")})
    nothing = recorded(at("10:00"), period(at("10:00"), energy_kwh="0"))

    assert price(of, nothing).total.incl == Fraction("4.76")
    result = price(energy_only, nothing)
    assert payable(result) == ("4.00", "0.76", "4.76")
    assert result.warnings == (Warned.LIMIT_RATE_ASSUMED,)


def test_t30_a_minimum_that_no_usage_shares_has_the_rate_that_its_two_sides_tell() -> None:
    night = element(component("ENERGY", "0.30", "19"), start_time="22:00", end_time="06:00")
    kept = element(component("FLAT", "2.00", "0"), reservation="RESERVATION")
    reserved = tariff(kept, night, min_price={"excl_vat": Decimal(4), "incl_vat": Decimal("4.76")})
    noon = recorded(at("13:00"), period(at("12:00"), energy_kwh="3"))
    assert payable(price(reserved, noon)) == ("4.00", "0.76", "4.76")

    first = element(component("ENERGY", "0", "0"), max_kwh=5)
    rest = element(component("ENERGY", "0.50", "19"))
    four = recorded(at("13:00"), period(at("12:00"), energy_kwh="4"))
    graded = tariff(first, rest, min_price={"excl_vat": Decimal(3), "incl_vat": Decimal("3.57")})
    assert payable(price(graded, four)) == ("3.00", "0.57", "3.57")

    between = price(
        tariff(first, rest, min_price={"excl_vat": Decimal(3), "incl_vat": Decimal("3.21")}), four
    )
    assert payable(between) == ("unknown", "unknown", "3.21")
    assert between.warnings == (Warned.LIMIT_RATE_ASSUMED, Warned.TAX_UNKNOWN)


def test_t31_vat_is_grouped_by_rate_and_absent_is_not_zero() -> None:
    of = tariff(
        element(component("ENERGY", "1", "21"), component("TIME", "1", "0"), component("PARKING_TIME", "1")),
        element(component("FLAT", "1", "21.0")),
    )
    session = recorded(at("12:00"), period(at("10:00"), energy_kwh="1", time_h="1", parking_h="1"))
    groups = price(of, session).groups
    assert [(group.rate, group.exact.excl) for group in groups] == [(21, 2), (0, 1), (Tax.NONE, 1)]


def newer(*elements: Any, taxes: str, **fields: Any) -> Any:
    return tariff(*elements, tax_included=taxes, **fields)


NINE = recorded(at("11:00"), period(at("10:00"), energy_kwh="9.4"))


def test_t32_prices_of_2_3_0_can_include_the_taxes() -> None:
    energy = element(component("ENERGY", "0.66", "20"))
    inclusive = price(newer(energy, taxes="YES"), NINE)
    assert (inclusive.total.excl, inclusive.total.incl) == (Fraction("5.17"), Fraction("6.204"))
    assert payable(inclusive) == ("5.17", "1.03", "6.20")

    exclusive = price(newer(energy, taxes="NO"), NINE)
    assert (exclusive.total.excl, exclusive.total.incl) == (Fraction("6.204"), Fraction("7.4448"))

    neither = price(newer(energy, taxes="N/A"), NINE)
    assert (neither.total.excl, neither.total.incl) == (Fraction("6.204"), Fraction("6.204"))


@pytest.mark.parametrize(
    ("taxes", "excl", "incl", "told"),
    [
        ("YES", None, "6.204", ("unknown", "unknown", "6.20")),
        ("NO", "6.204", None, ("6.20", "unknown", "unknown")),
    ],
)
def test_t32_an_unknown_tax_leaves_the_other_side_unknown(
    taxes: str, excl: Any, incl: Any, told: Any
) -> None:
    of = newer(element(component("ENERGY", "0.66")), taxes=taxes)
    result = price(of, NINE)

    assert result.total.excl == (excl and Fraction(excl))
    assert result.total.incl == (incl and Fraction(incl))
    assert result.warnings == (Warned.TAX_UNKNOWN,)
    assert payable(result) == told


def test_t32_the_caller_can_name_the_unknown_rate() -> None:
    of = newer(element(component("ENERGY", "0.66")), taxes="YES")
    result = price(of, NINE, tax_rates={Dimension.ENERGY: Decimal(20)})
    assert (result.total.excl, result.warnings) == (Fraction("5.17"), ())


@pytest.mark.parametrize("basis", list(Basis))
@pytest.mark.parametrize(
    ("taxes", "told"),
    [("YES", ("unknown", "unknown", "5.00")), ("NO", ("5.00", "unknown", "unknown"))],
)
def test_t27_t32_a_limit_counts_for_what_is_payable_where_a_tax_is_unknown(
    taxes: str, told: Any, basis: Basis
) -> None:
    limit = {"before_taxes": Decimal(5), "after_taxes": Decimal(5)}
    of = newer(element(component("ENERGY", "0.66")), taxes=taxes, max_price=limit)
    assert payable(price(of, NINE, basis=basis)) == told


def test_t32_where_there_is_nothing_to_tax_no_tax_is_unknown() -> None:
    free = price(newer(element(component("ENERGY", "0")), taxes="NO"), NINE)
    assert (payable(free), free.warnings) == (("0.00", "0.00", "0.00"), ())


def test_t30_t32_a_minimum_without_usage_has_the_rate_that_the_caller_names() -> None:
    limit = {"before_taxes": Decimal(4), "after_taxes": Decimal("4.80")}
    of = newer(element(component("ENERGY", "1")), taxes="NO", min_price=limit)
    nothing = recorded(at("10:00"), period(at("10:00"), energy_kwh="0"))

    named = price(of, nothing, tax_rates={Dimension.ENERGY: Decimal(20)})
    assert payable(named) == ("4.00", "0.80", "4.80")
    assert payable(price(of, nothing)) == ("unknown", "unknown", "4.80")


def test_t36_a_credit_shares_no_limit_so_that_the_tax_stays_a_part_of_the_whole() -> None:
    of = tariff(
        element(component("ENERGY", "1", "19"), component("TIME", "1", "7")),
        min_price={"excl_vat": Decimal(4), "incl_vat": Decimal("4.28")},
    )
    session = recorded(at("14:00"), period(at("10:00"), energy_kwh="-3.96", time_h="4"))
    assert payable(price(of, session)) == ("4.00", "0.28", "4.28")


def test_t34_t38_nothing_is_rounded_per_period() -> None:
    of = tariff(element(component("TIME", "1.10")))
    thirds = [period(at(f"10:{start}"), time_h=hours(11)) for start in ("00", "11", "22")]
    result = price(of, recorded(at("10:33"), *thirds))
    assert ocpi(result.total.excl) == Decimal("0.6050")
    assert payable(result)[2] == "0.61"


@pytest.mark.parametrize(
    ("exact", "four"), [("12.69325", "12.6933"), ("-0.00005", "-0.0001"), ("1", "1.0000")]
)
def test_t35_numbers_of_ocpi_have_four_decimals_half_up(exact: str, four: str) -> None:
    assert str(ocpi(Fraction(exact))) == four


TWO_RATES = tariff(element(component("ENERGY", "1", "19")), element(component("TIME", "1", "7")))
BOTH = recorded(at("12:00"), period(at("10:00"), energy_kwh="7.4375", time_h="1.125"))


def test_t36_t37_gross_is_rounded_per_group_with_taxes() -> None:
    result = price(TWO_RATES, BOTH, basis=Basis.GROSS)
    assert payable(result) == ("8.56", "1.49", "10.05")
    assert [str(group.payable.incl) for group in result.groups] == ["8.85 EUR", "1.20 EUR"]
    assert [str(group.payable.vat) for group in result.groups] == ["1.41 EUR", "0.08 EUR"]


def test_t36_t37_net_is_rounded_per_group_without_taxes() -> None:
    result = price(TWO_RATES, BOTH, basis=Basis.NET)
    assert payable(result) == ("8.57", "1.49", "10.06")
    assert [str(group.payable.excl) for group in result.groups] == ["7.44 EUR", "1.13 EUR"]


def test_t36_a_limited_total_is_split_by_exact_share_with_largest_remainders() -> None:
    of = tariff(
        element(
            component("ENERGY", "1", "19"), component("TIME", "1", "7"), component("PARKING_TIME", "1", "0")
        ),
        max_price={"excl_vat": Decimal(1)},
    )
    session = recorded(at("14:00"), period(at("10:00"), energy_kwh="1", time_h="1", parking_h="1"))
    result = price(of, session, basis=Basis.NET)
    assert [str(group.payable.excl) for group in result.groups] == ["0.34 EUR", "0.33 EUR", "0.33 EUR"]
    assert payable(result)[0] == "1.00"


def test_t36_a_limit_on_the_other_side_moves_nothing_payable() -> None:
    of = tariff(*LIMITED, min_price={"excl_vat": Decimal("3.60"), "incl_vat": Decimal("4.00")})
    assert payable(price(of, USE)) == payable(price(tariff(*LIMITED), USE))


@pytest.mark.parametrize(("currency", "incl"), [("EUR", "1.24"), ("JPY", "1"), ("KWD", "1.236")])
def test_t36_payable_is_in_minor_units_of_the_currency(currency: str, incl: str) -> None:
    of = tariff(element(component("ENERGY", "1.2355")), currency=currency)
    result = price(of, recorded(at("11:00"), period(at("10:00"), energy_kwh="1")))
    assert payable(result)[2] == incl


def test_t36_discharge_makes_a_credit_that_rounds_away_from_zero() -> None:
    of = tariff(element(component("ENERGY", "1", "0")))
    result = price(of, recorded(at("11:00"), period(at("10:00"), energy_kwh="-1.005")))
    assert payable(result)[2] == "-1.01"


def test_t39_the_policy_is_kept_with_the_price_and_an_unknown_one_is_refused() -> None:
    assert price(TWO_RATES, BOTH).rounding == Rounding("session-vat-group/1", Basis.GROSS)
    with pytest.raises(Invalid, match="session-vat-group/1"):
        pricing.price(TWO_RATES, BOTH, zone=ZULU, rounding=Rounding(policy="other/1"))


def hours(of_minutes: int) -> str:
    """Minutes as hours with more digits than four decimals of any price can feel."""
    return str((Decimal(of_minutes) / 60).quantize(Decimal("1E-20")))


@pytest.mark.parametrize("basis", Basis)
def test_t32_a_limit_of_a_tariff_to_which_no_tax_applies_has_equal_sides(basis: Basis) -> None:
    of = tariff(element(component("ENERGY", "1")), tax_included="N/A", max_price={"before_taxes": Decimal(5)})
    result = price(of, recorded(at("11:00"), period(at("10:00"), energy_kwh="8")), basis=basis)
    assert (result.total.excl, result.total.incl) == (5, 5)
    assert payable(result) == ("5.00", "0.00", "5.00")
