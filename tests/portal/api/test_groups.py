"""``/groups/``: changed, replaced, ended, and not by strangers."""

import pytest
from rest_framework.test import APIClient

from core.access import Actor
from core.models import AuditEntry
from drivers.models import IdToken, TokenGroup
from tests import factories
from tests.portal.api.conftest import results

URL = "/api/v1/groups/"


@pytest.fixture
def url(api: APIClient) -> str:
    made = api.post(URL, {"name": "Harbour fleet", "token": "FLEET1", "master_pass": True})
    assert made.status_code == 201
    location: str = made["Location"]
    return location


def test_a_group_is_read_changed_and_replaced(api: APIClient, url: str) -> None:
    read = api.get(url).json()

    assert (read["name"], read["token"], read["master_pass"]) == ("Harbour fleet", "FLEET1", True)
    assert api.patch(url, {"token": "FLEET2"}).json()["token"] == "FLEET2"
    assert api.put(url, read).json() == read
    replaced = api.put(url, {"name": "Vans"}).json()
    assert (replaced["name"], replaced["token"], replaced["master_pass"]) == ("Vans", "", False)
    assert api.put(url, {"token": "X"}).status_code == 400
    assert AuditEntry.objects.filter(action="token_group.changed", object_id=read["id"]).count() == 3


def test_a_name_is_taken_once(api: APIClient, url: str) -> None:
    other = api.post(URL, {"name": "Vans"})["Location"]

    answer = api.patch(other, {"name": "HARBOUR fleet"})

    assert answer.status_code == 409
    assert api.get(other).json()["name"] == "Vans"


def test_a_group_token_is_taken_once_whatever_its_case(api: APIClient, url: str) -> None:
    other = api.post(URL, {"name": "Vans"})["Location"]
    nobody_s = api.post(URL, {"name": "Cars", "token": ""})

    answer = api.patch(other, {"token": "fleet1"})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (409, "/token")
    assert api.post(URL, {"name": "Trucks", "token": "fleet1"}).status_code == 409
    assert (api.get(other).json()["token"], nobody_s.status_code) == ("", 201)
    assert api.delete(url).status_code == 204
    assert api.patch(other, {"token": "fleet1"}).status_code == 200


def test_an_ended_group_frees_its_name_and_its_tokens(api: APIClient, url: str, alice: Actor) -> None:
    group = TokenGroup.objects.get(pk=api.get(url).json()["id"])
    token = factories.make_token(alice, group=group)

    assert api.delete(url).status_code == 204

    assert api.get(url).status_code == 404
    assert results(api.get(URL)) == []
    assert IdToken.objects.get(pk=token.pk).group is None
    assert api.post(URL, {"name": "Harbour fleet"}).status_code == 201
    group.refresh_from_db()
    assert group.retired_at is not None
    refused = api.patch(f"/api/v1/tokens/{token.pk}/", {"group": str(group.pk)})
    assert refused.status_code == 400


def test_a_stranger_finds_no_group(api: APIClient, stranger: APIClient, url: str) -> None:
    for answer in (
        stranger.get(url),
        stranger.patch(url, {"name": "mine"}),
        stranger.put(url, {"name": "mine"}),
        stranger.delete(url),
    ):
        assert answer.status_code == 404
    assert api.get(url).json()["name"] == "Harbour fleet"


def test_a_group_is_found_by_its_name(api: APIClient, url: str) -> None:
    api.post(URL, {"name": "Vans"})

    assert [row["name"] for row in results(api.get(URL, {"name": "Vans"}))] == ["Vans"]
    assert [row["name"] for row in results(api.get(URL, {"master_pass": "true"}))] == ["Harbour fleet"]
    assert [row["name"] for row in results(api.get(URL, {"ordering": "-name"}))] == ["Vans", "Harbour fleet"]
