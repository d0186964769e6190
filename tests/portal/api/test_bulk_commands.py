"""POST ``/commands/``: one wish towards many stations, bounded, counted, and never to a stranger's."""

from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
import time_machine
from django.db import connection
from rest_framework.test import APIClient

from core import clock
from core.access import Actor, system
from core.errors import Conflict
from core.models import ApiKey, AuditEntry, Organization
from core.services import keys
from stations.domain import intents
from stations.models import BulkCommand, ChargingStation, Command, Presence, ScheduledCommand, Site
from stations.services import access, commands, scheduled_commands, sweeping
from tests import factories
from tests.portal.api.conftest import client_with, results
from tests.portal.api.test_bad_input import problem
from tests.portal.api.test_oauth import bought

URL = "/api/v1/commands/"
ROLLOUTS = "/api/v1/firmware-rollouts/"
RESET = {"command": "reset", "kind": "on_idle"}
WAITING = {**RESET, "if_offline": "wait", "expires_in": 3600}


@pytest.fixture
def fleet(alice: Actor) -> list[ChargingStation]:
    made = [factories.make_station(alice, tags=["north"] if number else [])[0] for number in range(3)]
    Presence.objects.filter(pk=made[0].pk).update(
        connected=True, gateway="elsewhere", epoch=1, ocpp_version="1.6"
    )
    return made


def ids(stations: list[ChargingStation]) -> list[str]:
    return [str(station.pk) for station in stations]


def said_to(fleet: list[ChargingStation]) -> Any:
    return Command.objects.filter(organization_id=fleet[0].organization_id)


def assert_nothing_was_said(fleet: list[ChargingStation]) -> None:
    assert not said_to(fleet).exists()
    assert not BulkCommand.objects.filter(organization_id=fleet[0].organization_id).exists()


def pointer(answer: Any) -> str:
    told: str = problem(answer, 400)["errors"][0]["pointer"]
    return told


def test_a_command_goes_to_many_stations_and_is_counted(api: APIClient, fleet: list[ChargingStation]) -> None:
    answer = api.post(URL, {**RESET, "stations": ids(fleet), "reason": "Storm"})

    assert answer.status_code == 202
    shown = answer.json()
    assert (shown["count"], shown["counts"], shown["refused"]) == (3, {"failed": 2, "pending": 1}, [])
    assert (shown["command"], shown["parameters"]["kind"], shown["reason"]) == ("reset", "on_idle", "Storm")
    assert api.get(answer["Location"]).json() == shown
    children = results(api.get(URL, {"bulk": shown["id"]}))
    assert {child["station"] for child in children} == set(ids(fleet))
    audited = AuditEntry.objects.filter(organization_id=fleet[0].organization_id)
    assert audited.filter(action="command.issued").count() == 3
    assert audited.get(action="command.issued_to_many").changes["stations"] == [None, 3]


def test_a_trial_run_tells_whom_it_would_reach_and_sends_nothing(
    api: APIClient, fleet: list[ChargingStation]
) -> None:
    answer = api.post(URL, {**RESET, "filter": {"tag": "north"}, "dry_run": True})

    assert answer.status_code == 200
    assert answer.json() == {"count": 2, "stations": ids(fleet[1:])}
    assert_nothing_was_said(fleet)


def test_with_both_only_what_is_in_both_is_told(api: APIClient, fleet: list[ChargingStation]) -> None:
    body = {**RESET, "stations": ids(fleet[:2]), "filter": {"tag": "north"}, "dry_run": True}

    assert api.post(URL, body).json()["stations"] == ids(fleet[1:2])


def test_filters_are_those_of_rollouts(api: APIClient, fleet: list[ChargingStation]) -> None:
    ChargingStation.objects.filter(pk=fleet[2].pk).update(vendor="Acme", model="W1", firmware_version="1.2")
    wanted = {"vendor": "Acme", "model": "W1", "firmware_version": "1.2", "site": str(fleet[2].site_id)}

    told = api.post(URL, {**RESET, "filter": {**wanted, "stations": ids(fleet)}, "dry_run": True}).json()

    assert told["stations"] == ids(fleet[2:])


def test_a_station_that_cannot_be_told_holds_up_no_other(
    api: APIClient, fleet: list[ChargingStation]
) -> None:
    ChargingStation.objects.filter(pk=fleet[1].pk).update(enabled=False)

    shown = api.post(URL, {**WAITING, "stations": ids(fleet)}).json()

    assert shown["counts"] == {"pending": 2, "refused": 1}
    assert [row["station"] for row in shown["refused"]] == [str(fleet[1].pk)]
    assert "switched off" in shown["refused"][0]["detail"]


