"""T-42, T-47 by the wire: a 2.1 station that prices is told what the frozen copy of a session says, and no other."""

from typing import Any

import pytest

from core.access import Actor
from core.errors import Conflict
from stations.domain import intents
from stations.models import Command, StationTariff
from tariffs import publishing
from tests.factories import unique
from tests.stations.ocpp.asking import ask, issue
from tests.stations.ocpp.charging import Car, priced
from tests.stations.ocpp.knocking import Charger
from tests.stations.ocpp.test_session_costs import Plug, plug
from tests.tariffs.building import component, document, element

__all__ = ["plug"]
ACCEPTED = {"status": "Accepted"}
OWN = "The session is billed by the tariff of its start; the station can be told no other."


def native(price: float, name: str = "MINE") -> dict[str, Any]:
    """A tariff as OCPP 2.1 has it."""
    energy = {"prices": [{"priceKwh": price}], "taxRates": [{"type": "VAT", "tax": 19}]}
    return {"tariffId": name, "currency": "EUR", "energy": energy}


def change(car: Car, tariff: dict[str, Any]) -> intents.ChangeTransactionTariff:
    return intents.ChangeTransactionTariff(transaction=car.session.pk, tariff=tariff)


@pytest.mark.parametrize("dynamic", [False, True])
def test_t42_another_tariff_for_a_session_that_is_billed_by_its_own_is_refused(
    plug: Plug, charger: Charger, alice: Actor, dynamic: bool
) -> None:
    priced(alice, dynamic=dynamic)
    car = plug("2.1")
    car.start(0)
    with pytest.raises(Conflict, match=OWN):
        issue(charger, alice, change(car, native(0.45)))
    with pytest.raises(Conflict, match=OWN):
        issue(charger, alice, change(car, {**native(0.50), "minCost": {"exclTax": 2}}))

    assert not Command.objects.filter(station=charger.station).exists()
    assert not StationTariff.objects.filter(station=charger.station).exists()


def test_t42_neither_can_it_be_said_in_the_words_of_the_wire(
    plug: Plug, charger: Charger, alice: Actor
) -> None:
    priced(alice)
    car = plug("2.1")
    car.start(0)
    payload = {"transactionId": car.name, "tariff": native(0.45)}
    with pytest.raises(Conflict, match=OWN):
        issue(charger, alice, intents.Call(action="ChangeTransactionTariff", payload=payload))
    own = {**payload, "tariff": native(0.50)}
    call, command = ask(
        charger, car.socket, alice, intents.Call(action="ChangeTransactionTariff", payload=own), ACCEPTED
    )

    assert command.status == "accepted"
    assert call[2:] == ["ChangeTransactionTariff", own]


def test_t42_a_version_published_meanwhile_is_none_of_a_running_session(
    plug: Plug, charger: Charger, alice: Actor
) -> None:
    name = unique("T")[-36:]
    version = priced(alice, id=name)
    car = plug("2.1", hours_ago=0.1)
    car.start(0)
    dearer = document(element(component("ENERGY", "0.90", "19")), id=name)
    publishing.publish(publishing.edit(version.tariff, dearer, by=alice), by=alice)
    with pytest.raises(Conflict, match=OWN):
        issue(charger, alice, change(car, native(0.90)))
    call, command = ask(charger, car.socket, alice, change(car, native(0.50)), ACCEPTED)

    assert call[3]["tariff"]["energy"]["prices"] == [{"priceKwh": 0.5}]
    assert command.status == "accepted"


def test_t42_without_a_tariff_named_the_station_is_told_that_of_the_session(
    plug: Plug, charger: Charger, alice: Actor
) -> None:
    version = priced(alice)
    car = plug("2.1")
    car.start(0)
    call, _command = ask(charger, car.socket, alice, change(car, {}), ACCEPTED)

    assert call[2:] == [
        "ChangeTransactionTariff",
        {"transactionId": car.name, "tariff": native(0.50, str(version.pk))},
    ]


def test_t47_a_tariff_that_has_no_exact_words_is_told_by_nobody(
    plug: Plug, charger: Charger, alice: Actor
) -> None:
    priced(alice, element(component("ENERGY", "0.50", "19", step=500)))
    car = plug("2.1")
    car.start(0)
    for tariff in ({}, native(0.50)):
        with pytest.raises(Conflict, match="cannot be said exactly"):
            issue(charger, alice, change(car, tariff))
