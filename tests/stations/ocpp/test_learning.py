"""P215: what a station can do is learned from its version, its device model, its word and its refusals."""

from typing import Any

import pytest

from core.access import Actor, Role
from core.errors import NotFound, NotPermitted
from core.models import Organization
from stations.domain import intents
from stations.domain.capabilities import judged
from stations.domain.intents import VariableItem
from stations.domain.words import Capability
from stations.models import ChargingStation, Report, Variable, VariableValue
from stations.services import learning
from tests.factories import make_actor, make_organization
from tests.stations.ocpp.asking import VERSIONS, VERSIONS_2X, ask, ended, issue, with_effect
from tests.stations.ocpp.knocking import Charger
from tests.wire.golden import wire


def fresh(charger: Charger) -> ChargingStation:
    return ChargingStation.objects.get(pk=charger.station.pk)


def controller(name: str, variable: str, value: str) -> dict[str, Any]:
    part = wire("v201/NotifyReport.first_part", tbc=False)
    part["reportData"] = [
        {
            "component": {"name": name},
            "variable": {"name": variable},
            "variableAttribute": [{"value": value}],
            "variableCharacteristics": {"dataType": "boolean", "supportsMonitoring": False},
        }
    ]
    return part


@pytest.mark.parametrize("version", VERSIONS)
def test_the_version_says_what_it_has_no_words_for(charger: Charger, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()

    station = fresh(charger)
    assert station.supports(Capability.MONITORING) is (version != "1.6")
    assert station.supports(Capability.EVENT_STREAMS) is (version == "2.1")
    assert station.supports(Capability.GRID_SUPPORT) is (version == "2.1")
    assert station.supports(Capability.SMART_CHARGING)


@pytest.mark.parametrize("variable", ["Available", "Enabled"])
def test_a_controller_that_is_not_there_or_switched_off_is_believed(charger: Charger, variable: str) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        socket.call("NotifyReport", controller("ReservationCtrlr", variable, "false"))
        off = fresh(charger)
        socket.call("NotifyReport", controller("ReservationCtrlr", variable, "true"))

    assert not off.supports(Capability.RESERVATION)
    found = judged(off.capabilities, Capability.RESERVATION)
    assert (found.source, found.detail) == ("device_model", f"ReservationCtrlr.{variable} = false")
    assert fresh(charger).supports(Capability.RESERVATION)


def test_p215_feature_profiles_of_16_are_a_hint_that_withholds_nothing(
    charger: Charger, alice: Actor
) -> None:
    answer = {
        "configurationKey": [
            {"key": "SupportedFeatureProfiles", "readonly": True, "value": "Core,SmartCharging"}
        ]
    }
    with charger.dial("1.6") as socket:
        socket.boot()
        _, command = ask(charger, socket, alice, intents.GetBaseReport(kind="full_inventory"), answer)
        with_effect(command)

    station = fresh(charger)
    assert station.supports(Capability.RESERVATION)
    found = judged(station.capabilities, Capability.RESERVATION)
    assert (found.able, found.hint) == (None, False)
    assert judged(station.capabilities, Capability.SMART_CHARGING).able is True
    report = Report.objects.get(station=station)
    assert (report.kind, report.state, report.variable_count) == ("Configuration", "complete", 1)


def test_p215_a_refusal_is_remembered_until_it_is_forgotten(charger: Charger, alice: Actor) -> None:
    intent = intents.GetMonitoringReport()
    with charger.dial("2.0.1") as socket:
        socket.boot()
        command = issue(charger, alice, intent)
        call = socket.next_call()
        socket.send([4, call[1], "NotSupported", "", {}])
        ended(command)
        withheld = issue(charger, alice, intent)
        learning.forget(fresh(charger), by=alice)
        _, again = ask(charger, socket, alice, intent, {"status": "Accepted"})

    assert withheld.status == "not_supported"
    assert "GetMonitoringReport: NotSupported" in withheld.error["description"]
    assert again.status == "accepted"


def test_p215_a_refusal_of_one_command_leaves_the_others_of_its_kind(charger: Charger, alice: Actor) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        command = issue(charger, alice, intents.SetMonitoringLevel(severity=3))
        call = socket.next_call()
        socket.send([4, call[1], "NotImplemented", "", {}])
        ended(command)

    assert fresh(charger).supports(Capability.MONITORING)


def test_p215_refusals_end_with_a_restart(charger: Charger, alice: Actor) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        command = issue(charger, alice, intents.GetMonitoringReport())
        call = socket.next_call()
        socket.send([4, call[1], "NotImplemented", "", {}])
        ended(command)
        before = fresh(charger).supports(Capability.MONITORING)
        socket.boot()

    assert not before
    assert fresh(charger).supports(Capability.MONITORING)


def test_a_stranger_and_a_viewer_make_nothing_forgotten(charger: Charger, alice: Actor) -> None:
    viewer = make_actor(Organization.objects.get(pk=alice.organization_id), Role.VIEWER, "vera")
    for actor in (viewer, make_actor(make_organization(), name="charlie")):
        with pytest.raises((NotPermitted, NotFound)):
            learning.forget(charger.station, by=actor)


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_the_history_of_a_variable_tells_what_was_reported_and_who_set_it(
    charger: Charger, alice: Actor, version: str
) -> None:
    item = VariableItem(component="EVSE", evse_id=1, variable="Power", attribute="MaxSet", value="11000")
    power = {
        "component": {"name": "EVSE", "evse": {"id": 1}},
        "variable": {"name": "Power"},
        "attributeType": "MaxSet",
    }
    with charger.dial(version) as socket:
        socket.boot()
        for _ in range(2):
            socket.call("NotifyReport", wire("v201/NotifyReport.last_part"))
        command = issue(charger, alice, intents.SetVariables(items=(item,)))
        socket.reply(socket.next_call(), {"setVariableResult": [{"attributeStatus": "Accepted", **power}]})
        ended(command)

    variable = Variable.objects.get(station=charger.station, component="EVSE", attribute="MaxSet")
    told = VariableValue.objects.filter(variable=variable).order_by("id").values_list("value", "source", "by")
    assert list(told) == [("22000", "reported", ""), ("11000", "set", alice.label)]


def test_the_history_tells_when_a_pending_value_came_into_force(charger: Charger, alice: Actor) -> None:
    item = VariableItem(variable="HeartbeatInterval", value="60")
    with charger.dial("1.6") as socket:
        socket.boot()
        ask(charger, socket, alice, intents.SetVariables(items=(item,)), {"status": "RebootRequired"})
        before = VariableValue.objects.filter(variable__station=charger.station).count()
        socket.boot()

    assert before == 0
    [value] = VariableValue.objects.filter(variable__station=charger.station)
    assert (value.value, value.source, value.by) == ("60", "set", alice.label)


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p212_a_report_of_more_items_than_fit_is_asked_for_in_parts_and_complete_with_the_last(
    charger: Charger, alice: Actor, version: str
) -> None:
    limit = wire("v201/NotifyReport.first_part", tbc=False, requestId=1)
    limit["reportData"][0]["variable"] = {"name": "ItemsPerMessage", "instance": "GetReport"}
    items = tuple(VariableItem(component="EVSE", evse_id=n, variable="") for n in (1, 2, 3))
    with charger.dial(version) as socket:
        socket.boot()
        socket.call("NotifyReport", limit)
        command = issue(charger, alice, intents.GetReport(criteria=("problem",), items=items))
        calls = [socket.next_call()]
        socket.reply(calls[0], {"status": "Accepted"})
        calls.append(socket.next_call())
        socket.reply(calls[1], {"status": "Accepted"})
        ended(command)
        socket.call(
            "NotifyReport", wire("v201/NotifyReport.last_part", seqNo=0, requestId=calls[0][3]["requestId"])
        )
        command.refresh_from_db()
        early = command.effect
        socket.call(
            "NotifyReport", wire("v201/NotifyReport.last_part", seqNo=0, requestId=calls[1][3]["requestId"])
        )
        with_effect(command)

    assert [len(call[3]["componentVariable"]) for call in calls] == [2, 1]
    assert calls[0][3]["componentCriteria"] == ["Problem"]
    assert early == ""
    assert command.effect == "seen"


def test_p210_missing_parts_of_a_report_are_named(charger: Charger) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        socket.call("NotifyReport", wire("v201/NotifyReport.first_part"))
        socket.call("NotifyReport", wire("v201/NotifyReport.last_part", seqNo=4))
        socket.call("NotifyReport", wire("v201/NotifyReport.last_part", seqNo=2_000_000_000, requestId=5))

    report = Report.objects.get(
        station=charger.station, request_id=wire("v201/NotifyReport.first_part")["requestId"]
    )
    assert (report.missing, report.state) == ([1, 2, 3], "arriving")
    assert len(Report.objects.get(station=charger.station, request_id=5).missing) == 20


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_a_restart_that_resumes_and_a_vendors_trigger_are_of_21(
    charger: Charger, alice: Actor, version: str
) -> None:
    wishes = (
        intents.ResetStation(kind="immediate_and_resume"),
        intents.TriggerMessage(message="custom_trigger", custom="SelfTest"),
    )
    with charger.dial(version) as socket:
        socket.boot()
        if version == "2.0.1":
            ends = [ended(issue(charger, alice, wish)).status for wish in wishes]
            assert ends == ["not_supported", "not_supported"]
            return
        calls = [ask(charger, socket, alice, wish, {"status": "Accepted"})[0][2:] for wish in wishes]

    assert calls == [
        ["Reset", {"type": "ImmediateAndResume"}],
        ["TriggerMessage", {"requestedMessage": "CustomTrigger", "customTrigger": "SelfTest"}],
    ]


def test_a_16_station_cannot_resume(charger: Charger, alice: Actor) -> None:
    with charger.dial("1.6") as socket:
        socket.boot()
        command = ended(issue(charger, alice, intents.ResetStation(kind="immediate_and_resume")))

    assert command.status == "not_supported"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_cache_is_cleared_and_a_refusal_is_shown(charger: Charger, alice: Actor, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        call, done = ask(charger, socket, alice, intents.ClearCache(), {"status": "Accepted"})
        _, refused = ask(charger, socket, alice, intents.ClearCache(), {"status": "Rejected"})

    assert call[2:] == ["ClearCache", {}]
    assert (done.status, refused.status) == ("accepted", "rejected")


@pytest.mark.parametrize("version", VERSIONS)
def test_p088_extra_fields_in_answers_to_lenient_and_strict_stations_alike(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        _, command = ask(charger, socket, alice, intents.ClearCache(), {"status": "Accepted", "moon": 1})

    assert command.status == "accepted"
