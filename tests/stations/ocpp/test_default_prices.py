"""T-45 by the wire: 1.6 stations with the cost extension show the price that holds now while nobody is there."""

import json
from datetime import timedelta
from typing import Any

import pytest

from core import clock
from core.access import Actor
from stations.models import Command, TariffAssignment, Variable
from stations.services import default_prices, sites, stations
from tests.stations.ocpp.charging import priced
from tests.stations.ocpp.knocking import Charger
from tests.stations.ocpp.test_costs_told import knows
from tests.tariffs.building import component, element
from tests.waiting import eventually
from tests.wire.client import WireStation

DEARER = element(component("ENERGY", "0.90", "19"), component("FLAT", "1", "19"))


def written(charger: Charger, socket: WireStation, status: str = "Accepted", **later: Any) -> dict[str, Any]:
    """What the sweeper writes, as the station takes it; the keys with their values."""
    count = default_prices.keep(clock.now() + timedelta(**later))
    keys = {}
    for _ in range(count):
        call = socket.next_call()
        assert call[2] == "ChangeConfiguration"
        assert len(call[3]["value"]) <= 500
        keys[call[3]["key"]] = json.loads(call[3]["value"])
        socket.reply(call, {"status": status})
    waiting = Command.objects.filter(station=charger.station, settled_at=None)
    eventually(lambda: not waiting.exists(), what="the answers")
    return keys


def test_t45_the_price_is_written_once_and_again_where_it_changes(charger: Charger, alice: Actor) -> None:
    priced(alice)
    knows(charger, "CustomDisplayCostAndPrice")
    with charger.dial("1.6") as socket:
        socket.boot()
        first = written(charger, socket)
        second = written(charger, socket)
        priced(alice, DEARER)
        third = written(charger, socket)

    words = "Energy: 0.595 € per kWh incl. 19 % VAT."
    assert first == {
        "DefaultPrice": {
            "priceText": words, "priceTextOffline": words, "chargingPrice": {"kWhPrice": 0.595},
        }
    }  # fmt: skip
    assert second == {}
    assert third["DefaultPrice"]["chargingPrice"] == {"kWhPrice": 1.071, "flatFee": 1.19}


def test_t45_a_station_of_many_languages_has_the_text_in_each_of_ours(charger: Charger, alice: Actor) -> None:
    priced(alice)
    sites.update(charger.station.site, {"country": "DE"}, by=alice)
    knows(charger, "CustomDisplayCostAndPrice")
    now = clock.now()
    Variable.objects.create(
        station=charger.station, component="", variable="CustomMultiLanguageMessages", value="true",
        changed_at=now, reported_at=now,
    )  # fmt: skip
    with charger.dial("1.6") as socket:
        socket.boot()
        keys = written(charger, socket)

    assert set(keys) == {"DefaultPrice", "DefaultPriceText,en", "DefaultPriceText,de"}
    assert keys["DefaultPrice"]["priceText"] == "Energie: 0,595 € je kWh inkl. 19 % MwSt."
    assert keys["DefaultPriceText,de"]["priceText"] == "Energie: 0,595 € je kWh inkl. 19 % MwSt."
    assert keys["DefaultPriceText,en"]["priceText"] == "Energy: 0.595 € per kWh incl. 19 % VAT."


def test_t45_a_station_that_refuses_is_asked_again_after_an_hour_and_no_sooner(
    charger: Charger, alice: Actor
) -> None:
    priced(alice)
    knows(charger, "CustomDisplayCostAndPrice")
    with charger.dial("1.6") as socket:
        socket.boot()
        first = written(charger, socket, "Rejected")
        soon = written(charger, socket, minutes=50)
        later = written(charger, socket, minutes=61)

    assert set(first) == set(later) == {"DefaultPrice"}
    assert soon == {}


def test_t45_a_long_price_keeps_whole_sentences(charger: Charger, alice: Actor) -> None:
    many = [
        element(component("ENERGY", f"0.{30 + hour}", "19"), start_time=f"{hour:02}:00", end_time=f"{hour + 1:02}:00")
        for hour in range(20)
    ]  # fmt: skip
    priced(alice, *many)
    knows(charger, "CustomDisplayCostAndPrice")
    with charger.dial("1.6") as socket:
        socket.boot()
        told = written(charger, socket)["DefaultPrice"]["priceText"]

    assert told.startswith("Energy: ")
    assert told.endswith(").")


@pytest.mark.parametrize("without", ["extension", "tariff", "one price", "version"])
def test_t45_nothing_is_written_where_there_is_no_display_or_no_one_price(
    charger: Charger, alice: Actor, without: str
) -> None:
    if without != "tariff":
        priced(alice)
    if without != "extension":
        knows(charger, "CustomDisplayCostAndPrice")
    if without == "one price":
        priced(alice, DEARER, place=stations.add_evse(charger.station, 1))
        stations.add_evse(charger.station, 2)
    with charger.dial("2.0.1" if without == "version" else "1.6") as socket:
        socket.boot()
        count = default_prices.keep(clock.now())

    assert count == 0
    assert not Command.objects.filter(station=charger.station).exists()


def test_t45_a_price_that_holds_no_more_is_emptied_once(charger: Charger, alice: Actor) -> None:
    priced(alice)
    knows(charger, "CustomDisplayCostAndPrice")
    with charger.dial("1.6") as socket:
        socket.boot()
        first = written(charger, socket)
        TariffAssignment.objects.filter(organization=alice.home).update(ended_at=clock.now())
        gone = written(charger, socket)
        again = written(charger, socket)

    assert set(first) == {"DefaultPrice"}
    assert gone == {"DefaultPrice": {"priceText": ""}}
    assert again == {}