def test_what_is_pending_is_taken_back_together(api: APIClient, fleet: list[ChargingStation]) -> None:
    url = api.post(URL, {**WAITING, "stations": ids(fleet)})["Location"]
    Command.objects.filter(station=fleet[0]).update(status="sent")

    shown = api.delete(url).json()

    assert shown["counts"] == {"cancelled": 2, "sent": 1}
    problem(api.delete(url), 409)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({}, "/filter"),
        ({"filter": {}}, "/filter"),
        ({"filter": {"colour": "red"}}, "/filter/colour"),
        ({"filter": {"tag": "nowhere"}}, "/filter"),
        ({"stations": []}, "/stations"),
        ({"stations": ["x"]}, "/stations/0"),
        ({"stations": ["0192f3a4-5b6c-7d8e-9f01-23456789abcd"]}, "/stations/0"),
        ({"filter": {"tag": "north"}, "kind": "never"}, "/kind"),
        ({"filter": {"tag": "north"}, "command": "call", "action": "Reset", "payload": {}}, "/payload/type"),
        ({"stations": [], "dry_run": True}, "/stations"),
        ({"filter": {"tag": "nowhere"}, "dry_run": True}, "/filter"),
        ({"filter": {"tag": "north"}, "command": "unlock_connector", "evse_id": 1, "if_offline": "wait"},
         "/if_offline"),
        ({"filter": {"tag": "north"}, "command": "unlock_connector", "evse_id": 1, "if_offline": "wait",
          "dry_run": True}, "/if_offline"),
    ],
)  # fmt: skip
def test_a_wish_that_nobody_could_be_told_is_refused(
    api: APIClient, fleet: list[ChargingStation], change: dict[str, Any], where: str
) -> None:
    body = {**RESET, **change}
    if body["command"] != "reset":
        del body["kind"]

    assert pointer(api.post(URL, body)) == where
    assert_nothing_was_said(fleet)


def test_the_number_of_stations_is_bounded(
    api: APIClient, fleet: list[ChargingStation], monkeypatch: Any
) -> None:
    monkeypatch.setattr("stations.services.bulk_commands.MOST_STATIONS", 2)
    wish = {"command": "clear_cache", "filter": {"site": str(fleet[0].site_id)}}
    tried, sent = (api.post(URL, {**wish, "dry_run": trial}) for trial in (True, False))

    assert pointer(tried) == pointer(sent) == "/stations"
    assert "more than 2 stations" in tried.json()["detail"]
    assert_nothing_was_said(fleet)


@pytest.mark.parametrize("said", ["off", "f", 0, 1])
def test_a_trial_that_is_not_said_as_true_or_false_sends_nothing(
    api: APIClient, fleet: list[ChargingStation], said: object
) -> None:
    body = {"command": "clear_cache", "stations": ids(fleet), "dry_run": said}

    assert pointer(api.post(URL, body)) == "/dry_run"
    assert_nothing_was_said(fleet)


