"""Rules for vendors' messages, and what of them is kept below a station."""

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from core import clock
from core.access import Actor
from core.models import AuditEntry
from stations.models import ChargingStation, DataTransfer, DataTransferRule
from tests import factories
from tests.portal.api.conftest import results

URL = "/api/v1/data-transfer-rules/"
RULE = {"use": "answer", "vendor_id": "com.example", "message_id": "Telemetry", "masked_paths": ["a.b"]}


@pytest.fixture
def station(alice: Actor) -> ChargingStation:
    station, _ = factories.make_station(alice)
    DataTransfer.objects.create(
        station=station, direction="in", vendor_id="x", data="words", occurred_at=clock.now()
    )
    return station


def test_rules_are_made_changed_and_deleted(api: APIClient) -> None:
    made = api.post(URL, RULE, format="json")
    again = api.post(URL, RULE, format="json")
    url = made["Location"]
    changed = api.patch(url, {"accepts": False}, format="json", headers={"If-Match": api.get(url)["ETag"]})
    listed = results(api.get(URL, {"vendor_id": "com.example"}))
    gone = api.delete(url)

    assert (made.status_code, again.status_code, changed.status_code, gone.status_code) == (
        201,
        409,
        200,
        204,
    )
    assert changed.json()["accepts"] is False
    assert [row["masked_paths"] for row in listed] == [["a.b"]]
    assert api.get(url).status_code == 404
    assert set(AuditEntry.objects.values_list("action", flat=True)) >= {
        "data_transfer_rule.created",
        "data_transfer_rule.changed",
        "data_transfer_rule.deleted",
    }


def test_a_wrong_rule_names_the_field(api: APIClient) -> None:
    for body in ({**RULE, "use": "sing"}, {**RULE, "colour": 1}, {"use": "display_text", "vendor_id": "x"}):
        assert api.post(URL, body, format="json").status_code == 400
    assert not DataTransferRule.objects.exists()


def test_a_key_without_the_experts_scope_reads_rules_only(
    api: APIClient, api_with: Callable[..., APIClient]
) -> None:
    url = api.post(URL, RULE, format="json")["Location"]
    plain = api_with("stations:read", "stations:write")

    assert plain.get(url).status_code == 200
    assert plain.post(URL, {**RULE, "message_id": "m"}, format="json").status_code == 403
    assert plain.patch(url, {"accepts": False}, format="json").status_code == 403
    assert plain.delete(url).status_code == 403


def test_a_stranger_finds_neither_rule_nor_station(
    api: APIClient, stranger: APIClient, station: ChargingStation
) -> None:
    url = api.post(URL, RULE, format="json")["Location"]
    below = f"/api/v1/stations/{station.pk}/data-transfers/"

    assert results(stranger.get(URL)) == []
    assert [stranger.get(url).status_code, stranger.get(below).status_code] == [404, 404]
    assert stranger.delete(url).status_code == 404
    assert DataTransferRule.objects.count() == 1


def test_messages_are_listed_below_the_station(api: APIClient, station: ChargingStation) -> None:
    (row,) = results(api.get(f"/api/v1/stations/{station.pk}/data-transfers/", {"direction": "in"}))

    assert (row["vendor_id"], row["data"], row["status"]) == ("x", "words", "")


def test_a_data_transfer_needs_the_experts_scope(
    api: APIClient, station: ChargingStation, api_with: Callable[..., APIClient]
) -> None:
    url = f"/api/v1/stations/{station.pk}/commands/"
    body = {"command": "data_transfer", "vendor_id": "x", "data": {"a": 1}}

    assert api_with("commands:send").post(url, body, format="json").status_code == 403
    sent = api.post(url, body, format="json")
    assert sent.status_code == 202
    assert sent.json()["parameters"] == {"vendor_id": "x", "message_id": "", "data": {"a": 1}}
