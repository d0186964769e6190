"""All 194 actions of the three versions, each over the real door: one that is right, one that is not.

What each action means is tested with its block; here every one is answered by an answer that its schema
allows, leaves something behind in the database, and is refused by its version's code when it is wrong.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import jsonschema
import pytest
from django.apps import apps
from django.db import models

from core.access import Actor
from core.errors import Invalid
from stations.domain import intents
from stations.models import ChargingStation, Command, Connection, Presence, RawFrame
from stations.ocpp import lenient, raw_calls
from tests.stations.ocpp.asking import ask, ended, issue
from tests.stations.ocpp.knocking import Charger
from tests.wire.client import WireStation
from tests.wire.examples import SENDS, Action, actions, fullest, schema, smallest
from tests.wire.spoiling import of_wrong_type, of_wrong_value

FROM_STATIONS = actions("CS->CSMS", "both")
TO_STATIONS = actions("CSMS->CS", "both")
KEPT_ELSEWHERE = frozenset({RawFrame, Connection, Presence})
"""The log of frames and connections: written for every message, so no sign of an effect."""

ANSWERS_ONLY = {
    "Heartbeat": "asks for the time; that the station was heard of is kept with its connection",
    "PullDynamicScheduleUpdate": "asks for a profile that does not exist",
    "VatNumberValidation": "asks, and changes nothing",
    "ReservationStatusUpdate": "names a reservation that was never made",
}
STARTED = ("TransactionEvent", {"eventType": "Started", "seqNo": 0})
BEFORE: Mapping[str, Sequence[tuple[str, Mapping[str, Any]]]] = {
    "ClearedChargingLimit": [("NotifyChargingLimit", {})],
    "ClosePeriodicEventStream": [("OpenPeriodicEventStream", {})],
    "DiagnosticsStatusNotification": [("DiagnosticsStatusNotification", {"status": "Uploading"})],
    "NotifyEVChargingNeeds": [STARTED],
    "NotifyEVChargingSchedule": [STARTED],
    "NotifyPeriodicEventStream": [("OpenPeriodicEventStream", {})],
    "NotifyPriorityCharging": [STARTED],
    "PublishFirmwareStatusNotification": [("PublishFirmwareStatusNotification", {"status": "Downloading"})],
}
"""What a station says before, so that the example is about something: each a full example with changes.

