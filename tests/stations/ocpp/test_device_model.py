"""P210 to P216: reports in parts, variables, values that wait for a restart."""

from datetime import timedelta
from typing import Any

import pytest

from core import clock
from core.access import Actor
from stations.domain import intents
from stations.domain.intents import VariableItem
from stations.models import Connector, Report, StationCredential, Variable
from stations.services import reports
from tests.stations.ocpp.asking import VERSIONS_2X, ask, ended, issue, with_effect
from tests.stations.ocpp.knocking import Charger
from tests.wire.golden import wire


def variables(charger: Charger) -> dict[tuple[str, str, str], str | None]:
    rows = Variable.objects.filter(station=charger.station)
    return {(row.component, row.variable, row.attribute): row.value for row in rows}


def result_of(call: list[Any], *statuses: str, values: tuple[str, ...] = ()) -> dict[str, Any]:
    """The answer to GetVariables or SetVariables with one status for each item."""
    reading = call[2] == "GetVariables"
    items = call[3]["getVariableData" if reading else "setVariableData"]
    results = []
    for place, (item, status) in enumerate(zip(items, statuses, strict=True)):
        result = {"attributeStatus": status, "component": item["component"], "variable": item["variable"]}
        if "attributeType" in item:
            result["attributeType"] = item["attributeType"]
        if reading and status == "Accepted":
            result["attributeValue"] = values[place]
        results.append(result)
    return {"getVariableResult" if reading else "setVariableResult": results}


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p210_parts_in_any_order_and_repeated_make_one_report(charger: Charger, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        assert socket.call("NotifyReport", wire("v201/NotifyReport.last_part")) == {}
        complete_early = Report.objects.get(station=charger.station).complete
        socket.call("NotifyReport", wire("v201/NotifyReport.first_part"))
        socket.call("NotifyReport", wire("v201/NotifyReport.first_part"))

    report = Report.objects.get(station=charger.station)
    assert not complete_early
    assert report.complete
    assert (report.parts, report.last_part, report.variable_count) == ([0, 1], 1, 5)
    assert variables(charger) == {
        ("DeviceDataCtrlr", "ItemsPerMessage", "Actual"): "2",
        ("SecurityCtrlr", "BasicAuthPassword", "Actual"): None,
        ("Connector", "ConnectorType", "Actual"): "cType2",
        ("EVSE", "Power", "Actual"): "0",
        ("EVSE", "Power", "MaxSet"): "22000",
    }
    power = Variable.objects.get(station=charger.station, component="EVSE", attribute="MaxSet")
    assert (power.evse_id, power.unit, power.data_type) == (1, "W", "decimal")


def test_p210_a_report_that_stops_midway_is_marked_and_its_data_kept(charger: Charger) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        socket.call("NotifyReport", wire("v201/NotifyReport.first_part"))
        reports.expire(clock.now() + timedelta(minutes=4))
        early = Report.objects.get(station=charger.station).incomplete_at
        reports.expire(clock.now() + timedelta(minutes=6))
        late = Report.objects.get(station=charger.station).incomplete_at
        socket.call("NotifyReport", wire("v201/NotifyReport.last_part"))

    assert early is None
    assert late is not None
    report = Report.objects.get(station=charger.station)
    assert report.complete
    assert report.incomplete_at is None
    assert len(variables(charger)) == 5


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p210_a_base_report_that_was_asked_for_is_seen_to_arrive(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        call, command = ask(
            charger, socket, alice, intents.GetBaseReport(kind="full_inventory"), {"status": "Accepted"}
        )
        request_id = call[3]["requestId"]
        before = with_no_effect(command)
        socket.call("NotifyReport", wire("v201/NotifyReport.first_part", requestId=request_id))
        socket.call("NotifyReport", wire("v201/NotifyReport.last_part", requestId=request_id))

    assert call[2:] == ["GetBaseReport", {"requestId": request_id, "reportBase": "FullInventory"}]
    assert request_id > 0
    assert before
    assert with_effect(command).effect == "seen"
    report = Report.objects.get(station=charger.station, request_id=request_id)
    assert (report.requested, report.complete, report.kind) == (True, True, "FullInventory")


def with_no_effect(command: Any) -> bool:
    command.refresh_from_db()
    return bool(command.status == "accepted" and command.effect == "")


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p211_a_report_nobody_asked_for_is_answered_and_merged(charger: Charger, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        answer = socket.call("NotifyReport", wire("v201/NotifyReport.last_part", requestId=987654, seqNo=0))

    assert answer == {}
    report = Report.objects.get(station=charger.station)
    assert (report.request_id, report.requested, report.complete) == (987654, False, True)
    assert variables(charger)[("EVSE", "Power", "MaxSet")] == "22000"


def test_p211_secrets_in_a_report_are_masked(charger: Charger) -> None:
    part = wire("v201/NotifyReport.first_part", tbc=False)
    part["reportData"][1]["variableAttribute"] = [{"value": "hunter2hunter2hunter2"}]

    with charger.dial("2.0.1") as socket:
        socket.boot()
        socket.call("NotifyReport", part)

    assert variables(charger)[("SecurityCtrlr", "BasicAuthPassword", "Actual")] == "****"


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p212_long_reads_and_writes_are_split_by_the_stations_items_per_message(
    charger: Charger, alice: Actor, version: str
) -> None:
    items = tuple(VariableItem(component="TxCtrlr", variable=f"V{n}", value=str(n)) for n in range(5))
    with charger.dial(version) as socket:
        socket.boot()
        socket.call("NotifyReport", wire("v201/NotifyReport.first_part", tbc=False))
        command = issue(charger, alice, intents.GetVariables(items=items))
        sizes = []
        for _ in range(3):
            call = socket.next_call()
            asked = call[3]["getVariableData"]
            sizes.append(len(asked))
            values = tuple(item["variable"]["name"].lower() for item in asked)
            socket.reply(call, result_of(call, *["Accepted"] * len(asked), values=values))
        ended(command)

    assert sizes == [2, 2, 1]
    assert command.status == "accepted"
    assert len(command.response["getVariableResult"]) == 5
    assert variables(charger)[("TxCtrlr", "V4", "Actual")] == "v4"


def test_p212_long_writes_are_split_by_the_stations_bytes_per_message(charger: Charger, alice: Actor) -> None:
    part = wire("v201/NotifyReport.first_part", tbc=False)
    part["reportData"][0]["variable"] = {"name": "BytesPerMessage", "instance": "SetVariables"}
    part["reportData"][0]["variableAttribute"][0]["value"] = "400"
    items = tuple(VariableItem(component="TxCtrlr", variable=f"V{n}", value="x" * 100) for n in range(3))

    with charger.dial("2.0.1") as socket:
        socket.boot()
        socket.call("NotifyReport", part)
        command = issue(charger, alice, intents.SetVariables(items=items))
        for _ in range(3):
            call = socket.next_call()
            assert len(call[3]["setVariableData"]) == 1
            socket.reply(call, result_of(call, "Accepted"))
        ended(command)

    assert command.status == "accepted"


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p213_mixed_results_are_kept_per_item(charger: Charger, alice: Actor, version: str) -> None:
    items = (
        VariableItem(component="OCPPCommCtrlr", variable="HeartbeatInterval"),
        VariableItem(component="Moon", variable="Phase"),
        VariableItem(component="EVSE", variable="Power", evse_id=1, attribute="MaxSet"),
    )
    with charger.dial(version) as socket:
        socket.boot()
        command = issue(charger, alice, intents.GetVariables(items=items))
        call = socket.next_call()
        answer = result_of(call, "Accepted", "UnknownComponent", "Accepted", values=("300", "", "11000"))
        socket.reply(call, answer)
        ended(command)

    assert call[3]["getVariableData"][2] == {
        "component": {"name": "EVSE", "evse": {"id": 1}},
        "variable": {"name": "Power"},
        "attributeType": "MaxSet",
    }
    assert command.status == "accepted"
    statuses = [item["attributeStatus"] for item in command.response["getVariableResult"]]
    assert statuses == ["Accepted", "UnknownComponent", "Accepted"]
    assert variables(charger) == {
        ("OCPPCommCtrlr", "HeartbeatInterval", "Actual"): "300",
        ("EVSE", "Power", "MaxSet"): "11000",
    }


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p213_a_write_that_was_taken_in_part_is_rejected_and_says_which(
    charger: Charger, alice: Actor, version: str
) -> None:
    items = (
        VariableItem(component="OCPPCommCtrlr", variable="HeartbeatInterval", value="60"),
        VariableItem(component="OCPPCommCtrlr", variable="Nonsense", value="1"),
    )
    with charger.dial(version) as socket:
        socket.boot()
        command = issue(charger, alice, intents.SetVariables(items=items))
        call = socket.next_call()
        socket.reply(call, result_of(call, "Accepted", "UnknownVariable"))
        ended(command)

    assert command.status == "rejected"
    assert variables(charger) == {("OCPPCommCtrlr", "HeartbeatInterval", "Actual"): "60"}


def test_p214_all_16_keys_are_asked_for_by_none_and_kept_even_when_unknown_or_repeated(
    charger: Charger, alice: Actor
) -> None:
    answer = {
        "configurationKey": [
            {"key": "HeartbeatInterval", "readonly": False, "value": "300"},
            {"key": "HeartbeatInterval", "readonly": False, "value": "300"},
            {"key": "AcmeBeep", "readonly": True},
            {"key": "AuthorizationKey", "readonly": False, "value": "30313233343536373839"},
        ],
        "unknownKey": ["Moon"],
    }
    with charger.dial("1.6") as socket:
        socket.boot()
        call, command = ask(charger, socket, alice, intents.GetVariables(items=()), answer)

    assert call[2] == "GetConfiguration"
    assert not call[3].get("key")
    assert command.status == "accepted"
    kept = {row.variable: row.value for row in Variable.objects.filter(station=charger.station)}
    assert kept["HeartbeatInterval"] == "300"
    assert kept["AcmeBeep"] is None
    assert "30313233343536373839" not in str(kept)
    assert "30313233343536373839" not in str(command.response)


def test_p215_a_16_station_that_does_not_know_a_command_is_remembered_to_lack_it(
    charger: Charger, alice: Actor
) -> None:
    with charger.dial("1.6") as socket:
        socket.boot()
        command = issue(charger, alice, intents.TriggerMessage(message="heartbeat"))
        call = socket.next_call()
        socket.send([4, call[1], "NotImplemented", "no such action", {}])
        ended(command)
        charger.station.refresh_from_db()
        lacking = list(charger.station.unsupported)
        again = issue(charger, alice, intents.TriggerMessage(message="heartbeat"))
        call = socket.next_call()
        socket.reply(call, {"status": "Accepted"})
        ended(again)

    assert command.status in ("failed", "not_supported")
    assert lacking == ["TriggerMessage"]
    assert again.status == "accepted"


def test_p216_a_16_change_that_needs_a_restart_is_pending_until_the_boot(
    charger: Charger, alice: Actor
) -> None:
    item = VariableItem(variable="HeartbeatInterval", value="60")
    with charger.dial("1.6") as socket:
        socket.boot()
        call, command = ask(
            charger, socket, alice, intents.SetVariables(items=(item,)), {"status": "RebootRequired"}
        )
        pending = Variable.objects.get(station=charger.station, variable="HeartbeatInterval")
        socket.boot()

    assert call[2:] == ["ChangeConfiguration", {"key": "HeartbeatInterval", "value": "60"}]
    assert command.status == "accepted"
    assert (pending.value, pending.pending_value) == (None, "60")
    pending.refresh_from_db()
    assert (pending.value, pending.pending_value) == ("60", "")


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p216_a_2x_value_that_needs_a_restart_is_pending_until_the_boot(
    charger: Charger, alice: Actor, version: str
) -> None:
    item = VariableItem(component="OCPPCommCtrlr", variable="HeartbeatInterval", value="60")
    with charger.dial(version) as socket:
        socket.boot()
        command = issue(charger, alice, intents.SetVariables(items=(item,)))
        call = socket.next_call()
        socket.reply(call, result_of(call, "RebootRequired"))
        ended(command)
        pending = Variable.objects.get(station=charger.station)
        socket.boot()

    assert command.status == "accepted"
    assert (pending.value, pending.pending_value) == (None, "60")
    pending.refresh_from_db()
    assert (pending.value, pending.pending_value) == ("60", "")


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize("word", ["Accepted", "Rejected"])
def test_p018_a_new_password_counts_as_the_station_answers(
    charger: Charger, alice: Actor, version: str, word: str
) -> None:
    secret = "new-password-of-24-chars"
    item = VariableItem(component="SecurityCtrlr", variable="BasicAuthPassword", value=secret)
    named = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
    with charger.dial(version) as socket:
        socket.boot()
        command = issue(charger, alice, intents.SetVariables(items=(item,)))
        call = socket.next_call()
        meanwhile = set(
            StationCredential.objects.filter(station=charger.station).values_list("state", flat=True)
        )
        socket.reply(call, {"setVariableResult": [{"attributeStatus": word, **named}]})
        ended(command)

    assert call[3]["setVariableData"][0]["attributeValue"] == secret
    assert meanwhile == {"current", "next"}
    assert secret not in str(command.parameters) + str(command.response) + command.sealed
    old = charger.knock(version=version).status
    new = charger.knock(version=version, login=(charger.station.identity, secret)).status
    assert (old, new) == ((401, 101) if word == "Accepted" else (101, 401))


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize("report_first", [True, False], ids=["before", "after"])
def test_t43_a_connector_has_the_type_that_the_device_model_reports(
    charger: Charger, version: str, report_first: bool
) -> None:
    def report(word: str) -> None:
        part = wire("v201/NotifyReport.last_part")
        for item in part["reportData"]:
            if item["variable"]["name"] == "ConnectorType":
                item["variableAttribute"][0]["value"] = word
        socket.call("NotifyReport", part)

    def type_of() -> str | None:
        rows = Connector.objects.filter(evse__station=charger.station, evse__evse_id=1, connector_id=1)
        return rows.values_list("type", flat=True).first()

    status = wire("v201/StatusNotification.available", evseId=1, connectorId=1)
    with charger.dial(version) as socket:
        socket.boot()
        if report_first:
            report("cCCS2")
            socket.call("StatusNotification", status)
        else:
            socket.call("StatusNotification", status)
            report("cCCS2")
        learned = type_of()
        report("Unknown")

    assert learned == "cCCS2"
    assert type_of() == "cCCS2"
