"""What the next minutes of a session may cost at most (billing B-40)."""

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from tariffs.ahead import Ahead, dearest
from tariffs.structure import Tariff
from tariffs.usage import Conditions
from tests.tariffs.building import AMSTERDAM, at, charging, component, element, price, tariff

PER_KWH = element(component("ENERGY", "0.50"))


def most(one: Tariff, *, clock: str = "12:00", kwh: int = 5, minutes: int = 30, fee: bool = False) -> Decimal:
    """In three minutes of an outlet of 20 kW, which are a kWh."""
    local = datetime.fromisoformat(f"2026-03-02 {clock}").replace(tzinfo=AMSTERDAM)
    stands = Conditions(local, elapsed_s=Fraction(minutes * 60), kwh=Fraction(kwh))
    ahead = Ahead(stands=stands, span=timedelta(minutes=3), power_kw=Decimal(20), fee_is_due=fee)
    found = dearest(one, ahead)
    return Decimal(found.numerator) / Decimal(found.denominator)


def test_b40_energy_at_the_rating_the_time_and_the_idle_fee_are_added_with_their_taxes() -> None:
    all_of_it = element(
        component("ENERGY", "0.50", "20"), component("TIME", "2.00", "20"),
        component("PARKING_TIME", "6.00", "20"), component("FLAT", "1.00", "20"),
    )  # fmt: skip
    assert most(tariff(all_of_it)) == Decimal("1.08")
    assert most(tariff(all_of_it), fee=True) == Decimal("2.28")


@pytest.mark.parametrize(
    ("restrictions", "dearer"),
    [
        ({"min_kwh": 6}, False),
        ({"min_kwh": Decimal("5.9")}, True),
        ({"max_kwh": 5}, False),
        ({"max_kwh": Decimal("5.1")}, True),
        ({"min_duration": 33 * 60}, False),
        ({"min_duration": 32 * 60}, True),
        ({"max_duration": 30 * 60}, False),
        ({"start_time": "12:02"}, True),
        ({"start_time": "12:03"}, False),
        ({"start_time": "08:00", "end_time": "12:00"}, False),
        ({"day_of_week": ["MONDAY"]}, True),
        ({"day_of_week": ["SUNDAY"]}, False),
        ({"min_power": 20}, True),
        ({"min_power": 21}, False),
        ({"max_power": 3}, True),
        ({"min_current": 100}, True),
        ({"reservation": "RESERVATION"}, False),
    ],
)
def test_b40_the_dearest_element_that_may_hold_in_that_time_counts(
    restrictions: dict[str, Any], dearer: bool
) -> None:
    special = element(component("ENERGY", "3.00"), **restrictions)
    assert most(tariff(special, PER_KWH)) == (Decimal(3) if dearer else Decimal("0.5"))


def test_b40_what_stands_behind_an_element_that_surely_holds_never_counts() -> None:
    surely = element(component("ENERGY", "0.30"), min_kwh=2, max_kwh=50)
    maybe = element(component("ENERGY", "0.40"), min_kwh=2, max_kwh=Decimal("5.5"))
    assert most(tariff(surely, PER_KWH)) == Decimal("0.3")
    assert most(tariff(maybe, PER_KWH)) == Decimal("0.5")


def test_b40_a_step_comes_whole_on_top_since_it_rounds_the_sessions_total() -> None:
    assert most(tariff(element(component("ENERGY", "0.50", step=5000)))) == Decimal("3.0")
    assert most(tariff(element(component("PARKING_TIME", "6.00", step=600)))) == Decimal("1.3")


def test_b40_of_time_and_occupancy_one_alone_is_rounded() -> None:
    both = element(component("TIME", "6.00", step=600), component("PARKING_TIME", "6.00", step=1200))
    assert most(tariff(both)) == Decimal("2.6")


def test_b40_the_step_of_a_cheaper_price_may_come_after_the_dearest_energy() -> None:
    dear = element(component("ENERGY", "3.00"), max_kwh=Decimal("5.9"))
    assert most(tariff(dear, element(component("ENERGY", "0.50", step=1000)))) == Decimal("3.5")


def test_b40_a_step_that_comes_into_play_rounds_what_was_charged_before_as_well() -> None:
    of = tariff(
        element(component("ENERGY", "0.50"), max_kwh=Decimal("10.001")),
        element(component("ENERGY", "0.50", step=1000)),
    )
    before, after = (price(of, charging(at("10:00"), 30, kwh)) for kwh in ("10.0005", "11.0005"))
    rises = after.total.incl - before.total.incl
    stands = Conditions(at("10:30"), elapsed_s=Fraction(1800), kwh=Fraction("10.0005"))
    ahead = Ahead(stands=stands, span=timedelta(minutes=3), power_kw=Decimal(20), fee_is_due=False)
    assert rises == Fraction("0.99975")
    assert dearest(of, ahead) >= rises


def test_b40_what_is_free_or_has_a_credit_for_energy_asks_for_nothing() -> None:
    assert most(tariff(element(component("ENERGY", "0.00")))) == 0
