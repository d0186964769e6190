"""Strict and lenient (ocpp.md section 4, P080 to P089), message by message over the wire."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from stations.domain.words import Version
from stations.models import Connector, EventStream, MeterReading, RawFrame, Transaction
from stations.ocpp import schemas
from stations.ocpp.schemas import Kind
from stations.ocpp.tables import tables_of
from tests import factories
from tests.stations.ocpp.opening import Open, OpenStation, is_alive, logged
from tests.waiting import eventually
from tests.wire.client import CallError

NOW = "2026-11-20T10:00:00Z"
TWO_X = pytest.mark.parametrize("version", ["2.0.1", "2.1"])
SENDS = {"NotifyPeriodicEventStream"}
ALL_ACTIONS = [
    (version.value, action)
    for version in Version
    for action in sorted(set(tables_of(version).routes) - SENDS)
]
MISSING = {"1.6": "OccurenceConstraintViolation", "2.0.1": "OccurrenceConstraintViolation"}


def neutral(node: dict[str, Any], schema: schemas.Schema) -> Any:
    """The smallest value that a part of a schema takes."""
    while "$ref" in node:
        node = schema.document["definitions"][node["$ref"].rpartition("/")[2]]
    if "enum" in node:
        return node["enum"][0]
    if node.get("format") == "date-time":
        return NOW
    kind = node.get("type")
    if kind == "object" or "properties" in node:
        return {name: neutral(node["properties"][name], schema) for name in node.get("required", ())}
    if kind == "array":
        return [neutral(node["items"], schema)] * node.get("minItems", 0)
    return {"integer": 1, "number": 1, "boolean": False}.get(str(kind), "1")


def smallest(version: str, action: str) -> dict[str, Any]:
    schema = schemas.schema_of(Version(version), action, Kind.REQUEST)
    assert schema is not None
    payload: dict[str, Any] = neutral(schema.document, schema)
    if action == "TransactionEvent":
        payload["eventType"] = "Updated"
    assert schema.accepts(payload)
    return payload


def refusal(wire: OpenStation, action: str, payload: dict[str, Any]) -> str:
    with pytest.raises(CallError) as refused:
        wire.call(action, payload)
    return refused.value.code


@pytest.mark.parametrize(("version", "action"), ALL_ACTIONS)
def test_p080_every_action_is_strict_or_lenient_by_the_station(
    open_station: Open, version: str, action: str
) -> None:
    payload = {**smallest(version, action), "vendorSpecial": {"a": 1}}
    strict, lenient = open_station(version), open_station(version, lenient=True)

    lenient.call(action, payload, message_id="odd")

    if action != "StopTransaction":
        code = "FormationViolation" if version == "1.6" else "FormatViolation"
        assert refusal(strict, action, payload) == code
    frame = logged(lenient.row, message_id="odd")
    assert frame.verdict == "repaired"
    assert "unknown:vendorSpecial" in frame.repairs
    assert "vendorSpecial" in frame.text


def test_p080_over_long_text_and_unknown_words_are_taken(open_station: Open) -> None:
    wire = open_station(lenient=True)
    wire.call(
        "StatusNotification",
        {"connectorId": 1, "status": "Melting", "errorCode": "Lava", "info": "x" * 80, "timestamp": NOW},
    )
    connector = Connector.objects.get(evse__station=wire.row)
    assert (connector.status, connector.error_code, connector.info) == ("Melting", "Lava", "x" * 50)


KEY_FIELDS = [
    ("1.6", "StartTransaction", ["connectorId", "idTag", "meterStart", "timestamp"]),
    ("1.6", "StopTransaction", ["transactionId", "meterStop", "timestamp"]),
    ("1.6", "Authorize", ["idTag"]),
    ("1.6", "MeterValues", ["connectorId"]),
    ("2.0.1", "TransactionEvent", ["eventType", "timestamp", "seqNo", "transactionInfo"]),
    ("2.0.1", "Authorize", ["idToken"]),
]


@pytest.mark.parametrize(
    ("version", "action", "field"), [(v, a, field) for v, a, fields in KEY_FIELDS for field in fields]
)
def test_p081_a_message_without_a_key_field_is_refused_in_lenient_as_well(
    open_station: Open, version: str, action: str, field: str
) -> None:
    wire = open_station(version, lenient=True)
    payload = smallest(version, action)
    del payload[field]
    assert refusal(wire, action, payload) == MISSING[version]


@pytest.mark.parametrize(
    ("version", "action", "field", "value"),
    [
        ("1.6", "StartTransaction", "timestamp", "yesterday"),
        ("1.6", "StartTransaction", "meterStart", "1.5 kWh"),
        ("1.6", "StopTransaction", "timestamp", "the day before"),
        ("1.6", "StopTransaction", "transactionId", "one"),
        ("1.6", "MeterValues", "connectorId", True),
        ("2.0.1", "TransactionEvent", "timestamp", "never"),
        ("2.0.1", "TransactionEvent", "seqNo", "first"),
    ],
)
def test_p081_an_unreadable_key_field_is_a_wrong_type_in_both_modes(
    open_station: Open, version: str, action: str, field: str, value: Any
) -> None:
    for lenient in (False, True):
        wire = open_station(version, lenient=lenient)
        payload = {**smallest(version, action), field: value}
        assert refusal(wire, action, payload) == "TypeConstraintViolation"
        assert is_alive(wire)


def test_p082_in_lenient_a_start_with_every_cosmetic_fault_is_taken(open_station: Open) -> None:
    wire = open_station(lenient=True)
    token = factories.make_token(wire.owner)
    answer = wire.call(
        "StartTransaction",
        {"connectorId": "1", "idTag": token.value, "meterStart": "100", "timestamp": NOW.lower(),
         "reservationId": "", "vendor": "x"},
    )  # fmt: skip
    transaction = Transaction.objects.get(station=wire.row)
    assert answer["transactionId"] == transaction.number
    assert transaction.meter_start_wh == 100
    assert {"type:connectorId", "type:meterStart", "unknown:vendor"} <= set(transaction.repairs)


def test_p082_in_strict_a_stop_with_cosmetic_faults_is_stored_and_flagged(open_station: Open) -> None:
    wire = open_station()
    token = factories.make_token(wire.owner)
    start = {"connectorId": 1, "idTag": token.value, "meterStart": 0, "timestamp": NOW}
    number = wire.call("StartTransaction", start)["transactionId"]

    wire.call(
        "StopTransaction",
        {"transactionId": number, "meterStop": 5000, "timestamp": "2026-11-20T11:00:00Z", "reason": "Bored",
         "extra": 1},
    )  # fmt: skip

    transaction = Transaction.objects.get(station=wire.row)
    assert transaction.status == "ended"
    assert transaction.energy_wh == 5000
    assert transaction.stopped_reason == "Bored"
    assert "unknown:extra" in transaction.repairs
    assert "repaired" in transaction.flags


@TWO_X
def test_p082_in_strict_an_ended_event_with_cosmetic_faults_is_stored(
    open_station: Open, version: str
) -> None:
    wire = open_station(version)
    event = {
        "eventType": "Started", "timestamp": NOW, "triggerReason": "CablePluggedIn", "seqNo": 0,
        "transactionInfo": {"transactionId": "T1"}, "evse": {"id": 1, "connectorId": 1},
    }  # fmt: skip
    wire.call("TransactionEvent", event)
    odd = {**event, "eventType": "Ended", "seqNo": 1, "triggerReason": "WhoKnows", "vendor": 1}
    assert refusal(wire, "TransactionEvent", {**odd, "eventType": "Updated"}) == "FormatViolation"

    wire.call("TransactionEvent", odd)

    assert Transaction.objects.get(station=wire.row).status == "ended"


@pytest.mark.parametrize("sent", ["available", " Available", "AVAILABLE ", "Available"])
def test_p083_statuses_in_another_case_or_with_blanks_mean_the_listed_one(
    open_station: Open, sent: str
) -> None:
    wire = open_station(lenient=True)
    wire.call("StatusNotification", {"connectorId": 1, "status": sent, "errorCode": "noerror"})
    connector = Connector.objects.get(evse__station=wire.row)
    assert (connector.status, connector.error_code) == ("Available", "NoError")


def test_p083_unknown_contexts_measurands_and_units_are_kept_as_text(open_station: Open) -> None:
    wire = open_station(lenient=True)
    odd = {"value": "5", "context": "Sample.Whim", "measurand": "Magic.Import", "unit": "Thaum"}
    plain = {"value": "7.5", "measurand": "Power.Active.Import", "unit": "kW"}
    wire.call(
        "MeterValues", {"connectorId": 1, "meterValue": [{"timestamp": NOW, "sampledValue": [odd, plain]}]}
    )

    reading = MeterReading.objects.get(station_id=wire.row.pk)
    assert reading.samples[0] == odd
    assert reading.power_w == 7500


@pytest.mark.parametrize("unit", ["Celsius", "Celcius"])
def test_p084_both_spellings_of_celsius_count(open_station: Open, unit: str) -> None:
    wire = open_station(lenient=True)
    sample = {"value": "21.5", "measurand": "Temperature", "unit": unit}
    wire.call("MeterValues", {"connectorId": 1, "meterValue": [{"timestamp": NOW, "sampledValue": [sample]}]})
    assert str(MeterReading.objects.get(station_id=wire.row.pk).temperature_c) == "21.5"


def test_p085_numbers_as_text_and_text_as_numbers_are_taken(open_station: Open) -> None:
    wire = open_station(lenient=True)
    value = {"timestamp": NOW, "sampledValue": [{"value": 1234.5}]}
    wire.call("MeterValues", {"connectorId": "1", "meterValue": [value]})
    assert str(MeterReading.objects.get(station_id=wire.row.pk).energy_wh) == "1234.500"


@TWO_X
def test_p086_custom_data_keeps_its_keys_and_the_text_of_its_numbers(
    open_station: Open, version: str
) -> None:
    wire = open_station(version)
    custom = (
        '{"vendorId":"acme","Some_odd-Key 1":1.50,"big":12345678901234567.890,"camelCase_ID":[1.0,{"x":1e2}]}'
    )
    wire.send(
        f'[2,"custom","MeterValues",{{"evseId":1,"meterValue":[{{"timestamp":"{NOW}","sampledValue":'
        f'[{{"value":2.50,"customData":{custom}}}]}}]}}]'
    )
    assert wire.receive() == [3, "custom", {}]

    assert custom in logged(wire.row, message_id="custom").text
    sample = MeterReading.objects.get(station_id=wire.row.pk).samples[0]
    assert set(sample["customData"]) == {"vendorId", "Some_odd-Key 1", "big", "camelCase_ID"}
    assert _stored_text(wire) == "1.50 12345678901234567.890"


def _stored_text(wire: OpenStation) -> str:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT samples->0->'customData'->>'Some_odd-Key 1' || ' ' || (samples->0->'customData'->>'big')"
            " FROM stations_meterreading WHERE station_id = %s",
            [wire.row.pk],
        )
        return str(cursor.fetchone()[0])


@TWO_X
def test_p086_extra_properties_elsewhere_are_refused_in_strict(open_station: Open, version: str) -> None:
    wire = open_station(version)
    assert refusal(wire, "Heartbeat", {"more": 1}) == "FormatViolation"
    assert wire.call("Heartbeat", {"customData": {"vendorId": "acme", "more": 1}})


@pytest.mark.parametrize("lenient", [False, True])
def test_p087_empty_text_in_an_optional_field_equals_absent(open_station: Open, lenient: bool) -> None:
    wire = open_station(lenient=lenient)
    number = wire.call(
        "StartTransaction", {"connectorId": 1, "idTag": "A", "meterStart": 0, "timestamp": NOW}
    )["transactionId"]
    stop = {"transactionId": number, "meterStop": 1, "timestamp": NOW, "idTag": ""}
    assert wire.call("StopTransaction", stop | ({"reason": ""} if lenient else {})) == {}
    assert Transaction.objects.get(station=wire.row).stopped_reason == "Local"


def test_p087_an_empty_word_in_an_optional_list_of_words_is_absent_in_lenient(open_station: Open) -> None:
    wire = open_station(lenient=True)
    sample = {"value": "5", "context": "", "unit": "", "measurand": ""}
    wire.call("MeterValues", {"connectorId": 1, "meterValue": [{"timestamp": NOW, "sampledValue": [sample]}]})
    assert MeterReading.objects.get(station_id=wire.row.pk).energy_wh == 5


def test_p089_data_transfer_right_after_the_connection_is_answered(open_station: Open) -> None:
    wire = open_station(boot=False)
    assert wire.call("DataTransfer", {"vendorId": "acme"})["status"] in ("UnknownVendorId", "Accepted")


def test_p111_an_unreadable_time_is_the_receipt_time_in_lenient_and_a_wrong_type_in_strict(
    open_station: Open,
) -> None:
    payload = {"connectorId": 1, "status": "Charging", "errorCode": "NoError", "timestamp": "half past ten"}
    assert refusal(open_station(), "StatusNotification", payload) == "TypeConstraintViolation"

    wire = open_station(lenient=True)
    wire.call("StatusNotification", payload, message_id="odd")
    connector = Connector.objects.get(evse__station=wire.row)
    assert connector.status_at is not None
    assert abs((connector.status_at - datetime.now(UTC)).total_seconds()) < 60
    assert logged(wire.row, message_id="odd").repairs == ["time:timestamp"]


def test_refusals_by_schema_are_counted_and_say_what_was_wrong(open_station: Open) -> None:
    wire = open_station()
    for _ in range(3):
        refusal(wire, "Authorize", {"idTag": "A", "more": 1})
    frame = logged(wire.row, verdict="refused:FormationViolation")
    assert frame.repairs == ["additionalProperties:more"]
    deadline = time.monotonic() + 5
    while wire.row.schema_refusals < 3 and time.monotonic() < deadline:
        wire.row.refresh_from_db()
    assert wire.row.schema_refusals == 3
    assert RawFrame.objects.filter(station=wire.row, verdict="refused:FormationViolation").count() == 3


def test_a_lenient_stream_without_a_value_tells_how_many_are_pending(open_station: Open) -> None:
    wire = open_station("2.1", lenient=True)
    params = {"interval": 5, "values": 2}
    wire.call(
        "OpenPeriodicEventStream",
        {"constantStreamData": {"id": 1, "variableMonitoringId": 5, "params": params}},
    )
    wire.send([6, "1", "NotifyPeriodicEventStream", {"id": 1, "pending": 3, "basetime": NOW, "data": []}])

    told = EventStream.objects.filter(station=wire.row, pending=3)
    stream = eventually(told.first, what="a stream with three values pending")
    assert (stream.last_at, stream.values.count()) == (None, 0)


def metered(kind: str, number: int, *samples: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "eventType": kind,
        "timestamp": "2025-03-01T10:00:00Z",
        "triggerReason": "CablePluggedIn",
        "seqNo": number,
        "transactionInfo": {"transactionId": "T-1"},
        "evse": {"id": 1, "connectorId": 1},
        "meterValue": [{"timestamp": "2025-03-01T10:00:00Z", "sampledValue": list(samples)}],
        **more,
    }


NO_VALUE: tuple[dict[str, Any], ...] = ({}, {"value": None})


@pytest.mark.parametrize("odd", NO_VALUE)
def test_p080_no_figure_is_made_up_for_a_reading_without_one(open_station: Open, odd: dict[str, Any]) -> None:
    wire = open_station("2.0.1", lenient=True)
    wire.call("TransactionEvent", metered("Started", 0, {**odd, "context": "Transaction.Begin"}))
    wire.call("TransactionEvent", metered("Updated", 1, odd, {"value": 1_000_000}, odd))
    end = {"value": 1_005_000, "context": "Transaction.End"}
    wire.call("TransactionEvent", metered("Ended", 2, odd, end))

    session = Transaction.objects.get(station=wire.row)
    assert session.meter_start_wh in (None, 1_000_000)
    assert session.energy_wh in (None, 5000)
    assert "meter_jump" not in session.flags
    assert not MeterReading.objects.filter(station_id=wire.row.pk, energy_wh=0).exists()


@pytest.mark.parametrize("odd", NO_VALUE)
def test_p082_in_strict_an_end_without_a_register_keeps_the_last_one(
    open_station: Open, odd: dict[str, Any]
) -> None:
    wire = open_station("2.0.1")
    start = {"value": 1_000_000, "context": "Transaction.Begin"}
    wire.call("TransactionEvent", metered("Started", 0, start))
    wire.call("TransactionEvent", metered("Updated", 1, {"value": 1_004_000}))
    wire.call("TransactionEvent", metered("Ended", 2, odd))

    session = Transaction.objects.get(station=wire.row)
    assert (session.status, session.energy_wh) == ("ended", 4000)
    assert "repaired" in session.flags
    assert "meter_backwards" not in session.flags


@pytest.mark.parametrize(
    "odd",
    [
        {"numberOfPhasesUsed": "three"},
        {"reservationId": "none"},
        {"meterValue": "none"},
        {"evse": {"id": "left"}},
    ],
    ids=str,
)
def test_p082_an_end_is_stored_without_the_options_that_say_nothing(
    open_station: Open, odd: dict[str, Any]
) -> None:
    wire = open_station("2.0.1")
    wire.call("TransactionEvent", metered("Started", 0, {"value": 1_000_000}))
    wire.call("TransactionEvent", metered("Ended", 1, {"value": 1_005_000}, **odd))

    session = Transaction.objects.get(station=wire.row)
    assert (session.status, "repaired" in session.flags) == ("ended", True)


def test_p082_an_end_keeps_the_readings_beside_one_that_cannot_be_read(open_station: Open) -> None:
    wire = open_station("2.0.1")
    wire.call("TransactionEvent", metered("Started", 0, {"value": 1_000_000}))
    bad, good = {"value": "many"}, {"value": 1_005_000, "context": "Transaction.End"}
    wire.call("TransactionEvent", metered("Ended", 1, bad, bad, good, bad))

    assert Transaction.objects.get(station=wire.row).energy_wh == 5000
