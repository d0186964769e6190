"""Firmware rollouts by REST: a draft, whom it would reach, the second key, and what is refused."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from core.access import Actor
from stations.models import ChargingStation, Command, FirmwareImage, FirmwareRollout
from tests import factories
from tests.portal.api.conftest import results

URL = "/api/v1/firmware-rollouts/"


@pytest.fixture
def image(alice: Actor) -> FirmwareImage:
    return factories.make_image(alice, vendor="Acme")


@pytest.fixture
def stations(alice: Actor) -> list[ChargingStation]:
    """Two that the image is for, one that it is not for."""
    made = [factories.make_station(alice)[0] for _ in range(3)]
    for station, vendor in zip(made, ("Acme", "Acme", "Other"), strict=True):
        ChargingStation.objects.filter(pk=station.pk).update(
            vendor=vendor, model="AC22", firmware_version="1.0"
        )
    return made


@pytest.fixture
def drafted(api: APIClient, image: FirmwareImage, stations: list[ChargingStation]) -> dict[str, Any]:
    body = {
        "name": "North",
        "image": str(image.pk),
        "filter": {"model": "AC22"},
        "waves": [{"count": 1}, {"percent": 100}],
        "window": {"start_time": "22:00", "end_time": "05:00", "day_of_week": ["FRIDAY"]},
    }
    answer = api.post(URL, body)
    assert answer.status_code == 201, answer.content
    made: dict[str, Any] = answer.json()
    return made


def act(api: APIClient, rollout: dict[str, Any], word: str) -> Any:
    return api.post(f"{URL}{rollout['id']}/{word}/")


def test_a_draft_says_what_it_will_do_and_sends_nothing(api: APIClient, drafted: dict[str, Any]) -> None:
    read = api.get(f"{URL}{drafted['id']}/")

    assert read.json() == drafted
    assert (drafted["status"], drafted["paused_by"], drafted["soak_seconds"]) == ("draft", None, 3600)
    assert drafted["window"] == {"start_time": "22:00", "end_time": "05:00", "day_of_week": ["FRIDAY"]}
    assert drafted["waves"] == [{"count": 1}, {"percent": 100}]
    assert not Command.objects.exists()


def test_the_preview_names_the_waves_and_who_is_left_out_for_which_reason(
    api: APIClient, drafted: dict[str, Any], stations: list[ChargingStation]
) -> None:
    seen = api.get(f"{URL}{drafted['id']}/preview/").json()

    assert seen["count"] == 2
    api.patch(f"{URL}{drafted['id']}/", {"retries": 3})
    late = api.post(f"{URL}{drafted['id']}/start/", {"expected": seen["fingerprint"]})
    assert late.status_code == 409
    assert [len(wave) for wave in seen["waves"]] == [1, 1]
    assert seen["left_out"] == [
        {"station": str(stations[2].pk), "reason": "The image is for Acme, the station is of Other."}
    ]


def test_started_it_lists_where_each_station_stands(
    api: APIClient, drafted: dict[str, Any], stations: list[ChargingStation]
) -> None:
    answer = act(api, drafted, "start")

    assert (answer.status_code, answer.json()["status"]) == (200, "running")
    rows = results(api.get(f"{URL}{drafted['id']}/stations/"))
    assert sorted((row["wave"] or 0, row["status"]) for row in rows) == [
        (0, "skipped"), (1, "waiting"), (2, "waiting"),
    ]  # fmt: skip
    only = results(api.get(f"{URL}{drafted['id']}/stations/?status=skipped"))
    assert [row["station"] for row in only] == [str(stations[2].pk)]
    assert act(api, drafted, "start").status_code == 409


def test_w21_above_the_threshold_another_key_has_to_approve(
    api: APIClient, api_with: Callable[..., APIClient], drafted: dict[str, Any], settings: Any
) -> None:
    settings.SECOND_PERSON_ABOVE = 1
    assert act(api, drafted, "start").json()["status"] == "awaiting_approval"
    refused = act(api, drafted, "approve")
    approved = act(api_with("firmware:write", "firmware:read"), drafted, "approve")

    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert (approved.status_code, approved.json()["status"]) == (200, "running")
    assert approved.json()["approved_by"] != approved.json()["requested_by"]


def test_w21_small_rollouts_of_two_persons_do_not_count_together(
    api: APIClient,
    api_with: Callable[..., APIClient],
    drafted: dict[str, Any],
    stations: list[ChargingStation],
    settings: Any,
) -> None:
    settings.SECOND_PERSON_ABOVE = 2
    other = factories.make_station(factories.make_actor(stations[0].organization, name="dan"))[0]
    assert act(api, drafted, "start").json()["status"] == "running"
    ChargingStation.objects.filter(pk=other.pk).update(vendor="Acme", model="AC22", firmware_version="1.0")
    body = {"image": drafted["image"], "stations": [str(other.pk)]}
    own, theirs = api.post(URL, body).json(), api.post(URL, body).json()

    assert act(api, own, "start").json()["status"] == "awaiting_approval"
    assert act(api, own, "abort").status_code == 200
    assert act(api_with("*"), theirs, "start").json()["status"] == "running"


def test_w21_what_a_person_told_one_by_one_counts_for_their_rollout(
    api: APIClient,
    api_with: Callable[..., APIClient],
    drafted: dict[str, Any],
    stations: list[ChargingStation],
    settings: Any,
) -> None:
    settings.SECOND_PERSON_ABOVE = 2
    reset = {"command": "reset", "kind": "on_idle", "if_offline": "wait"}
    theirs = api.post(URL, {"image": drafted["image"], "stations": [str(stations[1].pk)]}).json()
    for station in (stations[0], stations[2]):
        assert api.post(f"/api/v1/stations/{station.pk}/commands/", reset).status_code == 202

    assert act(api, drafted, "start").json()["status"] == "awaiting_approval"
    assert act(api, drafted, "abort").status_code == 200
    assert act(api_with("*"), theirs, "start").json()["status"] == "running"


def test_w21_the_same_stations_told_again_are_not_more_stations_for_a_rollout(
    api: APIClient, drafted: dict[str, Any], stations: list[ChargingStation], settings: Any
) -> None:
    settings.SECOND_PERSON_ABOVE = 2
    reset = {"command": "reset", "kind": "on_idle", "if_offline": "wait"}
    for station in stations[:2]:
        assert api.post(f"/api/v1/stations/{station.pk}/commands/", reset).status_code == 202

    assert act(api, drafted, "start").json()["status"] == "running"


def test_a_draft_can_be_changed_and_what_was_started_cannot(api: APIClient, drafted: dict[str, Any]) -> None:
    path = f"{URL}{drafted['id']}/"
    changed = api.patch(path, {"soak_seconds": 60, "window": None, "waves": []})
    assert (changed.status_code, changed.json()["soak_seconds"]) == (200, 60)
    assert (changed.json()["window"], changed.json()["waves"]) == (None, [])
    act(api, drafted, "start")

    assert api.patch(path, {"soak_seconds": 1}).status_code == 409
    assert api.delete(path).status_code == 409
    assert act(api, drafted, "abort").json()["status"] == "aborted"
    assert api.delete(path).status_code == 204


def test_a_lost_race_changes_nothing(api: APIClient, drafted: dict[str, Any]) -> None:
    path = f"{URL}{drafted['id']}/"
    tag = api.get(path)["ETag"]
    api.patch(path, {"retries": 5})

    assert api.patch(path, {"retries": 7}, headers={"If-Match": tag}).status_code == 412
    assert api.get(path).json()["retries"] == 5


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"waves": [{"count": 1, "percent": 5}]}, "waves"),
        ({"waves": [{}]}, "waves"),
        ({"waves": [{"percent": 101}]}, "waves"),
        ({"window": {"start_time": "22:00"}}, "window"),
        ({"window": {"start_time": "22:00", "end_time": "22:00"}}, "window"),
        ({"failure_threshold": 0}, "failure_threshold"),
        ({"concurrency": 0}, "concurrency"),
        ({"filter": {}}, "filter"),
        ({"filter": {"color": "red"}}, "filter"),
        ({"stations": ["not an id"]}, "stations"),
        ({"image": "0192f3a4-5b6c-7d8e-9f01-23456789abcd"}, "image"),
        ({"speed": "fast"}, "speed"),
    ],
)
def test_what_is_wrong_is_refused_by_its_field(
    api: APIClient, image: FirmwareImage, wrong: dict[str, Any], field: str
) -> None:
    answer = api.post(URL, {"image": str(image.pk), "filter": {"model": "AC22"}, **wrong})

    assert answer.status_code == 400, answer.content
    assert field in answer.content.decode()
    assert not FirmwareRollout.objects.exists()


@pytest.mark.parametrize("body", ["null", "[]", '""', "0"])
def test_a_start_with_a_body_that_is_no_object_starts_nothing(
    api: APIClient, image: FirmwareImage, body: str
) -> None:
    drafted = api.post(URL, {"image": str(image.pk), "filter": {"model": "AC22"}}).json()
    answer = api.generic("POST", f"{URL}{drafted['id']}/start/", body, content_type="application/json")

    assert answer.status_code == 400, answer.content
    assert FirmwareRollout.objects.get().status == "draft"


def test_a_repeated_request_drafts_once(api: APIClient, image: FirmwareImage) -> None:
    body = {"image": str(image.pk), "filter": {"model": "AC22"}}
    first, second = (api.post(URL, body, headers={"Idempotency-Key": "one"}) for _ in range(2))

    assert first.json() == second.json()
    assert FirmwareRollout.objects.count() == 1


def test_a_key_that_only_reads_decides_nothing(
    api: APIClient, api_with: Callable[..., APIClient], drafted: dict[str, Any]
) -> None:
    reader = api_with("firmware:read")

    assert reader.get(f"{URL}{drafted['id']}/").status_code == 200
    assert act(reader, drafted, "start").status_code == 403
    assert api.get(f"{URL}{drafted['id']}/").json()["status"] == "draft"


def test_one_of_another_organization_does_not_exist(
    api: APIClient, drafted: dict[str, Any], stranger: APIClient
) -> None:
    for path in ("", "preview/", "stations/"):
        assert stranger.get(f"{URL}{drafted['id']}/{path}").status_code == 404
    for word in ("start", "approve", "pause", "resume", "abort", "retry", "rollback"):
        assert stranger.post(f"{URL}{drafted['id']}/{word}/", {}).status_code == 404, word
    assert results(stranger.get(URL)) == []


def test_one_station_is_told_of_an_image_by_its_id_alone(
    api: APIClient, image: FirmwareImage, stations: list[ChargingStation]
) -> None:
    path = f"/api/v1/stations/{stations[0].pk}/commands/"
    body = {"command": "update_firmware", "image": str(image.pk), "if_offline": "wait"}
    answer = api.post(path, body)
    wrong = api.post(f"/api/v1/stations/{stations[2].pk}/commands/", body)
    both = api.post(path, {**body, "location": "https://firmware.example.org/a.bin"})
    neither = api.post(path, {"command": "update_firmware"})

    assert answer.status_code == 202, answer.content
    told = answer.json()["parameters"]
    assert (told["version"], told["image"]) == (image.version, str(image.pk))
    assert "****" in told["location"]
    assert (wrong.status_code, both.status_code, neither.status_code) == (400, 400, 400)
    assert "is for Acme" in wrong.content.decode()