The first word of both status notifications is Idle, which tells of no job that was not known before.
"""
EACH_COUNTS = {
    "Authorize": "each showing of a token is a line of the authorization log",
    "DataTransfer": "each message of a vendor is kept by itself: only the vendor knows whether it says the same",
    "SignCertificate": "a request that was refused is not open any more, so that the next one is looked at anew",
}
"""What is stored again when it is said again."""

MISSING = {
    "1.6": "OccurenceConstraintViolation",
    "2.0.1": "OccurrenceConstraintViolation",
    "2.1": "OccurrenceConstraintViolation",
}
WRONG_TYPE, WRONG_VALUE = "TypeConstraintViolation", "PropertyConstraintViolation"
REPAIRED = frozenset({"StopTransaction"})
"""Whose optional parts are left out where they are wrong, since a session ends but once."""
UNKNOWN = {"1.6": "FormationViolation", "2.0.1": "FormatViolation", "2.1": "FormatViolation"}


def name_of(row: Action) -> str:
    return f"{row.version}-{row.action}"


@pytest.mark.parametrize("row", FROM_STATIONS, ids=name_of)
def test_what_a_station_says_is_answered_stored_and_stored_once(
    charger: Charger, alice: Actor, row: Action
) -> None:
    said = fullest(row.version, row.action)
    with charger.dial(row.version) as socket:
        socket.boot()
        prepare(charger, socket, alice, row)
        before = traces_of(charger.station)
        rows = []
        for _ in range(2):
            answer = say(socket, row, said)
            if answer is not None:
                jsonschema.validate(answer, schema(row.version, row.action, "Response"))
            socket.call("Heartbeat", {})
            rows.append(rows_of(charger.station))

    changed = traces_of(charger.station) != before
    assert changed == (row.action not in ANSWERS_ONLY)
    assert (rows[1] == rows[0]) == (row.action not in EACH_COUNTS)


@pytest.mark.parametrize("row", FROM_STATIONS, ids=name_of)
def test_what_a_station_says_wrongly_is_refused_by_the_code_of_its_version(
    charger: Charger, row: Action
) -> None:
    said = smallest(row.version, row.action)
    with charger.dial(row.version) as socket:
        socket.boot()
        before = traces_of(charger.station, counters=False)
        codes = [code_of(socket, row, {**said, "madeUp": 1})]
        if required := schema(row.version, row.action).get("required"):
            lacking = {name: value for name, value in said.items() if name != required[0]}
            codes.append(code_of(socket, row, lacking))
        socket.call("Heartbeat", {})

    expected = [UNKNOWN[row.version], MISSING[row.version]][: len(codes)]
    if row.action in SENDS:
        expected = [None] * len(codes)
    if lenient.ends_session(row.action, said):  # refused only where it cannot be repaired
        expected[0] = "answered"
    assert codes == expected
    unchanged = traces_of(charger.station, counters=False) == before
    assert unchanged == ("answered" not in codes)


@pytest.mark.parametrize("row", FROM_STATIONS, ids=name_of)
def test_what_a_station_says_of_a_wrong_type_or_value_is_refused_by_the_code_of_its_version(
    charger: Charger, row: Action
) -> None:
    faults = {WRONG_TYPE: of_wrong_type(*row[:2]), WRONG_VALUE: of_wrong_value(*row[:2])}
    faults = {code: payload for code, payload in faults.items() if payload is not None}
    with charger.dial(row.version) as socket:
        socket.boot()
        before = traces_of(charger.station, counters=False)
        codes = [code_of(socket, row, payload) for payload in faults.values()]
        socket.call("Heartbeat", {})

    expected: list[str | None] = list(faults)
    if row.action in SENDS:
        expected = [None] * len(codes)
    if row.action in REPAIRED:
        expected[1] = "answered"
    assert codes == expected
    unchanged = traces_of(charger.station, counters=False) == before
    assert unchanged == ("answered" not in codes)


@pytest.mark.parametrize("row", TO_STATIONS, ids=name_of)
def test_p072_an_answer_that_breaks_its_schema_ends_the_command_and_leaves_nothing_else(
    charger: Charger, alice: Actor, row: Action
) -> None:
    answer = of_wrong_type(row.version, row.action, "Response")
    with charger.dial(row.version) as socket:
        socket.boot()
        before = traces_of(charger.station, commands=False)
        command = issue(charger, alice, intents.Call(action=row.action, payload=told(row)))
        call = socket.next_call()
        socket.reply(call, [] if answer is None else answer)
        ended(command)
        objection = socket.receive() if row.version == "2.1" else None
        assert "currentTime" in socket.call("Heartbeat", {})

    assert command.status == "failed"
    assert command.error["code"] == "invalid_answer"
    assert command.error["description"]
    assert command.response is None
    assert traces_of(charger.station, commands=False) == before
    if objection is not None:  # P071: on 2.1 the station is told
        assert objection[:3] == [5, call[1], WRONG_TYPE]
    else:
        assert not RawFrame.objects.filter(
            station=charger.station, direction="out", message_id=call[1], type__gt=2
        ).exists()


@pytest.mark.parametrize("row", TO_STATIONS, ids=name_of)
def test_what_a_station_is_told_arrives_as_given_and_its_answer_ends_the_command(
    charger: Charger, alice: Actor, row: Action
) -> None:
    said = told(row)
    answered = fullest(row.version, row.action, "Response")
    with charger.dial(row.version) as socket:
        socket.boot()
        raw_calls.check(row.version, row.action, said)
        command = issue(charger, alice, intents.Call(action=row.action, payload=said))
        call = socket.next_call()
        socket.reply(call, answered)
        ended(command)
        socket.call("Heartbeat", {})

    assert call[2:] == [row.action, said]
    assert command.status in {"accepted", "rejected"}
    assert command.action == row.action
    assert command.response is not None
    assert set(command.response) == set(answered)


def told(row: Action) -> dict[str, Any]:
    """The fullest example; a charging profile in it is one of a session, which a start does not name."""
    said = fullest(row.version, row.action)
    profile = said.get("csChargingProfiles") or said.get("chargingProfile")
    if profile and row.action != "GetChargingProfiles":
        profile["chargingProfilePurpose"] = "TxProfile"
        if row.action != "SetChargingProfile":
            del profile["transactionId"]
    return said


@pytest.mark.parametrize("row", TO_STATIONS, ids=name_of)
def test_what_a_version_does_not_allow_is_not_said(row: Action) -> None:
    said = smallest(row.version, row.action)

    with pytest.raises(Invalid):
        raw_calls.check(row.version, row.action, {**said, "madeUp": 1})
    for name in schema(row.version, row.action).get("required", ()):
        with pytest.raises(Invalid, match=name):
            raw_calls.check(row.version, row.action, {k: v for k, v in said.items() if k != name})
    for wrong in (of_wrong_type(*row[:2]), of_wrong_value(*row[:2])):
        if wrong is not None:
            with pytest.raises(Invalid):
                raw_calls.check(row.version, row.action, wrong)


def test_the_table_is_whole() -> None:
    rows = actions("CS->CSMS", "CSMS->CS", "both")

    assert len(rows) == len(set(rows)) == 194
    assert [sum(row.version == version for row in rows) for version in MISSING] == [39, 64, 91]


def prepare(charger: Charger, socket: WireStation, alice: Actor, row: Action) -> None:
    """What has to be said before, so that the example means something."""
    for action, changes in BEFORE.get(row.action, ()):
        socket.call(action, {**fullest(row.version, action), **changes})
    if row.action == "NotifyCustomerInformation":  # of what nobody asked for nothing is kept
        asked = intents.Call(
            action="CustomerInformation", payload=fullest(row.version, "CustomerInformation")
        )
        ask(charger, socket, alice, asked, {"status": "Accepted"})


def say(socket: WireStation, row: Action, payload: Any) -> dict[str, Any] | None:
    """The answer; ``None`` to a message that gets none."""
    if row.action in SENDS:
        socket.send([6, "1", row.action, payload])
        return None
    return socket.call(row.action, payload)


def code_of(socket: WireStation, row: Action, payload: Any) -> str | None:
    """By which code the message is refused; ``None`` where nothing comes back, as after a SEND."""
    if row.action in SENDS:
        socket.send([6, "1", row.action, payload])
        return None
    socket.send([2, "wrong", row.action, payload])
    frame = socket.answer_to("wrong")
    return str(frame[2]) if frame[0] == 4 else "answered"


def traces_of(station: ChargingStation, *, counters: bool = True, commands: bool = True) -> str:
    """A digest of everything that is kept of a station beside the log."""
    digest = hashlib.sha256()
    for model in apps.get_app_config("stations").get_models():
        path = path_to_station(model)
        if path is None or model in KEPT_ELSEWHERE or (model is Command and not commands):
            continue
        rows = model._default_manager.filter(**{path: station.pk}).order_by("pk").values()
        for row in rows:
            if not counters:
                row.pop("schema_refusals", None)
            digest.update(f"{model.__name__}{row}".encode())
    return digest.hexdigest()


def rows_of(station: ChargingStation) -> dict[str, int]:
    """How many rows are kept of a station, by kind."""
    return {
        model.__name__: model._default_manager.filter(**{path: station.pk}).count()
        for model in apps.get_app_config("stations").get_models()
        if (path := path_to_station(model)) is not None and model not in KEPT_ELSEWHERE
    }


def path_to_station(model: type[models.Model]) -> str | None:
    """How a row of the model names its station."""
    if model is ChargingStation:
        return "pk"
    for field in model._meta.get_fields():
        if isinstance(field, models.ForeignKey) and field.related_model is ChargingStation:
            return field.name
    for field in model._meta.get_fields():
        if isinstance(field, models.ForeignKey) and field.related_model is not None:
            for inner in field.related_model._meta.get_fields():
                if isinstance(inner, models.ForeignKey) and inner.related_model is ChargingStation:
                    return f"{field.name}__{inner.name}"
    return None
