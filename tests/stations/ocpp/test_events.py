"""What a station does comes out of the event stream's source: each fact once, in order, figures included."""

from datetime import timedelta
from typing import Any

import pytest

from core import clock
from core.access import Actor
from core.models import Event
from core.services import outbox
from stations.domain import intents
from stations.models import Reservation
from tests.factories import make_token
from tests.portal.api.test_event_data import complaints
from tests.stations.ocpp.asking import VERSIONS, ask, ended, issue, now, with_effect
from tests.stations.ocpp.knocking import Charger
from tests.stations.ocpp.test_smart_charging import START, ended_set, next_of, set_profile
from tests.waiting import eventually
from tests.wire.client import WireStation
from tests.wire.golden import wire

CARD = "04A1B2C3D4"


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


def test_a_charging_profile_is_told_when_it_is_installed_changed_and_cleared(
    charger: Charger, alice: Actor
) -> None:
    lower = {"rate_unit": "A", "start_schedule": START, "periods": [{"start_s": 0, "limit": 8}]}
    with charger.dial("2.0.1") as socket:
        socket.boot()
        ended_set(charger, socket, alice, set_profile(1, id=7))
        ended_set(charger, socket, alice, set_profile(1, id=7, schedules=[lower]))
        command = issue(charger, alice, intents.ClearChargingProfile(charging_profile_id=7))
        socket.reply(next_of(socket, "ClearChargingProfile"), {"status": "Accepted"})
        ended(command)
    events = told(alice, "charging_profile.")

    assert [event.type for event in events] == [
        "charging_profile.installed",
        "charging_profile.changed",
        "charging_profile.cleared",
    ]
    limits = [event.data["charging_profile"]["schedules"][0]["periods"][0]["limit"] for event in events]
    assert [float(limit) for limit in limits] == [16, 8, 8]
    assert {(event.data["evse_id"], event.data["profile_id"]) for event in events} == {(1, 7)}
    assert len({event.object_id for event in events}) == 1
    assert {event.limit_id for event in events} == {charger.station.site_id}
    assert not [found for event in events if (found := complaints({"type": event.type, "data": event.data}))]


@pytest.mark.parametrize("version", VERSIONS)
def test_p255_a_reservation_that_a_session_uses_is_told_with_the_session(
    charger: Charger, alice: Actor, version: str
) -> None:
    make_token(alice, CARD, type_="ISO14443")
    wish = intents.ReserveNow(
        evse_id=1, token_value=CARD, token_type="ISO14443", expires_at=clock.now() + timedelta(hours=1)
    )
    with charger.dial(version) as socket:
        socket.boot()
        status(socket, "Available")
        ask(charger, socket, alice, wish, {"status": "Accepted"})
        number = Reservation.objects.get(station=charger.station).number
        if version == "1.6":
            socket.call(
                "StartTransaction", wire("v16/StartTransaction.plain", reservationId=number, timestamp=now())
            )
        else:
            started = wire("v201/TransactionEvent.started", reservationId=number, timestamp=now())
            socket.call("TransactionEvent", started)
    events = told(alice, "reservation.")

    assert [event.type for event in events] == [
        "reservation.created",
        "reservation.accepted",
        "reservation.used",
    ]
    session = told(alice, "transaction.started")[0].data["id"]
    assert [event.data["transaction"] for event in events] == [None, None, session]
    assert CARD not in str([event.data for event in events])


def test_no_event_holds_a_token_or_a_password(charger: Charger, alice: Actor) -> None:
    token = make_token(alice)
    with charger.dial("1.6") as socket:
        socket.boot()
        charge(socket, token)
    texts = [str(event.data) for event in told(alice)]

    assert texts
    assert not [text for text in texts if token.value in text or charger.password in text]
