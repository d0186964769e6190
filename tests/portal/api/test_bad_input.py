"""What no client should send: each is told what is wrong, as a problem document, and nothing breaks."""

import json
from typing import Any

import pytest
from rest_framework.test import APIClient

from core.access import Actor
from portal.api.parsers import MAX_DEPTH
from stations.models import ChargingStation
from tests import factories
from tests.portal.api.conftest import results

JSON = "application/json"


def problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    return body


@pytest.fixture
def station(alice: Actor) -> ChargingStation:
    return factories.make_station(alice)[0]


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        '{"name":' * 100_000,
        '{"\\ud800": 1}',
        '{"name": "\\ud800", "time_zone": "Europe/Berlin"}',
        '{"name": "a\\u0000b", "time_zone": "Europe/Berlin"}',
        '{"name": "x", "time_zone": "Europe/Berlin"}'.encode("utf-16"),
        b'{"name": "\xff"}',
        "[]",
        "null",
        "1",
        "{",
    ],
)
def test_a_body_that_is_no_plain_json_object_is_refused(api: APIClient, body: str | bytes) -> None:
    problem(api.post("/api/v1/sites/", body, content_type=JSON), 400)


def test_json_may_be_nested_but_not_without_end(api: APIClient, station: ChargingStation) -> None:
    def deep(levels: int) -> str:
        tariff = '{"a":' * levels + "1" + "}" * levels
        schedule = f'{{"rate_unit":"A","periods":[{{"start_s":0,"limit":6}}],"sales_tariff":{tariff}}}'
        profile = f'{{"purpose":"tx_profile","kind":"relative","schedules":[{schedule}]}}'
        return (
            f'{{"command":"request_start_transaction","token":{{"value":"A"}},"charging_profile":{profile}}}'
        )

    url = f"/api/v1/stations/{station.pk}/commands/"

    assert api.post(url, deep(5), content_type=JSON).status_code == 202
    problem(api.post(url, deep(MAX_DEPTH + 1), content_type=JSON), 400)


def test_a_body_beyond_one_mebibyte_is_413(api: APIClient) -> None:
    body = json.dumps({"name": "x" * (1024 * 1024), "time_zone": "Europe/Berlin"})

    problem(api.post("/api/v1/sites/", body, content_type=JSON), 413)


@pytest.mark.parametrize("command", [["reset"], {"reset": 1}, None, 7])
def test_a_command_whose_name_is_no_text_is_refused(
    api: APIClient, station: ChargingStation, command: object
) -> None:
    answer = api.post(f"/api/v1/stations/{station.pk}/commands/", {"command": command}, format="json")

    assert problem(answer, 400)["errors"][0]["pointer"] == "/command"


@pytest.mark.parametrize("limit", ["0", "501", "-1", "٣", "+5", "1e1", "", "9" * 5000])
def test_a_limit_is_a_number_from_1_to_500(api: APIClient, limit: str) -> None:
    problem(api.get("/api/v1/sites/", {"limit": limit}), 400)


@pytest.mark.parametrize("cursor", ["x", "cD1nYXJiYWdl", "cD0lMDA=", "\x00", "é", "9" * 5000])
@pytest.mark.parametrize("name", ["sites", "stations", "transactions", "tokens", "commands", "alerts"])
def test_a_cursor_that_we_did_not_make_is_refused(api: APIClient, name: str, cursor: str) -> None:
    answer = api.get(f"/api/v1/{name}/", {"cursor": cursor})

    assert problem(answer, 400)["errors"][0]["pointer"] == "/cursor"


def test_the_cursor_of_one_list_does_not_fit_another(api: APIClient) -> None:
    for name in ("A", "B"):
        api.post("/api/v1/sites/", {"name": name, "time_zone": "Europe/Berlin"}, format="json")
    following = api.get("/api/v1/sites/?limit=1").json()["next"]

    answer = api.get(following.replace("/sites/", "/stations/"))

    problem(answer, 400)


def test_many_rows_of_the_same_name_are_paged_without_loss(api: APIClient, alice: Actor) -> None:
    made = {str(factories.make_station(alice, name="same")[0].pk) for _ in range(7)}
    seen: list[str] = []
    url = "/api/v1/stations/?ordering=-name&limit=2"
    while url:
        page = api.get(url).json()
        seen += [row["id"] for row in page["results"]]
        url, back = page["next"], page["previous"]
    before = results(api.get(back))

    assert len(seen) == 7
    assert set(seen) == made
    assert [row["id"] for row in before] == seen[4:6]


@pytest.mark.parametrize("path", ["nope/", "stations/not-an-id/", "stations/1/commands/"])
def test_an_unknown_address_is_a_problem_too(api: APIClient, path: str) -> None:
    problem(api.get(f"/api/v1/{path}"), 404)
    problem(api.post(f"/api/v1/{path}", {}, format="json"), 404)
    problem(APIClient().get(f"/api/v1/{path}"), 401)


def test_what_breaks_inside_is_a_problem_without_a_trace(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("portal.api.sites.sites.create", broken)
    api.raise_request_exception = False
    api.handler.raise_request_exception = False

    answer = api.post("/api/v1/sites/", {"name": "x", "time_zone": "Europe/Berlin"}, format="json")

    assert "secret detail" not in json.dumps(problem(answer, 500))


def test_csv_is_for_lists_and_the_rest_says_that_it_is_json(api: APIClient, station: ChargingStation) -> None:
    one = api.get(f"/api/v1/stations/{station.pk}/", headers={"Accept": "text/csv"})
    problem(api.get("/api/v1/stations/?limit=x&ordering=x", headers={"Accept": "text/csv"}), 400)

    assert one["Content-Type"] == JSON
    assert one.json()["id"] == str(station.pk)


@pytest.mark.parametrize("country", ["1!", "D1", "D-"])
def test_a_country_is_letters(api: APIClient, country: str) -> None:
    body = {"name": "x", "time_zone": "Europe/Berlin", "country": country}

    assert problem(api.post("/api/v1/sites/", body, format="json"), 400)["errors"][0]["pointer"] == "/country"


def test_a_change_is_made_as_a_whole_or_not_at_all(api: APIClient, station: ChargingStation) -> None:
    answer = api.patch(
        f"/api/v1/stations/{station.pk}/", {"name": "half", "password": "x" * 45}, format="json"
    )

    problem(answer, 400)
    station.refresh_from_db()
    assert station.name == ""


@pytest.mark.parametrize("year", ["0001", "9999"])
def test_a_token_expires_in_our_time(api: APIClient, year: str) -> None:
    body = {"value": factories.unique("T"), "type": "Central", "expires_at": f"{year}-01-01T00:00:00Z"}

    assert (
        problem(api.post("/api/v1/tokens/", body, format="json"), 400)["errors"][0]["pointer"]
        == "/expires_at"
    )
