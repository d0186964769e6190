"""RPC framing (ocpp.md P050 to P076), by raw frames over real sockets."""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.stations.ocpp.opening import Open, is_alive, logged

EVERY = pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
TWO_X = pytest.mark.parametrize("version", ["2.0.1", "2.1"])

MALFORMED = {"1.6": "FormationViolation", "2.0.1": "RpcFrameworkError", "2.1": "RpcFrameworkError"}
FORMAT = {"1.6": "FormationViolation", "2.0.1": "FormatViolation", "2.1": "FormatViolation"}


@EVERY
def test_p050_text_that_is_not_json_leaves_the_connection_open(open_station: Open, version: str) -> None:
    wire = open_station(version)

    wire.send("this is not JSON")

    if version != "1.6":
        assert wire.receive()[:3] == [4, "-1", "RpcFrameworkError"]
    assert is_alive(wire)
    assert logged(wire.row, text="this is not JSON").verdict == f"refused:{MALFORMED[version]}"


@EVERY
@pytest.mark.parametrize(
    "text",
    ["{}", "[]", "[2]", '"a"', "17", "null", "[true]", '[99,"x"]', '["2","x","Heartbeat",{}]', "[2.5,1,2,3]"],
)
def test_p051_json_of_the_wrong_shape_never_ends_the_socket(
    open_station: Open, version: str, text: str
) -> None:
    wire = open_station(version)
    wire.send(text)
    assert is_alive(wire)


@EVERY
@pytest.mark.parametrize(
    ("frame", "codes"),
    [
        (lambda i: [2, i, "Heartbeat"], MALFORMED),
        (lambda i: [2, i], MALFORMED),
        (lambda i: [2, i, "Heartbeat", {}, {}], MALFORMED),
        (lambda i: [2, i, 17, {}], MALFORMED),
        (lambda i: [2, i, "Heartbeat", []], FORMAT),
        (lambda i: [2, i, "Heartbeat", "x"], FORMAT),
        (lambda i: [2, i, "Heartbeat", None], FORMAT),
    ],
)
def test_p052_a_broken_call_with_a_readable_id_is_answered_with_it(
    open_station: Open, version: str, frame: Callable[[str], list[Any]], codes: dict[str, str]
) -> None:
    wire = open_station(version)
    message_id = str(uuid.uuid4())

    wire.send(frame(message_id))

    assert wire.receive()[:3] == [4, message_id, codes[version]]
    assert is_alive(wire)


@EVERY
def test_p053_ids_of_up_to_255_characters_are_echoed_longer_ones_are_unreadable(
    open_station: Open, version: str
) -> None:
    wire = open_station(version)
    longest = "x" * 255

    wire.send([2, longest, "Heartbeat", {}])
    assert wire.receive()[:2] == [3, longest]

    wire.send([2, "x" * 256, "Heartbeat", {}])
    if version != "1.6":
        assert wire.receive()[:3] == [4, "-1", "RpcFrameworkError"]
    assert is_alive(wire)


@pytest.mark.parametrize("message_id", ["ä€😀", 'with "quotes" and \\', " blanks ", "1"])
def test_p054_the_id_is_echoed_character_by_character(open_station: Open, message_id: str) -> None:
    wire = open_station()
    wire.send([2, message_id, "Heartbeat", {}])
    assert wire.receive()[:2] == [3, message_id]


def test_p054_an_integer_id_is_answered_with_the_integer_under_the_lenient_switch(open_station: Open) -> None:
    wire = open_station(tolerances={"integer_ids": True})
    wire.send([2, 4711, "Heartbeat", {}])
    answer = wire.receive()
    assert answer[:2] == [3, 4711]
    assert type(answer[1]) is int


def test_p054_an_integer_id_is_unreadable_in_strict(open_station: Open) -> None:
    wire = open_station("2.0.1")
    wire.send([2, 4711, "Heartbeat", {}])
    assert wire.receive()[:3] == [4, "-1", "RpcFrameworkError"]


@EVERY
def test_p055_a_repeated_message_id_is_a_new_message(open_station: Open, version: str) -> None:
    wire = open_station(version)
    for _ in range(3):
        assert "currentTime" in wire.call("Heartbeat", {}, message_id="same")


