"""Events: with their cause or not at all, in one order without latecomers, kept for a bounded time (M-05)."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.db.transaction import atomic

from core import clock
from core.access import Actor
from core.ids import uuid7
from core.models import Event, EventHorizon, Organization, OutboxRow
from core.services import outbox
from stations.domain import intents
from stations.models import Alert, ChargingStation, Command, Presence, Transaction
from stations.services import alerts, commands
from tests import factories


@pytest.fixture
def organization(committed: None) -> Organization:
    return factories.make_organization()


@pytest.fixture
def alice(organization: Organization) -> Actor:
    return factories.make_actor(organization)


@pytest.fixture
def station(alice: Actor) -> ChargingStation:
    return factories.make_station(alice)[0]


def told(organization: Organization) -> list[str]:
    outbox.relay(patiently=True)
    rows = Event.objects.filter(organization=organization).exclude(type="site.created").order_by("id")
    return list(rows.values_list("type", flat=True))


class Undone(Exception):
    pass


def test_m05_what_is_rolled_back_leaves_no_event(
    organization: Organization, station: ChargingStation
) -> None:
    def raise_and_undo() -> None:
        with atomic():
            alerts.raise_(
                "offline",
                station_id=station.pk,
                organization_id=organization.pk,
                severity=Alert.Severity.WARNING,
                detail="gone",
                at=clock.now(),
            )
            raise Undone

    with pytest.raises(Undone):
        raise_and_undo()

    assert told(organization) == ["station.created"]


def test_m05_an_event_stands_in_the_outbox_with_its_cause(
    organization: Organization, alice: Actor, station: ChargingStation
) -> None:
    command = commands.issue(station, intents.ResetStation(kind="on_idle"), by=alice)
    told(organization)
    event = Event.objects.get(organization=organization, type="command.settled")

    assert (event.object_id, event.limit_id) == (command.pk, station.site_id)
    assert event.data["status"] == Command.objects.get(pk=command.pk).status == "failed"
    assert event.data["error"]["code"] == "offline"
    assert not OutboxRow.objects.filter(organization_id=organization.pk).exists()


def test_an_alert_is_told_when_raised_acknowledged_and_cleared_and_not_when_counted(
    organization: Organization, alice: Actor, station: ChargingStation
) -> None:
    for later in range(3):
        alerts.raise_(
            "offline",
            station_id=station.pk,
            organization_id=organization.pk,
            severity=Alert.Severity.WARNING,
            detail="gone",
            at=clock.now() + timedelta(seconds=later),
        )
    alerts.acknowledge(Alert.objects.get(station=station), by=alice)
    alerts.clear("offline", station_id=station.pk, at=clock.now())

    assert told(organization)[1:] == ["alert.raised", "alert.acknowledged", "alert.cleared"]


def test_a_heartbeat_and_meter_values_leave_no_event(
    organization: Organization, station: ChargingStation
) -> None:
    now = clock.now()
    running = Transaction.objects.create(
        organization=organization,
        site=station.site,
        station=station,
        reference="1",
        started_at=now,
        last_event_at=now,
        event_count=1,
    )
    before = told(organization)
    Presence.objects.filter(station=station).update(last_seen_at=now, clock_drift_ms=5)
    Transaction.objects.filter(pk=running.pk).update(energy_wh=500, power_w=11_000, event_count=2)

    assert before == ["station.created", "transaction.started"]
    assert told(organization) == before


def test_an_end_is_told_once_with_the_figures_that_came_last(
    organization: Organization, station: ChargingStation
) -> None:
    now = clock.now()
    running = Transaction.objects.create(
        organization=organization,
        site=station.site,
        station=station,
        reference="1",
        started_at=now,
        last_event_at=now,
        event_count=1,
    )
    with atomic():
        Transaction.objects.filter(pk=running.pk).update(status="ended", ended_at=now)
        Transaction.objects.filter(pk=running.pk).update(energy_wh=1234)

    assert told(organization)[1:] == ["transaction.started", "transaction.ended"]
    assert Event.objects.get(organization=organization, type="transaction.ended").data["energy_wh"] == 1234


def test_history_that_is_written_silently_is_no_news(
    organization: Organization, station: ChargingStation
) -> None:
    now = clock.now()
    with atomic():
        outbox.keep_silent()
        Transaction.objects.create(
            organization=organization,
            site=station.site,
            station=station,
            reference="1",
            started_at=now,
            last_event_at=now,
            event_count=1,
        )

    assert told(organization) == ["station.created"]


@pytest.fixture
def late(organization: Organization) -> Iterator["Late"]:
    writer = Late(organization.pk)
    yield writer
    writer.commit()


class Late(threading.Thread):
    """Takes an id first and commits when told to."""

    def __init__(self, organization_id: UUID) -> None:
        super().__init__(daemon=True)
        self.organization_id = organization_id
        self.written, self.may_commit = threading.Event(), threading.Event()

    def run(self) -> None:
        try:
            with atomic():
                write(self.organization_id, "station.booted")
                self.written.set()
                self.may_commit.wait(20)
        finally:
            connection.close()

    def commit(self) -> None:
        self.may_commit.set()
        if self.is_alive():
            self.join(20)


def write(organization_id: UUID, kind: str) -> None:
    outbox.record(kind, organization_id=organization_id, object_id=uuid7(), data={})


def test_a_reader_who_resumes_misses_nothing_that_was_committed_out_of_order(
    organization: Organization, late: Late
) -> None:
    late.start()
    assert late.written.wait(20)
    write(organization.pk, "station.connected")
    early = told(organization)
    after = Event.objects.filter(organization=organization).latest("id").id
    late.commit()
    told(organization)
    rest = Event.objects.filter(organization=organization, id__gt=after).values_list("type", flat=True)

    assert early == ["station.connected"]
    assert list(rest) == ["station.booted"]


def test_parallel_relays_move_each_event_once(organization: Organization) -> None:
    for _ in range(200):
        write(organization.pk, "station.booted")

    def move() -> None:
        try:
            outbox.relay(patiently=True)
        finally:
            connection.close()

    threads = [threading.Thread(target=move) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(20)
    uids = [event.uid for event in Event.objects.filter(organization=organization)]

    assert len(uids) == len(set(uids)) == 200
    assert all(uid.version == 7 for uid in uids)


@pytest.mark.django_db
def test_old_events_are_forgotten_and_who_asks_for_them_is_told(settings: Any) -> None:
    settings.EVENTS_KEPT_DAYS = 10
    organization = factories.make_organization()
    Event.objects.all().delete()
    for days in (30, 20, 5, 0):
        Event.objects.create(
            organization=organization,
            type="station.booted",
            object_id=uuid7(),
            data={},
            occurred_at=clock.now() - timedelta(days=days),
        )
    ids = list(Event.objects.order_by("id").values_list("id", flat=True))

    assert outbox.forget() == 2
    assert list(Event.objects.order_by("id").values_list("id", flat=True)) == ids[2:]
    assert EventHorizon.objects.get().forgotten == ids[1]
    outbox.require_kept(ids[1])
    outbox.require_kept(ids[3])
    for lost in (ids[0], ids[3] + 1):
        with pytest.raises(outbox.Forgotten):
            outbox.require_kept(lost)
    assert outbox.forget() == 0
