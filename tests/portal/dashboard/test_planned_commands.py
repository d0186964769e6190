"""Planned commands on the station's Commands tab: seen with what became of each time, and taken back."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.test import Client

from core import clock
from core.access import Actor, Role
from core.models import AuditEntry, Membership, Organization
from stations.domain import intents
from stations.models import ChargingStation, Command, Presence, ScheduledCommand
from stations.services import access, scheduled_commands, sites, stations
from stations.services.scheduled_commands import When
from tests import factories
from tests.portal.dashboard.conftest import proven

OPEN = intents.ChangeAvailability(operational_status="operative", evse_id=None)
DAILY = "FREQ=DAILY;BYHOUR=6;BYMINUTE=0"


@pytest.fixture
def station(actor: Actor) -> ChargingStation:
    made, _ = factories.make_station(actor)
    return made


@pytest.fixture
def planned(station: ChargingStation, actor: Actor) -> ScheduledCommand:
    when = When(clock.now() + timedelta(minutes=10), DAILY)
    return scheduled_commands.plan(station, OPEN, when=when, by=actor, reason="Opening")


@pytest.fixture
def tab(organization: Organization, station: ChargingStation) -> str:
    return f"/o/{organization.slug}/stations/{station.pk}/commands/"


@pytest.fixture
def taking_back(organization: Organization, planned: ScheduledCommand) -> str:
    return f"/o/{organization.slug}/commands/planned/{planned.pk}/cancel/"


def test_the_tab_shows_what_is_planned_and_what_was_missed(
    browser: Client, tab: str, planned: ScheduledCommand
) -> None:
    assert planned.next_at is not None
    with time_machine.travel(planned.next_at + timedelta(hours=3), tick=False):
        scheduled_commands.run_due(clock.now())

    page = browser.get(tab).content.decode()
    for said in ("Planned", DAILY, "Opening", "Missed", "it is too late now"):
        assert said in page
    assert not Command.objects.exists()


def test_a_plan_is_taken_back_from_the_tab(
    browser: Client, tab: str, taking_back: str, planned: ScheduledCommand
) -> None:
    piece = browser.post(taking_back, headers={"HX-Request": "true"}).content.decode()

    planned.refresh_from_db()
    assert (planned.status, planned.next_at) == ("cancelled", None)
    assert 'id="history"' in piece
    assert "Cancelled" in piece
    assert taking_back not in piece
    assert AuditEntry.objects.filter(action="command.unscheduled").count() == 1
    assert taking_back not in browser.get(tab).content.decode()


def test_what_ended_long_ago_is_not_shown(browser: Client, tab: str, planned: ScheduledCommand) -> None:
    ScheduledCommand.objects.filter(pk=planned.pk).update(
        status="done", next_at=None, ended_at=clock.now() - timedelta(days=8)
    )

    assert DAILY not in browser.get(tab).content.decode()


def test_who_may_only_look_cannot_take_back(
    organization: Organization,
    browser_of: Callable[[Membership], Client],
    tab: str,
    taking_back: str,
    planned: ScheduledCommand,
) -> None:
    vera = browser_of(factories.make_member(organization, Role.VIEWER, "vera"))

    page = vera.get(tab).content.decode()
    assert DAILY in page
    assert taking_back not in page
    assert vera.post(taking_back).status_code == 403
    planned.refresh_from_db()
    assert planned.status == "planned"


def test_strangers_and_members_of_other_sites_find_no_plan(
    organization: Organization,
    actor: Actor,
    browser_of: Callable[[Membership], Client],
    taking_back: str,
    planned: ScheduledCommand,
) -> None:
    sites.create({"name": "Elsewhere", "time_zone": "UTC"}, by=actor)
    dan = factories.make_member(organization, Role.TECHNICIAN, "dan")
    access.limit_member(dan, ["Elsewhere"], by=actor)
    charlie = factories.make_member(factories.make_organization(), Role.ADMIN, "charlie")

    for other in (dan, charlie):
        assert browser_of(other).post(taking_back).status_code == 404
    planned.refresh_from_db()
    assert planned.status == "planned"


def test_a_retired_station_is_told_once_and_its_plan_ends(
    browser: Client, station: ChargingStation, actor: Actor, planned: ScheduledCommand
) -> None:
    stations.retire(station, by=actor)
    assert planned.next_at is not None
    with time_machine.travel(planned.next_at + timedelta(seconds=5), tick=False):
        scheduled_commands.run_due(clock.now())
        scheduled_commands.run_due(clock.now())

    planned.refresh_from_db()
    assert (planned.status, planned.next_at) == ("done", None)
    assert [run.outcome for run in planned.runs.all()] == ["refused"]


def send(browser: Client, organization: Organization, station: ChargingStation, **fields: str) -> Any:
    address = f"/o/{organization.slug}/stations/{station.pk}/commands/send/"
    opening = {"command": "change_availability", "operational_status": "operative", "evse_id": ""}
    return browser.post(address, {**opening, **fields}, headers={"HX-Request": "true"})


MONDAY = datetime(2027, 3, 22, 6, 30, tzinfo=ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    ("fields", "rule", "times"),
    [
        ({}, "", 1),
        ({"repeat": "daily"}, "FREQ=DAILY;BYHOUR=6;BYMINUTE=30", 3),
        ({"repeat": "weekdays"}, "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=6;BYMINUTE=30", 3),
        ({"repeat": "weekly"}, "FREQ=WEEKLY;BYDAY=MO;BYHOUR=6;BYMINUTE=30", 3),
        ({"repeat": "rule", "rule": "FREQ=DAILY;COUNT=2"}, "FREQ=DAILY;COUNT=2", 2),
        ({"rule": "FREQ=DAILY"}, "", 1),
    ],
)
def test_a_command_of_the_page_is_planned_in_the_time_of_the_site(
    alice: Membership,
    browser_of: Callable[[Membership], Client],
    organization: Organization,
    station: ChargingStation,
    fields: Any,
    rule: str,
    times: int,
) -> None:
    """Over the Sunday on which the clocks go forward half past six stays half past six."""
    with time_machine.travel(MONDAY - timedelta(hours=3), tick=False):
        answer = send(browser_of(alice), organization, station, run_at="2027-03-22T06:30", **fields)
        made = ScheduledCommand.objects.get(station=station)
        coming = scheduled_commands.next_times(made, 3)

    assert answer.status_code == 200
    assert "Planned" in answer.content.decode()
    assert (made.command, made.repeat, made.next_at) == ("change_availability", rule, MONDAY)
    assert len(coming) == times
    assert {at.astimezone(MONDAY.tzinfo).strftime("%H:%M") for at in coming} == {"06:30"}
    assert not Command.objects.exists()
    assert AuditEntry.objects.filter(action="command.scheduled").count() == 1


def test_without_a_time_the_command_is_sent_at_once(
    browser: Client, organization: Organization, station: ChargingStation
) -> None:
    send(browser, organization, station, run_at="", repeat="", rule="")

    assert Command.objects.get(station=station).command == "change_availability"
    assert not ScheduledCommand.objects.exists()


@pytest.mark.parametrize(
    "fields",
    [
        {"run_at": "soon"},
        {"run_at": "2001-01-01T06:00"},
        {"run_at": "9999-12-31T23:59"},
        {"run_at": "a\x00b"},
        {"repeat": "daily"},
        {"repeat": "hourly", "run_at": "2027-03-22T06:30"},
        {"repeat": "rule"},
        {"repeat": "rule", "rule": "FREQ=SECONDLY"},
    ],
)
def test_a_time_that_is_none_plans_and_sends_nothing(
    alice: Membership,
    browser_of: Callable[[Membership], Client],
    organization: Organization,
    station: ChargingStation,
    fields: dict[str, str],
) -> None:
    with time_machine.travel(MONDAY - timedelta(hours=3), tick=False):
        answer = send(browser_of(alice), organization, station, **fields)

    assert answer.status_code in (400, 422)
    assert not ScheduledCommand.objects.exists()
    assert not Command.objects.exists()


@pytest.mark.parametrize(
    ("action", "status", "plans"), [("ClearCache", 200, 1), ("GetVariables", 422, 0), ("Heartbeat", 422, 0)]
)
def test_a_raw_call_is_planned_where_the_station_could_be_told_it_now(
    browser: Client,
    organization: Organization,
    station: ChargingStation,
    action: str,
    status: int,
    plans: int,
) -> None:
    Presence.objects.filter(pk=station.pk).update(ocpp_version="1.6")
    later = (clock.now() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    answer = send(
        proven(browser), organization, station, command="call", action=action, payload="{}", run_at=later
    )

    assert answer.status_code == status
    assert ScheduledCommand.objects.filter(station=station, command="call").count() == plans
    assert not Command.objects.exists()


def test_who_may_not_send_it_plans_nothing_either(
    organization: Organization,
    actor: Actor,
    browser_of: Callable[[Membership], Client],
    station: ChargingStation,
) -> None:
    """A viewer, a stranger, and a technician of another site."""
    sites.create({"name": "Elsewhere", "time_zone": "UTC"}, by=actor)
    dan = factories.make_member(organization, Role.TECHNICIAN, "dan")
    access.limit_member(dan, ["Elsewhere"], by=actor)
    vera = factories.make_member(organization, Role.VIEWER, "vera")
    charlie = factories.make_member(factories.make_organization(), Role.ADMIN, "charlie")
    later = (clock.now() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")

    for other, status in ((vera, 403), (dan, 404), (charlie, 404)):
        assert send(browser_of(other), organization, station, run_at=later).status_code == status
    assert not ScheduledCommand.objects.exists()