@EVERY
def test_p056_replies_to_nothing_are_dropped_without_an_answer(open_station: Open, version: str) -> None:
    wire = open_station(version)

    wire.send([3, "nobody-asked", {}])
    wire.send([4, "nobody-asked", "GenericError", "", {}])

    assert is_alive(wire)
    assert logged(wire.row, message_id="nobody-asked").verdict == "dropped"


def test_p058_thousands_of_unsolicited_replies_do_no_harm(open_station: Open) -> None:
    wire = open_station()
    for number in range(400):
        wire.send([3, f"stray-{number}", {"status": "Accepted"}])
    assert is_alive(wire)


@EVERY
def test_p062_pipelined_calls_are_answered_in_order_of_arrival(open_station: Open, version: str) -> None:
    wire = open_station(version)
    calls = [
        ("DataTransfer", {"vendorId": "nobody"}),
        ("NoSuchAction", {}),
        ("Authorize", {"idTag": "X"} if version == "1.6" else {"idToken": {"idToken": "X", "type": "Local"}}),
        ("Authorize", {}),
        ("NoSuchAction", {}),
    ]
    rounds = [(f"{turn}-{place}", *call) for turn in range(5) for place, call in enumerate(calls)]
    for message_id, action, payload in rounds:
        wire.send([2, message_id, action, payload])

    assert [wire.receive()[1] for _ in rounds] == [message_id for message_id, _, _ in rounds]


@EVERY
@pytest.mark.parametrize(("action", "code"), [("NoSuchAction", "NotImplemented"), ("Reset", "NotSupported")])
def test_p068_p069_an_unknown_action_and_one_not_offered_are_told_apart(
    open_station: Open, version: str, action: str, code: str
) -> None:
    wire = open_station(version)
    message_id = str(uuid.uuid4())
    wire.send([2, message_id, action, {}])
    answer = wire.receive()
    assert answer[:3] == [4, message_id, code]


def test_p068_an_action_of_another_version_is_unknown(open_station: Open) -> None:
    wire = open_station("1.6")
    wire.send([2, "x", "TransactionEvent", {}])
    assert wire.receive()[:3] == [4, "x", "NotImplemented"]


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({}, "OccurenceConstraintViolation"),
        ({"idTag": 5}, "TypeConstraintViolation"),
        ({"idTag": "A", "more": 1}, "FormationViolation"),
        ({"idTag": "x" * 21}, "PropertyConstraintViolation"),
        ({"more": 1}, "OccurenceConstraintViolation"),
        ({"idTag": 5, "more": 1}, "TypeConstraintViolation"),
        ({"idTag": "x" * 21, "more": 1}, "FormationViolation"),
    ],
)
def test_p066_schema_failures_have_the_codes_of_16(
    open_station: Open, payload: dict[str, Any], code: str
) -> None:
    wire = open_station("1.6")
    wire.send([2, "x", "Authorize", payload])
    assert wire.receive()[:3] == [4, "x", code]


@TWO_X
@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({}, "OccurrenceConstraintViolation"),
        ({"idToken": 5}, "TypeConstraintViolation"),
        ({"idToken": {"idToken": "A", "type": "Local"}, "more": 1}, "FormatViolation"),
        ({"idToken": {"idToken": "x" * 300, "type": "Local"}}, "PropertyConstraintViolation"),
    ],
)
def test_p067_schema_failures_have_the_codes_of_2x(
    open_station: Open, version: str, payload: dict[str, Any], code: str
) -> None:
    wire = open_station(version)
    wire.send([2, "x", "Authorize", payload])
    assert wire.receive()[:3] == [4, "x", code]


def test_p073_an_error_names_the_field_and_holds_neither_value_nor_payload(open_station: Open) -> None:
    wire = open_station()
    wire.send([2, "x", "Authorize", {"idTag": "SECRET-" * 100}])
    _, _, _, description, details = wire.receive()
    assert "idTag" in description
    assert "SECRET" not in description
    assert len(description) <= 255
    assert details == {}


