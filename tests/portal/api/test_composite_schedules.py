"""``/tools/composite-schedule/`` (energy section 3)."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from portal.api.composite_schedules import EXAMPLE
from stations.models import Command

URL = "/api/v1/tools/composite-schedule/"


def changed(**schedule: Any) -> dict[str, Any]:
    """The example with another schedule in its profile."""
    profile = EXAMPLE["profiles"][0]["charging_profile"]
    content = {**profile, "schedules": [{**profile["schedules"][0], **schedule}]}
    return {**EXAMPLE, "profiles": [{"evse_id": 1, "charging_profile": content}]}


def test_profiles_are_reckoned_and_nothing_is_sent(api: APIClient) -> None:
    answer = api.post(URL, EXAMPLE)

    assert answer.status_code == 200, answer.content
    assert answer.json() == {
        "evse_id": 1, "starts_at": "2026-12-01T00:00:00Z", "duration_s": 7200, "rate_unit": "A",
        "periods": [
            {"start_s": 0, "limit": 16, "number_phases": None},
            {"start_s": 3600, "limit": 10, "number_phases": None},
        ],
    }  # fmt: skip
    assert not Command.objects.exists()


def test_the_station_is_the_sum_of_its_evses_in_watt(api: APIClient) -> None:
    evses = [{"evse_id": number, "hardware_limit": 11_000} for number in (1, 2)]
    answer = api.post(URL, {**EXAMPLE, "evse_id": 0, "unit": "W", "evses": evses})

    assert [(one["start_s"], one["limit"]) for one in answer.json()["periods"]] == [
        (0, 22_000),
        (3600, 17_900),
    ]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({**EXAMPLE, "zone": "UTC"}, "/zone"),
        ({**EXAMPLE, "time_zone": "Europe/Nowhere"}, "/time_zone"),
        ({**EXAMPLE, "duration_s": 8 * 86_400}, "/duration_s"),
        ({**EXAMPLE, "evses": [{"evse_id": 1}, {"evse_id": 1}]}, "/evses"),
        (changed(periods=[{"start_s": 5, "limit": 6}]), "/profiles/0/charging_profile/schedules/0/periods"),
        (
            {**changed(start_schedule="9999-12-31T23:30:00Z"), "start": "9999-12-31T23:00:00Z"},
            "/profiles",
        ),
    ],
)
def test_what_cannot_be_reckoned_names_its_place(api: APIClient, body: dict[str, Any], pointer: str) -> None:
    answer = api.post(URL, body)

    assert answer.status_code == 400, answer.content
    assert [one["pointer"] for one in answer.json()["errors"]] == [pointer]


def test_profiles_that_change_too_often_are_refused_quickly(api: APIClient) -> None:
    profile = EXAMPLE["profiles"][0]["charging_profile"]
    periods = [{"start_s": second, "limit": second % 7} for second in range(1000)]
    many = {**profile, "schedules": [{**profile["schedules"][0], "periods": periods}]}
    profiles = [{"evse_id": 1, "charging_profile": {**many, "stack_level": level}} for level in range(5)]

    answer = api.post(URL, {**EXAMPLE, "profiles": profiles})

    assert answer.status_code == 400
    assert "too often" in answer.json()["detail"]


def test_the_tools_ask_for_the_scope_of_tariffs(api_with: Callable[..., APIClient]) -> None:
    assert api_with("tariffs:read").post(URL, EXAMPLE).status_code == 200
    assert api_with("stations:read").post(URL, EXAMPLE).status_code == 403
    assert APIClient().post(URL, EXAMPLE).status_code == 401
