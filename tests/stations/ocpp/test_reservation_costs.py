"""T-25 and T-26 by the wire: what a reservation costs, with the session that uses it and without one."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from core import clock
from core.access import Actor
from drivers.models import Driver
from stations.domain import intents
from stations.models import FrozenTariff, Reservation, ReservationCost, ReservedTariff, SessionCost
from stations.services import reservation_costs, session_costs, sites
from tariffs import publishing
from tests.factories import make_driver, make_token
from tests.stations.ocpp.asking import VERSIONS, ask
from tests.stations.ocpp.charging import MINUTE, PER_KWH, Car, priced
from tests.stations.ocpp.knocking import Charger
from tests.tariffs.building import component, document, element
from tests.wire.client import WireStation

RESERVED = element(component("TIME", "2.40", "19", step=360), reservation="RESERVATION")
EXPIRES = element(component("FLAT", "3.30", "19"), reservation="RESERVATION_EXPIRES")
PRICES = (PER_KWH, RESERVED, EXPIRES)


def reserve(
    charger: Charger,
    socket: WireStation,
    by: Actor,
    *,
    ago: float = 50,
    driver: Driver | None = None,
    **wishes: Any,
) -> Reservation:
    """A reservation at EVSE 1 that the station accepted so many minutes ago, as is written back."""
    value = make_token(by, type_="ISO14443", driver=driver).value
    wish = {"evse_id": 1, "expires_at": clock.now() + timedelta(hours=1), **wishes}
    ask(
        charger,
        socket,
        by,
        intents.ReserveNow(token_value=value, token_type="ISO14443", **wish),
        {"status": "Accepted"},
    )
    kept = Reservation.objects.filter(station=charger.station).latest("id")
    at = clock.now().replace(microsecond=0) - ago * MINUTE
    ReservedTariff.objects.filter(pk=kept.pk).update(accepted_at=at)
    return kept


def over(kept: Reservation, status: str, *, minutes: float = 50) -> int:
    """It ended so long after its acceptance, and what late messages might tell has had its time; sweep."""
    accepted = ReservedTariff.objects.get(pk=kept.pk).accepted_at
    end = accepted + minutes * MINUTE
    Reservation.objects.filter(pk=kept.pk).update(status=status, ended_at=end, expires_at=end)
    return reservation_costs.sweep(clock.now() + timedelta(minutes=30))


def charge(charger: Charger, socket: WireStation, by: Actor, kept: Reservation, *, started: float = 0) -> Car:
    """Ten kWh in half an hour, begun so many minutes before now."""
    car = Car(charger, socket, by, hours_ago=started / 60)
    if car.is_16:
        answer = socket.call("StartTransaction", {
            "connectorId": 1, "idTag": car.token, "meterStart": 0, "timestamp": clock.to_wire(car.at(0)),
            "reservationId": kept.number,
        })  # fmt: skip
        car.reference = answer["transactionId"]
    else:
        car.start(0, reservationId=kept.number)
    car.stop(30, 10_000)
    return car


@pytest.mark.parametrize("version", VERSIONS)
def test_t08_a_session_after_the_end_of_its_reservation_pays_the_fee_of_its_own_start(
    charger: Charger, alice: Actor, version: str
) -> None:
    """20 minutes reserved are 24 at 2.40/h: 0.96; ten kWh are 5.00; the fee is that of 50 minutes after it."""
    fees = (
        element(component("FLAT", "9", "19"), max_duration=2700),
        element(component("FLAT", "1", "19")),
    )
    priced(alice, *PRICES, *fees)
    with charger.dial(version) as socket:
        socket.boot()
        kept = reserve(charger, socket, alice, ago=110)
        accepted = ReservedTariff.objects.get(pk=kept.pk).accepted_at
        Reservation.objects.filter(pk=kept.pk).update(expires_at=accepted + 20 * MINUTE)
        car = charge(charger, socket, alice, kept, started=60)
    cost = SessionCost.objects.get(transaction=car.session)

    assert cost.answer["total_reservation_cost"]["excl_vat"] == "0.9600"
    assert cost.answer["total_fixed_cost"]["excl_vat"] == "1.0000"
    assert (cost.state, cost.excl_vat) == ("final", Decimal("6.96"))


@pytest.mark.parametrize("version", VERSIONS)
def test_t25_t26_a_used_reservation_is_priced_with_its_session(
    charger: Charger, alice: Actor, version: str
) -> None:
    """50 minutes are 54 at 2.40/h: 2.16; ten kWh are 5.00; with 19 % 8.52."""
    first = priced(alice, *PRICES)
    with charger.dial(version) as socket:
        socket.boot()
        kept = reserve(charger, socket, alice, ago=110)
        dearer = document(element(component("ENERGY", "9.00", "19")), id=first.tariff.ocpi_id)
        publishing.publish(publishing.edit(first.tariff, dearer, by=alice), by=alice)
        car = charge(charger, socket, alice, kept, started=60)
    cost = SessionCost.objects.get(transaction=car.session)
    frozen = FrozenTariff.objects.get(transaction=car.session)

    assert (cost.state, cost.excl_vat, cost.incl_vat) == ("final", Decimal("7.16"), Decimal("8.52"))
    assert cost.answer["total_reservation_cost"]["excl_vat"] == "2.1600"
    assert cost.answer["total_energy"] == "10"
    assert frozen.version_id == first.pk
    assert "no_tariff" not in car.session.flags
    assert over(kept, "used") == 0
    assert not ReservationCost.objects.filter(reservation=kept).exists()


@pytest.mark.parametrize(
    ("status", "incl"), [("expired", "6.50"), ("cancelled", "2.57")], ids=["expired", "cancelled"]
)
def test_t25_t26_without_a_session_an_expired_or_cancelled_one_has_a_cost_of_its_own(
    charger: Charger, alice: Actor, status: str, incl: str
) -> None:
    """Expired: 2.16 + 3.30 = 5.46; cancelled: priced as used, 2.16. 19 % on top."""
    priced(alice, *PRICES)
    with charger.dial("2.0.1") as socket:
        socket.boot()
        kept = reserve(charger, socket, alice, ago=200)
        decided = over(kept, status), over(kept, status)
    cost = ReservationCost.objects.get(reservation=kept)

    assert decided == (1, 0)
    assert (cost.state, cost.currency, cost.incl_vat) == ("final", "EUR", Decimal(incl))
    assert cost.ended_at - cost.started_at == 50 * MINUTE
    assert cost.lines[0]["dimension"] == "RESERVATION_TIME"
    assert set(cost.texts) == {"en", "de"}


def test_t25_a_cancelled_reservation_is_free_where_the_site_said_so_as_it_was_accepted(
    charger: Charger, alice: Actor
) -> None:
    priced(alice, *PRICES)
    site = charger.station.site
    with charger.dial("2.0.1") as socket:
        socket.boot()
        sites.update(site, {"free_cancellation": True}, by=alice)
        kept = reserve(charger, socket, alice, ago=200)
        sites.update(site, {"free_cancellation": False}, by=alice)
        assert over(kept, "cancelled") == 1

    assert not ReservationCost.objects.filter(reservation=kept).exists()


@pytest.mark.parametrize("status", ["removed", "expired"])
def test_t09_nothing_is_to_be_paid_where_the_station_gave_up_or_no_price_is_for_reservations(
    charger: Charger, alice: Actor, status: str
) -> None:
    priced(alice, *(PRICES if status == "removed" else (PER_KWH,)))
    with charger.dial("2.0.1") as socket:
        socket.boot()
        kept = reserve(charger, socket, alice, ago=200)
        assert over(kept, status) == 1

    assert not ReservationCost.objects.filter(reservation=kept).exists()


@pytest.mark.parametrize("version", VERSIONS)
def test_t25_a_colleague_who_uses_a_reservation_is_not_priced_by_the_contract_of_its_holder(
    charger: Charger, alice: Actor, version: str
) -> None:
    holder = make_driver(alice)
    priced(alice, *PRICES)
    priced(alice, element(component("ENERGY", "0.10", "19")), place=holder)
    with charger.dial(version) as socket:
        socket.boot()
        kept = reserve(charger, socket, alice, ago=0, driver=holder)
        copy = ReservedTariff.objects.filter(pk=kept.pk)
        before = copy.values_list("level", flat=True).get()
        copy.update(accepted_at=clock.now())
        car = charge(charger, socket, alice, kept)
    frozen = FrozenTariff.objects.get(transaction=car.session)

    assert before == "contract"
    assert (frozen.level, frozen.reserved_from) == ("organization", copy.get().accepted_at)


@pytest.mark.parametrize("named", [True, False])
def test_t25_who_reserved_keeps_their_contract_also_where_the_start_names_nobody(
    charger: Charger, alice: Actor, named: bool
) -> None:
    holder = make_driver(alice)
    priced(alice, *PRICES)
    priced(alice, element(component("ENERGY", "0.10", "19")), place=holder)
    with charger.dial("2.0.1") as socket:
        socket.boot()
        kept = reserve(charger, socket, alice, ago=0, driver=holder)
        ReservedTariff.objects.filter(pk=kept.pk).update(accepted_at=clock.now())
        token = {"idToken": {"idToken": kept.token_value, "type": "ISO14443"}} if named else {}
        socket.call("TransactionEvent", {
            "eventType": "Started", "timestamp": clock.to_wire(clock.now()), "triggerReason": "CablePluggedIn",
            "seqNo": 0, "transactionInfo": {"transactionId": "own", "chargingState": "EVConnected"},
            "evse": {"id": 1, "connectorId": 1}, "reservationId": kept.number, **token,
        })  # fmt: skip
    frozen = FrozenTariff.objects.get(transaction__station=charger.station)

    assert frozen.level == "contract"


def test_m07_a_reservation_that_stumbles_keeps_no_other_from_its_price(
    charger: Charger, alice: Actor
) -> None:
    priced(alice, *PRICES)
    with charger.dial("2.0.1") as socket:
        socket.boot()
        poisoned, sound = (reserve(charger, socket, alice, ago=ago) for ago in (210, 200))
        ReservedTariff.objects.filter(pk=poisoned.pk).update(document="no tariff at all")
        over(poisoned, "expired")
        over(sound, "expired")
    waiting = ReservedTariff.objects.filter(pk__in=[poisoned.pk, sound.pk], settled_at=None)

    assert [one.pk for one in waiting] == [poisoned.pk]
    assert ReservationCost.objects.get(reservation=sound).state == "final"


def test_t25_a_reservation_that_no_tariff_was_found_for_waits_for_a_person(
    charger: Charger, alice: Actor
) -> None:
    elsewhere = sites.create({"name": "Elsewhere", "time_zone": "UTC"}, by=alice)
    priced(alice, *PRICES, place=elsewhere)
    with charger.dial("2.0.1") as socket:
        socket.boot()
        kept = reserve(charger, socket, alice, ago=200)
        over(kept, "expired")
    cost = ReservationCost.objects.get(reservation=kept)

    assert (cost.state, cost.cause, cost.incl_vat) == ("review", "no_tariff", None)


def test_t25_an_expiry_waits_for_a_station_that_may_still_tell_of_a_session(
    charger: Charger, alice: Actor
) -> None:
    priced(alice, *PRICES)
    with charger.dial("2.0.1") as socket:
        socket.boot()
        kept = reserve(charger, socket, alice, ago=55)
        end = clock.now() - 4 * MINUTE
        Reservation.objects.filter(pk=kept.pk).update(status="expired", ended_at=end, expires_at=end)

        assert reservation_costs.sweep(clock.now()) == 0

        car = charge(charger, socket, alice, kept, started=5)
    kept.refresh_from_db()

    assert (kept.status, kept.transaction) == ("used", car.session)
    assert SessionCost.objects.get(transaction=car.session).answer["total_reservation_cost"] != {
        "excl_vat": "0.0000",
        "incl_vat": "0.0000",
    }


def test_t25_a_session_told_after_the_expiry_was_priced_leaves_that_to_a_person(
    charger: Charger, alice: Actor
) -> None:
    priced(alice, *PRICES)
    with charger.dial("2.0.1") as socket:
        socket.boot()
        kept = reserve(charger, socket, alice, ago=200)
        over(kept, "expired")
        car = charge(charger, socket, alice, kept, started=160)
    cost = ReservationCost.objects.get(reservation=kept)

    assert (cost.state, cost.cause, cost.incl_vat) == ("review", "used_after_all", None)
    assert session_costs.price(car.session.pk, now=clock.now()) is not None
    assert Reservation.objects.get(pk=kept.pk).transaction_id == car.session.pk


def test_where_nothing_is_priced_a_reservation_costs_nothing(charger: Charger, alice: Actor) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        kept = reserve(charger, socket, alice)

    assert not ReservedTariff.objects.filter(reservation=kept).exists()
