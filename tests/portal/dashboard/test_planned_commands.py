"""Planned commands on the station's Commands tab: seen with what became of each time, and taken back."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.test import Client

from core import clock
from core.access import Actor, Role
from core.models import AuditEntry, Membership, Organization
from stations.domain import intents
from stations.models import ChargingStation, Command, ScheduledCommand
from stations.services import access, scheduled_commands, sites, stations
from stations.services.scheduled_commands import When
from tests import factories

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
