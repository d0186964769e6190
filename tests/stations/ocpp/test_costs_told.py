"""T-45 to T-47 by the wire: what stations are told of prices and costs, in their own version's words."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import translation

from core import clock
from core.access import Actor
from core.models import AuditEntry
from stations.domain.intents import DataTransfer
from stations.models import Alert, Command, SessionCost, Variable
from stations.services import cost_displays, session_costs, sites, stations, vendors
from tests.factories import make_driver, make_token
from tests.stations.ocpp.asking import VERSIONS_2X, ended, issue
from tests.stations.ocpp.charging import Car, priced, publish
from tests.stations.ocpp.knocking import Charger
from tests.stations.ocpp.test_session_costs import Plug, cost_of, look, plug
from tests.tariffs.building import component, element
from tests.waiting import eventually
from tests.wire.client import WireStation

__all__ = ["plug"]
NIGHT = (
    element(component("ENERGY", "0.30", "19"), start_time="22:00", end_time="06:00"),
    element(component("ENERGY", "0.50", "19"), component("PARKING_TIME", "6", "19")),
)


def knows(charger: Charger, *names: str) -> None:
    """The station told that it shows these."""
    now = clock.now()
    for name in names:
        key = {"component": "", "variable": name} if name == "CustomDisplayCostAndPrice" else {
            "component": "TariffCostCtrlr", "variable": "Enabled", "variable_instance": name}  # fmt: skip
        Variable.objects.create(station=charger.station, value="true", changed_at=now, reported_at=now, **key)


def authorize(socket: WireStation, by: Actor, value: str | None = None) -> Any:
    token = value or make_token(by).value
    if socket.version == "1.6":
        return socket.call("Authorize", {"idTag": token})
    return socket.call("Authorize", {"idToken": {"idToken": token, "type": "ISO14443"}})


def told(socket: WireStation) -> tuple[str, Any]:
    """The next thing that the station is told by a vendor's message, and accepts."""
    call = socket.next_call()
    socket.reply(call, {"status": "Accepted"})
    assert (call[2], call[3]["vendorId"]) == ("DataTransfer", "org.openchargealliance.costmsg")
    return call[3]["messageId"], json.loads(call[3]["data"])


def sweep() -> int:
    return cost_displays.tell_running(clock.now())


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_t46_the_price_stands_in_words_beside_an_accepted_token(
    charger: Charger, alice: Actor, version: str
) -> None:
    priced(alice)
    sites.update(charger.station.site, {"country": "DE"}, by=alice)
    with charger.dial(version) as socket:
        socket.boot()
        info = authorize(socket, alice)["idTokenInfo"]
        refused = authorize(socket, alice, "UNKNOWN")["idTokenInfo"]

    assert info["personalMessage"] == {
        "format": "UTF8", "language": "de", "content": "Energie: 0,595 € je kWh inkl. 19 % MwSt.",
    }  # fmt: skip
    assert "personalMessage" not in refused


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_t46_the_price_is_told_in_the_language_of_the_driver_before_that_of_the_site(
    charger: Charger, alice: Actor, version: str
) -> None:
    priced(alice)
    token = make_token(alice, driver=make_driver(alice, language="de"))
    sites.update(charger.station.site, {"country": "GB"}, by=alice)
    with charger.dial(version) as socket:
        socket.boot()
        own = authorize(socket, alice, token.value)["idTokenInfo"]["personalMessage"]
        other = authorize(socket, alice)["idTokenInfo"]["personalMessage"]

    assert (own["language"], other["language"]) == ("de", "en")
    assert own["content"] == "Energie: 0,595 € je kWh inkl. 19 % MwSt."


