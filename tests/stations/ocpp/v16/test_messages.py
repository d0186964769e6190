"""The other messages of 1.6: reports, configuration, triggers, and what a lenient station may do wrong."""

from typing import Any

import pytest

from core.access import Actor
from stations.domain import intents
from stations.domain.intents import Intent, VariableItem
from stations.models import ChargingStation, Connector, Report, SecurityEvent, Transaction, Variable
from tests.factories import make_token
from tests.stations.ocpp.asking import ask, ended, issue, with_effect
from tests.stations.ocpp.knocking import Charger
from tests.wire.client import CallError, WireStation, dial
from tests.wire.golden import wire


def test_a_boot_is_kept_with_all_it_tells(charger: Charger) -> None:
    with charger.dial() as station:
        answer = station.call("BootNotification", wire("v16/BootNotification.plain"))

    assert (answer["status"], answer["interval"] > 0) == ("Accepted", True)
    row = ChargingStation.objects.get(pk=charger.station.pk)
    assert (row.vendor, row.model, row.serial_number) == ("Voltwerk", "Solo 11", "VW-000777")
    assert (row.firmware_version, row.meter_type, row.meter_serial_number) == ("2.8.1", "EM-3", "M-42")
    assert row.boot_version == "1.6"


def test_p089_a_data_transfer_before_the_boot_is_answered(charger: Charger) -> None:
    with charger.dial() as station:
        answer = station.call("DataTransfer", wire("v16/DataTransfer.unknown_vendor"))

    assert answer == {"status": "UnknownVendorId"}


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("FirmwareStatusNotification", {"status": "Installing"}),
        ("DiagnosticsStatusNotification", {"status": "Uploading"}),
        ("LogStatusNotification", {"status": "Idle"}),
        ("LogStatusNotification", {"status": "Uploaded", "requestId": 77}),
        ("SignedFirmwareStatusNotification", {"status": "InvalidSignature", "requestId": 77}),
    ],
)
def test_p230_states_of_firmware_and_logs_are_answered_though_nobody_asked(
    station: WireStation, action: str, payload: dict[str, Any]
) -> None:
    assert station.call(action, payload) == station.call(action, payload) == {}


def test_p242_a_security_event_is_stored_once(station: WireStation, charger: Charger) -> None:
    for _ in range(2):
        assert station.call("SecurityEventNotification", wire("v16/SecurityEventNotification.tamper")) == {}

    row = SecurityEvent.objects.get(station=charger.station)
    assert (row.type, row.critical, row.tech_info) == (
        "TamperDetectionActivated",
        True,
        "Door contact opened",
    )


@pytest.mark.parametrize("action", ["RemoteStartTransaction", "ClearCache"])
def test_p068_what_is_not_offered_or_goes_the_other_way_is_not_supported(
    station: WireStation, action: str
) -> None:
    payload = {"RemoteStartTransaction": {"idTag": "A"}}.get(action, {})
    with pytest.raises(CallError) as refused:
        station.call(action, payload)
    assert refused.value.code == "NotSupported"


def test_a_fault_is_kept_with_its_details(station: WireStation, charger: Charger) -> None:
    assert station.call("StatusNotification", wire("v16/StatusNotification.faulted")) == {}

    row = Connector.objects.get(evse__station=charger.station, evse__evse_id=1, connector_id=1)
    assert (row.status, row.error_code, row.vendor_error_code) == ("Faulted", "ConnectorLockFailure", "L-7")
    assert (row.info, row.vendor_id) == ("Lock did not close", "com.voltwerk")


# -- what we say ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "action", "word"),
    [
        ("boot_notification", "TriggerMessage", "BootNotification"),
        ("diagnostics_status_notification", "TriggerMessage", "DiagnosticsStatusNotification"),
        ("firmware_status_notification", "TriggerMessage", "FirmwareStatusNotification"),
        ("log_status_notification", "ExtendedTriggerMessage", "LogStatusNotification"),
    ],
)
def test_p243_triggers_of_the_security_extension_have_an_action_of_their_own(
    station: WireStation, charger: Charger, alice: Actor, message: str, action: str, word: str
) -> None:
    call, _ = ask(charger, station, alice, intents.TriggerMessage(message=message), {"status": "Accepted"})
    assert call[2:] == [action, {"requestedMessage": word}]


