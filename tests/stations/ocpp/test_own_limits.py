"""T-23 by the wire: time for which a limit of ours left the car less than it can take is not charged for."""

from typing import Any

import pytest

from core.access import Actor
from stations.domain import intents
from stations.models import ProfileSpan
from stations.services import sweeping
from tests.stations.ocpp.asking import VERSIONS, VERSIONS_2X, ended, issue
from tests.stations.ocpp.charging import Car, priced
from tests.stations.ocpp.test_session_costs import TIMED, Plug, cost_of, look, plug
from tests.stations.ocpp.test_smart_charging import ACCEPTED, START, next_of, set_profile

__all__ = ["plug"]


def limited(car: Car, by: Actor, limit: float, **changes: Any) -> ProfileSpan:
    """A limit of ours in A that the station took, by default for its EVSE."""
    schedule = {"rate_unit": "A", "start_schedule": START, "periods": [{"start_s": 0, "limit": limit}]}
    command = issue(car.charger, by, set_profile(1, **{"schedules": [schedule], **changes}))
    car.socket.reply(next_of(car.socket, "SetChargingProfile"), ACCEPTED)
    ended(command)
    return ProfileSpan.objects.filter(station=car.charger.station).latest("id")


def held(car: Car, span: ProfileSpan, begin: float, end: float | None) -> None:
    """Written back: from and until so many minutes after the start."""
    span.since, span.until = car.at(begin), None if end is None else car.at(end)
    span.save()


def hours(car: Car) -> dict[str, str]:
    return {line["dimension"]: line["measured"] for line in cost_of(car).lines}


@pytest.mark.parametrize("version", VERSIONS)
def test_t23_time_under_a_limit_of_ours_below_the_least_is_neither_charging_nor_parking(
    plug: Plug, alice: Actor, version: str
) -> None:
    priced(alice, TIMED)
    car = plug(version, hours_ago=1)
    car.start(0, 0)
    held(car, limited(car, alice, 0), 20, 35)
    car.says(30, "SuspendedEV")
    car.says(40, "Charging")
    car.stop(60, 6000)

    # Charging for 20 and for 20 minutes, parked for 5; 15 of the hour are ours.
    assert hours(car) == {"ENERGY": "6", "TIME": "0.666667", "PARKING_TIME": "0.083333"}


@pytest.mark.parametrize("version", VERSIONS)
def test_t23_a_limit_that_a_car_can_charge_by_changes_nothing(plug: Plug, alice: Actor, version: str) -> None:
    priced(alice, TIMED)
    car = plug(version, hours_ago=1)
    car.start(0, 0)
    held(car, limited(car, alice, 6), 20, 35)
    car.stop(60, 6000)

    assert hours(car) == {"ENERGY": "6", "TIME": "1"}


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_t23_a_car_that_leaves_itself_connected_under_our_limit_does_not_park(
    plug: Plug, alice: Actor, version: str
) -> None:
    priced(alice, TIMED)
    car = plug(version, hours_ago=1)
    car.start(0, 0)
    held(car, limited(car, alice, 5.9), 30, None)
    car.reads(30, 6000)
    car.says(31, "EVConnected")
    running = look(car)
    car.stop(60, 6000)

    assert {line["dimension"]: line["measured"] for line in running.lines}["TIME"] == "0.5"
    assert hours(car) == {"ENERGY": "6", "TIME": "0.5"}


def test_t23_a_limit_of_the_session_goes_before_the_default(plug: Plug, alice: Actor) -> None:
    priced(alice, TIMED)
    car = plug("2.0.1", hours_ago=1)
    car.start(0, 0)
    held(car, limited(car, alice, 0), 10, None)
    held(car, limited(car, alice, 16, purpose="tx_profile", kind="relative", stack_level=0), 20, None)
    car.stop(60, 6000)

    # The default held it back for ten minutes, until the session had a limit of its own.
    assert hours(car) == {"ENERGY": "6", "TIME": "0.833333"}


@pytest.mark.parametrize("version", VERSIONS)
def test_t23_a_limit_at_another_outlet_or_one_that_was_refused_holds_nothing_back(
    plug: Plug, alice: Actor, version: str
) -> None:
    priced(alice, TIMED)
    car = plug(version, hours_ago=1)
    car.start(0, 0)
    other = ProfileSpan.objects.create(
        station=car.charger.station, evse_id=2, profile_id=1, since=car.at(0), content={
            "purpose": "tx_default_profile", "kind": "absolute", "stack_level": 9, "schedules": [
                {"rate_unit": "A", "start_schedule": START, "periods": [{"start_s": 0, "limit": 0}]},
            ]},
    )  # fmt: skip
    command = issue(car.charger, alice, set_profile(1, schedules=other.content["schedules"]))
    car.socket.reply(next_of(car.socket, "SetChargingProfile"), {"status": "Rejected"})
    ended(command)
    car.stop(60, 6000)

    assert hours(car) == {"ENERGY": "6", "TIME": "1"}
    assert list(ProfileSpan.objects.filter(station=car.charger.station)) == [other]


def test_a_profile_that_is_cleared_or_replaced_is_kept_for_the_time_that_it_was_there(
    plug: Plug, alice: Actor
) -> None:
    car = plug("2.0.1")
    spans = ProfileSpan.objects.filter(station=car.charger.station)
    first = limited(car, alice, 0)
    limited(car, alice, 10, id=first.profile_id)
    command = issue(car.charger, alice, intents.ClearChargingProfile(charging_profile_id=first.profile_id))
    car.socket.reply(next_of(car.socket, "ClearChargingProfile"), ACCEPTED)
    ended(command)
    ends = list(spans.values_list("until", flat=True))
    kept = sweeping.tidy()["profile_spans"]

    limits = [one["schedules"][0]["periods"][0]["limit"] for one in spans.values_list("content", flat=True)]

    assert limits == [0, 10]
    assert all(ends)
    assert kept == 0


def test_t23_a_limit_for_a_session_that_nobody_knows_any_more_holds_no_later_one_back(
    plug: Plug, alice: Actor
) -> None:
    priced(alice, TIMED)
    car = plug("2.0.1", hours_ago=1)
    car.start(0, 0)
    span = limited(car, alice, 0, purpose="tx_profile", kind="relative")
    span.transaction_id = None
    held(car, span, 0, None)
    car.stop(60, 6000)

    assert hours(car) == {"ENERGY": "6", "TIME": "1"}


def test_a_kept_limit_that_cannot_be_read_keeps_no_session_from_its_price(plug: Plug, alice: Actor) -> None:
    priced(alice, TIMED)
    car = plug("2.0.1", hours_ago=1)
    car.start(0, 0)
    span = limited(car, alice, 16)
    span.content = {}
    held(car, span, 0, None)
    car.reads(30, 3000)
    running = look(car)
    car.stop(60, 6000)

    assert running.incl_vat
    assert hours(car) == {"ENERGY": "6", "TIME": "1"}
