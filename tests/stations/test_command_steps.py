"""What the steps of a command cost and how they hold together, as the database sees them."""

from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from core import audit
from core.access import Actor
from core.models import AuditEntry
from stations.domain.intents import TriggerMessage
from stations.domain.words import CommandStatus
from stations.models import ChargingStation, Command, Presence
from stations.services import commands
from tests.factories import make_actor, make_organization, make_station

EPOCH = 7
HEARTBEAT = TriggerMessage(message="heartbeat")


@pytest.fixture
def alice(committed: None) -> Actor:
    return make_actor(make_organization())


@pytest.fixture
def station(alice: Actor) -> ChargingStation:
    """Held by a gateway that is not there, so that nobody takes the test's command."""
    station, _ = make_station(alice)
    Presence.objects.filter(station=station).update(
        connected=True, gateway="nobody", epoch=EPOCH, ocpp_version="2.0.1"
    )
    return ChargingStation.objects.get(pk=station.pk)


@pytest.mark.parametrize("prepared", [True, False])
def test_m09_a_command_and_its_audit_entry_are_one_statement(
    station: ChargingStation, alice: Actor, settings: Any, prepared: bool
) -> None:
    settings.DATABASE_PREPARE = prepared
    with CaptureQueriesContext(connection) as sent:
        watched = commands.issue(station, HEARTBEAT, by=alice)
    unwatched = commands.issue(station, HEARTBEAT, by=alice)

    writes = [query["sql"] for query in sent if "INSERT" in query["sql"]]
    assert len(writes) == 1
    assert "stations_command" in writes[0]
    assert "core_auditentry" in writes[0]
    for command in (watched, unwatched):
        [entry] = AuditEntry.objects.filter(object_id=str(command.pk))
        assert (entry.action, entry.actor) == ("command.issued", alice.label)
        assert entry.organization_id == station.organization_id
        stored = Command.objects.get(pk=command.pk)
        assert (stored.status, stored.parameters) == ("pending", {"message": "heartbeat"})


def test_a_command_that_cannot_be_audited_is_not_issued(
    station: ChargingStation, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_long(action: str, *things: Any, **said: Any) -> AuditEntry:
        return entry(action + "x" * 80, *things, **said)

    entry = audit.entry
    monkeypatch.setattr(audit, "entry", too_long)

    with pytest.raises(DatabaseError):
        commands.issue(station, HEARTBEAT, by=alice)

    assert not Command.objects.filter(station=station).exists()


def test_m09_only_the_newest_socket_of_a_station_learns_of_its_commands(
    station: ChargingStation, alice: Actor
) -> None:
    command = commands.issue(station, HEARTBEAT, by=alice)

    for outdated in (EPOCH - 1, EPOCH + 1):
        assert commands.wish(command.pk, epoch=outdated) is None
        assert not commands.claim(command.pk, epoch=outdated)
    command.refresh_from_db()
    assert command.status == "pending"

    assert commands.wish(command.pk, epoch=EPOCH) == HEARTBEAT
    assert commands.claim(command.pk, epoch=EPOCH)
    assert not commands.claim(command.pk, epoch=EPOCH)
    assert commands.wish(command.pk, epoch=EPOCH) is None


def test_a_command_is_settled_by_one_statement_and_only_once(station: ChargingStation, alice: Actor) -> None:
    command = commands.issue(station, HEARTBEAT, by=alice)
    commands.claim(command.pk, epoch=EPOCH)
    answer = {"status": "Accepted", "customData": {"vendorId": "x", "large": 2**70}}

    with CaptureQueriesContext(connection) as sent:
        assert commands.settle(command.pk, CommandStatus.ACCEPTED, response=answer, message_id="m-1")
    assert not commands.settle(command.pk, CommandStatus.FAILED, error={"code": "late"})

    assert len(sent) == 1
    waited = commands.wait_until_settled(command, 1)
    assert waited is command
    assert (waited.status, waited.message_id, waited.error) == ("accepted", "m-1", None)
    assert waited.response == answer
    assert waited.settled_at is not None
    assert waited.effect_until is not None
    assert waited.effect_until > waited.settled_at
    assert waited.station.site_id == station.site_id