def test_t45_a_driver_is_told_price_and_final_cost_in_the_own_language(
    plug: Plug, alice: Actor, charger: Charger
) -> None:
    priced(alice)
    knows(charger, "CustomDisplayCostAndPrice")
    car = plug("1.6")
    car.token = make_token(alice, driver=make_driver(alice, language="de")).value
    authorize(car.socket, alice, car.token)
    price = told(car.socket)
    car.start(0, 1000)
    car.stop(30, 6000)
    final = told(car.socket)

    assert price[1]["priceText"] == "Energie: 0,595 € je kWh inkl. 19 % MwSt."
    assert final[1]["priceTextExtra"][0]["language"] == "de"


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_t46_where_outlets_have_prices_of_their_own_none_is_told_before_the_start(
    charger: Charger, alice: Actor, version: str
) -> None:
    priced(alice)
    evse = stations.add_evse(charger.station, 1)
    stations.add_evse(charger.station, 2)
    priced(alice, place=evse)
    with charger.dial(version) as socket:
        socket.boot()
        answer = authorize(socket, alice)

    assert answer == {"idTokenInfo": {"status": "Accepted"}}


def test_a_price_that_is_too_long_drops_whole_sentences(charger: Charger, alice: Actor) -> None:
    many = [
        element(
            component("ENERGY", f"0.{30 + hour}", "19"),
            start_time=f"{hour:02}:00",
            end_time=f"{hour + 1:02}:00",
        )
        for hour in range(20)
    ]
    priced(alice, *many, tariff_alt_url="https://example.org/prices")
    with charger.dial("2.0.1") as socket:
        socket.boot()
        content = authorize(socket, alice)["idTokenInfo"]["personalMessage"]["content"]

    assert len(content) <= 512
    assert content.endswith("more: https://example.org/prices")


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_t46_the_cost_so_far_is_in_the_answers_and_the_final_one_in_the_last(
    plug: Plug, alice: Actor, version: str
) -> None:
    priced(alice)
    car = plug(version)
    started = car.start(0, 0)
    unknown = car.reads(10, 2000)
    look(car)
    so_far = car.reads(20, 4000)
    look(car)
    later = car.says(25, "SuspendedEV")
    ended = car.stop(30, 5000)

    assert "totalCost" not in started
    assert (unknown, so_far, later) == ({}, {"totalCost": 1.19}, {"totalCost": 2.38})
    assert ended == {"totalCost": 2.98}


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_t46_the_cost_so_far_is_told_to_who_shows_a_token_meanwhile(
    plug: Plug, alice: Actor, version: str
) -> None:
    priced(alice)
    car = plug(version)
    car.start(0, 0)
    car.reads(10, 2000)
    token = {"idToken": car.token, "type": "ISO14443"}
    unknown = car.says(11, "SuspendedEV", idToken=token)
    look(car)
    answer = car.says(12, "Charging", idToken=token)

    assert unknown == {"idTokenInfo": {"status": "Accepted"}}
    assert answer == {"idTokenInfo": {"status": "Accepted"}, "totalCost": 1.19}


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_t46_an_end_that_is_repeated_has_the_same_cost(plug: Plug, alice: Actor, version: str) -> None:
    priced(alice)
    car = plug(version)
    car.start(0, 0)
    first = car.stop(30, 5000)
    car.numbers = iter([1])
    again = car.stop(30, 5000)

    assert again == first == {"totalCost": 2.98}


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_t46_nothing_is_told_where_nothing_is_known_and_zero_only_where_it_is_free(
    plug: Plug, alice: Actor, version: str
) -> None:
    priced(alice)
    car = plug(version)
    car.start(0, 0)
    look(car)
    not_yet = car.reads(10, 0)
    priced(alice, element(component("ENERGY", "0")))
    free = Car(car.charger, car.socket, alice)
    car.stop(15, 0)
    free.start(20, 0)
    free.reads(21, 100)
    look(free)

    assert not_yet == {}
    assert free.reads(22, 200) == {"totalCost": 0}


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_t46_cost_updated_is_said_by_itself_once_in_half_a_minute_and_only_for_news(
    plug: Plug, alice: Actor, charger: Charger, version: str
) -> None:
    priced(alice)
    knows(charger, "Cost")
    car = plug(version)
    car.start(0, 0)
    car.reads(10, 2000)
    look(car)
    first = sweep()
    call = car.socket.next_call()
    car.socket.reply(call, {})
    car.reads(20, 4000)
    look(car)
    at_once = sweep()
    SessionCost.objects.filter(pk=car.session.pk).update(told_at=clock.now() - timedelta(seconds=31))
    later = sweep()
    second = car.socket.next_call()
    car.socket.reply(second, {})
    SessionCost.objects.filter(pk=car.session.pk).update(told_at=clock.now() - timedelta(seconds=31))
    unchanged = sweep()

    assert (call[2], call[3]) == ("CostUpdated", {"totalCost": 1.19, "transactionId": car.name})
    assert second[3]["totalCost"] == 2.38
    assert (first, at_once, later, unchanged) == (1, 0, 1, 0)
    assert Command.objects.filter(station=charger.station, command="cost_updated").count() == 2


