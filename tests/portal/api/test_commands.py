"""Commands through the API: what ends before it is sent, and one round trip over real sockets."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
import requests
from rest_framework.test import APIClient

from core.access import Actor
from core.models import AuditEntry, Organization
from portal.pace import AtOnce
from stations.models import ChargingStation, Command, Presence
from stations.services import stations
from tests import factories
from tests.running import Server
from tests.waiting import eventually
from tests.wire.client import dial


@pytest.fixture
def station(alice: Actor) -> ChargingStation:
    return factories.make_station(alice)[0]


def url(station: ChargingStation) -> str:
    return f"/api/v1/stations/{station.pk}/commands/"


def pretend_connected(station: ChargingStation, version: str) -> None:
    Presence.objects.filter(pk=station.pk).update(
        connected=True, gateway="elsewhere", epoch=1, ocpp_version=version
    )


def test_a_command_to_an_offline_station_fails_at_once_and_is_kept(
    api: APIClient, station: ChargingStation
) -> None:
    answer = api.post(url(station), {"command": "reset", "kind": "immediate"})

    assert answer.status_code == 202
    assert answer.json()["status"] == "failed"
    assert answer.json()["error"]["code"] == "offline"
    assert answer.json()["parameters"] == {"kind": "immediate"}
    assert api.get(answer["Location"]).json()["id"] == answer.json()["id"]
    assert AuditEntry.objects.filter(action="command.issued", object_id=answer.json()["id"]).exists()


def test_a_command_may_wait_for_an_offline_station_and_be_taken_back(
    api: APIClient, station: ChargingStation
) -> None:
    waiting = api.post(url(station), {"command": "reset", "kind": "on_idle", "if_offline": "wait"})
    taken_back = api.delete(waiting["Location"])
    too_late = api.delete(waiting["Location"])

    assert waiting.json()["status"] == "pending"
    assert taken_back.json()["status"] == "cancelled"
    assert too_late.status_code == 409


@pytest.mark.parametrize(
    "body",
    [
        {"command": "request_start_transaction", "token": {"value": "A", "type": "Central"}},
        {"command": "unlock_connector", "evse_id": 1},
    ],
)
def test_start_and_unlock_never_wait(api: APIClient, station: ChargingStation, body: dict[str, Any]) -> None:
    answer = api.post(url(station), {**body, "if_offline": "wait"})

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/if_offline"
    assert not Command.objects.filter(station=station).exists()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/command"),
        ({"command": "explode"}, "/command"),
        ({"command": 7}, "/command"),
        ({"command": "reset"}, "/kind"),
        ({"command": "reset", "kind": "soft"}, "/kind"),
        ({"command": "reset", "kind": "on_idle", "evse": 1}, "/evse"),
        ({"command": "unlock_connector", "evse_id": -1}, "/evse_id"),
        ({"command": "request_start_transaction", "token": {"type": "Central"}}, "/token/value"),
        ({"command": "set_variables", "items": []}, "/items"),
        ({"command": "reset", "kind": "on_idle", "expires_in": 0}, "/expires_in"),
    ],
)
def test_a_parameter_that_is_not_valid_is_named(
    api: APIClient, station: ChargingStation, body: dict[str, Any], pointer: str
) -> None:
    answer = api.post(url(station), body)

    assert answer.status_code == 400
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert not Command.objects.filter(station=station).exists()


def test_an_evse_that_the_station_does_not_have_is_refused(api: APIClient, station: ChargingStation) -> None:
    stations.add_evse(station, 1)

    answer = api.post(url(station), {"command": "unlock_connector", "evse_id": 9})

    assert answer.status_code == 400
    assert "no EVSE 9" in answer.json()["detail"]


def test_a_raw_call_is_checked_against_the_stations_version(api: APIClient, station: ChargingStation) -> None:
    pretend_connected(station, "1.6")

    wrong_field = api.post(url(station), {"command": "call", "action": "Reset", "payload": {"type": "Never"}})
    unknown = api.post(url(station), {"command": "call", "action": "GetVariables", "payload": {}})
    inbound = api.post(url(station), {"command": "call", "action": "BootNotification", "payload": {}})

    assert [answer.status_code for answer in (wrong_field, unknown, inbound)] == [400, 400, 400]
    assert wrong_field.json()["errors"][0]["pointer"] == "/payload/type"
    assert not Command.objects.filter(station=station).exists()


def test_a_raw_call_needs_the_expert_scope(
    api_with: Callable[..., APIClient], station: ChargingStation
) -> None:
    answer = api_with("commands:send").post(
        url(station), {"command": "call", "action": "ClearCache", "payload": {}}
    )

    assert answer.status_code == 403
    assert "commands:expert" in answer.json()["detail"]


def test_a_secret_in_a_command_is_masked_and_sealed(api: APIClient, station: ChargingStation) -> None:
    secret = "0123456789abcdef0123456789abcdef01234567"
    body = {
        "command": "set_variables",
        "items": [{"variable": "AuthorizationKey", "value": secret}],
        "if_offline": "wait",
    }

    answer = api.post(url(station), body)
    row = Command.objects.filter(pk=answer.json()["id"]).values().get()
    audited = str(list(AuditEntry.objects.filter(object_id=answer.json()["id"]).values()))

    assert answer.json()["parameters"]["items"][0]["value"] == "****"
    assert row["sealed"]
    assert secret not in str(row)
    assert secret not in audited


def test_a_stranger_can_neither_send_nor_see_nor_take_back(
    api: APIClient, stranger: APIClient, station: ChargingStation
) -> None:
    mine = api.post(url(station), {"command": "reset", "kind": "on_idle", "if_offline": "wait"})

    assert stranger.post(url(station), {"command": "reset", "kind": "on_idle"}).status_code == 404
    assert stranger.get(mine["Location"]).status_code == 404
    assert stranger.delete(mine["Location"]).status_code == 404
    assert Command.objects.get(station=station).status == "pending"


def test_a_command_reaches_the_station_and_its_answer_comes_back(live: Server) -> None:
    organization: Organization = factories.make_organization()
    alice = factories.make_actor(organization)
    station, password = factories.make_station(alice)
    headers = {"Authorization": f"Bearer {factories.make_key(organization)}"}

    with dial(live.ocpp_url, station, password) as socket:
        socket.boot()

        def answer_one() -> None:
            call = socket.next_call()
            socket.reply(call, {"status": "Accepted"})

        station_side = threading.Thread(target=answer_one)
        station_side.start()
        answer = requests.post(
            live.http_url + url(station),
            json={"command": "trigger_message", "message": "heartbeat"},
            headers={**headers, "Prefer": "wait=10"},
            timeout=20,
        )
        station_side.join(10)
        socket.call("Heartbeat", {})
        where = live.http_url + answer.headers["Location"]
        eventually(lambda: requests.get(where, headers=headers, timeout=5).json()["effect"] == "seen")

    assert answer.status_code == 200
    assert answer.json()["status"] == "accepted"
    assert answer.json()["response"] == {"status": "Accepted"}
    assert answer.json()["latency_ms"] >= 0


def test_who_finds_no_place_to_wait_is_answered_at_once(
    api: APIClient, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    station, _ = factories.make_station(alice)
    body = {"command": "clear_cache", "if_offline": "wait", "expires_in": 600}
    monkeypatch.setattr("portal.api.commands.waiting", AtOnce(each=0, in_all=0))
    waited: list[object] = []
    monkeypatch.setattr("stations.services.commands.wait_until_settled", lambda *words: waited.append(words))

    answer = api.post(url(station), body, headers={"Prefer": "wait=60"})

    assert (answer.status_code, answer.json()["status"], waited) == (202, "pending", [])


def test_a_wait_longer_than_there_is_is_refused_and_sends_nothing(api: APIClient, alice: Actor) -> None:
    station, _ = factories.make_station(alice)

    for seconds in (61, 1000):
        answer = api.post(url(station), {"command": "clear_cache"}, headers={"Prefer": f"wait={seconds}"})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/Prefer")
    assert not Command.objects.filter(station=station).exists()
