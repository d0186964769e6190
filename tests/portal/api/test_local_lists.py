"""``/local-lists/``: kept, changed, withdrawn, and their entries."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from core import clock
from core.access import Actor
from drivers.models import TokenGroup
from drivers.services import tokens
from stations.domain.local_lists import Entry, Shape
from stations.models import ChargingStation, Command, LocalList, Presence
from stations.services.local_lists import holding
from tests import factories
from tests.portal.api.conftest import results

URL = "/api/v1/local-lists/"


@pytest.fixture
def station(alice: Actor) -> ChargingStation:
    station, _ = factories.make_station(alice)
    Presence.objects.filter(pk=station.pk).update(
        connected=True, gateway="elsewhere", epoch=1, ocpp_version="2.0.1"
    )
    return station


@pytest.fixture
def fleet(alice: Actor) -> TokenGroup:
    return tokens.create_group(name="Fleet", token="FLEET1", by=alice)


def taken(station: ChargingStation, *entries: Entry) -> LocalList:
    """As if the station had taken the whole list."""
    row = holding.row_of(station.pk)
    holding.sending(station.pk, "full", Shape())
    (number,) = holding.number_messages(station.pk, 1)
    holding.took(station.pk, number, full=True, placed=entries, removed=[], at=clock.now())
    return row


def test_a_list_is_kept_and_shown_with_how_it_stands(
    api: APIClient, station: ChargingStation, fleet: TokenGroup, alice: Actor
) -> None:
    factories.make_token(alice, "IN", group=fleet)
    factories.make_token(alice, "OUT")
    made = api.post(URL, {"station": str(station.pk), "groups": [str(fleet.pk)]})
    shown = made.json()

    assert made.status_code == 201
    assert (shown["automatic"], shown["groups"], shown["state"]) == (True, [str(fleet.pk)], "unknown")
    assert (shown["entries"], shown["wanted_entries"], shown["version"]) == (0, 1, 0)
    assert api.get(made["Location"]).json() == shown
    assert results(api.get(URL, {"station": str(station.pk)})) == [shown]
    assert results(api.get(URL, {"automatic": "false"})) == []


def test_a_list_that_the_station_took_is_current_and_outdated_by_the_next_token(
    api: APIClient, station: ChargingStation, alice: Actor
) -> None:
    factories.make_token(alice, "ONE")
    row = taken(station, Entry(value="ONE", type="ISO14443", status="accepted"))
    current = api.get(f"{URL}{row.pk}/").json()
    factories.make_token(alice, "TWO")
    outdated = api.get(f"{URL}{row.pk}/").json()
    holding.version_told(station.pk, 9, clock.now())
    drifted = api.get(f"{URL}{row.pk}/").json()

    assert [one["state"] for one in (current, outdated, drifted)] == ["current", "outdated", "drifted"]
    assert (outdated["entries"], outdated["wanted_entries"], drifted["reported_version"]) == (1, 2, 9)


def test_a_list_is_changed_and_withdrawn(api: APIClient, station: ChargingStation, fleet: TokenGroup) -> None:
    path = api.post(URL, {"station": str(station.pk)})["Location"]
    patched = api.patch(path, {"groups": [str(fleet.pk)]}).json()
    put = api.put(path, {"automatic": False}).json()
    gone = api.delete(path)
    command = Command.objects.get(station=station)

    assert (patched["automatic"], patched["groups"]) == (True, [str(fleet.pk)])
    assert (put["automatic"], put["groups"]) == (False, [])
    assert (gone.status_code, gone.json()["withdrawn"]) == (202, True)
    assert (command.command, command.parameters, command.if_offline) == (
        "send_local_list", {"mode": "full"}, "wait",
    )  # fmt: skip
    assert api.post(URL, {"station": str(station.pk)}).json()["withdrawn"] is False


def test_a_lost_race_is_told(api: APIClient, station: ChargingStation) -> None:
    path = api.post(URL, {"station": str(station.pk)})["Location"]
    tag = api.get(path)["ETag"]
    api.patch(path, {"automatic": False})

    assert api.patch(path, {"automatic": True}, HTTP_IF_MATCH=tag).status_code == 412


def test_entries_are_shown_masked_to_those_who_may_not_see_drivers(
    api: APIClient, api_with: Callable[..., APIClient], station: ChargingStation
) -> None:
    row = taken(
        station,
        Entry(value="04A1B2C3D4", type="ISO14443", status="blocked", group_value="FLEET1"),
    )
    path = f"{URL}{row.pk}/entries/"
    expected = {"value": "04A1B2C3D4", "type": "ISO14443", "status": "blocked", "group_token": "FLEET1"}

    assert results(api.get(path)) == [{**expected, "expires_at": None}]
    assert [one["value"] for one in results(api_with("local-lists:read").get(path))] == ["…C3D4"]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"station": "0192f3a4-5b6c-7d8e-9f01-23456789abcd"}, "/station"),
        ({"groups": ["0192f3a4-5b6c-7d8e-9f01-23456789abcd"]}, "/groups/0"),
        ({"groups": "all"}, "/groups"),
        ({"automatic": "perhaps"}, "/automatic"),
        ({"mode": "full"}, "/mode"),
    ],
)
def test_a_wrong_field_is_named(
    api: APIClient, station: ChargingStation, changes: dict[str, Any], pointer: str
) -> None:
    answer = api.post(URL, {"station": str(station.pk), **changes})

    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert not LocalList.objects.filter(station=station).exists()


def test_a_stranger_sees_and_changes_nothing(
    api: APIClient, stranger: APIClient, station: ChargingStation, charlie: Actor
) -> None:
    made = api.post(URL, {"station": str(station.pk)}).json()
    path = f"{URL}{made['id']}/"
    foreign = tokens.create_group(name="Foreign", by=charlie)

    assert results(stranger.get(URL)) == []
    assert stranger.get(path).status_code == 404
    assert stranger.get(f"{path}entries/").status_code == 404
    assert stranger.patch(path, {"automatic": False}).status_code == 404
    assert stranger.put(path, {"automatic": False}).status_code == 404
    assert stranger.delete(path).status_code == 404
    assert stranger.post(URL, {"station": str(station.pk)}).status_code == 400
    assert api.patch(path, {"groups": [str(foreign.pk)]}).status_code == 400
    assert api.get(path).json() == made
    assert not Command.objects.filter(station=station).exists()


def test_each_way_needs_its_scope(
    api: APIClient, api_with: Callable[..., APIClient], station: ChargingStation
) -> None:
    path = api.post(URL, {"station": str(station.pk)})["Location"]
    reader, other = api_with("local-lists:read"), api_with("stations:read", "stations:write")

    assert reader.get(URL).status_code == 200
    assert reader.post(URL, {"station": str(station.pk)}).status_code == 403
    assert reader.delete(path).status_code == 403
    assert other.get(path).status_code == 403


@pytest.mark.parametrize(
    ("body", "parameters"),
    [
        ({"command": "send_local_list"}, {"mode": "differential"}),
        ({"command": "send_local_list", "mode": "full"}, {"mode": "full"}),
        ({"command": "get_local_list_version"}, {}),
    ],
)
def test_lists_are_commanded(
    api: APIClient, station: ChargingStation, body: dict[str, str], parameters: dict[str, str]
) -> None:
    sent = api.post(f"/api/v1/stations/{station.pk}/commands/", body)

    assert sent.status_code == 202
    assert (sent.json()["status"], sent.json()["parameters"]) == ("pending", parameters)


def test_an_odd_mode_is_refused(api: APIClient, station: ChargingStation) -> None:
    body = {"command": "send_local_list", "mode": "half"}

    assert api.post(f"/api/v1/stations/{station.pk}/commands/", body).status_code == 400
    assert not Command.objects.filter(station=station).exists()
