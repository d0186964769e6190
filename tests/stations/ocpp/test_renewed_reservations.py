"""Whose tariff prices a reservation."""

from datetime import timedelta
from typing import Any

from core import clock
from core.access import Actor
from drivers.models import Driver
from stations.domain import intents
from stations.models import Reservation, ReservedTariff
from tests.factories import make_driver, make_token
from tests.stations.ocpp.asking import ask
from tests.stations.ocpp.charging import PER_KWH, assign, priced, publish
from tests.stations.ocpp.conftest import address, alice, charger
from tests.stations.ocpp.knocking import Charger
from tests.stations.ocpp.test_reservation_costs import RESERVED
from tests.tariffs.building import component, element
from tests.wire.client import WireStation

__all__ = ["address", "alice", "charger"]
CHEAP = element(component("ENERGY", "0.01", "19"))


def with_contract(by: Actor) -> Driver:
    driver = make_driver(by, "Anton")
    assign(by, publish(by, CHEAP, RESERVED).tariff, driver)
    return driver


def reserve(
    charger: Charger, socket: WireStation, by: Actor, driver: Driver, minutes: int = 60, **more: Any
) -> Reservation:
    token = make_token(by, type_="ISO14443", driver=driver)
    wish = intents.ReserveNow(
        evse_id=1, token_value=token.value, token_type="ISO14443",
        expires_at=clock.now() + timedelta(minutes=minutes), **more,
    )  # fmt: skip
    ask(charger, socket, by, wish, {"status": "Accepted"})
    return Reservation.objects.filter(station=charger.station).latest("id")


def test_t25_a_reservation_that_was_renewed_for_somebody_else_is_theirs(
    charger: Charger, alice: Actor
) -> None:
    """The station keeps the place for Berta from then on; Anton has nothing to pay and lends no contract."""
    for_all = priced(alice, PER_KWH, RESERVED)
    berta = make_driver(alice, "Berta")
    with charger.dial("2.0.1") as socket:
        socket.boot()
        kept = reserve(charger, socket, alice, with_contract(alice))
        reserve(charger, socket, alice, berta, 90, reservation=kept.pk)
    kept.refresh_from_db()
    promised = ReservedTariff.objects.get(pk=kept.pk)

    assert kept.token is not None
    assert kept.token.driver == berta
    assert (promised.driver, promised.version_id) == (berta, for_all.pk)
