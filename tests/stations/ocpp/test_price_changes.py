"""T-45 and T-46 by the wire: displays are told when a price changes, and for how long a car may stand for nothing."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core import clock
from core.access import Actor
from stations.models import SessionCost
from stations.services import cost_displays, session_costs
from tariffs import publishing
from tests.stations.ocpp.asking import VERSIONS, VERSIONS_2X
from tests.stations.ocpp.charging import Car, priced
from tests.stations.ocpp.knocking import Charger
from tests.stations.ocpp.test_costs_told import knows, sweep, told
from tests.stations.ocpp.test_session_costs import Plug, look, plug
from tests.tariffs.building import component, document, element
from tests.waiting import eventually

__all__ = ["plug"]
STEPS = (
    element(component("ENERGY", "0.50", "19"), max_kwh=3),
    element(component("ENERGY", "0.40", "19")),
)
PARKED = (
    element(component("ENERGY", "0.50", "19"), component("PARKING_TIME", "6", "19"), min_duration=5400),
    element(component("ENERGY", "0.50", "19")),
)


def shown(car: Car) -> Any:
    """The cost that a 2.x station is told next."""
    call = car.socket.next_call()
    car.socket.reply(call, {})
    assert call[2] == "CostUpdated"
    return call[3]["totalCost"]


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_t46_a_cost_is_told_at_once_where_the_price_changed_by_the_energy(
    plug: Plug, alice: Actor, charger: Charger, version: str
) -> None:
    priced(alice, *STEPS)
    knows(charger, "Cost")
    car = plug(version)
    car.start(0, 0)
    car.reads(10, 2000)
    look(car)
    counts = [sweep()]
    first = shown(car)
    car.reads(20, 2500)
    look(car)
    counts.append(sweep())
    car.reads(30, 4000)
    look(car)
    counts += [sweep(), sweep()]
    second = shown(car)

    # 2 kWh; then 3 at 0.50 and one at 0.40: told within the half minute, and once.
    assert counts == [1, 0, 1, 0]
    assert (first, second) == (1.19, 2.26)


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_t46_a_price_that_the_clock_changes_is_told_though_the_cost_stays(
    plug: Plug, alice: Actor, charger: Charger, version: str
) -> None:
    car = plug(version, hours_ago=0.5)
    change = (car.at(20) + timedelta(seconds=59)).astimezone(ZoneInfo("Europe/Berlin"))
    until = change + timedelta(hours=2)
    later = element(
        component("ENERGY", "0.40", "19"), start_time=f"{change:%H:%M}", end_time=f"{until:%H:%M}"
    )
    priced(alice, later, element(component("ENERGY", "0.50", "19")))
    knows(charger, "Cost")
    car.start(0, 0)
    car.reads(10, 2000)
    before = session_costs.price(car.session.pk, now=car.at(15))
    counts = [sweep()]
    cost = shown(car)
    SessionCost.objects.filter(pk=car.session.pk).update(computed_at=car.at(15))
    due = [one.pk for one in session_costs._due(change.replace(second=0), set())]
    session_costs.sweep(clock.now())
    counts += [sweep(), sweep()]

    assert before is not None
    assert before.price_changes_at == change.replace(second=0)
    assert car.session.pk in due
    assert (counts, cost, shown(car)) == ([1, 1, 0], 1.19, 1.19)


def test_t45_a_running_cost_says_for_how_long_a_car_may_stand_for_nothing_and_what_comes_then(
    plug: Plug, alice: Actor, charger: Charger
) -> None:
    priced(alice, *PARKED)
    knows(charger, "CustomDisplayCostAndPrice")
    car = plug("1.6", hours_ago=1.005)
    car.start(0, 1000)
    car.reads(10, 3000)
    look(car)
    sweep()
    name, body = told(car.socket)
    change = datetime.fromisoformat(body["nextPeriod"]["atTime"])

    assert name == "RunningCost"
    assert body["idlePrice"] == {"graceMinutes": 29, "hourPrice": 7.14}
    assert body["nextPeriod"]["idlePrice"] == {"graceMinutes": 0, "hourPrice": 7.14}
    assert body["triggerMeterValue"]["atTime"] == body["nextPeriod"]["atTime"]
    assert abs(change - car.at(90)) < timedelta(seconds=2)


def test_t45_a_running_cost_is_told_at_once_where_the_price_changed(
    plug: Plug, alice: Actor, charger: Charger
) -> None:
    priced(alice, *STEPS)
    knows(charger, "CustomDisplayCostAndPrice")
    car = plug("1.6")
    car.start(0, 0)
    car.reads(10, 2000)
    look(car)
    sweep()
    first = told(car.socket)[1]
    car.reads(20, 4000)
    look(car)
    again = sweep()
    second = told(car.socket)[1]

    assert again == 1
    assert (first["chargingPrice"], second["chargingPrice"]) == ({"kWhPrice": 0.595}, {"kWhPrice": 0.476})
    assert timedelta(seconds=30) == cost_displays.EVERY


@pytest.mark.parametrize("version", VERSIONS)
def test_t46_the_first_price_that_a_dynamic_tariff_gets_meanwhile_is_told_at_once(
    plug: Plug, alice: Actor, charger: Charger, version: str
) -> None:
    first = priced(alice, dynamic=True)
    knows(charger, "Cost", "CustomDisplayCostAndPrice")
    car = plug(version, hours_ago=0.1)
    car.start(0, 0)
    car.reads(5, 2000)
    look(car)
    counts = [sweep()]
    costs = [told_cost(car)]
    dearer = document(element(component("ENERGY", "0.90", "19")), id=first.tariff.ocpi_id, dynamic=True)
    begin = publishing.publish(publishing.edit(first.tariff, dearer, by=alice), by=alice).valid_from
    assert begin is not None
    eventually(lambda: clock.now() > begin + timedelta(seconds=1), what="the second in which it begins")
    look(car)
    counts += [sweep(), sweep()]
    costs.append(told_cost(car))

    # told within the half minute, though the cost is the same; and once
    assert counts == [1, 1, 0]
    assert costs == [1.19, 1.19]


def told_cost(car: Car) -> Any:
    return told(car.socket)[1]["cost"] if car.is_16 else shown(car)
