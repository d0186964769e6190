"""Controls for the grid and swapped batteries (OCPP 2.1 blocks R and S)."""

from typing import Any

import pytest

from core import clock
from core.access import Actor, Role
from core.errors import Invalid, NotFound, NotPermitted
from core.models import Organization
from stations.domain import intents
from stations.domain.words import Capability
from stations.models import Alert, BatterySwap, ChargingStation, DerControl, GridEvent
from stations.services import learning
from tests.factories import make_actor, make_organization
from tests.stations.ocpp.asking import ask, ended, issue, now, with_effect
from tests.stations.ocpp.knocking import Charger
from tests.wire.client import CallError, WireStation
from tests.wire.golden import wire

DROOP = {
    "priority": 1,
    "overFreq": 50.2,
    "underFreq": 49.8,
    "overDroop": 5.0,
    "underDroop": 5.0,
    "responseTime": 2.0,
}
TOKEN = {"idToken": "04A1B2C3D4", "type": "ISO14443"}


def controls(charger: Charger) -> dict[str, DerControl]:
    return {row.control_id: row for row in DerControl.objects.filter(station=charger.station)}


def test_a_control_is_set_in_the_field_of_its_type_and_replaces_others(
    charger: Charger, alice: Actor
) -> None:
    first = intents.SetDerControl(control_type="FreqDroop", settings=DROOP, is_default=True, control_id="old")
    second = intents.SetDerControl(control_type="FreqDroop", settings=DROOP)
    with charger.dial("2.1") as socket:
        socket.boot()
        ask(charger, socket, alice, first, {"status": "Accepted"})
        call, command = ask(charger, socket, alice, second, {"status": "Accepted", "supersededIds": ["old"]})

    given = call[3].pop("controlId")
    kept = controls(charger)
    assert call[2:] == [
        "SetDERControl",
        {"isDefault": False, "controlType": "FreqDroop", "freqDroop": DROOP},
    ]
    assert len(given) == 36
    assert command.status == "accepted"
    assert kept["old"].is_superseded
    assert (kept[given].settings, kept[given].is_superseded) == (DROOP, False)


@pytest.mark.parametrize("word", ["Rejected", "NotSupported", "NotFound"])
def test_a_control_that_the_station_refuses_is_not_kept(charger: Charger, alice: Actor, word: str) -> None:
    intent = intents.SetDerControl(control_type="FreqDroop", settings=DROOP)
    with charger.dial("2.1") as socket:
        socket.boot()
        _, command = ask(charger, socket, alice, intent, {"status": word})

    assert command.status == "rejected"
    assert controls(charger) == {}


def test_settings_that_do_not_fit_the_type_are_not_sent(charger: Charger, alice: Actor) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        odd = intents.SetDerControl(control_type="FreqDroop", settings={"priority": 1})
        command = ended(issue(charger, alice, odd))
        with pytest.raises(Invalid, match="FreqDroop"):
            issue(charger, alice, intents.SetDerControl(control_type="Fast", settings={}))
        socket.call("Heartbeat", {})

    assert (command.status, command.error["code"]) == ("failed", "invalid_request")
    assert not socket.calls


def test_what_the_station_cleared_is_shown_as_cleared(charger: Charger, alice: Actor) -> None:
    intent = intents.SetDerControl(control_type="FreqDroop", settings=DROOP, control_id="one")
    clear = intents.ClearDerControl(control_id="one")
    with charger.dial("2.1") as socket:
        socket.boot()
        ask(charger, socket, alice, intent, {"status": "Accepted"})
        ask(charger, socket, alice, clear, {"status": "NotFound"})
        before = controls(charger)["one"].cleared_at
        call, _ = ask(charger, socket, alice, clear, {"status": "Accepted"})

    assert call[2:] == ["ClearDERControl", {"isDefault": False, "controlId": "one"}]
    assert before is None
    assert controls(charger)["one"].cleared_at is not None


def set_control(charger: Charger, socket: WireStation, by: Actor, control_id: str, **changes: Any) -> None:
    wish = {"control_type": "FreqDroop", "settings": DROOP, **changes}
    ask(charger, socket, by, intents.SetDerControl(control_id=control_id, **wish), {"status": "Accepted"})


def droop(control_id: str) -> dict[str, Any]:
    return {"id": control_id, "isDefault": False, "isSuperseded": False, "freqDroop": DROOP}


def gone(charger: Charger) -> set[str]:
    return {name for name, row in controls(charger).items() if row.cleared_at is not None}


