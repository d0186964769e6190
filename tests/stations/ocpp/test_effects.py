"""What is seen of a command after its answer: the proof is what the station reports."""

from typing import Any

import pytest

from core.access import Actor
from core.errors import Conflict
from stations.domain import intents
from stations.models import Transaction
from tests.factories import make_token
from tests.stations.ocpp.asking import VERSIONS, VERSIONS_2X, ask, issue, now, with_effect
from tests.stations.ocpp.knocking import Charger
from tests.wire.client import WireStation
from tests.wire.golden import wire


def begin(charger: Charger, socket: WireStation, token: Any, **info: Any) -> Transaction:
    """A transaction that the station reports as begun."""
    if socket.version == "1.6":
        start = {"connectorId": 1, "idTag": token.value, "meterStart": 0, "timestamp": now()}
        number = socket.call("StartTransaction", start)["transactionId"]
        return Transaction.objects.get(number=number)
    payload = wire("v201/TransactionEvent.started", timestamp=now())
    payload["idToken"] = {"idToken": token.value, "type": token.type}
    payload["transactionInfo"] |= info
    socket.call("TransactionEvent", payload)
    return Transaction.objects.get(station=charger.station)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_remote_start_is_seen_by_the_transaction_that_follows(
    charger: Charger, alice: Actor, version: str
) -> None:
    token = make_token(alice)
    intent = intents.RequestStartTransaction(token_value=token.value, token_type=token.type, evse_id=1)
    with charger.dial(version) as socket:
        socket.boot()
        call, command = ask(charger, socket, alice, intent, {"status": "Accepted"})
        before = (command.status, command.effect)
        transaction = begin(
            charger,
            socket,
            token,
            **({"remoteStartId": call[3]["remoteStartId"]} if version != "1.6" else {}),
        )
        with_effect(command)

    shown = {"idToken": token.value, "type": token.type}
    expected: dict[str, Any] = {"idTag": token.value, "connectorId": 1}
    if version != "1.6":
        expected = {"idToken": shown, "evseId": 1, "remoteStartId": command.remote_start_id}
    assert call[3] == expected
    assert call[2] == ("RemoteStartTransaction" if version == "1.6" else "RequestStartTransaction")
    assert before == ("accepted", "")
    assert command.effect == "seen"
    assert command.transaction == transaction


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_a_remote_start_with_the_cable_in_is_seen_by_the_event_that_names_it(
    charger: Charger, alice: Actor, version: str
) -> None:
    token = make_token(alice)
    intent = intents.RequestStartTransaction(token_value=token.value, token_type=token.type, evse_id=1)
    started = wire("v201/TransactionEvent.started", timestamp=now(), idToken=None)
    with charger.dial(version) as socket:
        socket.boot()
        assert socket.call("TransactionEvent", started) == {}
        call, command = ask(charger, socket, alice, intent, {"status": "Accepted", "transactionId": "tx-1"})
        updated = wire("v201/TransactionEvent.updated", timestamp=now(), triggerReason="RemoteStart")
        updated["idToken"] = {"idToken": token.value, "type": token.type}
        updated["transactionInfo"]["remoteStartId"] = call[3]["remoteStartId"]
        answer = socket.call("TransactionEvent", updated)
        with_effect(command)

    assert answer["idTokenInfo"]["status"] == "Accepted"
    assert command.effect == "seen"
    assert command.transaction == Transaction.objects.get(station=charger.station)


@pytest.mark.parametrize("version", VERSIONS)
def test_p153_a_remote_stop_ends_the_session_only_when_the_station_says_so(
    charger: Charger, alice: Actor, version: str
) -> None:
    token = make_token(alice)
    with charger.dial(version) as socket:
        socket.boot()
        transaction = begin(charger, socket, token)
        intent = intents.RequestStopTransaction(transaction=transaction.pk)
        call, refused = ask(charger, socket, alice, intent, {"status": "Rejected"})
        transaction.refresh_from_db()
        after_refusal = transaction.status
        _, accepted = ask(charger, socket, alice, intent, {"status": "Accepted"})
        transaction.refresh_from_db()
        after_answer = transaction.status
        if version == "1.6":
            stop = {"transactionId": transaction.number, "meterStop": 100, "timestamp": now()}
            socket.call("StopTransaction", {**stop, "reason": "Remote"})
        else:
            end = wire("v201/TransactionEvent.ended", timestamp=now(), triggerReason="RemoteStop")
            end["transactionInfo"]["stoppedReason"] = "Remote"
            socket.call("TransactionEvent", end)
        with_effect(accepted)

    transaction.refresh_from_db()
    name = "RemoteStopTransaction" if version == "1.6" else "RequestStopTransaction"
    assert call[2:] == [name, {"transactionId": transaction.number or "tx-1"}]
    assert (refused.status, refused.effect) == ("rejected", "")
    assert after_refusal == after_answer == "active"
    assert accepted.effect == "seen"
    assert (transaction.status, transaction.stopped_reason) == ("ended", "Remote")
    with pytest.raises(Conflict):
        issue(charger, alice, intent)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_restart_is_seen_by_the_boot_that_follows(charger: Charger, alice: Actor, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        intent = intents.ResetStation(kind="immediate")
        _, command = ask(charger, socket, alice, intent, {"status": "Accepted"})
        before = command.effect
    with charger.dial(version) as socket:
        socket.boot()
        with_effect(command)

    assert before == ""
    assert command.effect == "seen"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("message", "action", "payload"),
    [
        ("heartbeat", "Heartbeat", {}),
        ("status_notification", "StatusNotification", None),
        ("meter_values", "MeterValues", None),
    ],
)
def test_a_trigger_is_seen_by_the_message_that_follows(
    charger: Charger, alice: Actor, message: str, action: str, payload: Any, version: str
) -> None:
    told: dict[str, Any] = {
        "Heartbeat": {},
        "StatusNotification": {"connectorId": 1, "errorCode": "NoError", "status": "Available"},
        "MeterValues": {
            "connectorId": 1,
            "meterValue": [{"timestamp": now(), "sampledValue": [{"value": "1"}]}],
        },
    }
    told_2x: dict[str, Any] = {
        "Heartbeat": {},
        "StatusNotification": wire("v201/StatusNotification.available"),
        "MeterValues": wire("v201/MeterValues.outlet"),
    }
    with charger.dial(version) as socket:
        socket.boot()
        intent = intents.TriggerMessage(message=message, evse_id=None if message == "heartbeat" else 1)
        _, command = ask(charger, socket, alice, intent, {"status": "Accepted"})
        socket.call(action, (told if version == "1.6" else told_2x)[action])
        with_effect(command)

    assert command.effect == "seen"


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_a_change_of_availability_to_what_is_so_already_is_seen_at_once(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        socket.call("StatusNotification", wire("v201/StatusNotification.available"))
        intent = intents.ChangeAvailability(operational_status="operative", evse_id=1)
        _, command = ask(charger, socket, alice, intent, {"status": "Accepted"})

    assert with_effect(command).effect == "seen"
