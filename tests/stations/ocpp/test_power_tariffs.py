"""T-15 by the wire: prices that depend on power, where the first sample comes some time after the start."""

import pytest

from core.access import Actor
from tests.stations.ocpp.asking import VERSIONS
from tests.stations.ocpp.charging import priced
from tests.stations.ocpp.test_session_costs import Plug, cost_of, look, plug, told
from tests.tariffs.building import component, element

__all__ = ["plug"]
FAST = element(component("ENERGY", "1", "19"), min_power=14)
SLOW = element(component("ENERGY", "0.50", "19"))


@pytest.mark.parametrize("version", VERSIONS)
def test_t15_the_first_power_may_be_told_with_the_first_sample_after_the_start(
    plug: Plug, alice: Actor, version: str
) -> None:
    priced(alice, FAST, SLOW)
    car = plug(version)
    car.start(0, 5000)
    car.reads(10, 6000, power_w=28_000)
    running = look(car)
    car.reads(40, 20_000, power_w=28_000)
    car.stop(60, 29_000)

    # 14 kW are crossed after five minutes: 0.5 kWh at 0.50, the rest at 1
    assert told(running) == ("running", "0.75", "0.89")
    assert told(cost_of(car)) == ("final", "23.75", "28.26")


@pytest.mark.parametrize("version", VERSIONS)
def test_t15_power_that_nobody_told_while_energy_was_read_waits_for_a_person(
    plug: Plug, alice: Actor, version: str
) -> None:
    priced(alice, FAST, SLOW)
    car = plug(version)
    car.start(0, 5000)
    car.reads(10, 6000)
    car.reads(40, 20_000, power_w=28_000)
    car.stop(60, 29_000)
    cost = cost_of(car)

    assert (cost.state, cost.cause, cost.incl_vat) == ("review", "missing_power", None)


@pytest.mark.parametrize("version", VERSIONS)
def test_t15_a_session_without_energy_needs_no_power(plug: Plug, alice: Actor, version: str) -> None:
    priced(alice, element(component("TIME", "6", "19"), min_power=14), element(component("TIME", "3", "19")))
    car = plug(version)
    car.start(0, 5000)
    car.stop(60, 5000)

    assert told(cost_of(car)) == ("final", "3.00", "3.57")
