"""When a running session is stopped since its money is nearly used up (billing B-40, B-50)."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing.models import Hold, Method, Payment, PaymentState, Purpose, WalletReservation
from billing.services import accounts
from billing.services.payments import holds, margins, wallets
from core import clock
from core.access import Actor
from drivers.models import Driver
from stations.models import ChargingStation, Command, Connector, Transaction
from stations.services import stations
from tests import factories
from tests.factories import sessions
from tests.stations.ocpp.charging import priced
from tests.tariffs.building import component, element

pytestmark = pytest.mark.usefixtures("committed")
WITH_IDLE_FEE = element(component("ENERGY", "0.50"), component("PARKING_TIME", "6.00"))
"""Of an outlet of 20 kW in three minutes 0.50, and 0.30 for standing there."""


@pytest.fixture
def station(alice: Actor) -> ChargingStation:
    priced(alice, WITH_IDLE_FEE)
    station, _ = factories.make_station(alice)
    stations.add_evse(station, 1)
    rate(station, 11_000, 20_000)
    return station


@pytest.fixture
def driver(alice: Actor) -> Driver:
    return factories.make_driver(alice)


def rate(station: ChargingStation, *watts: int, evse_id: int = 1) -> None:
    """The outlet's connectors can give so much."""
    evse = station.evses.get(evse_id=evse_id)
    for number, power in enumerate(watts, 1):
        Connector.objects.update_or_create(evse=evse, connector_id=number, defaults={"max_power_w": power})


def run(
    station: ChargingStation, driver: Driver, alice: Actor, wh: str, evse_id: int = 1, minutes: int = 60
) -> Transaction:
    """A session of the driver that has charged so much in an hour."""
    token = factories.make_token(alice, driver=driver)
    session = sessions.begin(station, token=token.value, evse_id=evse_id, minutes=minutes)
    sessions.say(session, "Charging", minutes_ago=minutes)
    sessions.read(session, wh, evse_id=evse_id, minutes_ago=0)
    return session


def fill(driver: Driver, amount: str, alice: Actor) -> None:
    """So much can be spent, by credit."""
    wallets.allow(wallets.open_(accounts.of_driver(driver), by=alice), Decimal(amount), by=alice)


def stops(session: Transaction) -> int:
    return Command.objects.filter(transaction=session, command="request_stop_transaction").count()


def held(station: ChargingStation, session: Transaction, amount: str) -> Payment:
    """So much is set aside for the session by a card."""
    payment = Payment.objects.create(
        organization_id=session.organization_id, method=Method.CARD, purpose=Purpose.AD_HOC, currency="EUR",
        amount=Decimal(amount), authorized=Decimal(amount), state=PaymentState.HELD, created_by="test",
    )  # fmt: skip
    now = clock.now()
    Hold.objects.create(
        payment=payment, evse=station.evses.get(evse_id=1), transaction=session,
        give_up_at=now + timedelta(minutes=10), expires_at=now + timedelta(days=7),
    )  # fmt: skip
    return payment


@pytest.mark.parametrize(("amount", "stopped"), [("2.81", 0), ("2.80", 1)])
def test_b40_a_hold_stops_at_its_amount_less_three_minutes_at_the_rating_and_the_idle_fee(
    station: ChargingStation, driver: Driver, alice: Actor, amount: str, stopped: int
) -> None:
    """It cost 2.00 in an hour: by its average it would go on for half an hour."""
    session = run(station, driver, alice, "4000")
    held(station, session, amount)
    for _ in range(2):
        holds.watch()
    assert stops(session) == stopped


@pytest.mark.parametrize(("amount", "stopped"), [("2.81", 0), ("2.80", 1)])
def test_b40_b50_a_wallet_stops_at_what_is_in_it_less_the_same(
    station: ChargingStation, driver: Driver, alice: Actor, amount: str, stopped: int
) -> None:
    fill(driver, amount, alice)
    session = run(station, driver, alice, "4000")
    for _ in range(2):
        wallets.watch()
    assert stops(session) == stopped


@pytest.mark.parametrize(
    ("watts", "station_w", "seen_w", "reserve"),
    [
        ([], 40_000, None, "1.30"),
        ([], None, None, "0.85"),
        ([], None, "50000.0", "1.55"),
        ([10_000], 40_000, None, "0.55"),
        ([10_000], 40_000, "50000.0", "1.55"),
    ],
)
def test_b40_without_a_rating_of_the_outlet_that_of_the_station_counts_or_what_such_outlets_give(
    station: ChargingStation, driver: Driver, alice: Actor, watts: list[int], station_w: int | None,
    seen_w: str | None, reserve: str,
) -> None:  # fmt: skip
    Connector.objects.filter(evse__station=station).delete()
    rate(station, *watts)
    ChargingStation.objects.filter(pk=station.pk).update(max_power_w=station_w)
    session = run(station, driver, alice, "4000")
    Transaction.objects.filter(pk=session.pk).update(power_max_w=seen_w)
    told = Transaction.objects.select_related("station", "organization").get(pk=session.pk)
    assert margins.margin(told, Decimal(2)) == Decimal(reserve)