def test_what_a_full_report_does_not_tell_is_gone_once_its_last_part_is_in(
    charger: Charger, alice: Actor
) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        for control_id in ("a", "b", "c"):
            set_control(charger, socket, alice, control_id)
        call, _ = ask(charger, socket, alice, intents.GetDerControl(), {"status": "Accepted"})
        number = call[3]["requestId"]
        set_control(charger, socket, alice, "later")
        socket.call("ReportDERControl", {"requestId": number, "tbc": True, "freqDroop": [droop("a")]})
        before = gone(charger)
        socket.call("ReportDERControl", {"requestId": number, "freqDroop": [droop("b")]})
        after = gone(charger)
        socket.call("ReportDERControl", {"requestId": number + 1, "freqDroop": [droop("c")]})

    assert (before, after) == (set(), {"c"})
    assert gone(charger) == set()


@pytest.mark.parametrize(
    ("question", "cleared"),
    [
        ({}, {"droop", "always", "var"}),
        ({"control_type": "FreqDroop"}, {"droop", "always"}),
        ({"control_id": "var"}, {"var"}),
        ({"is_default": True}, {"always"}),
        ({"is_default": False, "control_type": "FreqDroop"}, {"droop"}),
    ],
)
def test_a_station_that_finds_no_control_has_none_of_those_asked_for(
    charger: Charger, alice: Actor, question: dict[str, Any], cleared: set[str]
) -> None:
    var = {"priority": 1, "setpoint": 10.0, "unit": "PctMaxW"}
    with charger.dial("2.1") as socket:
        socket.boot()
        set_control(charger, socket, alice, "droop")
        set_control(charger, socket, alice, "always", is_default=True)
        set_control(charger, socket, alice, "var", control_type="FixedVar", settings=var)
        ask(charger, socket, alice, intents.GetDerControl(**question), {"status": "Rejected"})
        before = gone(charger)
        ask(charger, socket, alice, intents.GetDerControl(**question), {"status": "NotFound"})

    assert (before, gone(charger)) == (set(), cleared)


def test_a_partial_report_clears_only_what_it_covers(charger: Charger, alice: Actor) -> None:
    question = intents.GetDerControl(control_type="FreqDroop")
    var = {"priority": 1, "setpoint": 10.0, "unit": "PctMaxW"}
    with charger.dial("2.1") as socket:
        socket.boot()
        for control_id in ("a", "b"):
            set_control(charger, socket, alice, control_id)
        set_control(charger, socket, alice, "var", control_type="FixedVar", settings=var)
        call, _ = ask(charger, socket, alice, question, {"status": "Accepted"})
        socket.call("ReportDERControl", {"requestId": call[3]["requestId"], "freqDroop": [droop("a")]})

    assert gone(charger) == {"b"}


def test_controls_are_reported_in_parts_and_a_part_twice_changes_nothing(
    charger: Charger, alice: Actor
) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        call, command = ask(charger, socket, alice, intents.GetDerControl(), {"status": "Accepted"})
        part = wire("v21/ReportDERControl.droop_and_curve", requestId=call[3]["requestId"], tbc=True)
        before = [socket.call("ReportDERControl", part) for _ in range(2)]
        command.refresh_from_db()
        unfinished = command.effect
        socket.call("ReportDERControl", {"requestId": call[3]["requestId"]})
        with_effect(command)

    kept = controls(charger)
    assert before == [{}, {}]
    assert (unfinished, command.effect) == ("", "seen")
    assert {row.control_type for row in kept.values()} == {"FreqDroop", "VoltWatt"}
    assert kept["curve-1"].settings["curveData"] == [{"x": 230.0, "y": 100.0}, {"x": 253.0, "y": 0.0}]
    assert kept["curve-1"].is_default


def test_a_report_that_nobody_asked_for_is_kept_too(charger: Charger) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        assert socket.call("ReportDERControl", wire("v21/ReportDERControl.droop_and_curve")) == {}

    assert len(controls(charger)) == 2


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_an_alarm_stands_until_it_has_ended_in_whatever_order_it_is_told(
    charger: Charger, order: tuple[int, int]
) -> None:
    begin = wire("v21/NotifyDERAlarm.over_voltage", timestamp="2025-03-01T10:00:00Z")
    end = wire("v21/NotifyDERAlarm.over_voltage", timestamp="2025-03-01T10:05:00Z", alarmEnded=True)
    with charger.dial("2.1") as socket:
        socket.boot()
        for place in order:
            assert socket.call("NotifyDERAlarm", (begin, end)[place]) == {}
        between = Alert.objects.filter(station=charger.station, kind="grid_alarm", cleared_at=None).count()
        again = wire("v21/NotifyDERAlarm.over_voltage", timestamp="2025-03-01T11:00:00Z")
        for _ in range(2):
            socket.call("NotifyDERAlarm", again)

    alert = Alert.objects.get(station=charger.station, kind="grid_alarm", cleared_at=None)
    assert between == 0
    assert (alert.subject, alert.count) == ("HVMustTrip", 1)
    assert "OverVoltage" in alert.detail
    assert GridEvent.objects.filter(station=charger.station).count() == 3


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_control_runs_as_its_latest_word_says(
    charger: Charger, alice: Actor, order: tuple[int, int]
) -> None:
    intent = intents.SetDerControl(control_type="FreqDroop", settings=DROOP, control_id="one")
    told = [
        {"controlId": "one", "started": True, "timestamp": "2025-03-01T10:00:00Z", "supersededIds": ["two"]},
        {"controlId": "one", "started": False, "timestamp": "2025-03-01T10:30:00Z"},
    ]
    with charger.dial("2.1") as socket:
        socket.boot()
        ask(charger, socket, alice, intent, {"status": "Accepted"})
        for place in order:
            assert socket.call("NotifyDERStartStop", told[place]) == {}

    assert controls(charger)["one"].running is False