def test_a_triggered_state_is_seen_to_arrive(station: WireStation, charger: Charger, alice: Actor) -> None:
    trigger = intents.TriggerMessage(message="firmware_status_notification")
    _, command = ask(charger, station, alice, trigger, {"status": "Accepted"})
    station.call("FirmwareStatusNotification", wire("v16/FirmwareStatusNotification.idle"))

    assert with_effect(command).effect == "seen"


@pytest.mark.parametrize(
    "intent",
    [
        intents.TriggerMessage(message="transaction_event"),
        intents.RequestStartTransaction(token_value="A" * 21),
        intents.ResetStation(kind="immediate", evse_id=1),
    ],
)
def test_what_16_has_no_words_for_is_not_supported(
    station: WireStation, charger: Charger, alice: Actor, intent: Intent
) -> None:
    assert ended(issue(charger, alice, intent)).status == "not_supported"


def test_p214_long_reads_follow_the_number_of_keys_that_the_station_takes(
    station: WireStation, charger: Charger, alice: Actor
) -> None:
    told = {"configurationKey": [{"key": "GetConfigurationMaxKeys", "value": "2", "readonly": True}]}
    ask(charger, station, alice, intents.GetVariables(items=()), told)

    names = ["A", "B", "C"]
    items = tuple(VariableItem(variable=name) for name in names)
    command = issue(charger, alice, intents.GetVariables(items=items))
    for part in (["A", "B"], ["C"]):
        call = station.next_call()
        assert call[2:] == ["GetConfiguration", {"key": part}]
        keys = [{"key": name, "value": name.lower(), "readonly": False} for name in part]
        station.reply(call, {"configurationKey": keys})

    assert ended(command).status == "accepted"
    rows = Variable.objects.filter(station=charger.station, variable__in=names).order_by("variable")
    assert [(row.component, row.variable, row.value, row.mutability) for row in rows] == [
        ("", name, name.lower(), "ReadWrite") for name in names
    ]


def test_several_keys_are_changed_one_message_each(
    station: WireStation, charger: Charger, alice: Actor
) -> None:
    items = tuple(VariableItem(variable=name, value="1") for name in ("A", "B"))
    command = issue(charger, alice, intents.SetVariables(items=items))
    for name, status in (("A", "Accepted"), ("B", "RebootRequired")):
        call = station.next_call()
        assert call[2:] == ["ChangeConfiguration", {"key": name, "value": "1"}]
        station.reply(call, {"status": status})

    assert ended(command).status == "accepted"
    rows = Variable.objects.filter(station=charger.station).order_by("variable")
    assert [(row.variable, row.value, row.pending_value) for row in rows] == [
        ("A", "1", ""),
        ("B", None, "1"),
    ]


def test_a_whole_report_of_a_16_station_is_all_its_keys(
    station: WireStation, charger: Charger, alice: Actor
) -> None:
    keys = {"configurationKey": [{"key": "HeartbeatInterval", "value": "300", "readonly": False}]}
    call, command = ask(charger, station, alice, intents.GetBaseReport(kind="full_inventory"), keys)

    assert call[2:] == ["GetConfiguration", {}]
    assert (command.status, with_effect(command).effect) == ("accepted", "seen")
    assert Variable.objects.get(station=charger.station).value == "300"
    assert not Report.objects.filter(station=charger.station, complete=False).exists()


def test_p015_a_password_travels_as_hexadecimal_digits_and_opens_the_door_as_bytes(
    charger: Charger, alice: Actor
) -> None:
    password = "sixteen-or-more!"
    with charger.dial() as station:
        station.boot()
        item = VariableItem(variable="AuthorizationKey", value=password)
        intent = intents.SetVariables(items=(item,))
        call, command = ask(charger, station, alice, intent, {"status": "Accepted"})

    assert call[3] == {"key": "AuthorizationKey", "value": password.encode().hex()}
    assert password not in str(command.parameters)
    with dial(
        charger.url, charger.station, password.encode(), source_address=(charger.address, 0)
    ) as station:
        assert station.call("Heartbeat", {})