class TestSecondPerson:
    """W-21: above the threshold somebody else has to agree."""

    @pytest.fixture(autouse=True)
    def _threshold(self, settings: Any) -> None:
        settings.SECOND_PERSON_ABOVE = 2

    def test_w021_more_than_the_threshold_are_told_once_another_person_agrees(
        self, api: APIClient, api_with: Any, stranger: APIClient, fleet: list[ChargingStation]
    ) -> None:
        asked = api.post(URL, {**WAITING, "stations": ids(fleet), "reason": "Storm"})

        shown, approving = asked.json(), f"{asked['Location']}approve/"
        counted = {"awaiting_approval": 3}
        assert (asked.status_code, shown["approval"], shown["counts"]) == (202, "awaited", counted)
        assert "another person" in problem(api.post(approving), 403)["detail"]
        problem(api_with("commands:read").post(approving), 403)
        problem(stranger.post(approving), 404)
        assert not said_to(fleet).exists()
        assert [one["id"] for one in results(api.get("/api/v1/bulk-commands/?approval=awaited"))] == [
            shown["id"]
        ]
        assert results(stranger.get("/api/v1/bulk-commands/")) == []

        other = api_with("*")
        approved = other.post(approving)
        told = approved.json()
        assert (approved.status_code, told["approval"], told["counts"]) == (200, "approved", {"pending": 3})
        assert told["decided_by"].startswith("key:")
        assert {(one.issued_by, one.reason) for one in said_to(fleet)} == {(shown["issued_by"], "Storm")}
        assert BulkCommand.objects.get(pk=shown["id"]).sealed == ""
        problem(other.post(approving), 409)
        assert said_to(fleet).count() == 3
        assert (
            AuditEntry.objects.filter(action="command.approved_to_many", object_id=shown["id"]).count() == 1
        )

    def test_w021_two_keys_of_one_person_are_one_person(
        self, organization: Organization, alice: Actor, fleet: list[ChargingStation]
    ) -> None:
        first, second = (
            client_with(keys.create(organization, name=name, scopes=["*"], by=alice)[1]) for name in "ab"
        )
        asked = first.post(URL, {**RESET, "stations": ids(fleet)})

        problem(second.post(f"{asked['Location']}approve/"), 403)
        assert not said_to(fleet).exists()

    def test_w021_a_key_and_a_browser_of_one_person_are_one_person(
        self, organization: Organization, fleet: list[ChargingStation]
    ) -> None:
        Organization.objects.filter(pk=organization.pk).update(demo=True)
        anna = factories.make_member(organization, name="anna")
        key = keys.create(organization, name="a", scopes=["*"], by=access.actor_of_member(anna))[1]
        browser = APIClient(headers={"X-Organization": organization.slug})
        browser.force_login(anna.user)
        asked = client_with(key).post(URL, {**RESET, "stations": ids(fleet)})
        asked_again = browser.post(URL, {**RESET, "stations": ids(fleet)})

        problem(browser.post(f"{asked['Location']}approve/"), 403)
        problem(client_with(key).post(f"{asked_again['Location']}approve/"), 403)
        assert not said_to(fleet).exists()

    def test_w021_who_has_another_address_now_is_still_the_same_person(
        self, organization: Organization, fleet: list[ChargingStation]
    ) -> None:
        anna = factories.make_member(organization, name="anna")
        first = client_with(
            keys.create(organization, name="a", scopes=["*"], by=access.actor_of_member(anna))[1]
        )
        asked = first.post(URL, {**RESET, "stations": ids(fleet)})
        anna.user.email = f"{factories.unique('anna')}@example.org"
        anna.user.save()
        second = client_with(
            keys.create(organization, name="b", scopes=["*"], by=access.actor_of_member(anna))[1]
        )

        problem(second.post(f"{asked['Location']}approve/"), 403)
        assert not said_to(fleet).exists()

    def test_w021_keys_of_one_name_of_two_persons_are_two_persons(
        self, organization: Organization, alice: Actor, bob: Actor, fleet: list[ChargingStation]
    ) -> None:
        anna = factories.make_actor(organization, name="anna")
        one, other = (
            client_with(keys.create(organization, name="ci", scopes=["*"], by=who)[1])
            for who in (alice, anna)
        )
        first = [client.post(URL, {**WAITING, "stations": ids(fleet[:2])}).json() for client in (one, other)]
        asked = one.post(URL, {**WAITING, "stations": ids(fleet)})

        assert [shown["approval"] for shown in first] == [None, None]
        assert asked.json()["issued_by"] == "key:ci"
        assert other.post(f"{asked['Location']}approve/").json()["approval"] == "approved"

    def test_w021_what_one_person_told_within_a_day_counts_together(
        self, api: APIClient, fleet: list[ChargingStation]
    ) -> None:
        first = api.post(URL, {**WAITING, "stations": ids(fleet[:2])}).json()
        second = api.post(URL, {**RESET, "stations": ids(fleet[2:])}).json()
        harmless = {"command": "trigger_message", "message": "heartbeat", "stations": ids(fleet)}

        assert (first["approval"], second["approval"]) == (None, "awaited")
        assert api.post(URL, harmless).json()["approval"] is None

    def test_w021_what_was_said_one_by_one_counts_for_what_is_said_to_many(
        self, api: APIClient, fleet: list[ChargingStation]
    ) -> None:
        for station in fleet[:2]:
            assert api.post(f"/api/v1/stations/{station.pk}/commands/", WAITING).status_code == 202
        shown = api.post(URL, {**RESET, "stations": ids(fleet[2:])}).json()

        assert (shown["approval"], shown["counts"]) == ("awaited", {"awaiting_approval": 1})
        assert not said_to(fleet).filter(station=fleet[2]).exists()

    def test_w021_the_same_stations_told_again_are_not_more_stations_and_nor_are_those_of_others(
        self, api: APIClient, api_with: Any, fleet: list[ChargingStation]
    ) -> None:
        again = [api.post(URL, {**WAITING, "stations": ids(fleet[:2])}).json()["approval"] for _ in range(3)]
        other = api_with("*").post(URL, {**WAITING, "stations": ids(fleet[1:])}).json()

        assert again == [None] * 3
        assert (other["approval"], other["counts"]) == (None, {"pending": 2})

    def test_w021_stations_of_a_rollout_that_nobody_approved_count_too(
        self, api: APIClient, alice: Actor, fleet: list[ChargingStation]
    ) -> None:
        image = factories.make_image(alice, vendor="Acme")
        ChargingStation.objects.filter(pk__in=ids(fleet[:2])).update(vendor="Acme", model="AC22")
        rollout = api.post(ROLLOUTS, {"image": str(image.pk), "stations": ids(fleet[:2])}).json()
        assert api.post(f"{ROLLOUTS}{rollout['id']}/start/").json()["status"] == "running"

        assert api.post(URL, {**RESET, "stations": ids(fleet[2:])}).json()["approval"] == "awaited"
        assert api.post(f"/api/v1/stations/{fleet[2].pk}/commands/", RESET).status_code == 409
        assert not said_to(fleet).filter(command="reset").exists()

    def test_w021_what_waits_for_a_second_person_is_taken_back_or_runs_out(
        self, api: APIClient, api_with: Any, fleet: list[ChargingStation]
    ) -> None:
        places = [api.post(URL, {**RESET, "stations": ids(fleet)})["Location"] for _ in range(2)]
        late = BulkCommand.objects.filter(pk=places[1].split("/")[-2])
        late.update(expires_at=clock.now())

        withdrawn = api.delete(places[0]).json()
        assert (withdrawn["approval"], withdrawn["counts"]) == ("withdrawn", {"cancelled": 3})
        for place in places:
            assert "any more" in problem(api_with("*").post(f"{place}approve/"), 409)["detail"]
        problem(api.delete(places[0]), 409)
        assert sweeping.sweep()["bulk_commands"] == 1
        assert (late.get().approval, late.get().sealed) == ("withdrawn", "")
        assert not said_to(fleet).exists()

    def test_w021_an_approval_is_not_used_up_by_what_cannot_be_sent_any_more(
        self, api: APIClient, api_with: Any, organization: Organization, fleet: list[ChargingStation]
    ) -> None:
        asking = api_with("*")
        asked = asking.post(URL, {**RESET, "stations": ids(fleet)})["Location"]
        planned = {**RESET, "stations": ids(fleet), "run_at": (clock.now() + timedelta(hours=1)).isoformat()}
        later = api.post(URL, planned)["Location"]
        BulkCommand.objects.filter(pk=later.split("/")[-2]).update(run_at=clock.now())
        key = ApiKey.objects.get(pk=BulkCommand.objects.get(pk=asked.split("/")[-2]).owner_id)
        ApiKey.objects.filter(pk=key.pk).update(scopes=["commands:read"])

        assert "may not do it any longer" in problem(api.post(f"{asked}approve/"), 409)["detail"]
        assert "has passed" in problem(api_with("*").post(f"{later}approve/"), 409)["detail"]
        assert not said_to(fleet).exists()

    def test_w021_nobody_approves_by_a_colleagues_key_that_they_rotated(
        self, organization: Organization, alice: Actor, fleet: list[ChargingStation]
    ) -> None:
        bob = factories.make_actor(organization, name="bob")
        own = keys.create(organization, name="own", scopes=["*"], by=alice)[1]
        his, _secret = keys.create(organization, name="his", scopes=["*"], by=bob)
        asked = client_with(own).post(URL, {**RESET, "stations": ids(fleet)})
        taken = client_with(keys.rotate(his, by=alice))

        problem(taken.post(f"{asked['Location']}approve/"), 403)
        assert not said_to(fleet).exists()

    def test_w021_nobody_approves_by_the_former_secret_of_a_key_that_a_colleague_rotated(
        self, organization: Organization, alice: Actor, fleet: list[ChargingStation]
    ) -> None:
        bob = factories.make_actor(organization, name="bob")
        row, former = keys.create(organization, name="hers", scopes=["*"], by=alice)
        own = keys.create(organization, name="own", scopes=["*"], by=alice)[1]
        his = client_with(keys.rotate(row, by=bob))
        asked = client_with(own).post(URL, {**RESET, "stations": ids(fleet)})

        problem(client_with(former).post(f"{asked['Location']}approve/"), 403)
        assert not said_to(fleet).exists()
        assert his.post(f"{asked['Location']}approve/").status_code == 200

    @pytest.mark.parametrize("bought_first", [True, False])
    def test_w021_nor_by_an_access_token_that_the_former_secret_bought(
        self, organization: Organization, alice: Actor, fleet: list[ChargingStation], bought_first: bool
    ) -> None:
        bob = factories.make_actor(organization, name="bob")
        row, former = keys.create(organization, name="hers", scopes=["*"], by=alice, kind="client")
        own = keys.create(organization, name="own", scopes=["*"], by=alice)[1]
        early = bought(row, former) if bought_first else None
        his = bought(row, keys.rotate(row, by=bob))
        asked = client_with(own).post(URL, {**RESET, "stations": ids(fleet)})

        problem((early or bought(row, former)).post(f"{asked['Location']}approve/"), 403)
        assert not said_to(fleet).exists()
        assert his.post(f"{asked['Location']}approve/").status_code == 200

    def test_w021_after_two_rotations_the_secret_between_is_the_word_of_who_rotated_first(
        self, organization: Organization, alice: Actor, fleet: list[ChargingStation]
    ) -> None:
        bob = factories.make_actor(organization, name="bob")
        row, first = keys.create(organization, name="hers", scopes=["*"], by=alice)
        second = keys.rotate(row, by=bob)
        keys.rotate(row, by=alice)
        by_her = client_with(keys.create(organization, name="own", scopes=["*"], by=alice)[1])
        asked = by_her.post(URL, {**RESET, "stations": ids(fleet)})

        assert client_with(first).post(f"{asked['Location']}approve/").status_code == 401
        assert client_with(second).post(f"{asked['Location']}approve/").status_code == 200


