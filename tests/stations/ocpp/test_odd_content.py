"""What mutated frames brought to light: content that the door let through and something behind it could not keep."""

import json
from typing import Any

import pytest

from core.access import Actor
from stations.domain import intents
from stations.models import (
    BatterySwap,
    DerControl,
    InstalledProfile,
    LocalList,
    LocalListEntry,
    MeterReading,
    MonitoringState,
    StationEvent,
)
from tests.stations.ocpp.asking import VERSIONS, VERSIONS_2X, ask, ended, issue
from tests.stations.ocpp.knocking import Charger
from tests.stations.ocpp.opening import Open, is_alive
from tests.wire.client import CallError
from tests.wire.golden import wire

CUSTOM = {"vendorId": "org.example", "share": 0.5}


def test_p086_batteries_beside_custom_data_are_stored_once(open_station: Open) -> None:
    station = open_station("2.1")
    plain = wire("v21/BatterySwap.out")
    plain["batteryData"][0]["soC"] = 61.5
    for payload in (plain, {**plain, "customData": CUSTOM}):
        assert station.call("BatterySwap", payload) == {}

    kept = BatterySwap.objects.get(station=station.row)
    assert kept.batteries[0]["soC"] == 61.5


def test_p086_settings_of_a_control_beside_custom_data_are_stored_as_numbers(open_station: Open) -> None:
    station = open_station("2.1")
    droop = {
        "priority": 1,
        "overFreq": 50.2,
        "underFreq": 49.8,
        "overDroop": 5,
        "underDroop": 5.0,
        "responseTime": 2,
    }
    control = {"id": "one", "isDefault": True, "isSuperseded": False, "freqDroop": droop}

    assert (
        station.call("ReportDERControl", {"requestId": 1, "freqDroop": [control], "customData": CUSTOM}) == {}
    )

    assert DerControl.objects.get(station=station.row).settings == droop


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize("field", ["chargingProfileKind", "chargingProfilePurpose"])
def test_p080_a_lenient_station_reports_profiles_of_kinds_of_its_own(
    open_station: Open, version: str, field: str
) -> None:
    station = open_station(version, lenient=True)
    report = wire("v201/ReportChargingProfiles.external")
    report["chargingProfile"][0][field] = "AKindThatNoVersionOfOCPPHasEverKnownAndThatIsTooLongForAnyColumn"

    assert station.call("ReportChargingProfiles", report) == {}

    assert InstalledProfile.objects.filter(station=station.row).count() == 1


@pytest.mark.parametrize(
    "number", ["1e-999999999", "-1e-400", "0." + "1" * 20_000, "1" + "0" * 19 + "." + "1" * 2000]
)
@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p074_a_number_that_no_column_can_hold_as_sent_is_refused(
    open_station: Open, version: str, number: str
) -> None:
    station = open_station(version)
    text = json.dumps(wire("v201/MeterValues.outlet", customData={"vendorId": "v", "n": "@"})).replace(
        '"@"', number
    )

    station.send(f'[2,"tiny","MeterValues",{text}]')

    assert station.answer_to("tiny")[2] == "FormatViolation"
    assert is_alive(station)
    assert not MeterReading.objects.filter(station=station.row).exists()


@pytest.mark.parametrize("number", ["1e-9999999999999999999999", "0e9999999999999999999999"])
@pytest.mark.parametrize("version", VERSIONS)
def test_p074_an_exponent_that_no_number_has_costs_no_socket(
    open_station: Open, version: str, number: str
) -> None:
    station = open_station(version)

    odd = f'{{"vendorId":"\\u0041","customData":{{"vendorId":"v","n":{number}}}}}'
    station.send(f'[2,"odd","DataTransfer",{odd}]')

    assert station.answer_to("odd")[2] in {"FormationViolation", "FormatViolation"}
    assert is_alive(station)


@pytest.mark.parametrize("number", ["1e-300", "0.0e-999", "0." + "1" * 60, "5e-324"])
def test_p086_a_small_number_in_custom_data_is_stored_as_sent(open_station: Open, number: str) -> None:
    station = open_station("2.0.1")
    payload = wire("v201/MeterValues.outlet")
    payload["meterValue"][0]["sampledValue"][0]["customData"] = {"vendorId": "v", "n": "@"}

    station.send(f'[2,"small","MeterValues",{json.dumps(payload).replace(chr(34) + "@" + chr(34), number)}]')

    assert station.answer_to("small")[0] == 3
    assert MeterReading.objects.filter(station=station.row).exists()


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p213_an_answer_that_names_an_impossible_place_ends_the_command_as_failed(
    charger: Charger, alice: Actor, version: str
) -> None:
    item = intents.VariableItem(component="EVSE", variable="Power", value="1")
    impossible: dict[str, Any] = {"name": "EVSE", "evse": {"id": 2**40}}
    result = {"attributeStatus": "Accepted", "component": impossible, "variable": {"name": "Power"}}
    with charger.dial(version) as socket:
        socket.boot()
        _, read = ask(
            charger, socket, alice, intents.GetVariables(items=(item,)),
            {"getVariableResult": [{**result, "attributeValue": "1"}]},
        )  # fmt: skip
        _, written = ask(
            charger, socket, alice, intents.SetVariables(items=(item,)), {"setVariableResult": [result]}
        )
        assert "currentTime" in socket.call("Heartbeat", {})

    assert (read.status, read.error["code"]) == ("failed", "invalid_answer")
    assert "evse.id" in read.error["description"]
    assert read.response == {"getVariableResult": [{**result, "attributeValue": "1"}]}
    assert written.status in {"accepted", "failed"}