@pytest.mark.parametrize("value", ["short", "way-too-long-for-a-password-of-ocpp-1.6"])
def test_a_password_that_16_cannot_carry_is_not_sent(
    station: WireStation, charger: Charger, alice: Actor, value: str
) -> None:
    item = VariableItem(variable="AuthorizationKey", value=value)
    command = ended(issue(charger, alice, intents.SetVariables(items=(item,))))

    assert command.status == "failed"
    assert "16 to 20 bytes" in command.error["description"]


# -- strict and lenient ---------------------------------------------------------------------------------------

COSMETIC: list[tuple[str, dict[str, Any]]] = [
    ("StartTransaction", wire("v16/StartTransaction.plain", meterStart="1000", mood="good")),
    ("StartTransaction", {**wire("v16/StartTransaction.plain"), "reservationId": ""}),
    (
        "StatusNotification",
        wire("v16/StatusNotification.available", errorCode="OutOfCoffee", status="Charging "),
    ),
    ("StatusNotification", wire("v16/StatusNotification.available", info="x" * 300)),
    ("MeterValues", {**wire("v16/MeterValues.bare"), "transactionId": "17"}),
    (
        "MeterValues",
        {
            "connectorId": 1,
            "meterValue": [
                {
                    "timestamp": "2025-03-01T10:00:00Z",
                    "sampledValue": [
                        {"value": 7, "context": "Sample.Now", "measurand": "Cats", "unit": "Paws"}
                    ],
                }
            ],
        },
    ),
    ("FirmwareStatusNotification", {"status": "Baking"}),
]


@pytest.mark.parametrize(("action", "payload"), COSMETIC)
def test_p080_cosmetic_faults_are_refused_in_strict_and_repaired_in_lenient(
    charger: Charger, alice: Actor, action: str, payload: dict[str, Any]
) -> None:
    make_token(alice, wire("v16/Authorize.rfid")["idTag"])
    with charger.dial() as station:
        station.boot()
        with pytest.raises(CallError):
            station.call(action, payload)
        assert not Transaction.objects.filter(station=charger.station).exists()
    charger.set(lenient=True)
    with charger.dial() as station:
        assert station.call(action, payload) is not None


def test_p082_a_start_with_cosmetic_faults_names_its_repairs(charger: Charger, alice: Actor) -> None:
    make_token(alice, wire("v16/Authorize.rfid")["idTag"])
    charger.set(lenient=True)
    with charger.dial() as station:
        station.boot()
        answer = station.call(
            "StartTransaction", wire("v16/StartTransaction.plain", meterStart="1000", mood="good")
        )

    assert answer["idTagInfo"] == {"status": "Accepted"}
    transaction = Transaction.objects.get(station=charger.station)
    assert transaction.repairs == ["type:meterStart", "unknown:mood"]
    assert transaction.flags == ["repaired"]
    assert transaction.meter_start_wh == 1000


@pytest.mark.parametrize(
    ("action", "name", "field", "code"),
    [
        ("StartTransaction", "v16/StartTransaction.plain", "idTag", "OccurenceConstraintViolation"),
        ("StartTransaction", "v16/StartTransaction.plain", "timestamp", "OccurenceConstraintViolation"),
        ("StopTransaction", "v16/StopTransaction.local", "transactionId", "OccurenceConstraintViolation"),
        ("MeterValues", "v16/MeterValues.bare", "connectorId", "OccurenceConstraintViolation"),
        ("Authorize", "v16/Authorize.rfid", "idTag", "OccurenceConstraintViolation"),
    ],
)
def test_p081_without_a_key_field_nothing_is_taken_in_either_mode(
    charger: Charger, action: str, name: str, field: str, code: str
) -> None:
    for lenient in (False, True):
        charger.set(lenient=lenient)
        with charger.dial() as station:
            with pytest.raises(CallError) as refused:
                station.call(action, wire(name, **{field: None}))
            assert refused.value.code == code

    assert not Transaction.objects.filter(station=charger.station).exists()
