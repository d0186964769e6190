"""Block N: monitors set, cleared and reported, the events they cause, what is told of customers."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from core.access import Actor, Role
from core.errors import NotFound, NotPermitted
from core.models import Organization
from stations.domain import intents
from stations.domain.intents import Intent, MonitorItem, VariableItem
from stations.models import (
    Alert,
    CustomerData,
    Monitor,
    MonitoringState,
    RawFrame,
    Report,
    StationEvent,
    Variable,
)
from stations.services import customers, monitoring, sites
from tests.factories import make_actor, make_organization, unique
from tests.stations.ocpp.asking import VERSIONS_2X, ask, ended, issue, now, with_effect
from tests.stations.ocpp.knocking import Charger
from tests.waiting import eventually
from tests.wire.client import CallError, WireStation
from tests.wire.golden import wire

HOT = MonitorItem(
    component="EVSE",
    evse_id=1,
    variable="Temperature",
    type="upper_threshold",
    value=Decimal("70.5"),
    severity=3,
)
SLOW = MonitorItem(
    component="EVSE",
    evse_id=1,
    variable="Temperature",
    type="periodic",
    value=Decimal(60),
    severity=8,
    transaction=True,
)
ALL_COMMANDS: tuple[Intent, ...] = (
    intents.SetVariableMonitoring(items=(HOT,)),
    intents.ClearVariableMonitoring(numbers=(7,)),
    intents.GetMonitoringReport(),
    intents.SetMonitoringBase(base="all"),
    intents.SetMonitoringLevel(severity=4),
    intents.CustomerInformation(report=True, clear=False, token_value="A1", token_type="Central"),
    intents.GetReport(criteria=("problem",)),
    intents.ClearCache(),
    intents.SetNetworkProfile(slot=2, url="wss://portal.example.org/ocpp", security_profile=2),
    intents.GetEventStreams(),
    intents.AdjustEventStream(stream=1, interval_s=5),
)


def results_to_set(call: list[Any], *answers: tuple[str, int | None]) -> dict[str, Any]:
    """The answer to SetVariableMonitoring: a word and a number for each item."""
    found = []
    for item, (status, number) in zip(call[3]["setMonitoringData"], answers, strict=True):
        result = {key: item[key] for key in ("type", "severity", "component", "variable")}
        found.append({**result, "status": status, **({"id": number} if number is not None else {})})
    return {"setMonitoringResult": found}


def numbers(charger: Charger) -> set[int]:
    return set(Monitor.objects.active().filter(station=charger.station).values_list("number", flat=True))


def give_monitors(socket: WireStation) -> None:
    socket.call("NotifyMonitoringReport", wire("v201/NotifyMonitoringReport.last_part"))
    if socket.version == "2.0.1":
        socket.call("NotifyMonitoringReport", wire("v201/NotifyMonitoringReport.first_part"))


@pytest.fixture
def with_monitors(charger: Charger) -> Charger:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        give_monitors(socket)
    return charger


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_monitors_that_the_station_took_are_kept_and_refused_ones_are_not(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        command = issue(charger, alice, intents.SetVariableMonitoring(items=(HOT, SLOW)))
        call = socket.next_call()
        socket.reply(call, results_to_set(call, ("Accepted", 7), ("UnsupportedMonitorType", None)))
        ended(command)

    assert call[2] == "SetVariableMonitoring"
    assert call[3]["setMonitoringData"][0] == {
        "value": 70.5,
        "type": "UpperThreshold",
        "severity": 3,
        "component": {"name": "EVSE", "evse": {"id": 1}},
        "variable": {"name": "Temperature"},
    }
    assert call[3]["setMonitoringData"][1]["transaction"] is True
    assert command.status == "rejected"
    monitor = Monitor.objects.get(station=charger.station)
    assert (monitor.number, monitor.type, monitor.value, monitor.severity) == (
        7,
        "UpperThreshold",
        Decimal("70.5"),
        3,
    )
    assert (monitor.kind, monitor.set_by) == ("CustomMonitor", alice.label)


def test_a_21_station_may_be_asked_for_a_stream_and_a_target_monitor_and_201_may_not(
    charger: Charger, alice: Actor
) -> None:
    target = MonitorItem(
        component="EVSE",
        variable="Power",
        type="target_delta",
        value=Decimal(5),
        severity=6,
        stream_interval_s=60,
        stream_values=2,
    )
    with charger.dial("2.1") as socket:
        socket.boot()
        command = issue(charger, alice, intents.SetVariableMonitoring(items=(target,)))
        call = socket.next_call()
        socket.reply(call, results_to_set(call, ("Accepted", 1)))
        ended(command)
    with charger.dial("2.0.1") as socket:
        socket.boot()
        refused = ended(issue(charger, alice, intents.SetVariableMonitoring(items=(target,))))

    [asked] = call[3]["setMonitoringData"]
    assert (asked["type"], asked["periodicEventStream"]) == ("TargetDelta", {"interval": 60, "values": 2})
    assert command.status == "accepted"
    assert refused.status == "not_supported"
    assert "target_delta" in refused.error["description"]


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_tc_n_18_more_monitors_than_fit_one_message_are_cleared_in_several(
    charger: Charger, alice: Actor, version: str
) -> None:
    limit = wire("v201/NotifyReport.first_part", tbc=False)
    limit["reportData"][0]["component"] = {"name": "MonitoringCtrlr"}
    limit["reportData"][0]["variable"] = {"name": "ItemsPerMessage", "instance": "ClearVariableMonitoring"}
    with charger.dial(version) as socket:
        socket.boot()
        socket.call("NotifyReport", limit)
        command = issue(charger, alice, intents.ClearVariableMonitoring(numbers=(1, 2, 3, 4, 5)))
        sizes = []
        for _ in range(3):
            call = socket.next_call()
            sizes.append(len(call[3]["id"]))
            socket.reply(
                call, {"clearMonitoringResult": [{"id": n, "status": "Accepted"} for n in call[3]["id"]]}
            )
        ended(command)

    assert sizes == [2, 2, 1]
    assert command.status == "accepted"


def test_tc_n_44_a_monitor_that_was_not_cleared_stays_and_one_not_found_goes(
    with_monitors: Charger, alice: Actor
) -> None:
    answer = {
        "clearMonitoringResult": [
            {"id": 7, "status": "Rejected"},
            {"id": 8, "status": "NotFound"},
            {"id": 9, "status": "Accepted"},
        ]
    }
    with with_monitors.dial("2.0.1") as socket:
        socket.boot()
        intent = intents.ClearVariableMonitoring(numbers=(7, 8, 9))
        _, command = ask(with_monitors, socket, alice, intent, answer)

    assert command.status == "rejected"
    assert numbers(with_monitors) == {7}


def test_a_monitoring_report_in_any_order_and_repeated_makes_its_monitors_once(charger: Charger) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        for _ in range(2):
            give_monitors(socket)

    report = Report.objects.get(station=charger.station)
    assert (report.about, report.complete, report.parts, report.variable_count) == (
        "monitors",
        True,
        [0, 1],
        3,
    )
    assert numbers(charger) == {7, 8, 9}
    periodic = Monitor.objects.get(station=charger.station, number=8)
    assert (periodic.type, periodic.value, periodic.transaction_only) == ("Periodic", 60, True)
    problem = Monitor.objects.get(station=charger.station, number=9)
    assert (problem.component_instance, problem.evse_id, problem.connector_id) == ("left", 1, 1)


def test_tc_n_104_monitors_against_a_target_are_reported_by_21(charger: Charger) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        assert socket.call("NotifyMonitoringReport", wire("v21/NotifyMonitoringReport.target_delta")) == {}

    monitor = Monitor.objects.get(station=charger.station)
    assert (monitor.type, monitor.kind) == ("TargetDelta", "PreconfiguredMonitor")


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize(
    ("criteria", "items", "expected"),
    [
        ((), (), {}),
        (
            ("threshold", "delta", "periodic"),
            (),
            {"monitoringCriteria": ["ThresholdMonitoring", "DeltaMonitoring", "PeriodicMonitoring"]},
        ),
        (
            (),
            (VariableItem(component="EVSE", component_instance="x", variable="Temperature"),),
            {
                "componentVariable": [
                    {"component": {"name": "EVSE", "instance": "x"}, "variable": {"name": "Temperature"}}
                ]
            },
        ),
        (
            ("delta",),
            (VariableItem(component="EVSE", variable=""),),
            {
                "monitoringCriteria": ["DeltaMonitoring"],
                "componentVariable": [{"component": {"name": "EVSE"}}],
            },
        ),
    ],
)
def test_tc_n_01_a_monitoring_report_is_asked_for_and_seen_to_arrive(
    charger: Charger, alice: Actor, version: str, criteria: Any, items: Any, expected: dict[str, Any]
) -> None:
    part = wire("v201/NotifyMonitoringReport.last_part", seqNo=0)
    if version == "2.1":
        part["monitor"][0]["variableMonitoring"][0]["eventNotificationType"] = "CustomMonitor"
    with charger.dial(version) as socket:
        socket.boot()
        intent = intents.GetMonitoringReport(criteria=criteria, items=items)
        call, command = ask(charger, socket, alice, intent, {"status": "Accepted"})
        waiting = Report.objects.get(station=charger.station).state
        socket.call("NotifyMonitoringReport", {**part, "requestId": call[3]["requestId"]})
        with_effect(command)

    assert call[2:] == ["GetMonitoringReport", {"requestId": call[3]["requestId"], **expected}]
    assert waiting == "asked"
    assert command.effect == "seen"
    assert Report.objects.get(station=charger.station).state == "complete"


def test_a_complete_report_of_everything_ends_monitors_that_it_leaves_out(
    with_monitors: Charger, alice: Actor
) -> None:
    with with_monitors.dial("2.0.1") as socket:
        socket.boot()
        call, _ = ask(with_monitors, socket, alice, intents.GetMonitoringReport(), {"status": "Accepted"})
        part = wire("v201/NotifyMonitoringReport.last_part", seqNo=0, requestId=call[3]["requestId"])
        socket.call("NotifyMonitoringReport", part)

    assert numbers(with_monitors) == {9}


@pytest.mark.parametrize("word", ["Rejected", "NotSupported", "EmptyResultSet"])
@pytest.mark.parametrize(
    "intent", [intents.GetMonitoringReport(), intents.GetReport(criteria=("problem",))], ids=lambda i: i.name
)
def test_tc_n_01_a_report_that_is_not_given_is_shown_with_the_stations_word(
    charger: Charger, alice: Actor, intent: Intent, word: str
) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        _, command = ask(charger, socket, alice, intent, {"status": word})

    assert command.status == "rejected"
    report = Report.objects.get(station=charger.station)
    assert report.answer == word
    assert report.state == ("empty" if word == "EmptyResultSet" else "refused")


@pytest.mark.parametrize(
    ("base", "word", "left"),
    [
        ("all", "All", {7, 8, 9}),
        ("factory_default", "FactoryDefault", set()),
        ("hard_wired_only", "HardWiredOnly", set()),
    ],
)
def test_tc_n_05_the_base_of_monitoring_is_kept_and_ends_monitors_of_ours(
    with_monitors: Charger, alice: Actor, base: str, word: str, left: set[int]
) -> None:
    with with_monitors.dial("2.0.1") as socket:
        socket.boot()
        call, command = ask(
            with_monitors, socket, alice, intents.SetMonitoringBase(base=base), {"status": "Accepted"}
        )

    assert call[2:] == ["SetMonitoringBase", {"monitoringBase": word}]
    assert command.status == "accepted"
    assert MonitoringState.objects.get(station=with_monitors.station).base == word
    assert numbers(with_monitors) == left


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_tc_n_16_the_level_of_monitoring_is_kept_and_a_refused_one_is_not(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        call, _ = ask(charger, socket, alice, intents.SetMonitoringLevel(severity=4), {"status": "Accepted"})
        _, refused = ask(
            charger, socket, alice, intents.SetMonitoringLevel(severity=9), {"status": "Rejected"}
        )

    assert call[2:] == ["SetMonitoringLevel", {"severity": 4}]
    assert refused.status == "rejected"
    assert MonitoringState.objects.get(station=charger.station).level == 4


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_tc_n_21_an_alert_of_a_monitor_is_tied_to_it_and_ends_with_it(charger: Charger, version: str) -> None:
    event = wire("v201/NotifyEvent.over_threshold")
    calm = wire("v201/NotifyEvent.over_threshold")
    calm["eventData"][0] |= {
        "eventId": 12,
        "cleared": True,
        "actualValue": "50",
        "timestamp": "2025-03-01T10:05:00Z",
    }
    with charger.dial(version) as socket:
        socket.boot()
        if version == "2.0.1":
            give_monitors(socket)
        assert socket.call("NotifyEvent", event) == {}
        assert socket.call("NotifyEvent", event) == {}
        alerting = Monitor.objects.get(station=charger.station, number=7).alerting
        alert = Alert.objects.get(station=charger.station)
        socket.call("NotifyEvent", calm)

    monitor = Monitor.objects.get(station=charger.station, number=7)
    assert alerting
    assert (monitor.alerting, monitor.last_value) == (False, "50")
    assert (alert.subject, alert.count) == ("EVSE Temperature 1 #7", 1)
    assert alert.severity == ("critical" if version == "2.0.1" else "warning")
    alert.refresh_from_db()
    assert alert.cleared_at is not None
    events = StationEvent.objects.filter(station=charger.station).order_by("id")
    assert [(e.value, e.cleared, e.monitor_id) for e in events] == [
        ("81.5", False, monitor.pk),
        ("50", True, monitor.pk),
    ]


def test_two_monitors_of_one_variable_end_their_alerts_apart(charger: Charger) -> None:
    first, second = wire("v201/NotifyEvent.over_threshold"), wire("v201/NotifyEvent.over_threshold")
    second["eventData"][0] |= {"eventId": 13, "variableMonitoringId": 8}
    calm = wire("v201/NotifyEvent.over_threshold")
    calm["eventData"][0] |= {"eventId": 14, "cleared": True}
    with charger.dial("2.0.1") as socket:
        socket.boot()
        for event in (first, second, calm):
            socket.call("NotifyEvent", event)

    open_ = Alert.objects.filter(station=charger.station, cleared_at=None)
    assert [alert.subject for alert in open_] == ["EVSE Temperature 1 #8"]


def test_an_event_that_comes_late_does_not_bring_a_monitors_alarm_back(charger: Charger) -> None:
    late = wire("v201/NotifyEvent.over_threshold")
    late["eventData"][0] |= {"eventId": 10, "timestamp": "2025-03-01T09:00:00Z"}
    calm = wire("v201/NotifyEvent.over_threshold")
    calm["eventData"][0] |= {"eventId": 12, "cleared": True, "actualValue": "50"}
    with charger.dial("2.0.1") as socket:
        socket.boot()
        socket.call("NotifyEvent", calm)
        socket.call("NotifyEvent", late)

    monitor = Monitor.objects.get(station=charger.station)
    assert (monitor.alerting, monitor.last_value) == (False, "50")
    assert StationEvent.objects.filter(station=charger.station).count() == 2


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_tc_n_27_what_is_told_of_a_customer_is_kept_sealed_and_for_few(
    charger: Charger, alice: Actor, version: str
) -> None:
    intent = intents.CustomerInformation(report=True, clear=True, token_value="04A2B3", token_type="ISO14443")
    with charger.dial(version) as socket:
        socket.boot()
        call, command = ask(charger, socket, alice, intent, {"status": "Accepted"})
        request_id = call[3]["requestId"]
        for part in ("last_part", "first_part", "first_part"):
            socket.call(
                "NotifyCustomerInformation",
                wire(f"v201/NotifyCustomerInformation.{part}", requestId=request_id),
            )
        with_effect(command)

    assert call[3] == {
        "requestId": request_id,
        "report": True,
        "clear": True,
        "idToken": {"idToken": "04A2B3", "type": "ISO14443"},
    }
    assert command.effect == "seen"
    report = Report.objects.get(station=charger.station)
    assert (report.about, report.state) == ("customer", "complete")
    assert customers.text_of(report, by=alice) == "Anna Example, token 04A2B3; 12 sessions"
    assert "Anna" not in "".join(CustomerData.objects.filter(report=report).values_list("sealed", flat=True))
    frames = RawFrame.objects.filter(
        station=charger.station, action="NotifyCustomerInformation", direction="in"
    )
    eventually(lambda: frames.count() == 3, what="three frames")
    assert not [frame.text for frame in frames if "Anna" in frame.text]


def test_n09_what_nobody_asked_for_about_a_customer_is_answered_and_not_kept(charger: Charger) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        assert (
            socket.call("NotifyCustomerInformation", wire("v201/NotifyCustomerInformation.last_part")) == {}
        )

    assert not Report.objects.filter(station=charger.station).exists()
    assert not CustomerData.objects.filter(report__station=charger.station).exists()


@pytest.mark.parametrize(
    ("named", "field", "value"),
    [
        ({"customer_identifier": "C-77"}, "customerIdentifier", "C-77"),
        (
            {
                "certificate": {
                    "hash_algorithm": "SHA256",
                    "issuer_name_hash": "a",
                    "issuer_key_hash": "b",
                    "serial_number": "c",
                }
            },
            "customerCertificate",
            {"hashAlgorithm": "SHA256", "issuerNameHash": "a", "issuerKeyHash": "b", "serialNumber": "c"},
        ),
    ],
)
def test_tc_n_62_a_customer_is_named_by_identifier_or_certificate(
    charger: Charger, alice: Actor, named: dict[str, Any], field: str, value: Any
) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        intent = intents.CustomerInformation(report=False, clear=True, **named)
        call, command = ask(charger, socket, alice, intent, {"status": "Invalid"})

    assert call[3][field] == value
    assert command.status == "rejected"
    assert "C-77" not in str(command.parameters) + command.sealed
    assert Report.objects.get(station=charger.station).state == "refused"


def test_what_was_told_of_a_customer_is_read_forgotten_and_dropped_by_the_right_people(
    charger: Charger, alice: Actor
) -> None:
    organization = Organization.objects.get(pk=alice.organization_id)
    technician = make_actor(organization, Role.TECHNICIAN, "bob")
    charlie = make_actor(make_organization(), name="charlie")
    intent = intents.CustomerInformation(report=True, clear=False, token_value="A1", token_type="Central")
    with charger.dial("2.0.1") as socket:
        socket.boot()
        call, _ = ask(charger, socket, alice, intent, {"status": "Accepted"})
        part = wire("v201/NotifyCustomerInformation.last_part", requestId=call[3]["requestId"], seqNo=0)
        socket.call("NotifyCustomerInformation", part)
    report = Report.objects.get(station=charger.station)

    with pytest.raises(NotPermitted):
        customers.text_of(report, by=technician)
    with pytest.raises((NotPermitted, NotFound)):
        customers.text_of(report, by=charlie)
    with pytest.raises((NotPermitted, NotFound)):
        customers.forget(report, by=charlie)
    customers.forget(report, by=alice)

    assert customers.text_of(report, by=alice) == ""
    assert report.customer_data.count() == 0


def test_old_events_streams_and_customers_are_dropped_in_time(charger: Charger) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        socket.call("NotifyEvent", wire("v201/NotifyEvent.over_threshold"))
    event = StationEvent.objects.get(station=charger.station)

    monitoring.forget_old(event.received_at + monitoring.KEEP_EVENTS / 2)
    assert StationEvent.objects.filter(pk=event.pk).exists()
    StationEvent.objects.filter(pk=event.pk).update(
        received_at=event.received_at - monitoring.KEEP_EVENTS * 2
    )
    monitoring.forget_old(event.received_at)
    assert not StationEvent.objects.filter(pk=event.pk).exists()


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize(
    ("action", "name"),
    [
        ("NotifyMonitoringReport", "v201/NotifyMonitoringReport.last_part"),
        ("NotifyCustomerInformation", "v201/NotifyCustomerInformation.last_part"),
    ],
)
def test_p080_a_part_without_its_number_is_refused_and_one_with_extra_fields_only_in_strict(
    charger: Charger, version: str, action: str, name: str
) -> None:
    odd = wire(name, moon="full")
    if version == "2.1" and "monitor" in odd:
        odd["monitor"][0]["variableMonitoring"][0]["eventNotificationType"] = "CustomMonitor"
    with charger.dial(version) as socket:
        socket.boot()
        with pytest.raises(CallError) as missing:
            socket.call(action, wire(name, requestId=None))
        with pytest.raises(CallError) as strict:
            socket.call(action, odd)
    charger.station.lenient = True
    charger.station.save(update_fields=["lenient"])
    with charger.dial(version) as socket:
        assert socket.call(action, odd) == {}

    assert missing.value.code == "OccurrenceConstraintViolation"
    assert strict.value.code == "FormatViolation"


@pytest.mark.parametrize("intent", ALL_COMMANDS, ids=lambda intent: intent.name)
def test_a_stranger_and_a_viewer_can_send_none_of_these(
    charger: Charger, alice: Actor, intent: Intent
) -> None:
    organization = Organization.objects.get(pk=alice.organization_id)
    viewer = make_actor(organization, Role.VIEWER, "vera")
    charlie = make_actor(make_organization(), name="charlie")

    for actor in (viewer, charlie):
        with pytest.raises((NotPermitted, NotFound)):
            issue(charger, actor, intent)


@pytest.mark.parametrize("intent", ALL_COMMANDS, ids=lambda intent: intent.name)
def test_a_16_station_is_told_apart_before_anything_is_sent(
    charger: Charger, alice: Actor, intent: Intent
) -> None:
    with charger.dial("1.6") as socket:
        socket.boot()
        if isinstance(intent, intents.ClearCache):
            call, command = ask(charger, socket, alice, intent, {"status": "Accepted"})
            assert call[2:] == ["ClearCache", {}]
            assert command.status == "accepted"
            return
        if isinstance(intent, intents.SetNetworkProfile):
            know_slots(charger)
        command = ended(issue(charger, alice, intent))

    assert command.status == "not_supported"
    assert "OCPP 1.6" in command.error["description"]


def know_slots(charger: Charger) -> None:
    for name, value in (("NetworkConfigurationPriority", "1,2"), ("ActiveNetworkProfile", "1")):
        Variable.objects.create(
            station=charger.station,
            component="OCPPCommCtrlr",
            variable=name,
            value=value,
            changed_at=now(),
            reported_at=now(),
        )


@pytest.mark.parametrize("intent", ALL_COMMANDS[:9], ids=lambda intent: intent.name)
def test_a_station_that_knows_no_such_message_ends_the_command_and_is_remembered(
    charger: Charger, alice: Actor, intent: Intent
) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        if isinstance(intent, intents.SetNetworkProfile):
            know_slots(charger)
        command = issue(charger, alice, intent)
        call = socket.next_call()
        socket.send([4, call[1], "NotImplemented", "", {}])
        ended(command)
        charger.station.refresh_from_db()

    assert command.status == "failed"
    assert command.error["code"] == "NotImplemented"
    assert charger.station.unsupported == [call[2]]


def limited_to_another_site(by: Actor) -> Actor:
    elsewhere = sites.create({"name": unique("Elsewhere"), "time_zone": "UTC"}, by=by)
    return replace(by, limited_to=frozenset({elsewhere.pk}))


def test_a_stranger_and_a_member_of_another_site_see_neither_monitors_nor_events(
    with_monitors: Charger, alice: Actor
) -> None:
    charlie = make_actor(make_organization(), name="charlie")

    assert Monitor.objects.visible_to(alice).filter(station=with_monitors.station).count() == 3
    for actor in (charlie, limited_to_another_site(alice)):
        assert not Monitor.objects.visible_to(actor).filter(station=with_monitors.station).exists()
        assert not StationEvent.objects.visible_to(actor).filter(station=with_monitors.station).exists()
        assert not Report.objects.visible_to(actor).filter(station=with_monitors.station).exists()


@pytest.mark.parametrize("intent", ALL_COMMANDS, ids=lambda intent: intent.name)
def test_a_member_of_another_site_can_send_none_of_these(
    charger: Charger, alice: Actor, intent: Intent
) -> None:
    with pytest.raises((NotPermitted, NotFound)):
        issue(charger, limited_to_another_site(alice), intent)


def test_an_answer_that_says_the_impossible_fails_the_command_and_keeps_nothing(
    charger: Charger, alice: Actor
) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        command = issue(charger, alice, intents.SetVariableMonitoring(items=(HOT,)))
        call = socket.next_call()
        socket.reply(call, results_to_set(call, ("Accepted", -5)))
        ended(command)

    assert (command.status, command.error["code"]) == ("failed", "invalid_answer")
    assert not Monitor.objects.filter(station=charger.station).exists()


@pytest.mark.parametrize("lenient", [False, True])
def test_an_answer_with_an_unlisted_word_is_no_success(charger: Charger, alice: Actor, lenient: bool) -> None:
    charger.station.lenient = lenient
    charger.station.save(update_fields=["lenient"])
    with charger.dial("2.0.1") as socket:
        socket.boot()
        _, command = ask(charger, socket, alice, intents.SetMonitoringLevel(severity=3), {"status": "Maybe"})

    assert command.status == ("rejected" if lenient else "failed")
    assert not MonitoringState.objects.filter(station=charger.station).exists()