def test_t46_a_cost_that_finds_no_place_in_the_queue_is_told_when_there_is_one(
    plug: Plug, alice: Actor, charger: Charger, settings: Any
) -> None:
    settings.OCPP_COMMAND_QUEUE_MAX = 1
    priced(alice)
    knows(charger, "Cost")
    car = plug("2.0.1")
    car.start(0, 0)
    car.reads(10, 2000)
    look(car)
    said = DataTransfer(vendor_id="com.example", message_id="Busy", data="")
    issue(charger, alice, said)
    call = car.socket.next_call()
    waits = issue(charger, alice, said)
    full = sweep()
    for one in (call, None):
        car.socket.reply(one or car.socket.next_call(), {"status": "Accepted"})
    ended(waits)
    SessionCost.objects.filter(pk=car.session.pk).update(told_at=clock.now() - timedelta(seconds=31))
    later = sweep()

    assert (full, later) == (0, 1)
    assert car.socket.next_call()[2] == "CostUpdated"


@pytest.mark.parametrize(
    ("version", "known"),
    [("1.6", "Cost"), ("2.0.1", "CustomDisplayCostAndPrice"), ("2.1", "CustomDisplayCostAndPrice")],
)
def test_what_a_station_told_in_another_version_says_nothing_of_its_display_now(
    plug: Plug, alice: Actor, charger: Charger, version: str, known: str
) -> None:
    priced(alice)
    knows(charger, known)
    car = plug(version)
    car.start(0, 0)
    car.reads(10, 2000)
    look(car)

    assert sweep() == 0
    assert not Command.objects.filter(station=charger.station).exists()


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_a_station_that_shows_no_costs_is_told_none(plug: Plug, alice: Actor, version: str) -> None:
    priced(alice)
    car = plug(version)
    car.start(0, 0)
    car.reads(10, 2000)
    look(car)
    sweep()

    assert not Command.objects.filter(station=car.charger.station).exists()


def test_t47_a_2_1_station_that_computes_gets_the_tariff_itself(charger: Charger, alice: Actor) -> None:
    version = priced(alice, *NIGHT)
    knows(charger, "Tariff")
    with charger.dial("2.1") as socket:
        socket.boot()
        tariff = authorize(socket, alice)["tariff"]

    assert tariff["tariffId"] == str(version.pk)
    assert tariff["energy"] == {
        "taxRates": [{"type": "VAT", "tax": 19}],
        "prices": [
            {"priceKwh": 0.3, "conditions": {"startTimeOfDay": "22:00", "endTimeOfDay": "06:00"}},
            {"priceKwh": 0.5},
        ],
    }
    assert tariff["idleTime"]["prices"] == [{"priceMinute": 0.1}]
    assert tariff["description"][0]["content"].startswith("Energy: ")