class TestOneAfterTheOther:
    """W-21: what needs a second person for many stations at once needs one for the same stations one by one."""

    @pytest.fixture(autouse=True)
    def _threshold(self, settings: Any) -> None:
        settings.SECOND_PERSON_ABOVE = 2

    @staticmethod
    def say(client: APIClient, station: ChargingStation, body: dict[str, Any] = WAITING) -> Any:
        return client.post(f"/api/v1/stations/{station.pk}/commands/", body)

    @staticmethod
    def planned(run_at: datetime) -> dict[str, Any]:
        return {**WAITING, "run_at": run_at.isoformat()}

    def test_w021_one_person_restarts_no_more_stations_one_by_one_than_at_once(
        self, api: APIClient, fleet: list[ChargingStation]
    ) -> None:
        first = [self.say(api, station).status_code for station in fleet[:2]]
        told = problem(self.say(api, fleet[2]), 409)["detail"]

        assert first == [202, 202]
        assert "Above 2 stations within ten minutes" in told
        assert "/api/v1/commands/" in told
        assert not said_to(fleet).filter(station=fleet[2]).exists()
        assert self.say(api, fleet[0]).status_code == 202

    def test_w021_other_kinds_count_together_and_harmless_ones_never(
        self, api: APIClient, fleet: list[ChargingStation]
    ) -> None:
        items = [{"component": "OCPPCommCtrlr", "variable": "HeartbeatInterval", "value": "60"}]
        harmless = {"command": "trigger_message", "message": "heartbeat"}
        certificate = {"command": "renew_certificate", "certificate_type": "charging_station_certificate"}
        Presence.objects.update(connected=True, gateway="elsewhere", epoch=1, ocpp_version="1.6")

        assert self.say(api, fleet[0], {"command": "set_variables", "items": items}).status_code == 202
        assert self.say(api, fleet[1], {"command": "reset", "kind": "immediate"}).status_code == 202
        assert [self.say(api, station, harmless).status_code for station in fleet] == [202] * 3
        assert self.say(api, fleet[2]).status_code == 409
        assert self.say(api, fleet[2], certificate).status_code == 409

    def test_w021_words_of_ocpp_itself_are_no_way_around(
        self, api: APIClient, fleet: list[ChargingStation]
    ) -> None:
        Presence.objects.update(connected=True, gateway="elsewhere", epoch=1, ocpp_version="1.6")
        restart = {"command": "call", "action": "Reset", "payload": {"type": "Soft"}}
        clear = {"command": "call", "action": "ClearCache", "payload": {}}

        assert [self.say(api, station, clear).status_code for station in fleet] == [202] * 3
        said = [self.say(api, station, restart).status_code for station in fleet]
        assert said == [202, 202, 409]

    def test_w021_certificates_asked_for_in_words_of_ocpp_itself_are_no_way_around(
        self, api: APIClient, fleet: list[ChargingStation]
    ) -> None:
        Presence.objects.update(connected=True, gateway="elsewhere", epoch=1, ocpp_version="1.6")
        renew = {"requestedMessage": "SignChargePointCertificate"}
        ask = {"command": "call", "action": "ExtendedTriggerMessage", "payload": renew}
        chain = {"command": "call", "action": "CertificateSigned", "payload": {"certificateChain": "x"}}
        beat = {**ask, "payload": {"requestedMessage": "Heartbeat"}}

        assert [self.say(api, station, beat).status_code for station in fleet] == [202] * 3
        assert self.say(api, fleet[0], ask).status_code == 202
        assert self.say(api, fleet[1], chain).status_code == 202
        assert [self.say(api, fleet[2], body).status_code for body in (ask, chain, WAITING)] == [409] * 3
        assert self.say(api, fleet[2], beat).status_code == 202

    @pytest.mark.parametrize("action", ["reset", "RESET", "Reset"])
    def test_w021_letters_of_another_size_are_no_way_around(
        self, alice: Actor, fleet: list[ChargingStation], action: str
    ) -> None:
        restart = intents.Call(action=action, payload={"type": "Soft"})
        for station in fleet[:2]:
            commands.issue(station, restart, by=alice, if_offline="wait")

        with pytest.raises(Conflict):
            commands.issue(fleet[2], restart, by=alice)
        with pytest.raises(Conflict):
            commands.issue(fleet[2], intents.ResetStation(kind="on_idle"), by=alice)

    def test_w021_a_plan_for_each_is_no_way_around(
        self, api: APIClient, fleet: list[ChargingStation]
    ) -> None:
        later = {**RESET, "run_at": (clock.now() + timedelta(minutes=20)).isoformat()}

        assert [self.say(api, station, later).status_code for station in fleet] == [202, 202, 409]
        assert ScheduledCommand.objects.count() == 2
        assert self.say(api, fleet[2]).status_code == 409

    def test_w021_plans_that_come_due_are_said_however_many_they_are(
        self, api: APIClient, api_with: Any, fleet: list[ChargingStation]
    ) -> None:
        run_at = clock.now() + timedelta(minutes=20)
        for station, client in zip(fleet, (api, api, api_with("*")), strict=True):
            assert self.say(client, station, {**WAITING, "run_at": run_at.isoformat()}).status_code == 202
        with time_machine.travel(run_at + timedelta(seconds=1), tick=True):
            scheduled_commands.run_due(clock.now())
            assert said_to(fleet).count() == 3
            assert self.say(api, fleet[0]).status_code == 202

    def test_w021_plans_for_one_time_count_however_slowly_they_were_written_down(
        self, api: APIClient, fleet: list[ChargingStation]
    ) -> None:
        now = clock.now()
        run_at = now + timedelta(days=3)
        for days, station in zip((2, 1), fleet, strict=False):
            with time_machine.travel(now - timedelta(days=days), tick=True):
                assert self.say(api, station, self.planned(run_at)).status_code == 202

        assert self.say(api, fleet[2], self.planned(run_at + timedelta(minutes=9))).status_code == 409
        at_once = api.post(URL, {**self.planned(run_at), "stations": ids(fleet[2:])}).json()
        assert at_once["approval"] == "awaited"
        assert ScheduledCommand.objects.count() == 2
        assert self.say(api, fleet[2], self.planned(run_at + timedelta(hours=1))).status_code == 202

    def test_w021_who_planned_so_many_for_now_tells_no_other_before_and_after_they_come(
        self, api: APIClient, fleet: list[ChargingStation]
    ) -> None:
        run_at = clock.now() + timedelta(hours=1)
        for station in fleet[:2]:
            self.say(api, station, self.planned(run_at))
        for minutes, told in ((-30, 202), (-5, 409), (1, 409), (12, 202)):
            with time_machine.travel(run_at + timedelta(minutes=minutes), tick=True):
                scheduled_commands.run_due(clock.now())
                assert self.say(api, fleet[2]).status_code == told
        assert said_to(fleet).count() == 4

    def test_w021_plans_that_are_repeated_count_for_each_of_their_times(
        self, api: APIClient, fleet: list[ChargingStation]
    ) -> None:
        now = clock.now()
        first = now + timedelta(hours=1)
        with time_machine.travel(now - timedelta(minutes=20), tick=True):
            for station in fleet[:2]:
                daily = {**self.planned(first), "repeat": "FREQ=DAILY"}
                assert self.say(api, station, daily).status_code == 202

        later = first + timedelta(days=5)
        assert self.say(api, fleet[2], self.planned(later)).status_code == 409
        monthly = {**self.planned(later + timedelta(hours=3)), "repeat": "FREQ=MONTHLY"}
        assert self.say(api, fleet[2], monthly).status_code == 409
        assert ScheduledCommand.objects.count() == 2
        assert self.say(api, fleet[2], self.planned(later + timedelta(hours=3))).status_code == 202

    def test_w021_all_keys_of_a_person_and_their_pages_are_one_person(
        self, organization: Organization, alice: Actor, bob: Actor, fleet: list[ChargingStation]
    ) -> None:
        one, other = (
            client_with(keys.create(organization, name=name, scopes=["*"], by=alice)[1]) for name in "ab"
        )
        reset = intents.ResetStation(kind="on_idle")

        assert self.say(one, fleet[0]).status_code == 202
        commands.issue(fleet[1], reset, by=alice, if_offline="wait")
        assert self.say(other, fleet[2]).status_code == 409
        with pytest.raises(Conflict):
            commands.issue(fleet[2], reset, by=alice)
        assert commands.issue(fleet[2], reset, by=bob).issued_by == bob.label

    def test_w021_a_colleagues_key_of_the_same_name_counts_for_the_colleague(
        self, organization: Organization, alice: Actor, fleet: list[ChargingStation]
    ) -> None:
        anna = factories.make_actor(organization, name="anna")
        one, other = (
            client_with(keys.create(organization, name="ci", scopes=["*"], by=who)[1])
            for who in (alice, anna)
        )

        assert [self.say(one, station).status_code for station in fleet[:2]] == [202, 202]
        assert self.say(other, fleet[2]).status_code == 202
        assert self.say(one, fleet[2]).status_code == 409

    def test_w021_a_key_that_changed_hands_counts_what_it_told_for_who_held_it(
        self, organization: Organization, alice: Actor, fleet: list[ChargingStation]
    ) -> None:
        """Nobody is rid of what they told by leaving the key to a colleague."""
        anna = factories.make_actor(organization, name="anna")
        row, secret = keys.create(organization, name="ci", scopes=["*"], by=alice)
        own = client_with(keys.create(organization, name="own", scopes=["*"], by=alice)[1])
        for station in fleet[:2]:
            assert self.say(client_with(secret), station).status_code == 202
        taken = client_with(keys.rotate(row, by=anna))

        assert self.say(own, fleet[2]).status_code == 409
        assert self.say(taken, fleet[2]).status_code == 202

    def test_w021_a_key_made_by_a_key_is_of_the_same_person(
        self, organization: Organization, alice: Actor, fleet: list[ChargingStation]
    ) -> None:
        row, secret = keys.create(organization, name="a", scopes=["*"], by=alice)
        second = client_with(
            keys.create(organization, name="b", scopes=["*"], by=access.actor_of_key(row))[1]
        )
        for station in fleet[:2]:
            assert self.say(client_with(secret), station).status_code == 202

        assert self.say(second, fleet[2]).status_code == 409

    def test_w021_what_was_said_and_asked_for_before_an_upgrade_is_known_by_person(
        self, organization: Organization, alice: Actor, fleet: list[ChargingStation]
    ) -> None:
        """Rows of the version that kept names only."""
        client = client_with(keys.create(organization, name="ci", scopes=["*"], by=alice)[1])
        self.say(client, fleet[0])
        commands.issue(fleet[1], intents.ResetStation(kind="on_idle"), by=alice, if_offline="wait")
        self.say(client, fleet[0], self.planned(clock.now() + timedelta(hours=1)))
        asked = client.post(URL, {**RESET, "stations": ids(fleet)})["Location"]
        ApiKey.objects.update(owner_id=None)
        Command.objects.update(person_id=None)
        ScheduledCommand.objects.update(person_id=None)
        BulkCommand.objects.filter(approval="awaited").update(requested_owner=alice.label)
        with connection.cursor() as cursor:
            for name in (
                "core.migrations.0011_keys_of_persons",
                "stations.migrations.0055_commands_of_persons",
            ):
                cursor.execute(import_module(name).KNOWN)

        assert set(said_to(fleet).values_list("person_id", flat=True)) == {alice.subject_id}
        assert ScheduledCommand.objects.get().person_id == alice.subject_id
        assert self.say(client, fleet[2]).status_code == 409
        problem(client.post(f"{asked}approve/"), 403)

    def test_w021_ten_minutes_later_more_may_be_told(
        self, api: APIClient, fleet: list[ChargingStation]
    ) -> None:
        with time_machine.travel(clock.now() - timedelta(minutes=11), tick=True):
            assert [self.say(api, station).status_code for station in fleet[:2]] == [202, 202]

        assert self.say(api, fleet[2]).status_code == 202

    def test_w021_what_never_reached_a_station_is_not_counted(
        self, api: APIClient, fleet: list[ChargingStation], alice: Actor
    ) -> None:
        offline = [self.say(api, station, RESET).json()["status"] for station in fleet[1:]]
        soon = self.planned(clock.now() + timedelta(minutes=5))
        taken_back = [
            api.delete(self.say(api, station, body)["Location"]).json()["status"]
            for station, body in (
                (fleet[1], soon),
                (fleet[2], soon),
                (fleet[1], WAITING),
                (fleet[2], WAITING),
            )
        ]

        assert offline == ["failed"] * 2
        assert taken_back == ["cancelled"] * 4
        assert self.say(api, fleet[0]).status_code == 202
        assert api.post(URL, {**WAITING, "stations": ids(fleet[:2])}).json()["approval"] is None

    def test_w021_what_was_sent_counts_however_it_ended(
        self, api: APIClient, fleet: list[ChargingStation]
    ) -> None:
        for station in fleet[:2]:
            command = self.say(api, station).json()["id"]
            ended = {"status": "failed", "sent_at": clock.now(), "settled_at": clock.now()}
            Command.objects.filter(pk=command).update(**ended)

        assert self.say(api, fleet[2]).status_code == 409

    def test_w021_what_another_person_agreed_to_is_not_counted(
        self, api: APIClient, api_with: Any, fleet: list[ChargingStation], alice: Actor
    ) -> None:
        asked = api.post(URL, {**WAITING, "stations": ids(fleet)})
        assert api_with("*").post(f"{asked['Location']}approve/").status_code == 200
        another, _ = factories.make_station(alice)

        assert said_to(fleet).count() == 3
        assert self.say(api, another).status_code == 202

    def test_w021_the_portal_itself_is_not_counted(self, fleet: list[ChargingStation]) -> None:
        for station in fleet:
            commands.issue(station, intents.ResetStation(kind="on_idle"), by=system("tests"))

        assert said_to(fleet).count() == 3

    def test_w021_a_strangers_station_is_not_there_before_and_after_the_threshold(
        self, api: APIClient, charlie: Actor, fleet: list[ChargingStation]
    ) -> None:
        theirs, _ = factories.make_station(charlie)
        for station in fleet[:2]:
            self.say(api, station)

        problem(self.say(api, theirs), 404)
        assert not Command.objects.filter(station=theirs).exists()


