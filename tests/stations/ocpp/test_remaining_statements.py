"""Statuses of refusals, time-outs of single stations, and texts that are empty or numbers, over real sockets."""

import time
from typing import Any

import pytest

from core.access import Actor
from stations.domain import intents
from stations.models import Connector, RawFrame, Transaction, Variable
from tests.stations.ocpp.asking import VERSIONS, VERSIONS_2X, ask, ended, issue, now
from tests.stations.ocpp.knocking import Charger
from tests.waiting import eventually

EVERY = pytest.mark.parametrize("version", VERSIONS)
CLEAR_CACHE = intents.Call(action="ClearCache", payload={})


def start(**details: Any) -> dict[str, Any]:
    return {"connectorId": 1, "idTag": "NOBODY", "meterStart": 0, "timestamp": now(), **details}


def test_p008b_refusals_reach_the_client_with_their_own_status(charger: Charger) -> None:
    stranger = charger.knock(path="/NO-SUCH-STATION")
    wrong = charger.knock(login=(charger.station.identity, "not the password"))
    for _ in range(20):
        charger.knock(login=(charger.station.identity, "not the password"))
    hasty = charger.knock()

    assert [reply.status for reply in (stranger, wrong, hasty)] == [404, 401, 429]
    assert wrong.header("WWW-Authenticate") == 'Basic realm="ocpp"'
    assert int(hasty.header("Retry-After") or 0) > 0
    assert [reply.header("Connection") for reply in (stranger, wrong, hasty)] == ["close"] * 3


@EVERY
def test_p075_a_reply_after_the_stations_own_time_out_is_late_and_given_to_nobody(
    charger: Charger, alice: Actor, version: str
) -> None:
    charger.set(call_timeout_s=1)
    with charger.dial(version) as socket:
        socket.boot()
        began = time.monotonic()
        first = issue(charger, alice, CLEAR_CACHE)
        unanswered = socket.next_call()
        ended(first)
        waited_s = time.monotonic() - began
        second = issue(charger, alice, CLEAR_CACHE)
        next_one = socket.next_call()
        socket.reply(unanswered, {"status": "Rejected"})
        socket.reply(next_one, {"status": "Accepted"})
        ended(second)

    assert first.status == "timed_out"
    assert 1 <= waited_s < 4
    assert second.status == "accepted"
    late = eventually(RawFrame.objects.filter(station=charger.station, verdict="late").first)
    assert late.message_id == unanswered[1]
    first.refresh_from_db()
    assert first.status == "timed_out"


def test_p085_numbers_as_text_and_text_as_numbers_are_taken_from_a_lenient_station(
    charger: Charger, alice: Actor
) -> None:
    charger.set(lenient=True)
    with charger.dial() as socket:
        socket.boot()
        number = socket.call("StartTransaction", start(connectorId="1", idTag=4711, meterStart="100"))[
            "transactionId"
        ]
        socket.call("StopTransaction", {"transactionId": str(number), "meterStop": "350", "timestamp": now()})
        keys = [
            {"key": "HeartbeatInterval", "readonly": "false", "value": 300},
            {"key": "LocalPreAuthorize", "readonly": False, "value": True},
        ]
        _, command = ask(charger, socket, alice, intents.GetVariables(items=()), {"configurationKey": keys})

    transaction = Transaction.objects.get(number=number)
    assert (transaction.status, transaction.energy_wh, transaction.token_value) == ("ended", 250, "4711")
    assert command.status == "accepted"
    kept = dict(Variable.objects.filter(station=charger.station).values_list("variable", "value"))
    assert kept == {"HeartbeatInterval": "300", "LocalPreAuthorize": "true"}


def empty_16() -> tuple[str, dict[str, Any]]:
    blank = dict.fromkeys(("info", "vendorId", "vendorErrorCode", "timestamp"), "")
    return "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Charging", **blank}


def empty_2x() -> tuple[str, dict[str, Any]]:
    return "TransactionEvent", {
        "eventType": "Started",
        "timestamp": now(),
        "triggerReason": "CablePluggedIn",
        "seqNo": 0,
        "transactionInfo": {"transactionId": "T-EMPTY", "chargingState": "", "stoppedReason": ""},
        "evse": {"id": 1},
    }


def test_p087_empty_text_in_an_optional_field_of_16_equals_absent(charger: Charger) -> None:
    charger.set(lenient=True)
    action, payload = empty_16()
    with charger.dial() as socket:
        socket.boot()
        assert socket.call(action, payload) == {}

    connector = Connector.objects.get(evse__station=charger.station)
    assert (connector.status, connector.info, connector.vendor_id) == ("Charging", "", "")
    assert connector.status_at is not None


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p087_empty_text_in_an_optional_field_of_2x_equals_absent(charger: Charger, version: str) -> None:
    charger.set(lenient=True)
    action, payload = empty_2x()
    with charger.dial(version) as socket:
        socket.boot()
        assert socket.call(action, payload) == {}

    transaction = Transaction.objects.get(station=charger.station)
    assert (transaction.charging_state, transaction.stopped_reason) == ("", "")
    assert sorted(transaction.repairs) == [
        "empty:transactionInfo.chargingState",
        "empty:transactionInfo.stoppedReason",
    ]