def test_t47_what_cannot_be_said_exactly_is_left_out_and_the_words_stay(
    charger: Charger, alice: Actor
) -> None:
    priced(alice, element(component("ENERGY", "0.30"), component("TIME", "1.90")))
    knows(charger, "Tariff")
    with charger.dial("2.1") as socket:
        socket.boot()
        answer = authorize(socket, alice)

    assert "tariff" not in answer
    assert "personalMessage" in answer["idTokenInfo"]


def test_t47_a_2_1_station_without_tariffs_gets_the_words_alone(charger: Charger, alice: Actor) -> None:
    priced(alice)
    with charger.dial("2.1") as socket:
        socket.boot()

        assert "tariff" not in authorize(socket, alice)


def test_p257_a_tariff_that_the_station_cannot_use_is_noted_and_its_default_expected_until_it_connects_anew(
    charger: Charger, alice: Actor
) -> None:
    priced(alice)
    knows(charger, "Tariff")
    alerts = Alert.objects.filter(station=charger.station, kind="tariff_unusable", cleared_at=None)
    with charger.dial("2.1") as socket:
        socket.boot()
        first = told_with(socket, alice, "first")
        socket.send([5, "first", "PropertyConstraintViolation", "energy.prices", {}])
        assert "energy.prices" in eventually(alerts.first, what="the alert").detail
        second = told_with(socket, alice, "second")
    with charger.dial("2.1") as socket:
        third = told_with(socket, alice, "third")

    assert ["tariff" in one for one in (first, second, third)] == [True, False, True]
    assert "personalMessage" in second["idTokenInfo"]
    assert not alerts.exists()


def test_p257_an_objection_to_an_answer_without_a_tariff_is_no_objection_to_one(
    charger: Charger, alice: Actor
) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        told_with(socket, alice, "first")
        socket.send([5, "first", "FormatViolation", "", {}])
        priced(alice)
        knows(charger, "Tariff")
        assert "tariff" in told_with(socket, alice, "second")

    assert not Alert.objects.filter(station=charger.station, kind="tariff_unusable").exists()


def told_with(socket: WireStation, by: Actor, message_id: str) -> Any:
    """The answer to an Authorize of that message id."""
    shown = {"idToken": {"idToken": make_token(by).value, "type": "ISO14443"}}
    return socket.call("Authorize", shown, message_id)


def test_t45_a_1_6_station_with_the_cost_extension_is_told_price_cost_and_end(
    plug: Plug, alice: Actor, charger: Charger
) -> None:
    steps = element(component("ENERGY", "0.50", "19"), max_kwh=10), element(component("ENERGY", "0.40", "19"))
    priced(alice, *steps)
    knows(charger, "CustomDisplayCostAndPrice")
    car = plug("1.6")
    authorize(car.socket, alice, car.token)
    price = told(car.socket)
    car.start(0, 1000)
    car.reads(10, 3000)
    look(car)
    sweep()
    running = told(car.socket)
    car.stop(30, 6000)
    final = told(car.socket)

    assert (price[0], price[1]["idToken"]) == ("SetUserPrice", car.token)
    assert price[1]["priceText"].startswith("Energy: 0.595 € per kWh incl. 19 % VAT (up to 10 kWh).")
    assert running[0] == "RunningCost"
    assert {name: value for name, value in running[1].items() if name != "timestamp"} == {
        "transactionId": car.reference, "meterValue": 3000, "cost": 1.19, "state": "Charging",
        "chargingPrice": {"kWhPrice": 0.595}, "triggerMeterValue": {"atEnergykWh": 11},
    }  # fmt: skip
    assert final[0] == "FinalCost"
    assert (final[1]["transactionId"], final[1]["cost"]) == (car.reference, 2.98)
    assert final[1]["priceText"] == "5 kWh at 0.595 € per kWh incl. 19 % VAT: up to 10 kWh"