@pytest.mark.parametrize(
    ("elements", "fields", "reserve"),
    [
        ([element(component("ENERGY", "0.00"))], {}, "0"),
        ([element(component("ENERGY", "1.00"), min_kwh=Decimal("4.9")), WITH_IDLE_FEE], {}, "1.30"),
        ([element(component("ENERGY", "1.00"), min_kwh=5), WITH_IDLE_FEE], {}, "0.80"),
        ([element(component("ENERGY", "0.333", "19"))], {}, "0.40"),
        ([WITH_IDLE_FEE], {"max_price": {"excl_vat": 2, "incl_vat": Decimal("2.30")}}, "0.30"),
    ],
)
def test_b40_the_reserve_is_by_the_frozen_tariff_and_never_above_its_greatest_price(
    station: ChargingStation, driver: Driver, alice: Actor, elements: list[dict[str, Any]],
    fields: dict[str, Any], reserve: str,
) -> None:  # fmt: skip
    priced(alice, *elements, place=station, **fields)
    session = run(station, driver, alice, "4000")
    priced(alice, element(component("ENERGY", "9.00")), place=station)
    assert margins.margin(session, Decimal(2)) == Decimal(reserve)


def test_b40_a_fee_for_the_start_counts_until_it_is_in_the_cost(
    station: ChargingStation, driver: Driver, alice: Actor
) -> None:
    priced(alice, element(component("ENERGY", "0.50"), component("FLAT", "3.00")), place=station)
    token = factories.make_token(alice, driver=driver)
    session = sessions.begin(station, token=token.value, minutes=0)
    assert margins.margin(session, Decimal(0)) == Decimal("3.50")
    sessions.read(session, "0", minutes_ago=0)
    assert margins.margin(Transaction.objects.get(pk=session.pk), Decimal(3)) == Decimal("0.50")


@pytest.mark.parametrize(("minutes_ago", "reserve"), [(0, "0.30"), (4, "0.71"), (50, "1.80")])
def test_b40_what_can_have_been_charged_since_the_last_reading_is_reserved_for_some_minutes(
    station: ChargingStation, driver: Driver, alice: Actor, minutes_ago: int, reserve: str
) -> None:
    priced(alice, element(component("ENERGY", "0.30")), place=station)
    session = sessions.begin(station, token=factories.make_token(alice, driver=driver).value)
    sessions.read(session, "4000", minutes_ago=minutes_ago)
    told = Transaction.objects.get(pk=session.pk)
    assert margins.margin(told, Decimal("1.20")) == Decimal(reserve)


def test_b40_what_was_charged_since_the_last_reading_is_reckoned_by_what_the_car_takes(
    station: ChargingStation, driver: Driver, alice: Actor
) -> None:
    """At 20 kW three minutes are 0.30; ten minutes at 4 kW, and a quarter more, are 0.25."""
    priced(alice, element(component("ENERGY", "0.30")), place=station)
    session = sessions.begin(station, token=factories.make_token(alice, driver=driver).value)
    sessions.read(session, "4000", minutes_ago=10)
    told = Transaction.objects.get(pk=session.pk)
    told.power_max_w = Decimal(4000)
    assert margins.margin(told, Decimal("1.20")) in (Decimal("0.55"), Decimal("0.56"))


def test_b40_a_price_that_held_since_the_last_reading_counts_as_one_to_come(
    station: ChargingStation, driver: Driver, alice: Actor
) -> None:
    dearer = element(component("ENERGY", "9.00"), max_duration=57 * 60)
    priced(alice, dearer, element(component("ENERGY", "0.30")), place=station)
    session = sessions.begin(station, token=factories.make_token(alice, driver=driver).value)
    sessions.read(session, "4000", minutes_ago=5)
    assert margins.margin(Transaction.objects.get(pk=session.pk), Decimal(36)) > 24


def test_b40_what_was_read_and_is_not_priced_yet_is_reserved_too(
    station: ChargingStation, driver: Driver, alice: Actor
) -> None:
    priced(alice, element(component("ENERGY", "0.30")), place=station)
    session = run(station, driver, alice, "4000")
    Transaction.objects.filter(pk=session.pk).update(energy_wh=5000)  # before its price is computed anew
    assert margins.margin(Transaction.objects.get(pk=session.pk), Decimal("1.20")) == Decimal("0.60")


def test_b40_an_empty_wallet_stops_no_session_that_is_free(
    station: ChargingStation, driver: Driver, alice: Actor
) -> None:
    priced(alice, element(component("ENERGY", "0.00")), place=station)
    fill(driver, "0", alice)
    session = run(station, driver, alice, "4000")
    wallets.watch()
    assert stops(session) == 0


def test_b40_what_has_ended_costs_nothing_more(
    station: ChargingStation, driver: Driver, alice: Actor
) -> None:
    fill(driver, "30", alice)
    session = run(station, driver, alice, "4000")
    wallets.watch()
    sessions.end(session, 60_000)
    wallets.watch()
    assert WalletReservation.objects.get(pk=session.pk).amount == Decimal(30)
    assert stops(session) == 0
