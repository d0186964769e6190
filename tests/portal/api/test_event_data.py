"""What really happens is told in the fields that the API's description names, type by type."""

from datetime import timedelta
from typing import Any

from django.db import connection
from jsonschema import Draft202012Validator
from rest_framework.test import APIClient

from core import clock
from core.access import Actor
from core.models import Organization
from core.services import outbox, webhooks
from drivers.services import drivers
from portal.api.event_data import DATA_OF
from stations.domain import intents
from stations.domain.words import Registration
from stations.models import Alert, ChargingStation, Connector, Evse, Presence
from stations.services import commands, provisioning, scheduled_commands, stations, tariff_assignments
from tariffs import publishing
from tests import factories
from tests.factories import sessions
from tests.portal.api.conftest import results
from tests.portal.api.test_schema import schema

TARIFF = {"elements": [{"price_components": [{"type": "ENERGY", "price": 1}]}]}


def live_through(alice: Actor) -> ChargingStation:
    """A station's evening: it comes, boots, charges, faults, is told things, goes and is retired."""
    now = clock.now()
    station, _ = factories.make_station(alice)
    Presence.objects.filter(pk=station.pk).update(connected=True, epoch=1, connected_since=now)
    ChargingStation.objects.filter(pk=station.pk).update(booted_at=now, boot_reason="PowerUp")
    version = publishing.publish(publishing.create(TARIFF, by=alice), by=alice)
    tariff_assignments.assign(version.tariff, place=station, by=alice)
    session = sessions.begin(station)
    evse = Evse.objects.get(station=station, evse_id=1)
    Connector.objects.get_or_create(evse=evse, connector_id=1)
    Connector.objects.filter(evse=evse).update(status="Faulted", error_code="GroundFailure", status_at=now)
    type(session).objects.filter(pk=session.pk).update(charging_state="SuspendedEV")
    sessions.end(session, 1000)
    alert = Alert.objects.create(
        organization_id=station.organization_id, station=station, kind="connector_faulted", severity="warning",
        raised_at=now, last_at=now,
    )  # fmt: skip
    Alert.objects.filter(pk=alert.pk).update(acknowledged_at=now, acknowledged_by="user:anna")
    Alert.objects.filter(pk=alert.pk).update(cleared_at=now)
    commands.cancel(commands.issue(station, intents.ClearCache(), by=alice, if_offline="wait"), by=alice)
    when = scheduled_commands.When(now + timedelta(hours=1))
    scheduled_commands.cancel(
        scheduled_commands.plan(station, intents.ClearCache(), when=when, by=alice), by=alice
    )
    provisioning.decide(station, Registration.REJECTED, by=alice)
    Presence.objects.filter(pk=station.pk).update(connected=False, disconnected_at=now)
    stations.retire(ChargingStation.objects.get(pk=station.pk), by=alice)
    return station


def happen(alice: Actor) -> None:
    """What triggers tell at the commit of a session is told at once here."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    live_through(alice)
    factories.make_token(alice, driver=factories.make_driver(alice))
    drivers.retire(factories.make_driver(alice), by=alice)
    webhooks.test(webhooks.create({"url": "https://93.184.216.34/hook"}, by=alice)[0], by=alice)
    outbox.relay(patiently=True)


def complaints(event: dict[str, Any]) -> list[str]:
    """What is wrong with an event's data by the component of its type, and which fields it lacks or has more."""
    name = DATA_OF[event["type"]].__name__
    document = {"$ref": f"#/components/schemas/{name}", "components": schema()["components"]}
    faults = [
        f"{one.json_path} {one.message}" for one in Draft202012Validator(document).iter_errors(event["data"])
    ]
    return [
        *faults,
        *set(schema()["components"]["schemas"][name]["properties"]).symmetric_difference(event["data"]),
    ]


def test_events_have_the_fields_that_are_told_for_their_type(
    api: APIClient, organization: Organization, alice: Actor
) -> None:
    happen(alice)
    events = results(api.get("/api/v1/events/", {"limit": "500"}, headers={"Accept": "application/json"}))
    wrong = {event["type"]: told for event in events if (told := complaints(event))}

    assert wrong == {}
    assert {event["type"] for event in events} >= {
        "site.created", "station.created", "station.booted", "station.connected", "station.disconnected",
        "station.retired",
        "station.registration_changed", "station.status_changed", "transaction.started", "transaction.ended",
        "transaction.priced", "command.settled", "command.scheduled", "command.unscheduled",
        "alert.raised", "alert.acknowledged", "alert.cleared", "token.created", "driver.created", "driver.retired",
        "tariff.created", "tariff.published",
    }  # fmt: skip


def test_every_type_of_event_is_told() -> None:
    assert set(DATA_OF) == set(outbox.SCOPE_OF)