def test_t45_a_stop_that_is_sent_again_is_not_told_the_final_cost_again(
    plug: Plug, alice: Actor, charger: Charger
) -> None:
    priced(alice)
    knows(charger, "CustomDisplayCostAndPrice")
    car = plug("1.6")
    car.start(0, 1000)
    car.stop(30, 6000)
    first = told(car.socket)
    car.stop(30, 6000)

    assert first[0] == "FinalCost"
    assert Command.objects.filter(station=charger.station, command="data_transfer").count() == 1


def test_t52_a_person_is_told_what_is_paid_per_minute_and_once_with_taxes(
    plug: Plug, alice: Actor, charger: Charger
) -> None:
    priced(alice, element(component("TIME", "6", "20"), component("FLAT", "1", "20")))
    knows(charger, "CustomDisplayCostAndPrice")
    car = plug("1.6")
    car.start(0, 1000)
    car.stop(30, 6000)
    words = told(car.socket)[1]["priceText"]

    assert "1.20 € incl. 20 % VAT once" in words
    assert "30 min at 0.12 € per minute incl. 20 % VAT" in words


@pytest.mark.parametrize(
    ("whose", "status"), [("own", "Accepted"), ("another's", "Rejected"), ("none", "Rejected")]
)
def test_t45_a_station_with_the_cost_extension_tells_that_the_car_was_unplugged(
    plug: Plug, alice: Actor, whose: str, status: str
) -> None:
    car = plug("1.6")
    car.start(0, 1000)
    body = {"own": {"transactionId": car.reference}, "another's": {"transactionId": 1}, "none": {}}[whose]
    data = json.dumps({**body, "timestamp": clock.to_wire(car.at(5))})
    message = {"vendorId": vendors.COSTS, "messageId": "ConnectorUnplugged", "data": data}
    answer = car.socket.call("DataTransfer", message)

    assert answer == {"status": status}
    assert car.session.status == "active"


def test_t45_a_1_6_station_without_the_extension_is_told_nothing(plug: Plug, alice: Actor) -> None:
    priced(alice)
    car = plug("1.6")
    authorize(car.socket, alice, car.token)
    car.start(0, 1000)
    car.reads(10, 3000)
    look(car)
    sweep()
    car.stop(30, 6000)

    assert not Command.objects.filter(station=car.charger.station).exists()
    assert cost_of(car).is_final


def test_pricing_that_fails_keeps_no_station_from_its_end(
    charger: Charger, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a fault of ours")

    version = publish(alice)
    monkeypatch.setattr(session_costs, "price", broken)
    monkeypatch.setattr(cost_displays, "_place", broken)
    with translation.override("en"):
        from stations.domain.station import StationRef

        side = StationRef(station_id=charger.station.pk, organization_id=charger.station.organization_id)
        assert cost_displays.price_text(side) is None
        assert session_costs.settle(charger.station) is None  # type: ignore[arg-type]
    assert version.state == "published"


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_t46_running_costs_fill_neither_the_list_of_commands_nor_the_audit_log(
    plug: Plug, alice: Actor, charger: Charger, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr(cost_displays, "KEPT", 2)
    priced(alice)
    knows(charger, "CustomDisplayCostAndPrice" if version == "1.6" else "Cost")
    car = plug(version)
    car.start(0, 0)
    said = Command.objects.filter(station=charger.station, issued_by="system:prices")
    for number in range(1, 7):
        car.reads(number, number * 1000)
        look(car)
        SessionCost.objects.filter(pk=car.session.pk, told_at__isnull=False).update(
            told_at=clock.now() - timedelta(seconds=31)
        )
        assert sweep() == 1
        call = car.socket.next_call()
        car.socket.reply(call, {"status": "Accepted"} if version == "1.6" else {})
        eventually(lambda: not said.filter(status__in=("pending", "sent")).exists())

    # Two that had ended when the last was told, and the last.
    assert list(said.values_list("status", flat=True)) == ["accepted"] * 3
    entries = AuditEntry.objects.filter(organization_id=charger.station.organization_id)
    assert entries.filter(action="command.issued", actor="system:prices").count() == 1