def test_p080_an_event_of_a_severity_that_no_scale_has_is_kept_without_it(open_station: Open) -> None:
    station = open_station("2.1")
    told = wire("v201/NotifyEvent.lock_failure")
    told["eventData"][0] |= {"severity": 99_999, "variableMonitoringId": 7}

    assert station.call("NotifyEvent", told) == {}

    event = StationEvent.objects.get(station=station.row)
    assert event.severity is None


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_a_level_that_no_scale_has_ends_its_command(charger: Charger, alice: Actor, version: str) -> None:
    level = intents.Call(action="SetMonitoringLevel", payload={"severity": 99_999})
    with charger.dial(version) as socket:
        socket.boot()
        _, command = ask(charger, socket, alice, level, {"status": "Accepted"})

    assert command.status == "accepted"
    assert not MonitoringState.objects.filter(station=charger.station, level__isnull=False).exists()


def test_p080_a_lenient_station_may_ask_a_source_of_its_own_for_the_status_of_a_certificate(
    open_station: Open,
) -> None:
    station = open_station("2.1", lenient=True)
    certificate = {
        "hashAlgorithm": "SHA256", "issuerNameHash": "a", "issuerKeyHash": "b", "serialNumber": "c",
    }  # fmt: skip
    asked = {"source": "Oracle", "urls": ["https://127.0.0.1/x"], "certificateHashData": certificate}

    answer = station.call("GetCertificateChainStatus", {"certificateStatusRequests": [asked]})

    assert answer["certificateStatus"][0]["certificateHashData"] == certificate
    assert answer["certificateStatus"][0]["status"] in {"Failed", "Unknown"}


def test_p172_an_event_of_a_number_beyond_its_column_is_refused_by_name(open_station: Open) -> None:
    station = open_station("2.0.1")
    told = wire("v201/NotifyEvent.lock_failure")
    told["eventData"][0]["eventId"] = 2**63

    with pytest.raises(CallError) as refused:
        station.call("NotifyEvent", told)

    assert refused.value.code == "PropertyConstraintViolation"
    assert "eventId" in refused.value.description
    assert not StationEvent.objects.filter(station=station.row).exists()


@pytest.mark.parametrize("requests", [[], [{"source": "OCSP", "urls": ["https://127.0.0.1/x"]}]])
def test_p081_a_question_for_certificates_without_a_hash_is_refused_in_lenient_as_well(
    open_station: Open, requests: list[Any]
) -> None:
    station = open_station("2.1", lenient=True)
    odd = {"hashAlgorithm": "MD5", "issuerNameHash": "a", "issuerKeyHash": "b", "serialNumber": "c"}
    asked = [{**request, "certificateHashData": odd} for request in requests]

    with pytest.raises(CallError) as refused:
        station.call("GetCertificateChainStatus", {"certificateStatusRequests": asked})

    assert refused.value.code in {"PropertyConstraintViolation", "OccurrenceConstraintViolation"}
    assert is_alive(station)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("word", ["Failed", "VersionMismatch", "Accepted"])
def test_p217_a_list_sent_word_for_word_to_a_station_without_one_ends_as_answered(
    charger: Charger, alice: Actor, version: str, word: str
) -> None:
    said = {"updateType": "Full", "listVersion" if version == "1.6" else "versionNumber": 3}
    with charger.dial(version) as socket:
        socket.boot()
        _, command = ask(
            charger, socket, alice, intents.Call(action="SendLocalList", payload=said), {"status": word}
        )

    assert command.status == ("accepted" if word == "Accepted" else "rejected")


@pytest.mark.parametrize("version", VERSIONS)
def test_p217_a_list_sent_word_for_word_and_not_answered_properly_leaves_open_what_it_holds(
    charger: Charger, alice: Actor, version: str
) -> None:
    said = {"updateType": "Full", "listVersion" if version == "1.6" else "versionNumber": 3}
    call = intents.Call(action="SendLocalList", payload=said)
    with charger.dial(version) as socket:
        socket.boot()
        ask(charger, socket, alice, call, {"status": "Accepted"})
        before = LocalList.objects.get(station=charger.station).certain
        looked = socket.next_call()
        socket.reply(looked, {"listVersion" if version == "1.6" else "versionNumber": 3})
        command = issue(charger, alice, call)
        sent = socket.next_call()
        socket.send([4, sent[1], "InternalError", "", {}])
        ended(command)

    assert (looked[2], sent[2]) == ("GetLocalListVersion", "SendLocalList")
    assert (before, LocalList.objects.get(station=charger.station).certain) == (True, False)


@pytest.mark.parametrize("version", VERSIONS)
def test_p217_a_token_that_was_sent_as_charging_elsewhere_is_kept_as_invalid_with_its_expiry(
    charger: Charger, alice: Actor, version: str
) -> None:
    said: dict[str, Any] = {"updateType": "Full", "listVersion" if version == "1.6" else "versionNumber": 3}
    expiry = "expiryDate" if version == "1.6" else "cacheExpiryDateTime"
    info = {"status": "ConcurrentTx", expiry: "2035-03-01t10:00:00z"}
    if version == "1.6":
        said["localAuthorizationList"] = [{"idTag": "ALICE", "idTagInfo": info}]
    else:
        token = {"idToken": "ALICE", "type": "Central"}
        said["localAuthorizationList"] = [{"idToken": token, "idTokenInfo": info}]
    with charger.dial(version) as socket:
        socket.boot()
        call = intents.Call(action="SendLocalList", payload=said)
        _, command = ask(charger, socket, alice, call, {"status": "Accepted"})

    assert command.status == "accepted"
    kept = LocalListEntry.objects.get(local_list__station=charger.station)
    assert (kept.status, str(kept.expires_at)) == ("invalid", "2035-03-01 10:00:00+00:00")
