"""Every command in every version: what the station receives, and how its answer ends it."""

from typing import Any
from uuid import uuid4

import pytest

from core import clock
from core.access import Actor
from core.errors import NotFound
from stations.domain import intents
from stations.domain.intents import Intent, VariableItem
from stations.models import Command
from tests.factories import make_actor, make_organization
from tests.stations.ocpp.asking import VERSIONS, VERSIONS_2X, ask, ended, issue
from tests.stations.ocpp.knocking import Charger
from tests.waiting import eventually

Frame = tuple[str, dict[str, Any]]
CONNECTOR_1 = {"id": 1, "connectorId": 1}
ITEM = VariableItem(component="OCPPCommCtrlr", variable="HeartbeatInterval", value="60")
NAMED = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}

FRAMES: list[tuple[str, Intent, Frame, Frame]] = [
    (
        "restart at once",
        intents.ResetStation(kind="immediate"),
        ("Reset", {"type": "Hard"}),
        ("Reset", {"type": "Immediate"}),
    ),
    (
        "restart when idle",
        intents.ResetStation(kind="on_idle"),
        ("Reset", {"type": "Soft"}),
        ("Reset", {"type": "OnIdle"}),
    ),
    (
        "unlock",
        intents.UnlockConnector(evse_id=2),
        ("UnlockConnector", {"connectorId": 2}),
        ("UnlockConnector", {"evseId": 2, "connectorId": 1}),
    ),
    (
        "whole station out of service",
        intents.ChangeAvailability(operational_status="inoperative"),
        ("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"}),
        ("ChangeAvailability", {"operationalStatus": "Inoperative"}),
    ),
    (
        "one EVSE in service",
        intents.ChangeAvailability(operational_status="operative", evse_id=1),
        ("ChangeAvailability", {"connectorId": 1, "type": "Operative"}),
        ("ChangeAvailability", {"operationalStatus": "Operative", "evse": {"id": 1}}),
    ),
    (
        "one connector in service",
        intents.ChangeAvailability(operational_status="operative", evse_id=1, connector_id=1),
        ("ChangeAvailability", {"connectorId": 1, "type": "Operative"}),
        ("ChangeAvailability", {"operationalStatus": "Operative", "evse": CONNECTOR_1}),
    ),
    (
        "trigger a heartbeat",
        intents.TriggerMessage(message="heartbeat"),
        ("TriggerMessage", {"requestedMessage": "Heartbeat"}),
        ("TriggerMessage", {"requestedMessage": "Heartbeat"}),
    ),
    (
        "trigger meter values of one EVSE",
        intents.TriggerMessage(message="meter_values", evse_id=1),
        ("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 1}),
        ("TriggerMessage", {"requestedMessage": "MeterValues", "evse": {"id": 1}}),
    ),
    (
        "trigger the state of a connector",
        intents.TriggerMessage(message="status_notification", evse_id=1),
        ("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 1}),
        ("TriggerMessage", {"requestedMessage": "StatusNotification", "evse": CONNECTOR_1}),
    ),
    (
        "trigger a certificate request",
        intents.TriggerMessage(message="sign_charging_station_certificate"),
        ("ExtendedTriggerMessage", {"requestedMessage": "SignChargePointCertificate"}),
        ("TriggerMessage", {"requestedMessage": "SignChargingStationCertificate"}),
    ),
    (
        "any call",
        intents.Call(action="ClearCache", payload={}),
        ("ClearCache", {}),
        ("ClearCache", {}),
    ),
]


def words(*statuses: tuple[str, str, str]) -> list[Any]:
    return [pytest.param(*status, id=f"{status[0]}-{status[1]}") for status in statuses]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("intent", "frame_16", "frame_2x"), [row[1:] for row in FRAMES], ids=[row[0] for row in FRAMES]
)
def test_the_station_receives_the_command_in_the_words_of_its_version(
    charger: Charger, alice: Actor, intent: Intent, frame_16: Frame, frame_2x: Frame, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        answer = "Unlocked" if intent.name == "unlock_connector" else "Accepted"
        call, command = ask(charger, socket, alice, intent, {"status": answer})

    assert tuple(call[2:]) == (frame_16 if version == "1.6" else frame_2x)
    assert command.status == "accepted"
    assert command.action == call[2]
    assert command.message_id == call[1]
    assert command.response == {"status": answer}
    assert command.sent_at is not None
    assert command.latency_ms is not None


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_one_evse_of_a_2x_station_can_be_restarted(charger: Charger, alice: Actor, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        intent = intents.ResetStation(kind="on_idle", evse_id=1)
        call, command = ask(charger, socket, alice, intent, {"status": "Scheduled"})

    assert call[2:] == ["Reset", {"type": "OnIdle", "evseId": 1}]
    assert command.status == "accepted"


@pytest.mark.parametrize(
    ("version", "message"),
    [("1.6", "transaction_event"), ("2.0.1", "diagnostics_status_notification")],
)
def test_what_a_version_lacks_is_never_sent_and_kept_as_not_supported(
    charger: Charger, alice: Actor, version: str, message: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        command = ended(issue(charger, alice, intents.TriggerMessage(message=message)))
        socket.call("Heartbeat", {})

    assert command.status == "not_supported"
    assert command.error["code"] == "not_supported"
    assert not socket.calls


ANSWERS = words(
    ("1.6", "Accepted", "accepted"),
    ("1.6", "Rejected", "rejected"),
    ("2.0.1", "Accepted", "accepted"),
    ("2.0.1", "Scheduled", "accepted"),
    ("2.0.1", "Rejected", "rejected"),
    ("2.1", "Scheduled", "accepted"),
    ("2.1", "Rejected", "rejected"),
)


@pytest.mark.parametrize(("version", "word", "status"), ANSWERS)
def test_a_restart_ends_as_the_station_answers(
    charger: Charger, alice: Actor, version: str, word: str, status: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        intent = intents.ResetStation(kind="on_idle")
        _, command = ask(charger, socket, alice, intent, {"status": word})

    assert command.status == status
    assert command.response == {"status": word}


UNLOCKS = words(
    ("1.6", "Unlocked", "accepted"),
    ("1.6", "UnlockFailed", "rejected"),
    ("1.6", "NotSupported", "rejected"),
    ("2.0.1", "Unlocked", "accepted"),
    ("2.0.1", "UnlockFailed", "rejected"),
    ("2.0.1", "OngoingAuthorizedTransaction", "rejected"),
    ("2.1", "UnknownConnector", "rejected"),
)


@pytest.mark.parametrize(("version", "word", "status"), UNLOCKS)
def test_an_unlock_ends_as_the_station_answers(
    charger: Charger, alice: Actor, version: str, word: str, status: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        _, command = ask(charger, socket, alice, intents.UnlockConnector(evse_id=1), {"status": word})

    assert command.status == status
    assert command.effect == ("seen" if status == "accepted" else "")


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize("word", ["NotSupported", "EmptyResultSet", "Rejected"])
def test_a_report_that_the_station_does_not_make_is_rejected(
    charger: Charger, alice: Actor, version: str, word: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        intent = intents.GetBaseReport(kind="summary_inventory")
        call, command = ask(charger, socket, alice, intent, {"status": word})

    assert call[3]["reportBase"] == "SummaryInventory"
    assert command.status == "rejected"
    [report] = charger.station.reports.all()
    assert (report.answer, report.parts) == (word, [])
    assert report.state == ("empty" if word == "EmptyResultSet" else "refused")


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_a_trigger_that_the_station_lacks_is_rejected(charger: Charger, alice: Actor, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        intent = intents.TriggerMessage(message="transaction_event", evse_id=1)
        call, command = ask(charger, socket, alice, intent, {"status": "NotImplemented"})

    assert call[3] == {"requestedMessage": "TransactionEvent", "evse": {"id": 1}}
    assert command.status == "rejected"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_callerror_fails_the_command_with_its_code(charger: Charger, alice: Actor, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        command = issue(charger, alice, intents.Call(action="ClearCache", payload={}))
        call = socket.next_call()
        socket.send([4, call[1], "InternalError", "The relay is stuck", {}])
        ended(command)

    assert command.status == "failed"
    assert command.error == {"code": "InternalError", "description": "The relay is stuck"}
    assert command.response is None


@pytest.mark.parametrize("version", VERSIONS)
def test_p152_an_invalid_answer_fails_the_command_and_is_not_answered(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        command = issue(charger, alice, intents.Call(action="ClearCache", payload={}))
        call = socket.next_call()
        socket.reply(call, {"status": "Perhaps"})
        ended(command)

    assert command.status == "failed"
    assert command.error["code"] == "invalid_answer"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_command_to_a_station_that_is_away_fails_at_once(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
    eventually(lambda: not type(charger.station.presence).objects.get(pk=charger.station.pk).connected)

    command = issue(charger, alice, intents.TriggerMessage(message="heartbeat"))

    assert command.status == "failed"
    assert command.error["code"] == "offline"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_command_that_may_wait_is_said_after_the_reconnect(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
    eventually(lambda: not type(charger.station.presence).objects.get(pk=charger.station.pk).connected)
    command = issue(charger, alice, intents.TriggerMessage(message="heartbeat"), if_offline="wait")

    with charger.dial(version) as socket:
        call = socket.next_call()
        socket.reply(call, {"status": "Accepted"})
        ended(command)

    assert command.status == "accepted"


def test_a_command_whose_socket_is_lost_fails_and_is_not_said_again(charger: Charger, alice: Actor) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        command = issue(charger, alice, intents.ResetStation(kind="immediate"))
        socket.next_call()
    ended(command)

    with charger.dial("2.0.1") as socket:
        socket.call("Heartbeat", {})

    assert (command.status, command.error["code"]) == ("failed", "disconnected")
    assert not socket.calls


@pytest.mark.parametrize("version", VERSIONS)
def test_a_station_that_does_not_answer_times_the_command_out(
    charger: Charger, alice: Actor, version: str
) -> None:
    charger.set(call_timeout_s=1)
    with charger.dial(version) as socket:
        socket.boot()
        command = issue(charger, alice, intents.TriggerMessage(message="heartbeat"))
        socket.next_call()
        ended(command)

    assert command.status == "timed_out"


def test_a_session_of_another_station_cannot_be_stopped(charger: Charger, alice: Actor) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        with pytest.raises(NotFound):
            issue(charger, alice, intents.RequestStopTransaction(transaction=uuid4()))


def test_a_stranger_commands_nothing(charger: Charger) -> None:
    charlie = make_actor(make_organization(), name="charlie")

    with charger.dial("2.0.1") as socket:
        socket.boot()
        with pytest.raises(NotFound):
            issue(charger, charlie, intents.ResetStation(kind="immediate"))
        socket.call("Heartbeat", {})

    assert not socket.calls
    assert not Command.objects.filter(station=charger.station).exists()


@pytest.mark.parametrize("version", VERSIONS)
def test_variables_are_written_in_the_words_of_the_version(
    charger: Charger, alice: Actor, version: str
) -> None:
    answer: dict[str, Any] = {"status": "Accepted"}
    frame: Frame = ("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "60"})
    if version != "1.6":
        answer = {"setVariableResult": [{"attributeStatus": "Accepted", **NAMED}]}
        frame = ("SetVariables", {"setVariableData": [{**NAMED, "attributeValue": "60"}]})
    with charger.dial(version) as socket:
        socket.boot()
        call, command = ask(charger, socket, alice, intents.SetVariables(items=(ITEM,)), answer)

    assert tuple(call[2:]) == frame
    assert command.status == "accepted"
    assert charger.station.variables.get().value == "60"


@pytest.mark.parametrize(
    ("version", "items"),
    [("2.0.1", ()), ("2.1", ())],
)
def test_all_variables_of_a_2x_station_come_by_a_report_only(
    charger: Charger, alice: Actor, version: str, items: tuple[VariableItem, ...]
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        command = ended(issue(charger, alice, intents.GetVariables(items=items)))

    assert command.status == "not_supported"


def test_a_2x_variable_without_its_component_is_not_sent(charger: Charger, alice: Actor) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        intent = intents.GetVariables(items=(VariableItem(variable="HeartbeatInterval"),))
        command = ended(issue(charger, alice, intent))
        socket.call("Heartbeat", {})

    assert command.status == "failed"
    assert "HeartbeatInterval" in command.error["description"]
    assert not socket.calls


@pytest.mark.parametrize(
    ("version", "type_", "status"),
    [("2.0.1", "DirectPayment", "not_supported"), ("2.1", "DirectPayment", "accepted")],
)
def test_tokens_of_types_that_came_with_21_are_not_sent_to_201(
    charger: Charger, alice: Actor, version: str, type_: str, status: str
) -> None:
    intent = intents.RequestStartTransaction(token_value="T-1", token_type=type_)
    with charger.dial(version) as socket:
        socket.boot()
        command = issue(charger, alice, intent)
        if status == "accepted":
            call = socket.next_call()
            socket.reply(call, {"status": "Accepted"})
        ended(command)

    assert command.status == status


def test_a_command_expires_where_it_could_not_be_said_in_time(charger: Charger, alice: Actor) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        first = issue(charger, alice, intents.TriggerMessage(message="heartbeat"))
        call = socket.next_call()
        second = issue(charger, alice, intents.TriggerMessage(message="heartbeat"), patience_s=1)
        eventually(lambda: clock.now() > second.expires_at)
        socket.reply(call, {"status": "Accepted"})
        ended(first)
        socket.call("Heartbeat", {})

    assert not socket.calls
    second.refresh_from_db()
    assert second.sent_at is None


@pytest.mark.parametrize(
    ("version", "raw", "status", "why"),
    [
        ("1.6", intents.Call(action="Heartbeat", payload={}), "failed", "is said by stations"),
        ("2.0.1", intents.Call(action="Heartbeat", payload={}), "failed", "is said by stations"),
        ("2.1", intents.Call(action="ClearCache", payload={}, ocpp_version="1.6"), "not_supported", "is for OCPP 1.6"),
        ("1.6", intents.Call(action="ClearCache", payload={}, ocpp_version="2.1"), "not_supported", "is for OCPP 2.1"),
        ("1.6", intents.Call(action="GetVariables", payload={}), "not_supported", "has no action"),
    ],
)  # fmt: skip
def test_a_raw_call_that_is_not_for_the_station_never_leaves(
    charger: Charger, alice: Actor, version: str, raw: intents.Call, status: str, why: str
) -> None:
    """It was fit when it was asked for or planned; the station may speak another version when it is said."""
    with charger.dial(version) as socket:
        socket.boot()
        command = ended(issue(charger, alice, raw))

    assert (command.status, command.sent_at) == (status, None)
    assert why in command.error["description"]
