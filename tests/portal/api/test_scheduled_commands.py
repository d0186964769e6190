"""Commands with ``run_at`` and ``repeat``: issued once when due, told as missed, cancelled, in the site's own time."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
import time_machine
from django.db import connection
from rest_framework.test import APIClient

from core import clock
from core.access import Actor
from core.errors import Invalid
from core.models import AuditEntry, Organization, OutboxRow
from core.services import keys
from stations.domain import intents
from stations.domain.recurrence import Recurrence
from stations.models import ChargingStation, Command, Presence, ScheduledCommand, ScheduledRun, Site
from stations.services import access, scheduled_commands
from stations.services.scheduled_commands import When
from stations.tasks import run_scheduled
from tests import factories
from tests.portal.api.conftest import client_with, results

OPEN = {"command": "change_availability", "operational_status": "operative"}
WEEKDAYS = "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=6;BYMINUTE=0"
BERLIN = "Europe/Berlin"


@pytest.fixture
def station(alice: Actor) -> ChargingStation:
    made, _ = factories.make_station(alice)
    Site.objects.filter(pk=made.site_id).update(time_zone=BERLIN)
    Presence.objects.filter(pk=made.pk).update(connected=True, gateway="elsewhere", epoch=1)
    return made


def planned(api: APIClient, station: ChargingStation, **values: Any) -> dict[str, Any]:
    answer = api.post(f"/api/v1/stations/{station.pk}/commands/", {**OPEN, **values})
    assert answer.status_code == 202, answer.content
    assert answer["Location"] == f"/api/v1/scheduled-commands/{answer.json()['id']}/"
    shown: dict[str, Any] = answer.json()
    return shown


def in_(**span: float) -> str:
    return (clock.now() + timedelta(**span)).isoformat()


def kinds(scheduled: str) -> list[str]:
    return list(OutboxRow.objects.filter(object_id=scheduled).order_by("id").values_list("type", flat=True))


def test_a_command_for_later_is_issued_once_when_it_is_due(api: APIClient, station: ChargingStation) -> None:
    shown = planned(api, station, run_at=in_(minutes=10), reason="Opening")
    run_scheduled()
    assert not Command.objects.filter(station=station).exists()
    with time_machine.travel(clock.now() + timedelta(minutes=11), tick=False):
        run_scheduled()
        run_scheduled()

    command = Command.objects.get(station=station)
    assert (command.command, command.reason, command.status) == ("change_availability", "Opening", "pending")
    after = api.get(f"/api/v1/scheduled-commands/{shown['id']}/").json()
    assert (after["status"], after["next_at"]) == ("done", None)
    assert [(run["outcome"], run["command"]) for run in after["runs"]] == [("issued", str(command.pk))]
    assert kinds(shown["id"]) == ["command.scheduled"]
    assert AuditEntry.objects.filter(action="command.scheduled").count() == 1


def test_opening_hours_come_again_in_the_sites_time(api: APIClient, station: ChargingStation) -> None:
    with time_machine.travel(datetime(2026, 10, 23, 12, tzinfo=UTC), tick=False):
        shown = planned(api, station, repeat=WEEKDAYS)
    assert shown["next_at"] == "2026-10-26T05:00:00Z"  # six o'clock in winter, which began the day before
    with time_machine.travel(datetime(2026, 10, 26, 5, 0, 3, tzinfo=UTC), tick=False):
        run_scheduled()
        after = api.get(f"/api/v1/scheduled-commands/{shown['id']}/").json()

    assert (after["status"], after["next_at"]) == ("planned", "2026-10-27T05:00:00Z")
    assert Command.objects.filter(station=station).count() == 1


def test_what_was_due_while_nothing_ran_is_missed_and_not_made_up_for(
    api: APIClient, station: ChargingStation
) -> None:
    with time_machine.travel(datetime(2026, 10, 26, 4, tzinfo=UTC), tick=False):
        shown = planned(api, station, repeat=WEEKDAYS)
    with time_machine.travel(datetime(2026, 10, 28, 5, 5, tzinfo=UTC), tick=False):
        run_scheduled()

    runs = ScheduledRun.objects.filter(scheduled=shown["id"]).order_by("due_at")
    assert [run.outcome for run in runs] == ["missed", "missed", "issued"]
    assert Command.objects.filter(station=station).count() == 1
    assert kinds(shown["id"]) == ["command.scheduled", "command.missed", "command.missed"]


def test_a_plan_that_was_taken_back_is_not_carried_out(api: APIClient, station: ChargingStation) -> None:
    shown = planned(api, station, run_at=in_(minutes=10))
    path = f"/api/v1/scheduled-commands/{shown['id']}/"
    assert api.delete(path).json()["status"] == "cancelled"
    with time_machine.travel(clock.now() + timedelta(minutes=11), tick=False):
        run_scheduled()

    assert not Command.objects.filter(station=station).exists()
    assert api.delete(path).status_code == 409
    assert kinds(shown["id"]) == ["command.scheduled", "command.unscheduled"]


def test_a_plan_of_a_revoked_key_is_refused_and_told(
    organization: Organization, alice: Actor, station: ChargingStation
) -> None:
    key, secret = keys.create(organization, name="K", scopes=["commands:send"], by=alice)
    shown = planned(client_with(secret), station, run_at=in_(minutes=10))
    keys.revoke(key, by=alice)
    with time_machine.travel(clock.now() + timedelta(minutes=11), tick=False):
        run_scheduled()

    run = ScheduledRun.objects.get(scheduled=shown["id"])
    assert (run.outcome, run.command) == ("refused", None)
    assert "no longer here" in run.detail
    assert not Command.objects.filter(station=station).exists()
    assert kinds(shown["id"])[-1] == "command.refused"


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"run_at": "2020-01-01T00:00:00Z"}, "/run_at"),
        ({"run_at": "2099-01-01T00:00:00Z"}, "/run_at"),
        ({"repeat": "every day"}, "/repeat"),
        ({"repeat": "FREQ=SECONDLY"}, "/repeat"),
        ({"repeat": "FREQ=DAILY;BYHOUR=25"}, "/repeat"),
        ({"repeat": "FREQ=DAILY;BYMINUTE=" + ",".join(map(str, range(25)))}, "/repeat"),
        ({"repeat": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, "/repeat"),
        ({"repeat": "FREQ=DAILY;UNTIL=20200101"}, "/repeat"),
        ({"repeat": "FREQ=DAILY;INTERVAL=0"}, "/repeat"),
    ],
)
def test_a_time_that_cannot_come_is_refused_at_its_field(
    api: APIClient, station: ChargingStation, values: dict[str, str], pointer: str
) -> None:
    answer = api.post(f"/api/v1/stations/{station.pk}/commands/", {**OPEN, **values})

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert not ScheduledCommand.objects.exists()


def test_strangers_and_keys_of_other_sites_neither_see_nor_cancel(
    api: APIClient,
    stranger: APIClient,
    api_with: Any,
    organization: Organization,
    alice: Actor,
    station: ChargingStation,
) -> None:
    shown = planned(api, station, run_at=in_(minutes=10))
    path = f"/api/v1/scheduled-commands/{shown['id']}/"
    Site.objects.create(organization=organization, name="Far away")
    key, secret = keys.create(organization, name="far", scopes=["*"], by=alice)
    access.limit_key(key, ["Far away"], by=alice)

    for other in (stranger, client_with(secret)):
        assert other.get(path).status_code == other.delete(path).status_code == 404
        assert results(other.get("/api/v1/scheduled-commands/")) == []
    assert api_with("commands:read").delete(path).status_code == 403
    assert ScheduledCommand.objects.get().status == "planned"


def test_a_station_has_at_most_so_many_plans(
    api: APIClient, station: ChargingStation, monkeypatch: Any
) -> None:
    monkeypatch.setattr(scheduled_commands, "MOST_PLANNED", 1)
    planned(api, station, run_at=in_(minutes=10))
    answer = api.post(f"/api/v1/stations/{station.pk}/commands/", {**OPEN, "run_at": in_(minutes=20)})

    assert answer.status_code == 409
    assert ScheduledCommand.objects.count() == 1


def times(rule: str, start: str, count: int) -> list[str]:
    moment = datetime.fromisoformat(start).replace(tzinfo=UTC)
    recurrence = Recurrence.read(rule, start=moment, zone=BERLIN)
    found = []
    following = recurrence.first(moment)
    while following is not None and len(found) < count:
        found.append(following.strftime("%m-%d %H:%M"))
        following = recurrence.after(following)
    return found


def test_a_time_in_the_gap_comes_an_hour_later_and_a_double_one_once() -> None:
    daily = "FREQ=DAILY;BYHOUR=2;BYMINUTE=30"
    assert times(daily, "2026-03-28T00:00", 3) == ["03-28 01:30", "03-29 01:30", "03-30 00:30"]
    assert times(daily, "2026-10-24T00:00", 3) == ["10-24 00:30", "10-25 00:30", "10-26 01:30"]


def test_a_rule_ends_by_count_and_by_until() -> None:
    assert len(times("FREQ=DAILY;COUNT=3", "2026-05-01T10:00", 9)) == 3
    assert len(times("FREQ=DAILY;UNTIL=20260503", "2026-05-01T10:00", 9)) == 3
    with pytest.raises(Invalid):
        Recurrence.read("FREQ=DAILY;UNTIL=soon", start=clock.now(), zone=BERLIN)


def test_a_worker_that_dies_half_way_leaves_nothing_and_the_next_issues_once(
    api: APIClient, station: ChargingStation, monkeypatch: Any
) -> None:
    shown = planned(api, station, run_at=in_(minutes=10))

    def dies(*_args: Any, **_more: Any) -> None:
        raise KeyboardInterrupt

    with time_machine.travel(clock.now() + timedelta(minutes=11), tick=False):
        with monkeypatch.context() as broken:
            broken.setattr(ScheduledRun, "save", dies)
            with pytest.raises(KeyboardInterrupt):
                run_scheduled()
        assert not Command.objects.filter(station=station).exists()
        run_scheduled()

    assert Command.objects.filter(station=station).count() == 1
    assert [run.outcome for run in ScheduledRun.objects.filter(scheduled=shown["id"])] == ["issued"]


def test_a_plan_that_cannot_be_read_keeps_no_other_from_its_time(
    api: APIClient, station: ChargingStation
) -> None:
    broken = planned(api, station, run_at=in_(minutes=9))
    planned(api, station, run_at=in_(minutes=10))
    ScheduledCommand.objects.filter(pk=broken["id"]).update(sealed="gone:AAAA")
    with time_machine.travel(clock.now() + timedelta(minutes=11), tick=False):
        run_scheduled()

    assert [run.outcome for run in ScheduledRun.objects.order_by("due_at")] == ["refused", "issued"]


def test_two_workers_at_the_same_time_issue_once(committed: None) -> None:
    alice = access.actor_of_member(factories.make_member(factories.make_organization()))
    station, _ = factories.make_station(alice)
    intent = intents.ChangeAvailability(operational_status="operative")
    plan = scheduled_commands.plan(station, intent, when=When(clock.now() + timedelta(hours=1)), by=alice)
    ScheduledCommand.objects.filter(pk=plan.pk).update(next_at=clock.now())
    together = Barrier(2)

    def work() -> None:
        together.wait(10)
        run_scheduled()
        connection.close()

    with ThreadPoolExecutor(2) as workers:
        for done in [workers.submit(work) for _ in range(2)]:
            done.result(30)

    run_scheduled()
    assert Command.objects.filter(station=station).count() == 1
    assert [run.outcome for run in plan.runs.all()] == ["issued"]
