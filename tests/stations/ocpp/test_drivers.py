"""What stations hear of the tokens of a driver, and whose session it becomes."""

import pytest

from core.access import Actor
from drivers.models import Driver
from drivers.services import drivers, tokens
from stations.domain import intents
from stations.models import Transaction
from tests.factories import make_driver, make_token
from tests.stations.ocpp.asking import VERSIONS_2X, issue
from tests.stations.ocpp.knocking import Charger
from tests.wire.golden import wire


@pytest.fixture
def driver(alice: Actor) -> Driver:
    return make_driver(alice)


def test_p121_the_tokens_of_a_blocked_driver_are_blocked_on_16(
    charger: Charger, alice: Actor, driver: Driver
) -> None:
    token = make_token(alice, driver=driver)
    drivers.block(driver, reason="Unpaid", by=alice)
    with charger.dial("1.6") as socket:
        socket.boot()
        refused = socket.call("Authorize", {"idTag": token.value})
        drivers.unblock(driver, by=alice)
        accepted = socket.call("Authorize", {"idTag": token.value})

    assert (refused["idTagInfo"], accepted["idTagInfo"]) == ({"status": "Blocked"}, {"status": "Accepted"})


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p121_the_tokens_of_a_blocked_driver_are_blocked_on_2x(
    charger: Charger, alice: Actor, driver: Driver, version: str
) -> None:
    token = make_token(alice, driver=driver)
    drivers.block(driver, reason="Unpaid", by=alice)
    with charger.dial(version) as socket:
        socket.boot()
        answer = socket.call("Authorize", {"idToken": {"idToken": token.value, "type": token.type}})

    assert answer["idTokenInfo"] == {"status": "Blocked"}


def test_a_local_list_tells_that_the_driver_is_blocked(
    charger: Charger, alice: Actor, driver: Driver
) -> None:
    token = make_token(alice, driver=driver)
    drivers.block(driver, reason="Unpaid", by=alice)
    with charger.dial("1.6") as socket:
        socket.boot()
        issue(charger, alice, intents.SendLocalList(mode="full"))
        call = socket.next_call()
        socket.reply(call, {"status": "Accepted"})

    [entry] = call[3]["localAuthorizationList"]
    assert (entry["idTag"], entry["idTagInfo"]["status"]) == (token.value, "Blocked")


def test_a_session_on_16_belongs_to_the_driver_of_its_beginning(
    charger: Charger, alice: Actor, driver: Driver
) -> None:
    token = make_token(alice, driver=driver)
    with charger.dial("1.6") as socket:
        socket.boot()
        socket.call("StartTransaction", wire("v16/StartTransaction.plain", idTag=token.value))
    tokens.update(token, {"driver": make_driver(alice)}, by=alice)

    assert Transaction.objects.get(station=charger.station).driver == driver


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_a_session_on_2x_belongs_to_the_driver_of_the_token(
    charger: Charger, alice: Actor, driver: Driver, version: str
) -> None:
    token = make_token(alice, driver=driver)
    shown = {"idToken": token.value, "type": token.type}
    with charger.dial(version) as socket:
        socket.boot()
        socket.call("TransactionEvent", wire("v201/TransactionEvent.started", idToken=shown))

    assert Transaction.objects.get(station=charger.station).driver == driver