DEEP = "[" * 40 + "]" * 40
UNSAFE = {
    "duplicate key": '{"vendorId":"a","vendorId":"b"}',
    "duplicate key behind a blank": '{"vendorId" :"a","vendorId":"b"}',
    "duplicate key behind an escape": '{"vendorId":"a","vendor\\u0049d":"b"}',
    "nan": '{"vendorId":NaN}',
    "infinity": '{"vendorId":-Infinity}',
    "beyond double": '{"vendorId":1e999}',
    "long integer": '{"vendorId":123456789012345678901}',
    "deep": f'{{"vendorId":{DEEP}}}',
    "very deep": '{"vendorId":' + "[" * 5000 + "]" * 5000 + "}",
    "nul": '{"vendorId":"a\\u0000b"}',
    "lone surrogate": '{"vendorId":"a\\ud800b"}',
    "many members": '{"vendorId":[' + "1," * 10_001 + "1]}",
}


@EVERY
@pytest.mark.parametrize("fault", sorted(UNSAFE))
def test_p074_what_no_parser_should_take_is_refused_with_the_readable_id(
    open_station: Open, version: str, fault: str
) -> None:
    wire = open_station(version)

    wire.send(f'[2,"readable","DataTransfer",{UNSAFE[fault]}]')

    assert wire.receive()[:3] == [4, "readable", FORMAT[version]]
    assert is_alive(wire)
    assert logged(wire.row, message_id="readable").verdict == f"refused:{FORMAT[version]}"


def test_p074_brackets_quotes_and_commas_inside_of_texts_are_no_fault(open_station: Open) -> None:
    wire = open_station()
    odd = json.dumps({"data": "[" * 50 + "{" * 50 + '"":' + "," * 20_000})
    assert "status" in wire.call("DataTransfer", {"vendorId": "nobody", "data": odd})


@TWO_X
def test_p076_nothing_of_a_refused_message_is_stored_as_fact(open_station: Open, version: str) -> None:
    wire = open_station(version)
    wire.send(
        [2, "x", "StatusNotification", {
            "timestamp": "2026-01-01T00:00:00Z", "connectorStatus": "Available", "evseId": 7, "connectorId": 1,
            "more": 1,
        }]
    )  # fmt: skip
    assert wire.receive()[0] == 4
    assert is_alive(wire)
    assert logged(wire.row, message_id="x").verdict == "refused:FormatViolation"
    assert not wire.row.evses.filter(evse_id=7).exists()


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
@pytest.mark.parametrize("kind", [5, 6])
def test_types_of_21_are_unknown_to_earlier_versions(open_station: Open, version: str, kind: int) -> None:
    wire = open_station(version)
    wire.send([kind, "x", "NotifyPeriodicEventStream", {}])
    assert is_alive(wire)
    assert logged(wire.row, message_id="x").verdict.startswith("refused:")


def test_p070_a_send_gets_no_reply_valid_or_not(open_station: Open) -> None:
    wire = open_station("2.1")
    valid = {"id": 1, "pending": 0, "basetime": "2026-01-01T00:00:00Z", "data": [{"t": 0, "v": "1"}]}
    for message_id, action, payload in [
        ("valid", "NotifyPeriodicEventStream", valid),
        ("invalid", "NotifyPeriodicEventStream", {}),
        ("unknown", "NoSuchAction", {}),
        ("misshapen", "NotifyPeriodicEventStream", []),
    ]:
        wire.send([6, message_id, action, payload])

    assert is_alive(wire)  # the first frame that comes back is the heartbeat's
    assert logged(wire.row, message_id="invalid").verdict.startswith("refused:")


def test_p071_a_callresulterror_is_logged_and_tied_to_its_exchange(open_station: Open) -> None:
    wire = open_station("2.1")
    wire.call("DataTransfer", {"vendorId": "nobody"}, message_id="mine")

    wire.send([5, "mine", "FormatViolation", "cannot use it", {}])

    assert is_alive(wire)
    assert logged(wire.row, type=5, message_id="mine").action == "DataTransfer"


def test_l09_a_station_that_speaks_too_fast_is_slowed_and_loses_nothing(open_station: Open) -> None:
    wire = open_station()
    began = time.monotonic()
    for number in range(600):
        wire.send([2, f"n{number}", "Heartbeat", {}])
    ids = [wire.receive()[1] for _ in range(600)]
    assert ids == [f"n{number}" for number in range(600)]
    assert time.monotonic() - began > 1.0
