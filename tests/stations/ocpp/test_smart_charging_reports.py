"""What stations tell of charging: profiles, limits, needs of cars and their schedules (K09, K12 to K17; P254)."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from core import clock
from core.access import Actor
from stations.domain import intents
from stations.models import (
    ChargingLimit,
    ChargingPlan,
    ChargingStation,
    Command,
    InstalledProfile,
    Transaction,
)
from stations.services import stations
from tests.factories import make_token
from tests.stations.ocpp.asking import VERSIONS_2X, ask, ended, issue, with_effect
from tests.stations.ocpp.knocking import Charger
from tests.stations.ocpp.test_effects import begin
from tests.stations.ocpp.test_smart_charging import ended_set, next_of, schedule, set_profile, tell_variables
from tests.waiting import eventually
from tests.wire.client import CallError, WireStation
from tests.wire.golden import wire

ACCEPTED = {"status": "Accepted"}
TX = {"purpose": "tx_profile", "kind": "relative"}


def profiles(charger: Charger) -> dict[int, str]:
    rows = InstalledProfile.objects.filter(station=charger.station)
    return {row.profile_id: row.source for row in rows}


def limits(charger: Charger) -> list[tuple[int, str, bool]]:
    rows = ChargingLimit.objects.filter(station=charger.station)
    return [(row.evse_id, row.source, row.cleared_at is None) for row in rows]


def as_profile(command: Command, **changes: Any) -> dict[str, Any]:
    """The profile of a command as a 2.x station reports it."""
    told = command.parameters["charging_profile"]
    return {
        "id": told["id"],
        "stackLevel": told["stack_level"],
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": [
            {
                "id": 1,
                "startSchedule": "2026-11-01T00:00:00Z",
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}],
            }
        ],
        **changes,
    }


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_a_report_shows_who_put_profiles_there_and_forgets_what_is_not_there(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        kept = ended_set(charger, socket, alice, set_profile(1, id=7))
        ended_set(charger, socket, alice, set_profile(1, id=8, stack_level=2))
        command = stations_report(charger, socket, alice, kept)
        before = profiles(charger)
        socket.call("ReportChargingProfiles", external(command))
        with_effect(command)

    assert before == {7: "CSO", 8: "CSO"}
    assert profiles(charger) == {7: "CSO", 900001: "EMS"}
    assert (command.effect, command.effect_detail) == ("seen", "All parts arrived: 2 profiles.")
    row = InstalledProfile.objects.get(station=charger.station, profile_id=7)
    assert row.installed_by == alice.label
    assert row.reported_at is not None


def stations_report(charger: Charger, socket: WireStation, alice: Actor, kept: Command) -> Command:
    """Ask for all; the first part tells of one profile and that more will come."""

    command = issue(charger, alice, intents.GetChargingProfiles())
    socket.reply(next_of(socket, "GetChargingProfiles"), ACCEPTED)
    part = {
        "requestId": command.parameters["request_id"],
        "chargingLimitSource": "CSO",
        "evseId": 1,
        "tbc": True,
        "chargingProfile": [as_profile(kept)],
    }
    for _ in range(2):
        assert socket.call("ReportChargingProfiles", part) == {}
    return ended(command)


def external(command: Command) -> dict[str, Any]:
    return wire("v201/ReportChargingProfiles.external", requestId=command.parameters["request_id"])


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_a_report_of_one_evse_leaves_the_profiles_of_others(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        ended_set(charger, socket, alice, set_profile(1, id=7))
        ended_set(charger, socket, alice, set_profile(2, id=8))

        command = issue(charger, alice, intents.GetChargingProfiles(evse_id=1))
        socket.reply(next_of(socket, "GetChargingProfiles"), {"status": "NoProfiles"})
        ended(command)
        with_effect(command)

    assert (command.status, command.effect) == ("accepted", "seen")
    assert profiles(charger) == {8: "CSO"}


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_a_report_nobody_asked_for_is_answered_and_merged(charger: Charger, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        for _ in range(2):
            assert socket.call("ReportChargingProfiles", wire("v201/ReportChargingProfiles.external")) == {}

    assert profiles(charger) == {900001: "EMS"}


def test_p256_fields_of_21_are_read_in_their_exact_spelling(charger: Charger) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        socket.call("ReportChargingProfiles", wire("v21/ReportChargingProfiles.dynamic"))

    row = InstalledProfile.objects.get(station=charger.station)
    assert row.kind == "dynamic"
    assert row.content == {
        "id": 41,
        "stack_level": 2,
        "purpose": "tx_default_profile",
        "kind": "dynamic",
        "dyn_update_interval_s": 60,
        "max_offline_duration_s": 600,
        "schedules": [
            {
                "id": 1,
                "rate_unit": "W",
                "limit_at_soc": {"soc": 80, "limit": 5000},
                "periods": [
                    {
                        "start_s": 0,
                        "operation_mode": "central_setpoint",
                        "limit": 7000,
                        "limit_l2": 6900,
                        "discharge_limit": -5000,
                        "discharge_limit_l3": -4000,
                        "setpoint": 3000,
                        "setpoint_reactive_l2": 100,
                    }
                ],
            }
        ],
    }


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_a_limit_of_somebody_else_is_kept_until_it_is_cleared(charger: Charger, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        for _ in range(2):
            assert socket.call("NotifyChargingLimit", wire("v201/NotifyChargingLimit.ems")) == {}
        holding = limits(charger)
        socket.call("ReportChargingProfiles", wire("v201/ReportChargingProfiles.external"))
        for _ in range(2):
            assert socket.call("ClearedChargingLimit", wire("v201/ClearedChargingLimit.ems")) == {}

    assert holding == [(1, "EMS", True)]
    assert limits(charger) == [(1, "EMS", False)]
    row = ChargingLimit.objects.get(station=charger.station)
    assert row.grid_critical is True
    assert row.schedules[0]["periods"] == [{"start_s": 0, "limit": 8.5}]
    assert profiles(charger) == {}


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_a_limit_cleared_for_the_station_is_cleared_at_its_evses(charger: Charger, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        socket.call("NotifyChargingLimit", wire("v201/NotifyChargingLimit.ems"))
        socket.call("NotifyChargingLimit", wire("v201/NotifyChargingLimit.ems", evseId=2))
        socket.call("NotifyChargingLimit", wire("v201/NotifyChargingLimit.ems", evseId=None))
        other = {"chargingLimitSource": "SO"}
        socket.call(
            "NotifyChargingLimit", wire("v201/NotifyChargingLimit.ems", chargingLimit=other, evseId=2)
        )
        socket.call("ClearedChargingLimit", {"chargingLimitSource": "EMS"})

    assert sorted(limits(charger)) == [
        (0, "EMS", False),
        (1, "EMS", False),
        (2, "EMS", False),
        (2, "SO", True),
    ]


def test_a_limit_by_local_generation_has_a_source_of_any_name(charger: Charger) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        socket.call("NotifyChargingLimit", wire("v21/NotifyChargingLimit.local_generation"))

    row = ChargingLimit.objects.get(station=charger.station)
    assert (row.evse_id, row.source, row.local_generation) == (0, "SunnyRoof", True)
    assert row.schedules[0]["periods"] == [{"start_s": 0, "limit": 7000, "limit_l2": 6000, "limit_l3": 5000}]


def running(charger: Charger, socket: WireStation, alice: Actor) -> Transaction:
    socket.boot()
    return begin(charger, socket, make_token(alice))


def plan_of(session: Transaction) -> ChargingPlan:
    return ChargingPlan.objects.get(transaction=session)


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p254_needs_are_answered_and_followed_by_a_profile_until_the_departure(
    charger: Charger, alice: Actor, version: str
) -> None:
    ChargingStation.objects.filter(pk=charger.station.pk).update(max_power_w=7400)
    with charger.dial(version) as socket:
        session = running(charger, socket, alice)
        answer = socket.call("NotifyEVChargingNeeds", wire("v201/NotifyEVChargingNeeds.ac"))
        call = next_of(socket, "SetChargingProfile")
        socket.reply(call, ACCEPTED)
        eventually(InstalledProfile.objects.filter(transaction=session).exists, what="the profile kept")

    assert answer == {"status": "Accepted"}
    sent = call[3]["chargingProfile"]
    assert (call[3]["evseId"], sent["transactionId"]) == (1, "tx-1")
    assert (sent["chargingProfilePurpose"], sent["chargingProfileKind"]) == ("TxProfile", "Absolute")
    (curve,) = sent["chargingSchedule"]
    departure = datetime(2036, 1, 1, 6, tzinfo=UTC)
    begins = datetime.fromisoformat(curve["startSchedule"])
    assert begins + timedelta(seconds=curve["duration"]) == departure
    assert curve["chargingRateUnit"] == "A"
    # 7,400 W over three phases at 230 V are 10.7 A for each; the car would take 16.
    assert curve["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 10.7, "numberPhases": 3}]
    plan = plan_of(session)
    assert (plan.requested_wh, plan.departure_at) == (Decimal(24000), departure)
    assert plan.energy_transfer == "AC_three_phase"
    assert InstalledProfile.objects.get(transaction=session).installed_by == "system:smart charging"


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize(
    ("rated_w", "units", "sent"),
    [
        (None, "", ("W", 80000)),
        (50000, "", ("W", 50000)),
        (50000, "A", ("A", 125)),
    ],
)
def test_p254_needs_of_a_dc_car_are_met_within_what_the_station_can(
    charger: Charger, alice: Actor, version: str, rated_w: int | None, units: str, sent: tuple[str, float]
) -> None:
    ChargingStation.objects.filter(pk=charger.station.pk).update(max_power_w=rated_w)
    with charger.dial(version) as socket:
        session = running(charger, socket, alice)
        if units:
            tell_variables(socket, charger, alice, RateUnit=units)
        answer = socket.call("NotifyEVChargingNeeds", wire("v201/NotifyEVChargingNeeds.dc"))
        call = next_of(socket, "SetChargingProfile")

    assert answer == {"status": "Accepted"}
    (curve,) = call[3]["chargingProfile"]["chargingSchedule"]
    assert (curve["chargingRateUnit"], curve["chargingSchedulePeriod"][0]["limit"]) == sent
    assert curve["duration"] == 86_400
    plan = plan_of(session)
    assert (plan.soc_percent, plan.target_soc_percent, plan.requested_wh) == (35, 90, 40000)


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_needs_without_a_session_are_refused_and_send_nothing(charger: Charger, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        answer = socket.call("NotifyEVChargingNeeds", wire("v201/NotifyEVChargingNeeds.ac"))
        socket.call("Heartbeat", {})

    assert answer == {"status": "Rejected"}
    assert not socket.calls


@pytest.mark.parametrize(("version", "status"), [("2.0.1", "Rejected"), ("2.1", "NoChargingProfile")])
def test_needs_that_say_nothing_to_a_station_of_unknown_power_have_no_profile(
    charger: Charger, alice: Actor, version: str, status: str
) -> None:
    needs = {"requestedEnergyTransfer": "AC_single_phase"}
    with charger.dial(version) as socket:
        session = running(charger, socket, alice)
        payload = wire("v201/NotifyEVChargingNeeds.ac", chargingNeeds=needs)
        answer = socket.call("NotifyEVChargingNeeds", payload)

    assert answer == {"status": status}
    assert plan_of(session).energy_transfer == "AC_single_phase"


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_repeated_needs_send_one_profile_while_it_is_on_the_way(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        session = running(charger, socket, alice)
        payload = wire("v201/NotifyEVChargingNeeds.ac")
        answers = [socket.call("NotifyEVChargingNeeds", payload) for _ in range(2)]

    assert answers == [ACCEPTED, ACCEPTED]
    assert Command.objects.filter(transaction=session, command="set_charging_profile").count() == 1


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_needs_do_not_lift_what_a_person_set_for_the_session(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        running(charger, socket, alice)
        ended_set(charger, socket, alice, set_profile(1, **TX, schedules=[schedule(6)]))
        socket.call("NotifyEVChargingNeeds", wire("v201/NotifyEVChargingNeeds.ac"))
        call = next_of(socket, "SetChargingProfile")

    (curve,) = call[3]["chargingProfile"]["chargingSchedule"]
    assert curve["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 6}]


def test_a_bidirectional_car_in_dynamic_control_gets_a_dynamic_profile(
    charger: Charger, alice: Actor
) -> None:
    with charger.dial("2.1") as socket:
        session = running(charger, socket, alice)
        answer = socket.call("NotifyEVChargingNeeds", wire("v21/NotifyEVChargingNeeds.bidirectional"))
        call = next_of(socket, "SetChargingProfile")

    assert answer == ACCEPTED
    sent = call[3]["chargingProfile"]
    assert sent["chargingProfileKind"] == "Dynamic"
    assert sent["chargingSchedule"][0]["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 11000}]
    plan = plan_of(session)
    assert (plan.control_mode, plan.requested_wh, plan.target_soc_percent) == ("dynamic_control", 30000, 85)
    both = plan.needs["details"]["v2xChargingParameters"]
    assert (both["maxChargePower_L2"], both["maxDischargePower_L3"]) == (3600, 3000)


def car_schedule(*limits: float, **changes: Any) -> dict[str, Any]:
    periods = [{"startPeriod": place * 900, "limit": limit} for place, limit in enumerate(limits)]
    curve = {"id": 1, "duration": 3600, "chargingRateUnit": "A", "chargingSchedulePeriod": periods}
    at = clock.to_wire(clock.now())
    return wire("v201/NotifyEVChargingSchedule.within", timeBase=at, chargingSchedule={**curve, **changes})


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize(
    ("limits", "unit", "within"),
    [
        ((10.7, 6), "A", True),
        ((16,), "A", True),
        ((16.5, 6), "A", False),
        ((6, 20), "A", False),
        ((11040,), "W", True),
        ((11500,), "W", False),
    ],
)
def test_p254_a_car_schedule_is_compared_with_our_profile_and_answered_by_a_new_one(
    charger: Charger, alice: Actor, version: str, limits: tuple[float, ...], unit: str, within: bool
) -> None:
    with charger.dial(version) as socket:
        session = running(charger, socket, alice)
        socket.call("NotifyEVChargingNeeds", wire("v201/NotifyEVChargingNeeds.ac"))
        first = next_of(socket, "SetChargingProfile")
        socket.reply(first, ACCEPTED)
        socket.reply(next_of(socket, "GetCompositeSchedule"), {"status": "Rejected"})
        eventually(lambda: not on_the_way(session), what="the first profile settled")
        answer = socket.call("NotifyEVChargingSchedule", car_schedule(*limits, chargingRateUnit=unit))
        again = None if within else next_of(socket, "SetChargingProfile")

    assert answer == {"status": "Accepted" if within else "Rejected"}
    assert plan_of(session).car_keeps_to_limits is within
    assert plan_of(session).car_schedule["periods"][0]["limit"] == limits[0]
    if again is not None:
        number = again[3]["chargingProfile"]["id"]
        assert number == first[3]["chargingProfile"]["id"]


def on_the_way(session: Transaction) -> bool:
    sent = Command.objects.filter(transaction=session, command="set_charging_profile")
    return sent.filter(status__in=["pending", "sent"]).exists()


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_a_car_schedule_without_a_profile_of_ours_is_accepted(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        session = running(charger, socket, alice)
        answer = socket.call("NotifyEVChargingSchedule", car_schedule(32))
        without = socket.call(
            "NotifyEVChargingSchedule", wire("v201/NotifyEVChargingSchedule.within", evseId=2)
        )

    assert (answer, without) == (ACCEPTED, {"status": "Rejected"})
    assert plan_of(session).car_keeps_to_limits is True


def test_a_car_schedule_follows_the_one_of_ours_that_it_names(charger: Charger, alice: Actor) -> None:
    curves = [schedule(6, id=1), schedule(16, id=2)]
    with charger.dial("2.1") as socket:
        running(charger, socket, alice)
        ended_set(charger, socket, alice, set_profile(1, **TX, schedules=curves))
        second = socket.call(
            "NotifyEVChargingSchedule", {**car_schedule(16), "selectedChargingScheduleId": 2}
        )
        first = socket.call("NotifyEVChargingSchedule", {**car_schedule(16), "selectedChargingScheduleId": 1})

    assert (second, first) == (ACCEPTED, {"status": "Rejected"})


def test_priority_charging_is_told_by_the_station_also_of_unknown_sessions(
    charger: Charger, alice: Actor
) -> None:
    with charger.dial("2.1") as socket:
        session = running(charger, socket, alice)
        told = [
            socket.call("NotifyPriorityCharging", wire("v21/NotifyPriorityCharging.activated", **changes))
            for changes in ({}, {"activated": False}, {"transactionId": "unknown"})
        ]

    assert told == [{}, {}, {}]
    assert plan_of(session).priority is False


ODD: list[tuple[str, str, dict[str, Any], str]] = [
    ("2.0.1", "v201/ReportChargingProfiles.external", {"evseId": None}, "OccurrenceConstraintViolation"),
    ("2.0.1", "v201/NotifyChargingLimit.ems", {"chargingLimit": None}, "OccurrenceConstraintViolation"),
    (
        "2.0.1",
        "v201/ClearedChargingLimit.ems",
        {"chargingLimitSource": "Roof"},
        "PropertyConstraintViolation",
    ),
    ("2.0.1", "v201/NotifyEVChargingNeeds.ac", {"evseId": "1"}, "TypeConstraintViolation"),
    ("2.0.1", "v201/NotifyEVChargingSchedule.within", {"timeBase": "soon"}, "TypeConstraintViolation"),
    ("2.0.1", "v21/NotifyPriorityCharging.activated", {}, "NotImplemented"),
    ("2.0.1", "v21/PullDynamicScheduleUpdate.plain", {}, "NotImplemented"),
    ("2.1", "v21/ReportChargingProfiles.dynamic", {"odd": 1}, "FormatViolation"),
    ("2.1", "v21/NotifyChargingLimit.local_generation", {"evseId": -1}, "PropertyConstraintViolation"),
    ("2.1", "v21/ClearedChargingLimit.ems", {"chargingLimitSource": None}, "OccurrenceConstraintViolation"),
    ("2.1", "v21/NotifyEVChargingNeeds.bidirectional", {"evseId": 0}, "PropertyConstraintViolation"),
    ("2.1", "v21/NotifyEVChargingSchedule.within", {"evseId": None}, "OccurrenceConstraintViolation"),
    ("2.1", "v21/NotifyPriorityCharging.activated", {"activated": "yes"}, "TypeConstraintViolation"),
    (
        "2.1",
        "v21/PullDynamicScheduleUpdate.plain",
        {"chargingProfileId": None},
        "OccurrenceConstraintViolation",
    ),
]


@pytest.mark.parametrize(("version", "name", "changes", "code"), ODD)
def test_a_message_that_breaks_its_schema_gets_the_versions_code_and_leaves_no_trace(
    charger: Charger, version: str, name: str, changes: dict[str, Any], code: str
) -> None:
    action = name.partition("/")[2].partition(".")[0]
    with charger.dial(version) as socket:
        socket.boot()
        with pytest.raises(CallError) as refusal:
            socket.call(action, wire(name, **changes))
        socket.call("Heartbeat", {})

    assert refusal.value.code == code
    assert profiles(charger) == {}
    assert limits(charger) == []


LENIENT: list[tuple[str, str, dict[str, Any]]] = [
    ("2.0.1", "v201/ReportChargingProfiles.external", {"odd": 1, "chargingLimitSource": "Roof"}),
    ("2.0.1", "v201/NotifyChargingLimit.ems", {"chargingLimit": {"chargingLimitSource": "Roof"}}),
    ("2.0.1", "v201/ClearedChargingLimit.ems", {"chargingLimitSource": "Roof"}),
    ("2.0.1", "v201/NotifyEVChargingNeeds.ac", {"odd": 1}),
    ("2.0.1", "v201/NotifyEVChargingSchedule.within", {"odd": 1}),
    ("2.1", "v21/NotifyPriorityCharging.activated", {"odd": 1}),
    ("2.1", "v21/PullDynamicScheduleUpdate.plain", {"odd": 1}),
]


@pytest.mark.parametrize(("version", "name", "changes"), LENIENT)
def test_a_lenient_station_may_be_odd(
    charger: Charger, version: str, name: str, changes: dict[str, Any]
) -> None:
    charger.set(lenient=True)
    action = name.partition("/")[2].partition(".")[0]
    with charger.dial(version) as socket:
        socket.boot()
        answer = socket.call(action, wire(name, **changes))

    assert answer.get("status", "Rejected") == "Rejected"


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        (
            "ReportChargingProfiles",
            {"requestId": 1, "chargingLimitSource": "EMS", "evseId": 1, "chargingProfile": [{"id": 5}]},
        ),
        ("NotifyChargingLimit", {"chargingLimit": {}, "chargingSchedule": [{}]}),
        ("NotifyEVChargingSchedule", {"evseId": 1, "timeBase": "", "chargingSchedule": {}}),
        ("NotifyEVChargingNeeds", {"evseId": 1, "chargingNeeds": {}}),
    ],
)
def test_what_a_lenient_station_leaves_out_never_breaks_the_door(
    charger: Charger, alice: Actor, action: str, payload: dict[str, Any]
) -> None:
    charger.set(lenient=True)
    with charger.dial("2.0.1") as socket:
        running(charger, socket, alice)
        socket.send([2, "m-1", action, payload])
        frame = socket.answer_to("m-1")
        socket.call("Heartbeat", {})

    assert frame[0] == 3 or frame[2] != "InternalError"


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_the_rating_of_the_connector_bounds_the_profile(charger: Charger, alice: Actor, version: str) -> None:
    with charger.dial(version) as socket:
        running(charger, socket, alice)
        stations.add_evse(charger.station, 1)
        connector = charger.station.evses.get(evse_id=1).connectors.first()
        connector.max_power_w = 4140
        connector.save(update_fields=["max_power_w"])
        socket.call("NotifyEVChargingNeeds", wire("v201/NotifyEVChargingNeeds.ac"))
        call = next_of(socket, "SetChargingProfile")

    (curve,) = call[3]["chargingProfile"]["chargingSchedule"]
    assert curve["chargingSchedulePeriod"][0]["limit"] == 6


def test_a_station_that_is_asked_twice_forgets_nothing_that_was_set_meanwhile(
    charger: Charger, alice: Actor
) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        _, command = ask(charger, socket, alice, intents.GetChargingProfiles(), ACCEPTED)
        ended_set(charger, socket, alice, set_profile(1, id=7))
        socket.call("ReportChargingProfiles", external(command))

    assert profiles(charger) == {7: "CSO", 900001: "EMS"}


def test_numbers_beside_custom_data_are_read_like_others(charger: Charger, alice: Actor) -> None:
    """Such messages are parsed digit by digit (P086)."""
    needs = {
        "requestedEnergyTransfer": "AC_single_phase",
        "acChargingParameters": {
            "energyAmount": 1000.5,
            "evMinCurrent": 6.0,
            "evMaxCurrent": 15.55,
            "evMaxVoltage": 230.0,
        },
        "customData": {"vendorId": "x", "n": 1.10},
    }
    report = wire("v21/ReportChargingProfiles.dynamic", customData={"vendorId": "x"})
    with charger.dial("2.1") as socket:
        session = running(charger, socket, alice)
        answer = socket.call(
            "NotifyEVChargingNeeds", wire("v201/NotifyEVChargingNeeds.ac", chargingNeeds=needs)
        )
        call = next_of(socket, "SetChargingProfile")
        assert socket.call("ReportChargingProfiles", report) == {}

    assert answer == ACCEPTED
    (curve,) = call[3]["chargingProfile"]["chargingSchedule"]
    assert curve["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 15.5, "numberPhases": 1}]
    assert plan_of(session).requested_wh == Decimal("1000.5")
    assert profiles(charger)[41] == "CSO"


def test_a_car_that_keeps_to_no_profile_is_not_argued_with_for_ever(charger: Charger, alice: Actor) -> None:
    with charger.dial("2.0.1") as socket:
        session = running(charger, socket, alice)
        ended_set(charger, socket, alice, set_profile(1, **TX, schedules=[schedule(6)]))
        answers = []
        for _ in range(7):
            answers.append(socket.call("NotifyEVChargingSchedule", car_schedule(32)))
            Command.objects.filter(transaction=session, status__in=["pending", "sent"]).update(
                status="accepted", settled_at=clock.now()
            )

    assert answers == [{"status": "Rejected"}] * 7
    sent = Command.objects.filter(transaction=session, issued_by="system:smart charging")
    assert sent.filter(command="set_charging_profile").count() == 5
