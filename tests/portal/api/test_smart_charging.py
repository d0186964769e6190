"""Charging profiles through the API: the commands, and ``/charging-profiles/``."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from core import clock
from core.access import Actor
from core.models import ApiKey, Organization
from stations.models import (
    ChargingLimit,
    ChargingPlan,
    ChargingStation,
    Command,
    CompositeSchedule,
    Evse,
    InstalledProfile,
    Transaction,
)
from stations.services import access, sites, stations
from tests import factories
from tests.portal.api.conftest import client_with, results

URL = "/api/v1/charging-profiles/"
SCHEDULE = {
    "rate_unit": "A",
    "start_schedule": "2026-12-01T00:00:00Z",
    "periods": [{"start_s": 0, "limit": 15.9}],
}
PROFILE = {"purpose": "tx_default_profile", "kind": "absolute", "stack_level": 1, "schedules": [SCHEDULE]}


@pytest.fixture
def station(alice: Actor) -> ChargingStation:
    made = factories.make_station(alice)[0]
    stations.add_evse(made, 1)
    return made


@pytest.fixture
def installed(station: ChargingStation) -> InstalledProfile:
    return InstalledProfile.objects.create(
        station=station,
        evse_id=1,
        profile_id=41,
        purpose="tx_default_profile",
        kind="absolute",
        stack_level=1,
        source="CSO",
        content={**PROFILE, "id": 41},
        installed_at=clock.now(),
    )


@pytest.fixture
def session(station: ChargingStation) -> Transaction:
    return Transaction.objects.create(
        organization_id=station.organization_id,
        site_id=station.site_id,
        station=station,
        evse=Evse.objects.get(station=station, evse_id=1),
        reference="tx-1",
        started_at=clock.now(),
        last_event_at=clock.now(),
    )


def send(api: APIClient, station: ChargingStation, **body: Any) -> Any:
    return api.post(f"/api/v1/stations/{station.pk}/commands/", body)


def test_a_profile_is_checked_numbered_and_stored_with_its_command(
    api: APIClient, station: ChargingStation
) -> None:
    answer = send(api, station, command="set_charging_profile", evse_id=1, charging_profile=PROFILE)

    assert answer.status_code == 202
    told = answer.json()["parameters"]["charging_profile"]
    assert told["id"] > 0
    assert told["schedules"][0]["periods"] == [{"start_s": 0, "limit": 15.9}]
    assert answer.json()["status"] == "failed"
    assert answer.json()["error"]["code"] == "offline"


def test_a_profile_of_a_session_is_for_its_evse(
    api: APIClient, station: ChargingStation, session: Transaction
) -> None:
    profile = {**PROFILE, "purpose": "tx_profile"}
    answer = send(
        api,
        station,
        command="set_charging_profile",
        transaction=str(session.pk),
        charging_profile=profile,
    )

    assert answer.status_code == 202
    assert answer.json()["transaction"] == str(session.pk)
    assert answer.json()["parameters"]["evse_id"] == 1
    assert answer.json()["parameters"]["charging_profile"]["transaction_reference"] == "tx-1"


BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "/charging_profile"),
    ({"charging_profile": {**PROFILE, "purpose": "charging_station_external_constraints"}}, "/purpose"),
    ({"charging_profile": {**PROFILE, "kind": "odd"}}, "/kind"),
    ({"charging_profile": {**PROFILE, "schedules": []}}, "/schedules"),
    ({"charging_profile": {**PROFILE, "stack_levle": 1}}, "/stack_levle"),
    ({"charging_profile": {**PROFILE, "schedules": [{**SCHEDULE, "rate_unit": "kW"}]}}, "/rate_unit"),
    ({"charging_profile": {**PROFILE, "schedules": [{**SCHEDULE, "periods": []}]}}, "/periods"),
    (
        {
            "charging_profile": {
                **PROFILE,
                "schedules": [{**SCHEDULE, "periods": [{"start_s": 1, "limit": 1}]}],
            }
        },
        "/periods",
    ),
    ({"charging_profile": PROFILE, "evse_id": -1}, "/evse_id"),
    ({"charging_profile": PROFILE, "evse_id": 9}, "/evse_id"),
    ({"charging_profile": {**PROFILE, "recurrency": "daily"}}, "/recurrency"),
    ({"charging_profile": PROFILE, "transaction": "0192f3a4-5b6c-7d8e-9f01-23456789abcd"}, "/transaction"),
]


@pytest.mark.parametrize(("body", "pointer"), BAD)
def test_bad_profiles_are_400_and_name_the_field(
    api: APIClient, station: ChargingStation, body: dict[str, Any], pointer: str
) -> None:
    answer = send(api, station, command="set_charging_profile", **body)

    assert answer.status_code == 400, answer.content
    assert pointer in answer.json()["errors"][0]["pointer"]
    assert not Command.objects.filter(station=station).exists()


def test_a_profile_for_a_session_that_does_not_run_is_409(api: APIClient, station: ChargingStation) -> None:
    profile = {**PROFILE, "purpose": "tx_profile"}
    answer = send(api, station, command="set_charging_profile", evse_id=1, charging_profile=profile)

    assert answer.status_code == 409
    assert "tx_default_profile" in answer.json()["detail"]


OTHERS: list[dict[str, Any]] = [
    {"command": "clear_charging_profile", "purpose": "tx_default_profile", "evse_id": 1},
    {"command": "get_charging_profiles", "evse_id": 0, "sources": ["EMS"]},
    {"command": "get_composite_schedule", "evse_id": 1, "duration": 600, "unit": "A"},
    {"command": "afrr_signal", "timestamp": "2026-12-01T00:00:00Z", "signal": -3},
]


@pytest.mark.parametrize("body", OTHERS, ids=[body["command"] for body in OTHERS])
def test_the_other_commands_are_stored_with_their_parameters(
    api: APIClient, station: ChargingStation, body: dict[str, Any]
) -> None:
    answer = send(api, station, **body)

    assert answer.status_code == 202, answer.content
    assert answer.json()["command"] == body["command"]


def test_commands_about_a_session_name_the_stations_id_of_it(
    api: APIClient, station: ChargingStation, session: Transaction
) -> None:
    priority = send(api, station, command="use_priority_charging", transaction=str(session.pk))
    allowed = send(
        api,
        station,
        command="notify_allowed_energy_transfer",
        transaction=str(session.pk),
        allowed=["DC_BPT"],
    )

    assert priority.json()["parameters"]["reference"] == "tx-1"
    assert priority.json()["parameters"]["activate"] is True
    assert allowed.json()["parameters"]["allowed"] == ["DC_BPT"]


def test_only_a_dynamic_profile_can_be_updated(
    api: APIClient, station: ChargingStation, installed: InstalledProfile
) -> None:
    body = {"command": "update_dynamic_schedule", "charging_profile_id": 41, "update": {"setpoint": 5}}
    refused = send(api, station, **body)
    InstalledProfile.objects.filter(pk=installed.pk).update(kind="dynamic")
    taken = send(api, station, **body)

    assert refused.status_code == 409
    assert taken.status_code == 202


def test_installed_profiles_are_listed_filtered_and_read(
    api: APIClient, station: ChargingStation, installed: InstalledProfile
) -> None:
    row = results(api.get(f"{URL}?station={station.pk}&purpose=tx_default_profile"))[0]

    assert row["profile_id"] == 41
    assert (row["evse_id"], row["source"], row["transaction"]) == (1, "CSO", None)
    assert row["charging_profile"] == {**PROFILE, "id": 41}
    assert results(api.get(f"{URL}?source=EMS")) == []
    assert api.get(f"{URL}{installed.pk}/").json() == row
    assert "text/csv" in api.get(URL, headers={"Accept": "text/csv"})["Content-Type"]


def test_a_profile_is_installed_replaced_and_cleared_by_commands(
    api: APIClient, station: ChargingStation, installed: InstalledProfile
) -> None:
    new = api.post(URL, {"station": str(station.pk), "evse_id": 1, "charging_profile": PROFILE})
    put = api.put(f"{URL}{installed.pk}/", {"charging_profile": {**PROFILE, "stack_level": 2}})
    patch = api.patch(f"{URL}{installed.pk}/", {"charging_profile": {"valid_to": "2030-01-01T00:00:00Z"}})
    delete = api.delete(f"{URL}{installed.pk}/")

    assert [answer.status_code for answer in (new, put, patch, delete)] == [202] * 4
    assert new.json()["parameters"]["charging_profile"]["id"] == 41
    assert put.json()["parameters"]["charging_profile"]["stack_level"] == 2
    patched = patch.json()["parameters"]["charging_profile"]
    assert (patched["id"], patched["stack_level"]) == (41, 1)
    assert patched["valid_to"].startswith("2030-01-01T00:00:00")
    assert delete.json()["command"] == "clear_charging_profile"
    assert delete.json()["parameters"] == {"charging_profile_id": 41}
    assert api.get(delete["Location"]).json()["id"] == delete.json()["id"]
    assert InstalledProfile.objects.filter(pk=installed.pk).exists()


def test_a_repeated_post_with_the_same_key_sends_one_command(
    api: APIClient, station: ChargingStation
) -> None:
    body = {"station": str(station.pk), "evse_id": 1, "charging_profile": PROFILE}
    first, again = (api.post(URL, body, headers={"Idempotency-Key": "one"}) for _ in range(2))

    assert first.json()["id"] == again.json()["id"]
    assert Command.objects.filter(station=station).count() == 1


def test_profiles_of_others_at_the_station_cannot_be_changed(
    api: APIClient, installed: InstalledProfile
) -> None:
    InstalledProfile.objects.filter(pk=installed.pk).update(source="EMS")
    answer = api.put(f"{URL}{installed.pk}/", {"charging_profile": PROFILE})

    assert answer.status_code == 400
    assert not Command.objects.filter(station=installed.station).exists()


def test_strangers_see_and_change_nothing(
    stranger: APIClient, station: ChargingStation, installed: InstalledProfile
) -> None:
    where = f"{URL}{installed.pk}/"
    body = {"station": str(station.pk), "charging_profile": PROFILE}

    assert results(stranger.get(URL)) == []
    assert stranger.post(URL, body).status_code == 400
    assert stranger.get(where).status_code == 404
    assert stranger.put(where, {"charging_profile": PROFILE}).status_code == 404
    assert stranger.patch(where, {"charging_profile": {"stack_level": 2}}).status_code == 404
    assert stranger.delete(where).status_code == 404
    assert (
        send(stranger, station, command="set_charging_profile", charging_profile=PROFILE).status_code == 404
    )
    assert not Command.objects.filter(station=station).exists()


def test_a_key_limited_to_another_site_sees_and_changes_nothing(
    organization: Organization, alice: Actor, station: ChargingStation, installed: InstalledProfile
) -> None:
    other = sites.create({"name": "Elsewhere", "time_zone": "Europe/Berlin"}, by=alice)
    secret = factories.make_key(organization)
    key = ApiKey.objects.filter(organization=organization).latest("created_at")
    access.limit_key(key, [str(other.pk)], by=alice)
    limited = client_with(secret)
    where = f"{URL}{installed.pk}/"

    assert results(limited.get(URL)) == []
    assert limited.get(where).status_code == 404
    assert limited.put(where, {"charging_profile": PROFILE}).status_code == 404
    assert limited.delete(where).status_code == 404
    assert limited.post(URL, {"station": str(station.pk), "charging_profile": PROFILE}).status_code == 400
    for body in OTHERS:
        assert send(limited, station, **body).status_code == 404
    assert not Command.objects.filter(station=station).exists()


def test_each_method_needs_its_scope(
    api_with: Callable[..., APIClient], station: ChargingStation, installed: InstalledProfile
) -> None:
    reader = api_with("charging-profiles:read")
    writer = api_with("charging-profiles:write")
    body = {"station": str(station.pk), "charging_profile": PROFILE}

    assert reader.get(URL).status_code == 200
    assert reader.post(URL, body).status_code == 403
    assert reader.delete(f"{URL}{installed.pk}/").status_code == 403
    assert writer.get(URL).status_code == 403
    assert not Command.objects.filter(station=station).exists()


def test_the_documentation_knows_every_command_and_the_resource(api: APIClient) -> None:
    schema = api.get("/api/v1/schema/", headers={"Accept": "application/vnd.oai.openapi+json"}).json()

    assert set(schema["paths"][URL]) >= {"get", "post"}
    assert set(schema["paths"][f"{URL}{{id}}/"]) >= {"get", "put", "patch", "delete"}
    assert {"SetChargingProfileBodyRequest", "AfrrSignalBodyRequest"} <= set(schema["components"]["schemas"])


def test_limits_of_others_and_composite_schedules_hang_below_their_station(
    api: APIClient, stranger: APIClient, station: ChargingStation
) -> None:
    periods = [{"start_s": 0, "limit": 8.5}]
    for source, cleared_at in (("EMS", None), ("SO", clock.now())):
        ChargingLimit.objects.create(
            station=station,
            evse_id=1,
            source=source,
            schedules=[{"id": 1, "rate_unit": "A", "periods": periods}],
            notified_at=clock.now(),
            cleared_at=cleared_at,
        )
    CompositeSchedule.objects.create(
        station=station,
        evse_id=1,
        rate_unit="A",
        starts_at=clock.now(),
        duration_s=600,
        periods=periods,
        received_at=clock.now(),
    )
    below = f"/api/v1/stations/{station.pk}/"
    (limit,) = results(api.get(f"{below}charging-limits/?holds=true"))
    (curve,) = results(api.get(f"{below}composite-schedules/"))

    assert (limit["source"], limit["schedules"][0]["periods"]) == ("EMS", periods)
    assert len(results(api.get(f"{below}charging-limits/"))) == 2
    assert (curve["rate_unit"], curve["duration_s"], curve["periods"]) == ("A", 600, periods)
    for path in ("charging-limits/", "composite-schedules/"):
        assert stranger.get(below + path).status_code == 404


def test_a_session_tells_what_its_car_asks_for(api: APIClient, session: Transaction) -> None:
    url = f"/api/v1/transactions/{session.pk}/"
    before = api.get(url).json()["charging_plan"]
    ChargingPlan.objects.create(
        transaction=session,
        energy_transfer="DC",
        requested_wh=40_000,
        soc_percent=35,
        departure_at=clock.now(),
        needs={"details": {"requestedEnergyTransfer": "DC"}},
        needs_at=clock.now(),
    )
    plan = api.get(url).json()["charging_plan"]

    assert before is None
    assert (plan["requested_wh"], plan["soc_percent"], plan["energy_transfer"]) == (40_000, 35, "DC")
    assert plan["needs"]["details"]["requestedEnergyTransfer"] == "DC"
    assert plan["priority"] is None


def test_what_was_read_of_a_profile_can_be_put_back(api: APIClient, installed: InstalledProfile) -> None:
    installed.content = {**installed.content, "transaction_reference": "tx-1"}
    installed.save(update_fields=["content"])
    url = f"/api/v1/charging-profiles/{installed.pk}/"
    read = api.get(url).json()

    assert "transaction_reference" not in read["charging_profile"]
    assert api.put(url, read).status_code == 202
    elsewhere = api.put(url, {**read, "evse_id": 2})
    assert (elsewhere.status_code, elsewhere.json()["errors"][0]["pointer"]) == (400, "/evse_id")
    assert api.put(url, {"evse_id": read["evse_id"]}).status_code == 400
