"""T-49 by the wire: what a station computes by itself is compared with our cost, and ours is billed."""

from typing import Any

import pytest

from core.access import Actor
from stations.models import Alert, StationCost
from tests.stations.ocpp.charging import Car, priced
from tests.stations.ocpp.test_session_costs import Plug, cost_of, plug, told

__all__ = ["plug"]


def details(incl: float | None, *, currency: str = "EUR", **more: Any) -> dict[str, Any]:
    total = {} if incl is None else {"inclTax": incl}
    cost = {"currency": currency, "typeOfCost": "NormalCost", "total": total}
    usage = {"energy": 4, "chargingTime": 600, "idleTime": 0}
    return {"totalCost": cost, "totalUsage": usage, **more}


def charged(plug: Plug, by: Actor, **fields: Any) -> Car:
    """4 kWh at 0.50 and 19 %: 2.38."""
    priced(by)
    car = plug("2.1")
    car.start(0, 0)
    car.stop(10, 4000, **fields)
    return car


def alert_of(car: Car) -> Alert | None:
    return Alert.objects.filter(kind="station_cost_differs", subject=str(car.session.pk)).first()


@pytest.mark.parametrize("theirs", [2.38, 2.37, 2.39])
def test_t49_up_to_one_minor_unit_apart_is_the_same(plug: Plug, alice: Actor, theirs: float) -> None:
    car = charged(plug, alice, costDetails=details(theirs))
    row = StationCost.objects.get(transaction=car.session)

    assert (float(row.incl_vat or 0), row.differs) == (theirs, False)
    assert told(cost_of(car)) == ("final", "2.00", "2.38")
    assert alert_of(car) is None


@pytest.mark.parametrize("theirs", [2.36, 2.4, 0, 1e30])
def test_t49_further_apart_raises_an_alert_and_ours_is_billed(
    plug: Plug, alice: Actor, theirs: float
) -> None:
    car = charged(plug, alice, costDetails=details(theirs))
    alert = alert_of(car)

    assert told(cost_of(car)) == ("final", "2.00", "2.38")
    assert alert is not None
    assert alert.detail.startswith(f"Session {car.name} costs ")
    assert alert.detail.endswith("Ours is billed. Check the tariff that the station holds.")
    assert StationCost.objects.get(transaction=car.session).differs is True


def test_t49_another_currency_differs(plug: Plug, alice: Actor) -> None:
    car = charged(plug, alice, costDetails=details(2.38, currency="CHF"))

    assert alert_of(car) is not None


def test_t49_a_total_without_taxes_is_compared_without_them(plug: Plug, alice: Actor) -> None:
    told_ = details(None)
    told_["totalCost"]["total"] = {"exclTax": 2.0}
    car = charged(plug, alice, costDetails=told_)

    assert StationCost.objects.get(transaction=car.session).differs is False
    assert alert_of(car) is None


def test_t49_a_failure_to_calculate_raises_an_alert_with_the_reason(plug: Plug, alice: Actor) -> None:
    failed = details(2.38, failureToCalculate=True, failureReason="no clock")
    car = charged(plug, alice, costDetails=failed)
    alert = alert_of(car)

    assert alert is not None
    assert "could not compute" in alert.detail
    assert "(no clock)" in alert.detail
    assert told(cost_of(car)) == ("final", "2.00", "2.38")


def test_t49_a_station_that_computes_nothing_is_compared_with_nothing(plug: Plug, alice: Actor) -> None:
    car = charged(plug, alice)

    assert not StationCost.objects.filter(transaction=car.session).exists()
    assert alert_of(car) is None