def test_a_command_to_many_stations_is_planned_and_the_plans_are_taken_back_together(
    api: APIClient, stranger: APIClient, fleet: list[ChargingStation]
) -> None:
    run_at = (clock.now() + timedelta(hours=1)).isoformat()

    answer = api.post(URL, {**RESET, "stations": ids(fleet), "run_at": run_at, "repeat": "FREQ=DAILY"})
    shown = answer.json()
    assert (answer.status_code, shown["counts"], shown["repeat"]) == (202, {"planned": 3}, "FREQ=DAILY")
    assert not said_to(fleet).exists()
    plans = results(api.get("/api/v1/scheduled-commands/"))
    assert {plan["station"] for plan in plans} == set(ids(fleet))

    problem(stranger.delete(answer["Location"]), 404)
    assert api.delete(answer["Location"]).json()["counts"] == {"cancelled": 3}
    problem(api.delete(answer["Location"]), 409)


def test_a_time_that_lies_behind_is_said_for_each_station(
    api: APIClient, fleet: list[ChargingStation]
) -> None:
    run_at = (clock.now() - timedelta(hours=1)).isoformat()

    shown = api.post(URL, {**RESET, "stations": ids(fleet), "run_at": run_at}).json()

    assert shown["counts"] == {"refused": 3}
    assert "lies ahead" in shown["refused"][0]["detail"]


