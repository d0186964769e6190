"""What a station does comes out of the event stream's source: each fact once, in order, figures included."""

from typing import Any

import pytest

from core.access import Actor
from core.models import Event
from core.services import outbox
from stations.domain import intents
from tests.factories import make_token
from tests.stations.ocpp.asking import VERSIONS, ask, now, with_effect
from tests.stations.ocpp.knocking import Charger
from tests.waiting import eventually
from tests.wire.client import WireStation
from tests.wire.golden import wire


def told(owner: Actor, prefix: str = "") -> list[Event]:
    outbox.relay(patiently=True)
    rows = Event.objects.filter(organization_id=owner.home, type__startswith=prefix).order_by("id")
    return list(rows)


def types(owner: Actor, prefix: str = "") -> list[str]:
    return [event.type for event in told(owner, prefix)]


def status(socket: WireStation, word: str) -> None:
    where: dict[str, Any] = {"connectorId": 1, "timestamp": now()}
    if socket.version == "1.6":
        socket.call("StatusNotification", {**where, "errorCode": "NoError", "status": word})
    else:
        socket.call("StatusNotification", {**where, "evseId": 1, "connectorStatus": word})


def charge(socket: WireStation, token: Any) -> None:
    """A session of 1200 Wh with meter values in between."""
    if socket.version != "1.6":
        for name in ("started", "updated", "ended"):
            payload = wire(f"v201/TransactionEvent.{name}", timestamp=now())
            socket.call("TransactionEvent", payload)
        return
    start = {"connectorId": 1, "idTag": token.value, "meterStart": 1000, "timestamp": now()}
    number = socket.call("StartTransaction", start)["transactionId"]
    for value in ("1300", "1600"):
        sampled = [{"timestamp": now(), "sampledValue": [{"value": value}]}]
        socket.call("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": sampled})
    socket.call("StopTransaction", {"transactionId": number, "meterStop": 2200, "timestamp": now()})


@pytest.mark.parametrize("version", VERSIONS)
def test_a_visit_is_told_from_the_connection_to_its_end(charger: Charger, alice: Actor, version: str) -> None:
    token = make_token(alice)
    with charger.dial(version) as socket:
        socket.boot()
        for word in ("Available", "Preparing" if version == "1.6" else "Occupied"):
            status(socket, word)
        status(socket, "Preparing" if version == "1.6" else "Occupied")
        socket.call("Heartbeat", {})
        charge(socket, token)
    eventually(lambda: "station.disconnected" in types(alice), what="the end of the connection")

    assert types(alice, "station.") == [
        "station.created",
        "station.connected",
        "station.booted",
        "station.status_changed",
        "station.status_changed",
        "station.disconnected",
    ]
    moved = ["transaction.started", "transaction.updated", "transaction.ended"]
    assert types(alice, "transaction.") == (moved[::2] if version == "1.6" else moved)
    ended = told(alice, "transaction.ended")[0].data
    assert (ended["status"], ended["energy_wh"], ended["evse_id"]) == ("ended", 1200, 1)
    at_the_site = [event for event in told(alice) if not event.type.startswith("token.")]
    assert {event.limit_id for event in at_the_site} == {charger.station.site_id}
    assert {event.object_id for event in told(alice, "station.")} == {charger.station.pk}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_command_is_told_when_it_has_ended_and_when_its_effect_is_seen(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        _, command = ask(charger, socket, alice, intents.ResetStation(kind="on_idle"), {"status": "Accepted"})
    with charger.dial(version) as socket:
        socket.boot()
        with_effect(command)
    settled, effect = told(alice, "command.")

    assert [settled.type, effect.type] == ["command.settled", "command.effect"]
    assert settled.object_id == effect.object_id == command.pk
    assert (settled.data["status"], settled.data["effect"]) == ("accepted", None)
    assert settled.data["response"] == {"status": "Accepted"}
    assert effect.data["effect"] == "seen"


def test_no_event_holds_a_token_or_a_password(charger: Charger, alice: Actor) -> None:
    token = make_token(alice)
    with charger.dial("1.6") as socket:
        socket.boot()
        charge(socket, token)
    texts = [str(event.data) for event in told(alice)]

    assert texts
    assert not [text for text in texts if token.value in text or charger.password in text]