def test_the_start_of_a_control_that_was_never_told_is_kept(charger: Charger) -> None:
    said = {"controlId": "own", "started": True, "timestamp": "2025-03-01T10:00:00Z"}
    with charger.dial("2.1") as socket:
        socket.boot()
        assert socket.call("NotifyDERStartStop", said) == {}

    assert controls(charger)["own"].running is True


def test_a_requested_swap_is_seen_by_the_batteries_that_the_station_reports(
    charger: Charger, alice: Actor
) -> None:
    intent = intents.RequestBatterySwap(token_value="04A1B2C3D4", token_type="ISO14443")
    with charger.dial("2.1") as socket:
        socket.boot()
        call, command = ask(charger, socket, alice, intent, {"status": "Accepted"})
        swapped = wire("v21/BatterySwap.out", requestId=call[3]["requestId"])
        answers = [socket.call("BatterySwap", swapped) for _ in range(2)]
        with_effect(command)

    kept = BatterySwap.objects.get(station=charger.station)
    assert call[2:] == ["RequestBatterySwap", {"requestId": kept.request_id, "idToken": TOKEN}]
    assert answers == [{}, {}]
    assert (kept.kind, kept.token_value) == ("BatteryOut", "04A1B2C3D4")
    assert kept.batteries[0]["serialNumber"] == "BAT-7"
    assert command.effect == "seen"


