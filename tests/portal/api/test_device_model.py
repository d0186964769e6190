"""The device model, monitoring, capabilities and quirks through the API."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from core import clock
from core.access import Actor
from portal.api.command_bodies import BODIES, EXAMPLES
from stations.domain.events import VariableReported
from stations.domain.monitoring import MonitorReported, PartReceived, StreamOpened, StreamReceived
from stations.domain.station import StationRef
from stations.models import ChargingStation, Command, EventStream, NetworkProfile, Quirk
from stations.services import device_model, monitors, quirks, streams
from tests import factories
from tests.portal.api.conftest import results

BELOW = ("variables/history", "reports", "monitors", "station-events", "streams", "network-profiles")


@pytest.fixture
def station(alice: Actor) -> ChargingStation:
    return factories.make_station(alice)[0]


@pytest.fixture
def told(station: ChargingStation) -> ChargingStation:
    """A station that told of a variable, a monitor and a stream."""
    side = StationRef(station_id=station.pk, organization_id=station.organization_id)
    now = clock.now()
    for value in ("300", "600"):
        item = VariableReported(
            component="OCPPCommCtrlr", variable="HeartbeatInterval", value=value, max_limit=3600
        )
        device_model.store(side, [item], now)
    part = PartReceived(request_id=4, seq_no=1, to_be_continued=False, generated_at=now)
    monitors.store_part(
        side, part, [MonitorReported(number=7, component="EVSE", variable="Power", value=5)], now
    )
    streams.open_(side, StreamOpened(number=3, monitor_number=7, interval_s=60), now)
    streams.store(side, StreamReceived(number=3, pending=0, values=((now, "41"),)), now)
    NetworkProfile.objects.create(station=station, slot=2, url="wss://portal.example.org/ocpp")
    return station


def url(station: ChargingStation, name: str) -> str:
    return f"/api/v1/stations/{station.pk}/{name}/"


def test_what_a_station_told_is_read_below_it(api: APIClient, told: ChargingStation) -> None:
    history = results(api.get(url(told, "variables/history"), {"variable": "HeartbeatInterval"}))
    [report] = results(api.get(url(told, "reports")))
    [monitor] = results(api.get(url(told, "monitors"), {"active": "true"}))
    [stream] = results(api.get(url(told, "streams")))
    [value] = results(api.get(url(told, f"streams/{stream['id']}/values")))
    [profile] = results(api.get(url(told, "network-profiles")))
    [variable] = results(api.get(url(told, "variables")))

    assert [(one["value"], one["source"]) for one in history] == [("600", "reported"), ("300", "reported")]
    assert (report["about"], report["state"], report["missing"]) == ("monitors", "arriving", [0])
    assert (monitor["number"], monitor["alerting"]) == (7, False)
    assert (stream["monitor"], value["value"]) == (7, "41")
    assert profile["slot"] == 2
    assert float(variable["max_limit"]) == 3600


@pytest.mark.parametrize("name", BELOW)
def test_a_stranger_and_a_key_without_the_scope_read_none_of_it(
    stranger: APIClient, api_with: Callable[..., APIClient], told: ChargingStation, name: str
) -> None:
    assert stranger.get(url(told, name)).status_code == 404
    assert api_with("sites:read").get(url(told, name)).status_code == 403


def test_a_stream_of_another_station_is_not_found(
    api: APIClient, alice: Actor, told: ChargingStation
) -> None:
    other = factories.make_station(alice)[0]
    stream = EventStream.objects.get(station=told)

    assert api.get(url(other, f"streams/{stream.pk}/values")).status_code == 404


def test_capabilities_are_read_and_forgotten(
    api: APIClient, stranger: APIClient, api_with: Callable[..., APIClient], station: ChargingStation
) -> None:
    station.capabilities = {
        "reservation": {
            "answer": {"able": False, "detail": "ReserveNow: NotSupported", "at": "2025-03-01T10:00:00+00:00"}
        }
    }
    station.save()
    where = url(station, "capabilities")
    shown = {line["capability"]: line for line in api.get(where).json()}

    assert (shown["reservation"]["supported"], shown["reservation"]["source"]) == (False, "answer")
    assert (shown["smart_charging"]["supported"], shown["smart_charging"]["source"]) == (True, None)
    assert stranger.delete(where).status_code == 404
    assert api_with("stations:read").delete(where).status_code == 403
    assert api.delete(where).status_code == 204
    station.refresh_from_db()
    assert station.capabilities == {}


def test_a_quirk_is_created_changed_and_deleted(api: APIClient) -> None:
    body = {"vendor": "Acme", "reason": "No pong.", "tolerances": {"no_pong": True}}
    made = api.post("/api/v1/quirks/", body, format="json")
    where = f"/api/v1/quirks/{made.json()['id']}/"
    changed = api.patch(where, {"call_timeout_s": 60}, format="json")

    assert made.status_code == 201
    assert (made.json()["example"], made.json()["tolerances"]) == (False, {"no_pong": True})
    assert changed.json()["call_timeout_s"] == 60
    assert any(
        one["id"] == made.json()["id"] for one in results(api.get("/api/v1/quirks/", {"vendor": "Acme"}))
    )
    assert api.delete(where).status_code == 204
    assert api.get(where).status_code == 404


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"reason": "x"}, "/vendor"),
        ({"vendor": "Acme"}, "/reason"),
        ({"vendor": "Acme", "reason": "x", "call_timeout_s": 1}, "/call_timeout_s"),
        ({"vendor": "Acme", "reason": "x", "tolerances": {"moon": True}}, "/tolerances"),
        ({"vendor": "Acme", "reason": "x", "moon": 1}, "/moon"),
    ],
)
def test_a_quirk_that_is_not_valid_is_named(api: APIClient, body: dict[str, Any], pointer: str) -> None:
    answer = api.post("/api/v1/quirks/", body, format="json")

    assert answer.status_code in (400, 422)
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert not Quirk.objects.filter(vendor="Acme").exists()


def test_a_stranger_changes_no_quirk_and_nobody_an_example(
    api: APIClient, stranger: APIClient, api_with: Callable[..., APIClient], alice: Actor
) -> None:
    made = quirks.create({"vendor": "Acme", "reason": "x"}, by=alice)
    example = Quirk.objects.filter(organization=None)[0]

    assert stranger.get(f"/api/v1/quirks/{made.pk}/").status_code == 404
    assert stranger.delete(f"/api/v1/quirks/{made.pk}/").status_code == 404
    assert api_with("stations:read").delete(f"/api/v1/quirks/{made.pk}/").status_code == 403
    assert api.get(f"/api/v1/quirks/{example.pk}/").json()["example"] is True
    assert api.delete(f"/api/v1/quirks/{example.pk}/").status_code == 403


NEW = (
    "get_report",
    "clear_cache",
    "set_variable_monitoring",
    "clear_variable_monitoring",
    "get_monitoring_report",
    "set_monitoring_base",
    "set_monitoring_level",
    "customer_information",
    "adjust_periodic_event_stream",
    "get_periodic_event_stream",
)


@pytest.mark.parametrize("name", NEW)
def test_the_example_of_each_command_is_taken(api: APIClient, station: ChargingStation, name: str) -> None:
    answer = api.post(url(station, "commands"), {"command": name, **EXAMPLES[name]}, format="json")

    assert answer.status_code == 202, answer.content
    assert answer.json()["error"]["code"] == "offline"
    assert api.get(answer["Location"]).json()["command"] == name


def test_every_command_has_a_body_and_an_example() -> None:
    assert set(BODIES) == set(EXAMPLES)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"command": "get_report"}, "/criteria"),
        ({"command": "set_variable_monitoring", "items": []}, "/items"),
        ({"command": "set_monitoring_level", "severity": 10}, "/severity"),
        ({"command": "customer_information", "report": True, "clear": False}, "/token"),
        (
            {"command": "customer_information", "report": False, "clear": False, "customer_identifier": "x"},
            "/report",
        ),
        ({"command": "set_network_profile", "slot": 1, "url": "http://x", "security_profile": 2}, "/url"),
        ({"command": "set_network_profile", "slot": 1, "url": "wss://x", "security_profile": 2}, "/slot"),
    ],
)
def test_a_parameter_of_these_commands_that_is_not_valid_is_named(
    api: APIClient, station: ChargingStation, body: dict[str, Any], pointer: str
) -> None:
    answer = api.post(url(station, "commands"), body, format="json")

    assert answer.status_code in (400, 409)
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert not Command.objects.filter(station=station).exists()


def test_the_identifier_of_a_customer_is_shown_to_nobody(api: APIClient, station: ChargingStation) -> None:
    body = {
        "command": "customer_information",
        "report": True,
        "clear": False,
        "customer_identifier": "C-77-secret",
    }
    answer = api.post(url(station, "commands"), body, format="json")

    assert "C-77-secret" not in answer.content.decode()
    assert "C-77-secret" not in str(Command.objects.get(station=station).parameters)
