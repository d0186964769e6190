"""Raw calls for later and to many stations: no way around what a call at once is asked for (spec of the API)."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from core import clock
from core.access import Actor
from core.models import ApiKey
from stations.models import BulkCommand, ChargingStation, Command, Presence, ScheduledCommand, ScheduledRun
from stations.services import scheduled_commands
from tests import factories
from tests.portal.api.conftest import results
from tests.portal.api.test_bad_input import problem

URL = "/api/v1/commands/"
CLEAR = {"command": "call", "action": "ClearCache", "payload": {}, "if_offline": "wait"}
RESTART = {**CLEAR, "action": "Reset", "payload": {"type": "Soft"}}
RESTART_2X = {**CLEAR, "action": "Reset", "payload": {"type": "OnIdle"}}
READ = {**CLEAR, "action": "GetVariables", "payload": {"getVariableData": []}}
ABOUT = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}
READ["payload"] = {"getVariableData": [ABOUT]}
HOUR = timedelta(hours=1)


def speak(station: ChargingStation, version: str) -> None:
    Presence.objects.filter(pk=station.pk).update(
        connected=True, gateway="elsewhere", epoch=1, ocpp_version=version
    )


@pytest.fixture
def fleet(alice: Actor) -> list[ChargingStation]:
    """Of 1.6, 2.0.1 and 2.1, and one that never connected."""
    made = [factories.make_station(alice, tags=["north"])[0] for _ in range(4)]
    for station, version in zip(made, ("1.6", "2.0.1", "2.1"), strict=False):
        speak(station, version)
    return made


@pytest.fixture
def old(fleet: list[ChargingStation]) -> ChargingStation:
    return fleet[0]


def ids(stations: list[ChargingStation]) -> list[str]:
    return [str(station.pk) for station in stations]


def say(client: APIClient, station: ChargingStation, body: dict[str, Any]) -> Any:
    return client.post(f"/api/v1/stations/{station.pk}/commands/", body)


def later(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "run_at": (clock.now() + HOUR).isoformat()}


def told(stations: list[ChargingStation]) -> set[str]:
    """Which of them were told something."""
    return {
        str(pk) for pk in Command.objects.filter(station__in=stations).values_list("station_id", flat=True)
    }


def pointer(answer: Any) -> str:
    where: str = problem(answer, 400)["errors"][0]["pointer"]
    return where


# -- for later -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", [{}, {"repeat": "FREQ=DAILY"}])
def test_a_raw_call_is_planned_and_said_when_it_is_due(
    api: APIClient, old: ChargingStation, when: dict[str, str]
) -> None:
    planned = say(api, old, {**later(CLEAR), **when})
    assert planned.status_code == 202, planned.content
    assert not told([old])
    scheduled_commands.run_due(datetime.fromisoformat(planned.json()["next_at"]))
    command = Command.objects.get(station=old)

    assert (command.command, command.parameters["action"]) == ("call", "ClearCache")
    assert command.status == "pending"
    assert ScheduledCommand.objects.get().status == ("planned" if when else "done")


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({**CLEAR, "action": "BootNotification"}, "/action"),
        ({**CLEAR, "action": "SelfDestruct"}, "/action"),
        (READ, "/action"),
        ({**RESTART, "payload": {"type": "Never"}}, "/payload/type"),
        (RESTART_2X, "/payload/type"),
        ({**CLEAR, "ocpp_version": "1.5"}, "/ocpp_version"),
    ],
)
def test_what_could_not_be_said_now_is_not_planned_either(
    api: APIClient, old: ChargingStation, body: dict[str, Any], where: str
) -> None:
    assert pointer(say(api, old, body)) == where
    assert pointer(say(api, old, later(body))) == where
    assert not ScheduledCommand.objects.exists()
    assert not told([old])


def test_a_raw_call_for_a_version_that_the_station_does_not_speak_is_planned_only(
    api: APIClient, old: ChargingStation
) -> None:
    wish = {**RESTART_2X, "ocpp_version": "2.0.1"}
    wrong = {**wish, "payload": {"type": "Soft"}}

    assert pointer(say(api, old, later(wrong))) == "/payload/type"
    assert pointer(say(api, old, wish)) == "/ocpp_version"
    assert say(api, old, later(wish)).status_code == 202
    assert not told([old])


def test_a_station_that_never_connected_takes_a_raw_call_of_a_stated_version_only(
    api: APIClient, fleet: list[ChargingStation]
) -> None:
    assert pointer(say(api, fleet[3], later(CLEAR))) == "/action"
    assert say(api, fleet[3], later({**CLEAR, "ocpp_version": "1.6"})).status_code == 202


def test_planning_a_raw_call_needs_the_expert_scope(
    api_with: Callable[..., APIClient], stranger: APIClient, old: ChargingStation
) -> None:
    answer = say(api_with("commands:send"), old, later(CLEAR))

    assert "commands:expert" in problem(answer, 403)["detail"]
    problem(say(stranger, old, later(CLEAR)), 404)
    assert not ScheduledCommand.objects.exists()


def test_a_plan_of_who_is_no_expert_any_more_is_refused_when_it_is_due(
    api_with: Callable[..., APIClient], old: ChargingStation
) -> None:
    assert say(api_with("commands:send", "commands:expert"), old, later(CLEAR)).status_code == 202
    owner = ScheduledCommand.objects.get().owner_id
    ApiKey.objects.filter(pk=owner).update(scopes=["commands:send"])
    scheduled_commands.run_due(clock.now() + HOUR)

    assert ScheduledRun.objects.get().outcome == "refused"
    assert "commands.expert" in ScheduledRun.objects.get().detail
    assert not told([old])


def test_w021_raw_restarts_planned_one_by_one_are_counted(
    api: APIClient, alice: Actor, settings: Any
) -> None:
    settings.SECOND_PERSON_ABOVE = 2
    many = [factories.make_station(alice)[0] for _ in range(3)]
    for station in many:
        speak(station, "1.6")

    assert [say(api, station, later(CLEAR)).status_code for station in many] == [202] * 3
    assert [say(api, station, later(RESTART)).status_code for station in many] == [202, 202, 409]


# -- to many ---------------------------------------------------------------------------------------------------


def test_a_raw_call_goes_to_the_stations_whose_version_has_it(
    api: APIClient, fleet: list[ChargingStation]
) -> None:
    shown = api.post(URL, {**READ, "filter": {"tag": "north"}}).json()
    why = {row["station"]: row["detail"] for row in shown["refused"]}

    assert (shown["count"], shown["counts"]) == (4, {"pending": 2, "refused": 2})
    assert told(fleet) == set(ids(fleet[1:3]))
    assert "OCPP 1.6 has no action" in why[str(fleet[0].pk)]
    assert "never connected" in why[str(fleet[3].pk)]


def test_a_raw_call_goes_to_the_stations_of_the_stated_version_only(
    api: APIClient, fleet: list[ChargingStation]
) -> None:
    shown = api.post(URL, {**CLEAR, "ocpp_version": "2.0.1", "filter": {"tag": "north"}}).json()

    assert shown["counts"] == {"pending": 1, "refused": 3}
    assert shown["parameters"]["ocpp_version"] == "2.0.1"
    assert "speaks OCPP 1.6" in shown["refused"][0]["detail"]
    assert told(fleet) == {str(fleet[1].pk)}


def test_a_payload_that_another_version_wants_otherwise_is_not_sent_there(
    api: APIClient, fleet: list[ChargingStation]
) -> None:
    shown = api.post(URL, {**RESTART, "stations": ids(fleet)}).json()

    assert shown["counts"] == {"pending": 1, "refused": 3}
    assert told(fleet) == {str(fleet[0].pk)}


def test_a_trial_run_of_a_raw_call_tells_who_is_passed_over(
    api: APIClient, fleet: list[ChargingStation]
) -> None:
    answer = api.post(URL, {**READ, "filter": {"tag": "north"}, "dry_run": True}).json()

    assert (answer["count"], answer["stations"]) == (2, ids(fleet[1:3]))
    assert [row["station"] for row in answer["refused"]] == ids([fleet[0], fleet[3]])
    assert not told(fleet)
    assert not BulkCommand.objects.exists()


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({**CLEAR, "action": "BootNotification"}, "/action"),
        ({**CLEAR, "action": "SelfDestruct"}, "/action"),
        ({**RESTART, "payload": {"type": "Never"}}, "/payload/type"),
        ({**RESTART, "ocpp_version": "2.1"}, "/payload/type"),
    ],
)
@pytest.mark.parametrize("trial", [True, False])
def test_a_raw_call_that_no_station_could_be_told_is_refused(
    api: APIClient, fleet: list[ChargingStation], body: dict[str, Any], where: str, trial: bool
) -> None:
    assert pointer(api.post(URL, {**body, "stations": ids(fleet), "dry_run": trial})) == where
    assert not told(fleet)
    assert not BulkCommand.objects.exists()


def test_a_raw_call_to_many_needs_the_expert_scope_and_reaches_no_stranger(
    api_with: Callable[..., APIClient], stranger: APIClient, fleet: list[ChargingStation]
) -> None:
    body = {**CLEAR, "stations": ids(fleet)}

    assert "commands:expert" in problem(api_with("commands:send").post(URL, body), 403)["detail"]
    problem(stranger.post(URL, body), 400)
    assert not told(fleet)


def test_a_raw_call_to_many_is_planned_for_those_whose_version_has_it(
    api: APIClient, fleet: list[ChargingStation]
) -> None:
    shown = api.post(URL, {**later(READ), "stations": ids(fleet)}).json()

    assert shown["counts"] == {"planned": 2, "refused": 2}
    assert {str(plan.station_id) for plan in ScheduledCommand.objects.all()} == set(ids(fleet[1:3]))


@pytest.mark.parametrize("trial", [True, False])
def test_a_raw_call_to_many_is_planned_for_a_version_that_they_speak_by_then(
    api: APIClient, fleet: list[ChargingStation], trial: bool
) -> None:
    wish = {**RESTART_2X, "ocpp_version": "2.1", "stations": ids(fleet), "dry_run": trial}
    answer = api.post(URL, later(wish)).json()

    assert "refused" not in (answer if trial else answer["counts"])
    assert ScheduledCommand.objects.count() == (0 if trial else 4)
    assert answer["count"] == 4
    assert not told(fleet)


class TestSecondPerson:
    @pytest.fixture(autouse=True)
    def _threshold(self, settings: Any) -> None:
        settings.SECOND_PERSON_ABOVE = 1

    @pytest.fixture
    def pair(self, fleet: list[ChargingStation]) -> list[ChargingStation]:
        speak(fleet[1], "1.6")
        return fleet[:2]

    def test_w021_raw_restarts_of_many_wait_for_another_person(
        self, api: APIClient, api_with: Callable[..., APIClient], pair: list[ChargingStation]
    ) -> None:
        asked = api.post(URL, {**RESTART, "stations": ids(pair)})
        approving = f"{asked['Location']}approve/"

        assert (asked.json()["approval"], asked.json()["counts"]) == ("awaited", {"awaiting_approval": 2})
        problem(api.post(approving), 403)
        assert "commands.expert" in problem(api_with("commands:send").post(approving), 403)["detail"]
        assert not told(pair)
        assert api_with("*").post(approving).json()["counts"] == {"pending": 2}
        assert told(pair) == set(ids(pair))

    def test_harmless_raw_calls_to_many_wait_for_nobody(
        self, api: APIClient, pair: list[ChargingStation]
    ) -> None:
        shown = api.post(URL, {**CLEAR, "stations": ids(pair)}).json()

        assert (shown["approval"], shown["counts"]) == (None, {"pending": 2})

    def test_w021_who_was_passed_over_is_not_told_by_the_approval(
        self, api: APIClient, api_with: Callable[..., APIClient], fleet: list[ChargingStation]
    ) -> None:
        speak(fleet[2], "1.6")
        asked = api.post(URL, {**RESTART, "stations": ids(fleet)})
        speak(fleet[2], "2.1")
        shown = api_with("*").post(f"{asked['Location']}approve/").json()

        assert asked.json()["counts"] == {"awaiting_approval": 2, "refused": 2}
        assert shown["counts"] == {"pending": 1, "refused": 3}
        assert told(fleet) == {str(fleet[0].pk)}
        assert len(results(api.get(URL))) == 1

    def test_w021_a_plan_for_a_version_that_they_speak_by_then_is_approved_as_it_was_asked_for(
        self, api: APIClient, api_with: Callable[..., APIClient], pair: list[ChargingStation]
    ) -> None:
        wish = later({**RESTART_2X, "ocpp_version": "2.1", "stations": ids(pair)})
        asked = api.post(URL, wish)
        approved = api_with("*").post(f"{asked['Location']}approve/").json()

        assert asked.json()["counts"] == {"awaiting_approval": 2}
        assert (approved["counts"], approved["refused"]) == ({"planned": 2}, [])
        assert not told(pair)

    def test_w021_an_approval_is_not_used_up_where_nobody_could_be_told(
        self, api: APIClient, api_with: Callable[..., APIClient], pair: list[ChargingStation]
    ) -> None:
        asked = api.post(URL, {**RESTART, "stations": ids(pair)})["Location"]
        for station in pair:
            speak(station, "2.1")

        assert "any more" in problem(api_with("*").post(f"{asked}approve/"), 409)["detail"]
        assert api.get(asked).json()["approval"] == "awaited"
        assert not told(pair)
        for station in pair:
            speak(station, "1.6")
        assert api_with("*").post(f"{asked}approve/").json()["counts"] == {"pending": 2}