def test_the_same_key_tells_them_once(api: APIClient, fleet: list[ChargingStation]) -> None:
    body = {**RESET, "stations": ids(fleet)}
    answers = [api.post(URL, body, HTTP_IDEMPOTENCY_KEY="once").json() for _ in range(2)]

    assert answers[0]["id"] == answers[1]["id"]
    assert said_to(fleet).count() == 3


def test_a_stranger_can_neither_name_find_nor_cancel(
    api: APIClient, stranger: APIClient, fleet: list[ChargingStation], charlie: Actor
) -> None:
    theirs, _ = factories.make_station(charlie)
    url = api.post(URL, {**WAITING, "stations": ids(fleet)})["Location"]

    assert pointer(stranger.post(URL, {**RESET, "stations": [str(theirs.pk), *ids(fleet)]})) == "/stations/1"
    assert stranger.post(URL, {**RESET, "filter": {"tag": "north"}}).status_code == 400
    assert pointer(stranger.post(URL, {**RESET, "filter": {"site": str(fleet[0].site_id)}})) == "/filter/site"
    assert stranger.get(url).status_code == 404
    assert stranger.delete(url).status_code == 404
    assert results(stranger.get(URL)) == []
    assert Command.objects.filter(station=theirs).count() == 0
    assert said_to(fleet).filter(status="pending").count() == 3


def test_who_is_limited_to_a_site_tells_and_sees_that_site_only(
    api: APIClient, organization: Organization, alice: Actor, fleet: list[ChargingStation]
) -> None:
    site = Site.objects.create(organization=organization, name="South")
    south, _ = factories.make_station(alice, site=site, tags=["north"])
    key, secret = keys.create(organization, name="south", scopes=["*"], by=alice)
    access.limit_key(key, [site.name], by=alice)
    limited = client_with(secret)
    url = api.post(URL, {**WAITING, "stations": ids([*fleet, south])})["Location"]

    assert limited.get(url).status_code == 404
    told = limited.post(URL, {**WAITING, "filter": {"tag": "north"}})
    assert told.json()["count"] == 1
    assert limited.get(told["Location"]).json()["counts"] == {"pending": 1}


def test_commands_are_sent_by_those_who_may(api_with: Any, fleet: list[ChargingStation]) -> None:
    problem(api_with("commands:read").post(URL, {**RESET, "stations": ids(fleet)}), 403)
    assert_nothing_was_said(fleet)
