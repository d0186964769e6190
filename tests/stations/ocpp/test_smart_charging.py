"""Charging profiles said to stations of every version (2.0.1 K01, K08 to K10; P219, P250 to P253, P256)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.access import Actor, Role
from core.errors import Conflict, DomainError, Invalid, NotFound, NotPermitted, NotSupported
from core.models import Organization
from stations.domain import intents
from stations.domain.intents import Intent
from stations.models import Command, CompositeSchedule, InstalledProfile, Transaction
from tests.factories import make_actor, make_organization, make_token
from tests.stations.ocpp.asking import VERSIONS, VERSIONS_2X, ask, ended, issue, now, with_effect
from tests.stations.ocpp.knocking import Charger
from tests.stations.ocpp.test_effects import begin
from tests.waiting import eventually
from tests.wire.client import WireStation
from tests.wire.golden import wire

ACCEPTED = {"status": "Accepted"}
START = "2026-11-01T00:00:00.000Z"


def profile(**changes: Any) -> dict[str, Any]:
    """A default of 16 A, all day long."""
    told = {
        "purpose": "tx_default_profile",
        "kind": "absolute",
        "stack_level": 1,
        "schedules": [{"rate_unit": "A", "start_schedule": START, "periods": [{"start_s": 0, "limit": 16}]}],
        **changes,
    }
    return {name: value for name, value in told.items() if value is not None}


def schedule(*limits: float, unit: str = "A", **more: Any) -> dict[str, Any]:
    """One limit for each quarter of an hour."""
    periods = [{"start_s": place * 900, "limit": limit} for place, limit in enumerate(limits)]
    return {"rate_unit": unit, "start_schedule": START, "periods": periods, **more}


def set_profile(evse_id: int = 0, **changes: Any) -> intents.SetChargingProfile:
    return intents.SetChargingProfile(evse_id=evse_id, charging_profile=profile(**changes))


def installed(charger: Charger) -> list[InstalledProfile]:
    return list(InstalledProfile.objects.filter(station=charger.station).order_by("profile_id"))


def tell_variables(socket: WireStation, charger: Charger, alice: Actor, **values: str) -> None:
    """What the station says of its smart charging: 1.6 keys, or variables of SmartChargingCtrlr."""
    if socket.version == "1.6":
        keys = [{"key": name, "value": value, "readonly": True} for name, value in values.items()]
        ask(charger, socket, alice, intents.GetVariables(items=()), {"configurationKey": keys})
        return
    data = [
        {
            "component": {"name": "SmartChargingCtrlr"},
            "variable": {"name": name},
            "variableAttribute": [{"value": value}],
        }
        for name, value in values.items()
    ]
    part = {"requestId": 1, "generatedAt": now(), "seqNo": 0, "tbc": False, "reportData": data}
    socket.call("NotifyReport", part)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_default_profile_is_said_in_the_words_of_the_version_and_kept_as_installed(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        call, command = ask(charger, socket, alice, set_profile(1), ACCEPTED)

    number = command.parameters["charging_profile"]["id"]
    period = {"startPeriod": 0, "limit": 16}
    rest = {"startSchedule": START, "chargingRateUnit": "A", "chargingSchedulePeriod": [period]}
    words = {
        "stackLevel": 1,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
    }
    if version == "1.6":
        sent = {**words, "chargingProfileId": number, "chargingSchedule": rest}
        assert call[2:] == ["SetChargingProfile", {"connectorId": 1, "csChargingProfiles": sent}]
    else:
        sent = {**words, "id": number, "chargingSchedule": [{"id": 1, **rest}]}
        assert call[2:] == ["SetChargingProfile", {"evseId": 1, "chargingProfile": sent}]
    assert command.status == "accepted"
    (row,) = installed(charger)
    assert 0 < row.profile_id == number < 2**31
    assert (row.evse_id, row.purpose, row.stack_level) == (1, "tx_default_profile", 1)
    assert (row.source, row.installed_by, row.transaction) == ("CSO", alice.label, None)
    assert row.content == command.parameters["charging_profile"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("answer", ["Rejected", "NotSupported", "Surprise"])
def test_a_profile_that_is_not_accepted_is_not_installed(
    charger: Charger, alice: Actor, version: str, answer: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        _, command = ask(charger, socket, alice, set_profile(1), {"status": answer})

    assert command.status in ("rejected", "failed")
    assert command.effect == ""
    assert installed(charger) == []


@pytest.mark.parametrize(
    ("version", "code"), [("1.6", "NotImplemented"), ("2.0.1", "NotSupported"), ("2.1", "NotSupported")]
)
def test_a_station_without_smart_charging_may_say_so(
    charger: Charger, alice: Actor, version: str, code: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        command = issue(charger, alice, set_profile(1))
        call = socket.next_call()
        socket.send([4, call[1], code, "", {}])
        ended(command)

    assert (command.status, command.error["code"]) == ("failed", code)
    assert installed(charger) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_p219_a_new_profile_in_the_same_place_has_the_number_of_the_one_before(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        first = ended_set(charger, socket, alice, set_profile(1))
        again = ended_set(charger, socket, alice, set_profile(1, schedules=[schedule(8)]))
        other = ended_set(charger, socket, alice, set_profile(1, stack_level=2))

    numbers = [one.parameters["charging_profile"]["id"] for one in (first, again, other)]
    assert numbers[0] == numbers[1] != numbers[2]
    assert [row.profile_id for row in installed(charger)] == [numbers[0], numbers[2]]
    assert installed(charger)[0].content["schedules"][0]["periods"][0]["limit"] == 8


def ended_set(charger: Charger, socket: WireStation, by: Actor, intent: Intent) -> Command:
    """Set a profile; the station takes it and has no composite schedule to tell of."""
    command = issue(charger, by, intent)
    while True:
        call = socket.next_call()
        if call[2] == "GetCompositeSchedule":
            socket.reply(call, {"status": "Rejected"})
        else:
            socket.reply(call, ACCEPTED)
            return ended(command)


def test_a_profile_in_the_same_place_replaces_one_of_another_number_on_16(
    charger: Charger, alice: Actor
) -> None:
    with charger.dial("1.6") as socket:
        socket.boot()
        ended_set(charger, socket, alice, set_profile(1, id=5))
        ended_set(charger, socket, alice, set_profile(1, id=6))

    assert [row.profile_id for row in installed(charger)] == [6]


@pytest.mark.parametrize("version", VERSIONS)
def test_p251_a_profile_of_a_running_session_names_its_transaction(
    charger: Charger, alice: Actor, version: str
) -> None:
    token = make_token(alice)
    with charger.dial(version) as socket:
        socket.boot()
        session = begin(charger, socket, token)
        intent = set_profile(1, purpose="tx_profile", kind="relative")
        call, command = ask(charger, socket, alice, intent, ACCEPTED)

    sent = call[3]["csChargingProfiles" if version == "1.6" else "chargingProfile"]
    assert sent["transactionId"] == (session.number if version == "1.6" else "tx-1")
    assert command.transaction == session
    assert installed(charger)[0].transaction == session


@pytest.mark.parametrize("version", VERSIONS)
def test_a_profile_of_a_session_is_over_with_it(charger: Charger, alice: Actor, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        session = begin(charger, socket, make_token(alice))
        ended_set(charger, socket, alice, set_profile(1, purpose="tx_profile", kind="relative"))
        running = InstalledProfile.objects.live().filter(station=charger.station).count()
        Transaction.objects.filter(pk=session.pk).update(status="ended")

    assert running == 1
    assert not InstalledProfile.objects.live().filter(station=charger.station).exists()


@pytest.mark.parametrize("version", VERSIONS)
def test_p251_the_profile_of_a_remote_start_names_no_transaction_and_belongs_to_its_session(
    charger: Charger, alice: Actor, version: str
) -> None:
    token = make_token(alice)
    intent = intents.RequestStartTransaction(
        token_value=token.value,
        token_type=token.type,
        evse_id=1,
        charging_profile=profile(purpose="tx_profile", kind="relative"),
    )
    with charger.dial(version) as socket:
        socket.boot()
        call, command = ask(charger, socket, alice, intent, ACCEPTED)
        info = {} if version == "1.6" else {"remoteStartId": call[3]["remoteStartId"]}
        session = begin(charger, socket, token, **info)

    sent = call[3]["chargingProfile"]
    assert "transactionId" not in sent
    assert sent["chargingProfilePurpose"] == "TxProfile"
    (row,) = installed(charger)
    assert (row.transaction, row.evse_id, row.installed_by) == (session, 1, alice.label)
    assert row.profile_id == command.parameters["charging_profile"]["id"]


def test_p250_limits_of_16_have_one_decimal_rounded_down(charger: Charger, alice: Actor) -> None:
    curve = schedule(15.98, 6.04, 0.06, min_charging_rate=6.19)
    with charger.dial("1.6") as socket:
        socket.boot()
        call, _ = ask(charger, socket, alice, set_profile(1, schedules=[curve]), ACCEPTED)

    sent = call[3]["csChargingProfiles"]["chargingSchedule"]
    assert [one["limit"] for one in sent["chargingSchedulePeriod"]] == [15.9, 6, 0]
    assert sent["minChargingRate"] == 6.1


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("allowed", "unit", "limits", "reckoned"),
    [
        (("Power", "W"), "A", (16, 6), ("W", [11040, 4140])),
        (("Current", "A"), "W", (11000, 4200), ("A", [15.9, 6])),
        (("Current,Power", "A,W"), "W", (11000, 4200), ("W", [11000, 4200])),
    ],
)
def test_p252_limits_are_reckoned_in_a_unit_that_the_station_takes(
    charger: Charger,
    alice: Actor,
    version: str,
    allowed: tuple[str, str],
    unit: str,
    limits: tuple[float, ...],
    reckoned: tuple[str, list[float]],
) -> None:
    name = "ChargingScheduleAllowedChargingRateUnit" if version == "1.6" else "RateUnit"
    with charger.dial(version) as socket:
        socket.boot()
        tell_variables(socket, charger, alice, **{name: allowed[0 if version == "1.6" else 1]})
        intent = set_profile(1, schedules=[schedule(*limits, unit=unit)])
        call, command = ask(charger, socket, alice, intent, ACCEPTED)

    sent = call[3]["csChargingProfiles" if version == "1.6" else "chargingProfile"]["chargingSchedule"]
    sent = sent if version == "1.6" else sent[0]
    assert sent["chargingRateUnit"] == reckoned[0]
    assert [one["limit"] for one in sent["chargingSchedulePeriod"]] == reckoned[1]
    told = command.parameters["conversion"]
    assert told == "" if unit == reckoned[0] else "3 phases at 230 V" in told


REFUSED: list[tuple[str, dict[str, Any], int, type[DomainError], str]] = [
    ("external", {"purpose": "charging_station_external_constraints"}, 0, Invalid, "purpose"),
    ("odd purpose", {"purpose": "none"}, 0, Invalid, "purpose"),
    ("station maximum at an EVSE", {"purpose": "charging_station_max_profile"}, 1, Invalid, "evse_id"),
    (
        "relative maximum",
        {"purpose": "charging_station_max_profile", "kind": "relative"},
        0,
        Invalid,
        "kind",
    ),
    ("session without EVSE", {"purpose": "tx_profile"}, 0, Invalid, "evse_id"),
    ("session that does not run", {"purpose": "tx_profile"}, 1, Conflict, "purpose"),
    ("priority without EVSE", {"purpose": "priority_charging"}, 0, Invalid, "evse_id"),
    ("odd kind", {"kind": "sometimes"}, 0, Invalid, "kind"),
    ("recurring without how often", {"kind": "recurring"}, 0, Invalid, "recurrency"),
    ("absolute with how often", {"recurrency": "daily"}, 0, Invalid, "recurrency"),
    (
        "recurring without start",
        {
            "kind": "recurring",
            "recurrency": "daily",
            "schedules": [{"rate_unit": "A", "periods": [{"start_s": 0, "limit": 6}]}],
        },
        0,
        Invalid,
        "start_schedule",
    ),
    (
        "validity that ends before it begins",
        {"valid_from": "2026-02-01T00:00:00Z", "valid_to": "2026-01-01T00:00:00Z"},
        0,
        Invalid,
        "valid_to",
    ),
    ("negative level", {"stack_level": -1}, 0, Invalid, "stack_level"),
    ("level beyond the station's", {"stack_level": 4}, 0, NotSupported, "stack_level"),
    ("number 0", {"id": 0}, 0, Invalid, "id"),
    ("number beyond 32 bits", {"id": 2**31}, 0, Invalid, "id"),
    ("no schedule", {"schedules": []}, 0, Invalid, "schedules"),
    ("four schedules", {"schedules": [schedule(6)] * 4}, 0, Invalid, "schedules"),
    ("no period", {"schedules": [schedule()]}, 0, Invalid, "periods"),
    ("too many periods", {"schedules": [schedule(1, 2, 3, 4)]}, 0, NotSupported, "periods"),
    ("odd unit", {"schedules": [schedule(6, unit="kW")]}, 0, Invalid, "rate_unit"),
    (
        "late first period",
        {"schedules": [{**schedule(), "periods": [{"start_s": 1, "limit": 6}]}]},
        0,
        Invalid,
        "periods",
    ),
    (
        "periods that do not ascend",
        {"schedules": [{**schedule(), "periods": [{"start_s": 0, "limit": 6}] * 2}]},
        0,
        Invalid,
        "periods",
    ),
    ("negative limit", {"schedules": [schedule(-1)]}, 0, Invalid, "limit"),
    ("limit that is none", {"schedules": [schedule(float("nan"))]}, 0, Invalid, "limit"),
    ("misspelt field", {"stacklevel": 1}, 0, Invalid, "charging_profile"),
    ("schedule that is none", {"schedules": ["A"]}, 0, Invalid, "schedules/0"),
]


@pytest.mark.parametrize("version", ["1.6", "2.1"])
@pytest.mark.parametrize(
    ("changes", "evse_id", "error", "field"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_what_a_profile_may_not_be_is_refused_before_it_is_sent(
    charger: Charger,
    alice: Actor,
    version: str,
    changes: dict[str, Any],
    evse_id: int,
    error: type[DomainError],
    field: str,
) -> None:
    levels = "ChargeProfileMaxStackLevel" if version == "1.6" else "ProfileStackLevel"
    periods = "ChargingScheduleMaxPeriods" if version == "1.6" else "PeriodsPerSchedule"
    with charger.dial(version) as socket:
        socket.boot()
        tell_variables(socket, charger, alice, **{levels: "3", periods: "3"})
        with pytest.raises(error) as refusal:
            issue(charger, alice, set_profile(evse_id, **changes))
        socket.call("Heartbeat", {})

    assert field in str(refusal.value.field)
    assert not Command.objects.filter(station=charger.station, command="set_charging_profile").exists()
    assert not socket.calls


def test_numbers_that_a_station_keeps_for_itself_are_not_given(charger: Charger, alice: Actor) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        tell_variables(socket, charger, alice, MaxExternalConstraintsId="1000000")
        call, _ = ask(charger, socket, alice, set_profile(1), ACCEPTED)
        with pytest.raises(Invalid):
            issue(charger, alice, set_profile(1, id=999))

    assert call[3]["chargingProfile"]["id"] > 1_000_000


def test_a_16_station_that_says_it_has_no_smart_charging_is_sent_no_profile(
    charger: Charger, alice: Actor
) -> None:
    with charger.dial("1.6") as socket:
        socket.boot()
        tell_variables(socket, charger, alice, SupportedFeatureProfiles="Core,FirmwareManagement")
        command = ended(issue(charger, alice, set_profile(1)))
        socket.call("Heartbeat", {})

    assert command.status == "not_supported"
    assert not socket.calls


BEYOND: list[tuple[str, dict[str, Any]]] = [
    ("1.6", {"schedules": [schedule(6), schedule(7)]}),
    ("1.6", {"schedules": [schedule(6, power_tolerance=1)]}),
    ("1.6", {"max_offline_duration_s": 60}),
    ("1.6", {"kind": "dynamic"}),
    ("2.0.1", {"kind": "dynamic"}),
    ("2.0.1", {"purpose": "local_generation"}),
    ("2.0.1", {"max_offline_duration_s": 60}),
    ("2.0.1", {"schedules": [{**schedule(), "periods": [{"start_s": 0, "limit": 6, "limit_l2": 7}]}]}),
]


@pytest.mark.parametrize(("version", "changes"), BEYOND)
def test_what_a_version_has_no_word_for_is_not_sent(
    charger: Charger, alice: Actor, version: str, changes: dict[str, Any]
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        command = ended(issue(charger, alice, set_profile(1, **changes)))
        socket.call("Heartbeat", {})

    assert command.status == "not_supported"
    assert not socket.calls


def test_p256_fields_of_21_keep_their_exact_spelling(charger: Charger, alice: Actor) -> None:
    period = {
        "start_s": 0,
        "limit": 7000,
        "limit_l2": 6900.5,
        "limit_l3": 6800,
        "discharge_limit": -5000,
        "discharge_limit_l2": -4000,
        "discharge_limit_l3": -3000,
        "setpoint": 3000,
        "setpoint_l2": 2000,
        "setpoint_l3": 1000,
        "setpoint_reactive": 10,
        "setpoint_reactive_l2": 20,
        "setpoint_reactive_l3": 30,
        "preconditioning_request": False,
        "evse_sleep": False,
        "v2x_baseline": 100,
        "operation_mode": "central_frequency",
        "v2x_freq_watt_curve": [{"frequency": 49.8, "power": 1000}],
        "v2x_signal_watt_curve": [{"signal": 1, "power": 500}],
    }
    curve = {
        "rate_unit": "W",
        "start_schedule": START,
        "limit_at_soc": {"soc": 80, "limit": 5000},
        "power_tolerance": 100,
        "use_local_time": True,
        "randomized_delay_s": 30,
        "periods": [period],
    }
    intent = set_profile(
        1,
        schedules=[curve],
        purpose="local_generation",
        max_offline_duration_s=600,
        invalid_after_offline_duration=True,
    )
    with charger.dial("2.1") as socket:
        socket.boot()
        call, command = ask(charger, socket, alice, intent, ACCEPTED)

    sent = call[3]["chargingProfile"]
    assert {name: sent[name] for name in ("maxOfflineDuration", "invalidAfterOfflineDuration")} == {
        "maxOfflineDuration": 600,
        "invalidAfterOfflineDuration": True,
    }
    assert sent["chargingProfilePurpose"] == "LocalGeneration"
    assert sent["chargingSchedule"] == [
        {
            "id": 1,
            "chargingRateUnit": "W",
            "startSchedule": START,
            "limitAtSoC": {"soc": 80, "limit": 5000},
            "powerTolerance": 100,
            "useLocalTime": True,
            "randomizedDelay": 30,
            "chargingSchedulePeriod": [
                {
                    "startPeriod": 0,
                    "limit": 7000,
                    "limit_L2": 6900.5,
                    "limit_L3": 6800,
                    "dischargeLimit": -5000,
                    "dischargeLimit_L2": -4000,
                    "dischargeLimit_L3": -3000,
                    "setpoint": 3000,
                    "setpoint_L2": 2000,
                    "setpoint_L3": 1000,
                    "setpointReactive": 10,
                    "setpointReactive_L2": 20,
                    "setpointReactive_L3": 30,
                    "preconditioningRequest": False,
                    "evseSleep": False,
                    "v2xBaseline": 100,
                    "operationMode": "CentralFrequency",
                    "v2xFreqWattCurve": [{"frequency": 49.8, "power": 1000}],
                    "v2xSignalWattCurve": [{"signal": 1, "power": 500}],
                }
            ],
        }
    ]
    assert command.status == "accepted"
    assert installed(charger)[0].content == command.parameters["charging_profile"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("answer", ["Accepted", "Unknown"])
def test_a_cleared_profile_is_gone_also_where_the_station_had_it_no_more(
    charger: Charger, alice: Actor, version: str, answer: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        ended_set(charger, socket, alice, set_profile(1, id=7))
        ended_set(charger, socket, alice, set_profile(2, id=8))
        intent = intents.ClearChargingProfile(charging_profile_id=7)
        command = issue(charger, alice, intent)
        call = next_of(socket, "ClearChargingProfile")
        socket.reply(call, {"status": answer})
        ended(command)

    assert call[3] == ({"id": 7} if version == "1.6" else {"chargingProfileId": 7})
    assert command.status == "accepted"
    assert [row.profile_id for row in installed(charger)] == [8]


def next_of(socket: WireStation, action: str) -> list[Any]:
    """The next CALL of that action; others are refused."""
    while True:
        call = socket.next_call()
        if call[2] == action:
            return call
        socket.reply(call, {"status": "Rejected"})


@pytest.mark.parametrize("version", VERSIONS)
def test_profiles_are_cleared_by_purpose_and_level(charger: Charger, alice: Actor, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        ended_set(charger, socket, alice, set_profile(1, id=7))
        ended_set(charger, socket, alice, set_profile(1, id=8, stack_level=2))
        intent = intents.ClearChargingProfile(purpose="tx_default_profile", stack_level=2)
        command = issue(charger, alice, intent)
        call = next_of(socket, "ClearChargingProfile")
        socket.reply(call, ACCEPTED)
        ended(command)

    criteria = {"chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 2}
    assert call[3] == (criteria if version == "1.6" else {"chargingProfileCriteria": criteria})
    assert [row.profile_id for row in installed(charger)] == [7]


@pytest.mark.parametrize("version", VERSIONS)
def test_everything_of_ours_is_cleared_where_nothing_is_named(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        ended_set(charger, socket, alice, set_profile(1, id=7))
        command = issue(charger, alice, intents.ClearChargingProfile())
        for _ in range(1 if version == "1.6" else 3):
            socket.reply(next_of(socket, "ClearChargingProfile"), ACCEPTED)
        ended(command)

    assert command.status == "accepted"
    assert installed(charger) == []


def composite(version: str, **changes: Any) -> dict[str, Any]:
    """16 A for an hour, then 10 A."""
    periods = [{"startPeriod": 0, "limit": 16.0}, {"startPeriod": 3600, "limit": 10.0}]
    begin_at = now()
    told: dict[str, Any] = {"chargingRateUnit": "A", "duration": 86400, "chargingSchedulePeriod": periods}
    if version == "1.6":
        return {"status": "Accepted", "connectorId": 1, "scheduleStart": begin_at, "chargingSchedule": told}
    return {"status": "Accepted", "schedule": {**told, "evseId": 1, "scheduleStart": begin_at, **changes}}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_composite_schedule_is_asked_for_and_kept(charger: Charger, alice: Actor, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        intent = intents.GetCompositeSchedule(evse_id=1, duration=86_400, unit="A")
        call, command = ask(charger, socket, alice, intent, composite(version))

    place = {"connectorId": 1} if version == "1.6" else {"evseId": 1}
    assert call[2:] == ["GetCompositeSchedule", {**place, "duration": 86_400, "chargingRateUnit": "A"}]
    assert command.status == "accepted"
    row = CompositeSchedule.objects.get(station=charger.station)
    assert (row.evse_id, row.rate_unit, row.duration_s) == (1, "A", 86_400)
    assert row.periods == [{"start_s": 0, "limit": 16}, {"start_s": 3600, "limit": 10}]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("answer", ["Rejected", "Accepted"])
def test_p253_a_composite_schedule_may_be_lacking(
    charger: Charger, alice: Actor, version: str, answer: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        intent = intents.GetCompositeSchedule(evse_id=1, duration=600)
        ask(charger, socket, alice, intent, composite(version))
        _, command = ask(charger, socket, alice, intent, {"status": answer})

    assert command.status == answer.lower()
    assert CompositeSchedule.objects.get(station=charger.station).periods == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("lenient", [True, False])
@pytest.mark.parametrize(
    "changes",
    [
        {"chargingSchedulePeriod": [{"startPeriod": 0, "limit": 1e15}]},
        {"chargingSchedulePeriod": [{"startPeriod": -5, "limit": 6}], "duration": -1},
        {"chargingSchedulePeriod": [{}], "chargingRateUnit": "kW"},
        {"chargingSchedulePeriod": "none"},
    ],
)
def test_an_odd_composite_schedule_never_leaves_its_command_open(
    charger: Charger, alice: Actor, version: str, changes: dict[str, Any], lenient: bool
) -> None:
    charger.set(lenient=lenient)
    answer = composite(version)
    part = answer["chargingSchedule" if version == "1.6" else "schedule"]
    part |= changes
    with charger.dial(version) as socket:
        socket.boot()
        _, command = ask(charger, socket, alice, intents.GetCompositeSchedule(evse_id=1), answer)
        socket.call("Heartbeat", {})

    assert command.status in ("accepted", "failed")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_raw_profile_with_absurd_figures_is_said_and_not_kept(
    charger: Charger, alice: Actor, version: str
) -> None:
    curve = {"chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 1e15}]}
    words = {
        "stackLevel": 1,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
    }
    payload: dict[str, Any] = {
        "evseId": 1,
        "chargingProfile": {"id": 5, **words, "chargingSchedule": [{"id": 1, **curve}]},
    }
    if version == "1.6":
        sent = {"chargingProfileId": 5, **words, "chargingSchedule": curve}
        payload = {"connectorId": 1, "csChargingProfiles": sent}
    intent = intents.Call(action="SetChargingProfile", payload=payload)
    with charger.dial(version) as socket:
        socket.boot()
        _, command = ask(charger, socket, alice, intent, ACCEPTED)

    assert command.status == "accepted"
    assert installed(charger) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_the_effect_of_a_profile_is_seen_in_the_composite_schedule(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        command = issue(charger, alice, set_profile(1))
        socket.reply(next_of(socket, "SetChargingProfile"), ACCEPTED)
        call = next_of(socket, "GetCompositeSchedule")
        socket.reply(call, composite(version))
        with_effect(command)

    assert call[3]["chargingRateUnit"] == "A"
    assert (command.status, command.effect) == ("accepted", "seen")
    assert "16 A" in command.effect_detail


def test_a_profile_that_does_not_come_into_force_has_no_effect(charger: Charger, alice: Actor) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        command = issue(charger, alice, set_profile(1, schedules=[schedule(8)]))
        socket.reply(next_of(socket, "SetChargingProfile"), ACCEPTED)
        socket.reply(next_of(socket, "GetCompositeSchedule"), composite("2.0.1"))
        rows = CompositeSchedule.objects.filter(station=charger.station)
        eventually(rows.exists, what="the composite schedule kept")
        command.refresh_from_db()

    assert (command.status, command.effect) == ("accepted", "")
    assert command.effect_until is not None


@pytest.mark.parametrize("version", VERSIONS)
def test_the_effect_of_clearing_is_seen_in_the_composite_schedule(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        command = issue(charger, alice, intents.ClearChargingProfile(evse_id=1))
        socket.reply(next_of(socket, "ClearChargingProfile"), ACCEPTED)
        socket.reply(next_of(socket, "GetCompositeSchedule"), composite(version))
        with_effect(command)

    assert command.effect == "seen"


FILTERS: list[tuple[intents.GetChargingProfiles, dict[str, Any]]] = [
    (
        intents.GetChargingProfiles(),
        {"chargingProfile": {"chargingLimitSource": ["CSO", "EMS", "Other", "SO"]}},
    ),
    (
        intents.GetChargingProfiles(evse_id=0, purpose="tx_default_profile"),
        {"evseId": 0, "chargingProfile": {"chargingProfilePurpose": "TxDefaultProfile"}},
    ),
    (
        intents.GetChargingProfiles(charging_profile_ids=(1, 2)),
        {"chargingProfile": {"chargingProfileId": [1, 2]}},
    ),
    (
        intents.GetChargingProfiles(evse_id=1, stack_level=0, sources=("EMS",)),
        {"evseId": 1, "chargingProfile": {"stackLevel": 0, "chargingLimitSource": ["EMS"]}},
    ),
]


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize(("intent", "payload"), FILTERS)
def test_profiles_are_asked_for_by_what_narrows_them(
    charger: Charger, alice: Actor, version: str, intent: Intent, payload: dict[str, Any]
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        call, command = ask(charger, socket, alice, intent, ACCEPTED)

    assert call[2:] == ["GetChargingProfiles", {"requestId": call[3]["requestId"], **payload}]
    assert call[3]["requestId"] > 0
    assert command.status == "accepted"


def test_16_stations_cannot_tell_their_profiles(charger: Charger, alice: Actor) -> None:
    with charger.dial("1.6") as socket:
        socket.boot()
        assert ended(issue(charger, alice, intents.GetChargingProfiles())).status == "not_supported"


ONLY_21: list[Intent] = [
    intents.AfrrSignal(timestamp=datetime(2026, 1, 1, tzinfo=UTC), signal=3),
]


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_what_only_21_knows_is_not_sent_to_others(charger: Charger, alice: Actor, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        session = begin(charger, socket, make_token(alice))
        wishes: list[Intent] = [
            *ONLY_21,
            intents.UsePriorityCharging(transaction=session.pk),
            intents.NotifyAllowedEnergyTransfer(transaction=session.pk, allowed=("DC",)),
        ]
        states = [ended(issue(charger, alice, wish)).status for wish in wishes]
        socket.call("Heartbeat", {})

    assert states == ["not_supported"] * 3
    assert not socket.calls


def test_an_afrr_signal_is_sent_with_its_time(charger: Charger, alice: Actor) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        call, command = ask(charger, socket, alice, ONLY_21[0], ACCEPTED)
        _, refused = ask(charger, socket, alice, ONLY_21[0], {"status": "Rejected"})

    assert call[2:] == ["AFRRSignal", {"timestamp": "2026-01-01T00:00:00.000Z", "signal": 3}]
    assert (command.status, refused.status) == ("accepted", "rejected")


@pytest.mark.parametrize("answer", ["Accepted", "Rejected", "NoProfile"])
def test_priority_charging_is_seen_when_the_station_tells_of_it(
    charger: Charger, alice: Actor, answer: str
) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        session = begin(charger, socket, make_token(alice))
        wish = intents.UsePriorityCharging(transaction=session.pk)
        call, command = ask(charger, socket, alice, wish, {"status": answer})
        socket.call("NotifyPriorityCharging", wire("v21/NotifyPriorityCharging.activated"))

    assert call[2:] == ["UsePriorityCharging", {"transactionId": "tx-1", "activate": True}]
    assert command.status == ("accepted" if answer == "Accepted" else "rejected")
    command.refresh_from_db()
    assert command.effect == ("seen" if answer == "Accepted" else "")
    session.refresh_from_db()
    assert session.charging_plan.priority is True


@pytest.mark.parametrize("answer", ["Accepted", "Rejected"])
def test_allowed_energy_transfers_are_kept_once_the_station_took_them(
    charger: Charger, alice: Actor, answer: str
) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        session = begin(charger, socket, make_token(alice))
        wish = intents.NotifyAllowedEnergyTransfer(transaction=session.pk, allowed=("DC", "DC_BPT"))
        call, _ = ask(charger, socket, alice, wish, {"status": answer})
        with pytest.raises(Invalid):
            issue(
                charger,
                alice,
                intents.NotifyAllowedEnergyTransfer(transaction=session.pk, allowed=("Magic",)),
            )

    assert call[3] == {"transactionId": "tx-1", "allowedEnergyTransfer": ["DC", "DC_BPT"]}
    plan = getattr(Transaction.objects.get(pk=session.pk), "charging_plan", None)
    assert (plan.allowed_transfers if plan else []) == (["DC", "DC_BPT"] if answer == "Accepted" else [])


def dynamic(**changes: Any) -> intents.SetChargingProfile:
    period = {
        "start_s": 0,
        "operation_mode": "central_setpoint",
        "limit": 7000,
        "discharge_limit": -5000,
        "setpoint": 3000,
    }
    curve = {"rate_unit": "W", "periods": [period]}
    return set_profile(1, kind="dynamic", schedules=[curve], dyn_update_interval_s=60, id=41, **changes)


@pytest.mark.parametrize("answer", ["Accepted", "Rejected"])
def test_new_figures_of_a_dynamic_profile_are_sent_kept_and_pulled(
    charger: Charger, alice: Actor, answer: str
) -> None:
    wish = intents.UpdateDynamicSchedule(
        charging_profile_id=41, update={"setpoint": -2000, "setpoint_l2": -700}
    )
    with charger.dial("2.1") as socket:
        socket.boot()
        with pytest.raises(Conflict):
            issue(charger, alice, wish)
        ended_set(charger, socket, alice, dynamic())
        command = issue(charger, alice, wish)
        call = next_of(socket, "UpdateDynamicSchedule")
        socket.reply(call, {"status": answer})
        ended(command)
        pulled = socket.call("PullDynamicScheduleUpdate", {"chargingProfileId": 41})
        unknown = socket.call("PullDynamicScheduleUpdate", {"chargingProfileId": 42})

    update = {"setpoint": -2000, "setpoint_L2": -700}
    assert call[3] == {"chargingProfileId": 41, "scheduleUpdate": update}
    figures = {"limit": 7000, "dischargeLimit": -5000, "setpoint": 3000}
    if answer == "Accepted":
        figures |= update
    assert pulled == {"status": "Accepted", "scheduleUpdate": figures}
    assert unknown == {"status": "Rejected"}


@pytest.mark.parametrize("update", [{}, {"limit": -1}, {"discharge_limit": 1}, {"speed": 3}, {"limit": "a"}])
def test_figures_that_no_profile_can_have_are_refused(
    charger: Charger, alice: Actor, update: dict[str, Any]
) -> None:
    with pytest.raises(Invalid):
        issue(charger, alice, intents.UpdateDynamicSchedule(charging_profile_id=41, update=update))


WISHES: list[Intent] = [
    set_profile(0),
    intents.ClearChargingProfile(),
    intents.GetChargingProfiles(),
    intents.GetCompositeSchedule(),
    intents.UpdateDynamicSchedule(charging_profile_id=1, update={"limit": 1}),
    *ONLY_21,
]


@pytest.mark.parametrize("wish", WISHES, ids=[wish.name for wish in WISHES])
def test_strangers_and_those_without_the_permission_are_refused(
    charger: Charger, alice: Actor, wish: Intent
) -> None:
    home = Organization.objects.get(pk=alice.organization_id)
    charlie = make_actor(make_organization(), name="charlie")
    viewer = make_actor(home, Role.VIEWER, "vera")

    with pytest.raises(NotFound):
        issue(charger, charlie, wish)
    with pytest.raises(NotPermitted):
        issue(charger, viewer, wish)
    assert not Command.objects.filter(station=charger.station).exists()


def test_a_session_of_somebody_else_cannot_be_named(charger: Charger, alice: Actor) -> None:
    with charger.dial("2.1") as socket:
        socket.boot()
        session = begin(charger, socket, make_token(alice))
    charlie = make_actor(make_organization(), name="charlie")
    wishes: list[Intent] = [
        intents.UsePriorityCharging(transaction=session.pk),
        intents.NotifyAllowedEnergyTransfer(transaction=session.pk, allowed=("DC",)),
    ]

    for wish in wishes:
        with pytest.raises(NotFound):
            issue(charger, charlie, wish)


@pytest.mark.parametrize("duration", [0, 8 * 86_400])
def test_a_composite_schedule_covers_a_second_to_a_week(
    charger: Charger, alice: Actor, duration: int
) -> None:
    with pytest.raises(Invalid):
        issue(charger, alice, intents.GetCompositeSchedule(evse_id=0, duration=duration))


def test_recurring_profiles_and_validity_are_said_as_they_are(charger: Charger, alice: Actor) -> None:
    until = datetime(2027, 1, 1, tzinfo=UTC)
    changes = {
        "kind": "recurring",
        "recurrency": "daily",
        "valid_from": (until - timedelta(days=30)).isoformat(),
        "valid_to": until.isoformat(),
        "schedules": [schedule(16, 6, duration_s=3600)],
    }
    with charger.dial("2.0.1") as socket:
        socket.boot()
        call, _ = ask(charger, socket, alice, set_profile(0, **changes), ACCEPTED)

    sent = call[3]["chargingProfile"]
    assert (sent["chargingProfileKind"], sent["recurrencyKind"]) == ("Recurring", "Daily")
    assert (sent["validFrom"], sent["validTo"]) == ("2026-12-02T00:00:00.000Z", "2027-01-01T00:00:00.000Z")
    assert sent["chargingSchedule"][0]["duration"] == 3600
    assert call[3]["evseId"] == 0
