"""T-44 by the wire: running and final costs to the cent, and what cannot be priced, with its cause."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from core import clock
from core.access import Actor
from core.models import OutboxRow
from core.services import outbox
from stations.models import Alert, FrozenTariff, SessionCost, Transaction
from stations.services import session_costs
from tests.factories import make_station
from tests.running import Server
from tests.stations.ocpp.asking import VERSIONS, VERSIONS_2X
from tests.stations.ocpp.charging import Car, priced
from tests.stations.ocpp.knocking import Charger
from tests.tariffs.building import component, element
from tests.wire.client import WireStation

Plug = Callable[..., Car]
TIMED = element(
    component("ENERGY", "0.40", "19"), component("TIME", "1.20", "19"), component("PARKING_TIME", "6", "19")
)


@pytest.fixture
def plug(charger: Charger, alice: Actor) -> Iterator[Plug]:
    """A car at the charger, connected with the version."""
    sockets: list[WireStation] = []

    def connect(version: str, **options: Any) -> Car:
        socket = charger.dial(version).__enter__()
        sockets.append(socket)
        socket.boot()
        return Car(charger, socket, alice, **options)

    yield connect
    for socket in sockets:
        socket.__exit__(None, None, None)


def cost_of(car: Car) -> SessionCost:
    return SessionCost.objects.get(transaction=car.session)


def look(car: Car) -> SessionCost:
    """As the sweeper does."""
    found = session_costs.price(car.session.pk, now=clock.now())
    assert found is not None
    return found


def told(cost: SessionCost) -> tuple[str, str, str]:
    return cost.state, f"{cost.excl_vat:.2f}", f"{cost.incl_vat:.2f}"


@pytest.mark.parametrize("version", VERSIONS)
def test_t44_energy_is_priced_to_the_cent_at_the_end(plug: Plug, alice: Actor, version: str) -> None:
    priced(alice)
    car = plug(version)
    car.start(0, 1000)
    car.reads(30, 8400)
    car.stop(60, 13_345)
    cost = cost_of(car)

    # 12.345 kWh x 0.50 = 6.1725, with 19 % 7.345275
    assert told(cost) == ("final", "6.18", "7.35")
    assert f"{cost.vat:.2f}" == "1.17"
    assert cost.answer["total_cost"] == {"excl_vat": "6.1725", "incl_vat": "7.3453"}
    assert [(line["dimension"], line["measured"], line["price"]) for line in cost.lines] == [
        ("ENERGY", "12.345", "0.5"),
        ("TIME", "1", None),
    ]
    assert cost.texts["de"][0]["why"] == "jederzeit"
    assert cost.texts["en"][0]["why"] == "at all times"


@pytest.mark.parametrize("version", VERSIONS)
def test_t23_the_states_of_a_session_say_what_its_time_counts_as(
    plug: Plug, alice: Actor, version: str
) -> None:
    priced(alice, TIMED)
    car = plug(version)
    car.start(0, 0, "EVConnected")
    car.says(10, "Charging")
    car.reads(40, 10_000)
    car.says(70, "SuspendedEVSE")
    car.says(80, "SuspendedEV")
    car.stop(90, 20_000)
    cost = cost_of(car)
    quantities = {line["dimension"]: line["measured"] for line in cost.lines}

    # 20 kWh x 0.40 + 1 h x 1.20 + 10 min x 6 = 8.00 + 1.20 + 1.00
    assert quantities == {"ENERGY": "20", "TIME": "1", "PARKING_TIME": "0.166667"}
    assert told(cost) == ("final", "10.20", "12.14")


def amounts(car: Car) -> dict[str, str]:
    return {line["dimension"]: line["measured"] for line in cost_of(car).lines}


def test_t23_a_cable_left_in_after_the_session_before_is_not_parked_yet(plug: Plug, alice: Actor) -> None:
    priced(alice, TIMED)
    car = plug("1.6")
    car.start(0, 0, state="Finishing")
    car.says(30, "Charging")
    car.says(90, "Finishing")
    car.stop(100, 20_000)

    assert amounts(car) == {"ENERGY": "20", "TIME": "1", "PARKING_TIME": "0.166667"}


@pytest.mark.parametrize("version", VERSIONS)
def test_t44_a_running_session_has_a_cost_so_far_that_becomes_the_final_one(
    plug: Plug, alice: Actor, version: str
) -> None:
    priced(alice)
    car = plug(version)
    car.start(0, 1000)
    before = cost_of(car)
    car.reads(20, 5000)
    running = look(car)
    car.stop(30, 7000)

    assert (before.state, before.currency, before.incl_vat) == ("running", "", None)
    assert told(running) == ("running", "2.00", "2.38")
    assert told(cost_of(car)) == ("final", "3.00", "3.57")


@pytest.mark.parametrize("version", VERSIONS)
def test_t44_a_running_cost_never_falls(plug: Plug, alice: Actor, version: str) -> None:
    priced(alice)
    car = plug(version)
    car.start(0, 0)
    car.reads(10, 2000)
    first = look(car)
    SessionCost.objects.filter(pk=first.pk).update(incl_vat=Decimal("9.99"))
    kept = look(car)

    assert first.incl_vat is not None
    assert first.incl_vat < Decimal("9.99")
    assert kept.incl_vat == Decimal("9.99")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_register_that_falls_waits_for_a_person_and_is_never_silently_zero(
    plug: Plug, alice: Actor, version: str
) -> None:
    priced(alice)
    car = plug(version)
    car.start(0, 5000)
    car.reads(10, 8000)
    car.reads(20, 7000)
    car.stop(30, 9000)
    cost = cost_of(car)

    assert (cost.state, cost.cause, cost.currency, cost.incl_vat) == ("review", "register_fell", "", None)
    assert cost.detail == "The register fell from 8.000 to 7.000 kWh."
    assert clock.now() - cost.since < timedelta(minutes=1)


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_a_session_without_any_register_waits_for_a_person_once_it_has_ended(
    plug: Plug, alice: Actor, version: str
) -> None:
    priced(alice)
    car = plug(version)
    car.start(0, None)  # type: ignore[arg-type]
    running = look(car)
    answer = car.stop(30, None)  # type: ignore[arg-type]

    assert (running.state, running.incl_vat) == ("running", None)
    assert (cost_of(car).state, cost_of(car).cause) == ("review", "missing_register")
    assert "totalCost" not in answer


def test_t15_time_is_not_guessed_where_nothing_tells_what_the_session_did(plug: Plug, alice: Actor) -> None:
    priced(alice, TIMED)
    car = plug("2.0.1")
    car.start(0, 0, None)  # type: ignore[arg-type]
    car.stop(30, 5000)

    assert (cost_of(car).state, cost_of(car).cause) == ("review", "missing_state")


def test_readings_with_finer_decimals_than_start_and_stop_are_no_contradiction(
    plug: Plug, alice: Actor
) -> None:
    priced(alice)
    car = plug("1.6")
    car.start(0, 1000)
    car.reads(0, 1000.4)
    car.reads(59, 3000.7)
    car.stop(60, 3000)

    assert told(cost_of(car)) == ("final", "1.00", "1.19")


@pytest.mark.parametrize("version", VERSIONS)
def test_t24_nothing_after_the_end_is_billed(plug: Plug, alice: Actor, version: str) -> None:
    priced(alice, TIMED)
    car = plug(version)
    car.start(0, 0)
    car.stop(30, 6000)
    session = car.session

    assert told(cost_of(car)) == ("final", "3.00", "3.57")
    assert look(car).priced_until == session.ended_at


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_late_readings_count_until_the_session_has_settled_and_no_longer(
    plug: Plug, alice: Actor, version: str
) -> None:
    expensive = element(component("ENERGY", "0.90", "19"), max_duration=900)
    priced(alice, expensive, element(component("ENERGY", "0.10", "19")))
    car = plug(version)
    car.start(0, 0)
    end = next(car.numbers) + 2
    car.numbers = iter([end, 1, 2, end])
    first = car.stop(30, 8000)
    car.reads(15, 1000)
    settled_at = clock.now() + session_costs.SETTLING + timedelta(seconds=5)
    due = car.session.pk in {one.pk for one in session_costs._due(settled_at, set())}
    second = session_costs.price(car.session.pk, now=settled_at)
    car.reads(20, 7000)
    again = car.stop(30, 8000)
    due_later = car.session.pk in {
        one.pk for one in session_costs._due(settled_at + timedelta(hours=1), set())
    }

    # half of 8 kWh at each price; then 1 kWh at 0.90 and 7 kWh at 0.10
    assert first["totalCost"] == 4.76
    assert second is not None
    assert (due, told(second)) == (True, ("final", "1.60", "1.90"))
    assert (again["totalCost"], told(cost_of(car)), due_later) == (1.9, ("final", "1.60", "1.90"), False)


def test_t44_a_final_cost_above_what_was_shown_without_new_usage_raises_an_alert(
    plug: Plug, alice: Actor, charger: Charger
) -> None:
    priced(alice)
    car = plug("2.0.1")
    car.start(0, 0)
    car.reads(10, 4000)
    running = look(car)
    SessionCost.objects.filter(pk=running.pk).update(incl_vat=Decimal("1.00"))
    car.stop(10, 4000)
    alert = Alert.objects.get(station=charger.station, kind="cost_rose")

    assert told(cost_of(car)) == ("final", "2.00", "2.38")
    assert alert.detail.startswith(f"Session {car.name} costs 2.38 EUR; 1.00")


@pytest.mark.parametrize(
    ("shown", "read_wh", "logged"), [("9.99", 4000, True), ("2.38", 4000, False), ("1.00", 2000, False)]
)
def test_t44_a_final_cost_below_what_was_shown_is_logged_and_more_for_more_usage_is_nothing(
    plug: Plug, alice: Actor, charger: Charger, caplog: pytest.LogCaptureFixture, *,
    shown: str, read_wh: int, logged: bool,
) -> None:  # fmt: skip
    priced(alice)
    car = plug("2.0.1")
    car.start(0, 0)
    car.reads(10, read_wh)
    running = look(car)
    car.stop(10 if read_wh == 4000 else 20, 4000)
    SessionCost.objects.filter(pk=running.pk).update(
        state="running", incl_vat=Decimal(shown), answer=running.answer
    )
    final = look(car)
    fell = [record for record in caplog.records if record.getMessage() == "cost.fell"]

    assert told(final) == ("final", "2.00", "2.38")
    assert [vars(record)["shown"] for record in fell] == [f"{shown}00"] * logged
    assert not Alert.objects.filter(station=charger.station, kind="cost_rose").exists()


def test_t44_many_running_sessions_are_priced_together_and_one_that_stumbles_holds_up_no_other(
    live: Server, alice: Actor, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    priced(alice, TIMED)
    cars = []
    with ExitStack() as sockets:
        for version in VERSIONS:
            charger = Charger(live.ocpp_url, *make_station(alice), address)
            socket = sockets.enter_context(charger.dial(version))
            socket.boot()
            cars.append(Car(charger, socket, alice, hours_ago=1))
            cars[-1].start(0, 0)
            cars[-1].reads(20, 2000)
    due = SessionCost.objects.filter(transaction__in=[car.session for car in cars])
    broken = cars[1].session.pk
    usage_of = session_costs.usage_of

    def stumbling(session: Transaction, **more: Any) -> Any:
        if session.pk == broken:
            raise ZeroDivisionError
        return usage_of(session, **more)

    monkeypatch.setattr(session_costs, "usage_of", stumbling)
    session_costs.sweep(clock.now() + timedelta(seconds=40))
    together = {str(one.pk): one.incl_vat for one in due}
    monkeypatch.undo()
    alone = {str(car.session.pk): look(car) for car in cars}

    assert together[str(broken)] is None
    for car in (cars[0], cars[2]):
        key = str(car.session.pk)
        assert together[key] is not None
        assert abs(together[key] - (alone[key].incl_vat or 0)) <= Decimal("0.05")
        assert alone[key].lines[0]["dimension"] == "ENERGY"


def test_a_price_computed_again_has_the_same_digits(plug: Plug, alice: Actor) -> None:
    priced(alice, TIMED)
    car = plug("2.1")
    car.start(0, 123)
    car.reads(17, 4567.891)
    car.says(31, "SuspendedEV")
    car.stop(47, 9999)
    first = cost_of(car)

    assert look(car).answer == first.answer
    assert FrozenTariff.objects.get(transaction=car.session).policy == first.answer["policy"]


def test_the_sweeper_prices_what_the_end_did_not(plug: Plug, alice: Actor) -> None:
    priced(alice)
    car = plug("1.6")
    car.start(0, 0)
    car.stop(30, 2000)
    SessionCost.objects.filter(transaction=car.session).update(state="running", currency="", incl_vat=None)
    session_costs.sweep(clock.now())

    assert told(cost_of(car)) == ("final", "1.00", "1.19")


def test_a_running_session_is_priced_every_half_minute_at_most(plug: Plug, alice: Actor) -> None:
    priced(alice)
    car = plug("2.0.1", hours_ago=0.5)
    car.start(0, 0)
    car.reads(10, 2000)
    look(car)
    car.reads(20, 4000)
    now = clock.now()
    due_at = {
        seconds: car.session.pk
        in {one.pk for one in session_costs._due(now + timedelta(seconds=seconds), set())}
        for seconds in (20, 40)
    }
    session_costs.sweep(now + timedelta(seconds=40))

    assert due_at == {20: False, 40: True}
    assert told(cost_of(car))[2] == "2.38"


def test_the_price_is_an_event_once_it_is_final(plug: Plug, alice: Actor) -> None:
    priced(alice)
    car = plug("2.0.1")
    car.start(0, 0)
    car.reads(10, 1000)
    look(car)
    car.stop(30, 2000)
    outbox.relay(patiently=True)
    events = [one for one in outbox.visible_to(alice) if one.object_id == car.session.pk]

    assert [one.type for one in events] == ["transaction.started", "transaction.ended", "transaction.priced"]
    assert events[-1].data["cost"] == {
        "excl_vat": "1.00",
        "incl_vat": "1.19",
        "currency": "EUR",
        "final": True,
    }
    assert not OutboxRow.objects.filter(object_id=car.session.pk).exists()


def test_a_free_session_costs_nothing_and_says_so(plug: Plug, alice: Actor) -> None:
    priced(alice, element(component("ENERGY", "0")))
    car = plug("2.0.1")
    car.start(0, 0)
    answer = car.stop(30, 2000)

    assert (cost_of(car).is_free, told(cost_of(car))) == (True, ("final", "0.00", "0.00"))
    assert answer["totalCost"] == 0


def test_a_session_closed_by_a_person_is_priced_too(plug: Plug, alice: Actor) -> None:
    from stations.services import transactions

    priced(alice)
    car = plug("1.6")
    car.start(0, 0)
    car.reads(10, 3000)
    transactions.close_stuck(car.session, by=alice, reason="The cable was cut")
    session_costs.sweep(clock.now())

    assert told(cost_of(car)) == ("final", "1.50", "1.79")
    assert Transaction.objects.get(pk=car.session.pk).stopped_reason == "ClosedByOperator"


def tell(car: Car, kind: str, minutes: float, imported: float, exported: float | None) -> None:
    """A message of a 2.x session with both registers, the export in kWh."""
    context = {"Started": "Transaction.Begin", "Ended": "Transaction.End"}.get(kind, "Sample.Periodic")
    sampled: list[dict[str, Any]] = [{"value": imported, "context": context}]
    if exported is not None:
        sampled.append({
            "value": exported, "measurand": "Energy.Active.Export.Register", "context": context,
            "unitOfMeasure": {"unit": "kWh"},
        })  # fmt: skip
    values = [{"timestamp": clock.to_wire(car.at(minutes)), "sampledValue": sampled}]
    token = {"idToken": car.token, "type": "ISO14443"}
    opening = {"idToken": token, "evse": {"id": 1, "connectorId": 1}} if kind == "Started" else {}
    car.reference = car.name
    car._event(kind, "MeterValuePeriodic", minutes, None, "Charging", meterValue=values, **opening)


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize(
    ("given", "incl"), [(3, "1.19"), (9, "-2.38")], ids=["less than it took", "more than it took"]
)
def test_t15_t44_what_a_car_gives_back_is_credited_and_the_running_cost_may_fall(
    charger: Charger, alice: Actor, version: str, given: float, incl: str
) -> None:
    priced(alice)
    with charger.dial(version) as socket:
        socket.boot()
        car = Car(charger, socket, alice)
        tell(car, "Started", 0, 1000, 20)
        tell(car, "Updated", 60, 6000, 20)
        full = look(car).incl_vat
        tell(car, "Updated", 90, 6000, 20 + given)
        fallen = look(car)
        tell(car, "Ended", 100, 6000, 20 + given)
    cost = cost_of(car)

    assert full == Decimal("2.98")
    assert (fallen.state, fallen.incl_vat) == ("running", Decimal(incl))
    assert (cost.state, cost.incl_vat) == ("final", Decimal(incl))
    assert Decimal(cost.answer["total_energy"]) == 5 - given


def test_t15_energy_given_back_that_is_not_told_to_the_end_is_no_guess(
    charger: Charger, alice: Actor
) -> None:
    priced(alice)
    with charger.dial("2.1") as socket:
        socket.boot()
        car = Car(charger, socket, alice)
        tell(car, "Started", 0, 1000, 20)
        tell(car, "Updated", 60, 6000, 22)
        tell(car, "Ended", 100, 6000, None)
    cost = cost_of(car)

    assert (cost.state, cost.cause, cost.incl_vat) == ("review", "missing_export", None)


def test_t15_a_register_of_exports_that_stands_still_changes_nothing(charger: Charger, alice: Actor) -> None:
    priced(alice)
    with charger.dial("2.0.1") as socket:
        socket.boot()
        car = Car(charger, socket, alice)
        tell(car, "Started", 0, 1000, 20)
        tell(car, "Ended", 100, 6000, 20)

    assert cost_of(car).incl_vat == Decimal("2.98")