def test_a_refused_swap_ends_as_rejected(charger: Charger, alice: Actor) -> None:
    intent = intents.RequestBatterySwap(token_value="04A1B2C3D4")
    answer: dict[str, Any] = {"status": "Rejected", "statusInfo": {"reasonCode": "NoBatteryAvailable"}}
    with charger.dial("2.1") as socket:
        socket.boot()
        _, command = ask(charger, socket, alice, intent, answer)

    assert command.status == "rejected"
    assert command.response == answer


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
@pytest.mark.parametrize(
    "intent",
    [
        intents.SetDerControl(control_type="FreqDroop", settings=DROOP),
        intents.GetDerControl(),
        intents.ClearDerControl(),
        intents.RequestBatterySwap(token_value="04A1B2C3D4"),
    ],
)
def test_earlier_versions_have_no_such_thing(
    charger: Charger, alice: Actor, version: str, intent: intents.Intent
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        command = ended(issue(charger, alice, intent))

    assert command.status == "not_supported"


@pytest.mark.parametrize(
    ("action", "name", "changes", "code"),
    [
        ("BatterySwap", "out", {"eventType": "BatteryLost"}, "PropertyConstraintViolation"),
        ("BatterySwap", "out", {"requestId": 2**64}, "PropertyConstraintViolation"),
        ("BatterySwap", "out", {"batteryData": []}, "OccurrenceConstraintViolation"),
        ("NotifyDERAlarm", "over_voltage", {"timestamp": "noon"}, "TypeConstraintViolation"),
        ("ReportDERControl", "droop_and_curve", {"tbc": "yes"}, "TypeConstraintViolation"),
    ],
)
def test_a_wrong_message_is_refused_and_leaves_nothing(
    charger: Charger, action: str, name: str, changes: dict[str, Any], code: str
) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        with pytest.raises(CallError) as refused:
            socket.call(action, wire(f"v21/{action}.{name}", **changes))

    assert refused.value.code == code
    assert controls(charger) == {}
    assert not BatterySwap.objects.filter(station=charger.station).exists()
    assert not GridEvent.objects.filter(station=charger.station).exists()


def test_a_lenient_station_may_swap_in_words_of_its_own(charger: Charger) -> None:
    charger.set(lenient=True)
    with charger.dial("2.1") as socket:
        socket.boot()
        assert socket.call("BatterySwap", wire("v21/BatterySwap.out", eventType="BatteryLost")) == {}

    assert BatterySwap.objects.get(station=charger.station).kind == "BatteryLost"


OFF = ("ACDERCtrlr", "DCDERCtrlr", "V2XChargingCtrlr", "BatterySwapCtrlr")
COMMANDS: list[tuple[str, intents.Intent]] = [
    ("grid_support", intents.SetDerControl(control_type="FreqDroop", settings=DROOP)),
    ("grid_support", intents.GetDerControl()),
    ("grid_support", intents.ClearDerControl()),
    ("bidirectional", intents.AfrrSignal(timestamp=clock.now(), signal=1)),
    ("battery_swap", intents.RequestBatterySwap(token_value="04A1B2C3D4")),
]


def told(variable: str, **values: str) -> dict[str, Any]:
    """A report of controllers with one of their switches each."""
    rows = [
        {
            "component": {"name": name},
            "variable": {"name": variable},
            "variableAttribute": [{"value": value}],
            "variableCharacteristics": {"dataType": "boolean", "supportsMonitoring": False},
        }
        for name, value in values.items()
    ]
    return wire("v201/NotifyReport.first_part", tbc=False, reportData=rows)


def able(charger: Charger) -> set[str]:
    station = ChargingStation.objects.get(pk=charger.station.pk)
    return {
        name
        for name in ("grid_support", "bidirectional", "battery_swap")
        if station.supports(Capability(name))
    }


@pytest.mark.parametrize("variable", ["Available", "Enabled"])
def test_p259_reports_are_answered_when_the_feature_is_off_and_commands_are_not_sent(
    charger: Charger, alice: Actor, variable: str
) -> None:
    needs = wire("v21/NotifyEVChargingNeeds.bidirectional")
    with charger.dial("2.1") as socket:
        socket.boot()
        socket.call("NotifyReport", told(variable, **dict.fromkeys(OFF, "false")))
        withheld = [issue(charger, alice, intent) for _, intent in COMMANDS]
        answers = [
            socket.call("BatterySwap", wire("v21/BatterySwap.out")),
            socket.call("NotifyDERAlarm", wire("v21/NotifyDERAlarm.over_voltage")),
            socket.call("NotifyDERStartStop", {"controlId": "own", "started": True, "timestamp": now()}),
            socket.call("ReportDERControl", wire("v21/ReportDERControl.droop_and_curve")),
        ]
        car = socket.call("NotifyEVChargingNeeds", needs)

    assert {command.status for command in withheld} == {"not_supported"}
    assert not socket.calls
    assert able(charger) == set()
    assert answers == [{}, {}, {}, {}]
    assert "status" in car
    assert set(controls(charger)) == {"own", "droop-1", "curve-1"}
    assert BatterySwap.objects.filter(station=charger.station).count() == 1


def test_controls_are_possible_where_one_of_both_controllers_has_them(charger: Charger, alice: Actor) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        socket.call("NotifyReport", told("Available", ACDERCtrlr="false", DCDERCtrlr="true"))
        one = able(charger)
        socket.call("NotifyReport", told("Available", DCDERCtrlr="false"))
        none = able(charger)
        socket.call("NotifyReport", told("Available", ACDERCtrlr="true"))

    assert "grid_support" in one
    assert none == {"bidirectional", "battery_swap"}
    assert "grid_support" in able(charger)


@pytest.mark.parametrize(
    ("capability", "intent"), [pair for pair in COMMANDS if pair[1].name != "clear_der_control"]
)
def test_a_command_that_the_station_does_not_know_is_not_sent_again_until_that_is_forgotten(
    charger: Charger, alice: Actor, capability: str, intent: intents.Intent
) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        command = issue(charger, alice, intent)
        socket.send([4, socket.next_call()[1], "NotImplemented", "", {}])
        ended(command)
        left = able(charger)
        withheld = issue(charger, alice, intent)
        learning.forget(ChargingStation.objects.get(pk=charger.station.pk), by=alice)
        _, again = ask(charger, socket, alice, intent, {"status": "Accepted"})

    assert left == {"grid_support", "bidirectional", "battery_swap"} - {capability}
    assert withheld.status == "not_supported"
    assert "NotImplemented" in withheld.error["description"]
    assert again.status == "accepted"


def test_strangers_and_support_set_nothing(charger: Charger, alice: Actor) -> None:
    charlie = make_actor(make_organization(), name="charlie")
    vera = make_actor(Organization.objects.get(pk=alice.organization_id), Role.VIEWER, "vera")
    for intent in (
        intents.SetDerControl(control_type="FreqDroop", settings=DROOP),
        intents.GetDerControl(),
        intents.ClearDerControl(),
        intents.RequestBatterySwap(token_value="04A1B2C3D4"),
    ):
        with pytest.raises(NotFound):
            issue(charger, charlie, intent)
        with pytest.raises(NotPermitted):
            issue(charger, vera, intent)
