"""Firmware, logs and passwords through the API: bodies, jobs below a station, secrets."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from core import clock
from core.access import Actor
from core.errors import NotPermitted
from core.models import AuditEntry
from stations.domain import intents
from stations.domain.events import SecurityEventReported, Stamp
from stations.domain.firmware import FirmwareKind, FirmwareStateReported, LogStateReported
from stations.domain.station import StationRef
from stations.models import ChargingStation, Command
from stations.services import firmware, firmware_images, logs, security_events
from tests import factories
from tests.portal.api.conftest import results

URL = "https://firmware.example.org/a.bin"
MD5 = "9e107d9d372bb6826bd81d3542a419d6"


@pytest.fixture
def station(alice: Actor) -> ChargingStation:
    return factories.make_station(alice)[0]


def send(api: APIClient, station: ChargingStation, **body: Any) -> Any:
    return api.post(f"/api/v1/stations/{station.pk}/commands/", {"if_offline": "wait", **body})


def side(station: ChargingStation) -> StationRef:
    return StationRef(station_id=station.pk, organization_id=station.organization_id)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"command": "update_firmware"}, "/image"),
        ({"command": "update_firmware", "location": "javascript:alert(1)"}, "/location"),
        ({"command": "update_firmware", "location": "https://["}, "/location"),
        ({"command": "update_firmware", "location": URL, "signature": "x"}, "/signature"),
        ({"command": "update_firmware", "location": URL, "install_at": "soon"}, "/install_at"),
        ({"command": "publish_firmware", "location": URL, "checksum": "abc"}, "/checksum"),
        ({"command": "unpublish_firmware"}, "/checksum"),
        ({"command": "get_log", "kind": "all", "location": URL}, "/kind"),
        ({"command": "get_log", "kind": "security", "location": URL, "retries": -1}, "/retries"),
        ({"command": "delete_certificate", "certificate": "x"}, "/certificate"),
        ({"command": "get_installed_certificates", "certificate_types": ["x"]}, "/certificate_types/0"),
        ({"command": "renew_certificate", "certificate_type": "x"}, "/certificate_type"),
        ({"command": "certificate_signed"}, "/request"),
        ({"command": "rotate_password", "if_offline": "fail"}, "/reason"),
        ({"command": "rotate_password", "reason": "x"}, "/if_offline"),
        ({"command": "rotate_password", "password": "mine"}, "/password"),
    ],
)
def test_a_parameter_that_is_not_valid_is_named(
    api: APIClient, station: ChargingStation, body: dict[str, Any], pointer: str
) -> None:
    answer = send(api, station, **body)

    assert answer.status_code == 400, answer.content
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert not Command.objects.filter(station=station).exists()


@pytest.mark.parametrize(
    "body",
    [
        {"command": "update_firmware", "location": URL, "install_at": "2026-12-01T02:00:00+01:00"},
        {"command": "publish_firmware", "location": URL, "checksum": MD5},
        {"command": "unpublish_firmware", "checksum": MD5},
        {"command": "get_log", "kind": "diagnostics", "location": URL, "oldest_at": "2026-11-01T00:00:00Z"},
        {"command": "get_installed_certificates"},
        {"command": "renew_certificate"},
    ],
)
def test_every_command_is_stored_and_gives_its_numbers_itself(
    api: APIClient, station: ChargingStation, body: dict[str, Any]
) -> None:
    answer = send(api, station, **body)

    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    command = Command.objects.get(station=station)
    assert command.command == body["command"]
    if body["command"] in ("update_firmware", "publish_firmware", "get_log"):
        assert command.parameters["request_id"] > 0


def test_what_opens_a_file_is_not_shown_again(api: APIClient, station: ChargingStation) -> None:
    url = "ftp://maker:s3cret@files.example.org/a.bin?token=abcdef"

    answer = send(api, station, command="update_firmware", location=url)
    row = Command.objects.filter(station=station).values().get()
    audited = str(list(AuditEntry.objects.filter(object_id=answer.json()["id"]).values()))

    assert answer.json()["parameters"]["location"] == "ftp://****@files.example.org/a.bin?token=****"
    assert row["sealed"]
    for secret in ("s3cret", "abcdef"):
        assert secret not in str(row)
        assert secret not in audited


def test_jobs_logs_and_events_are_listed_below_their_station(
    api: APIClient, stranger: APIClient, station: ChargingStation
) -> None:
    now = clock.now()
    firmware.begin(side(station), intents.UpdateFirmware(location=URL, version="2.0", request_id=7))
    state = FirmwareStateReported(kind=FirmwareKind.UPDATE, status="Downloading", request_id=7)
    firmware.reported(side(station), state, now)
    firmware.reported(side(station), state, now)
    logs.reported(side(station), LogStateReported(status="Uploaded", request_id=8), now)
    stamp = Stamp(occurred_at=now, received_at=now)
    security_events.store(side(station), SecurityEventReported(type="TamperDetectionActivated", stamp=stamp))
    base = f"/api/v1/stations/{station.pk}/"

    (job,) = results(api.get(f"{base}firmware-jobs/", {"status": "downloading"}))
    (log,) = results(api.get(f"{base}logs/"))
    (event,) = results(api.get(f"{base}security-events/"))

    assert (job["version"], job["status"], job["requested"]) == ("2.0", "downloading", True)
    assert [(step["word"], step["count"]) for step in job["steps"]] == [("Downloading", 2)]
    assert (log["status"], log["requested"]) == ("uploaded", False)
    assert (event["type"], event["critical"]) == ("TamperDetectionActivated", True)
    for path in ("firmware-jobs/", "logs/", "security-events/"):
        assert stranger.get(base + path).status_code == 404


def test_an_image_gets_another_name_and_nothing_else(
    api: APIClient, stranger: APIClient, alice: Actor, bob: Actor, api_with: Callable[..., APIClient]
) -> None:
    """What stations get stays as it was approved; strangers and keys that only read rename nothing."""
    image = factories.make_image(alice, vendor="Acme")
    url = f"/api/v1/firmware-images/{image.pk}/"
    read = api.get(url)
    named = api.patch(url, {"name": "Winter"}, HTTP_IF_MATCH=read["ETag"])
    late = api.patch(url, {"name": "Spring"}, HTTP_IF_MATCH=read["ETag"])
    other = api.patch(url, {"name": "Spring", "vendor": "Other"})
    put = api.put(url, {**named.json(), "name": "Summer"})

    assert (named.status_code, named.json()["name"]) == (200, "Winter")
    assert (late.status_code, other.status_code) == (412, 400)
    assert put.json() == {**read.json(), "name": "Summer"}
    assert stranger.patch(url, {"name": "Mine"}).status_code == 404
    assert api_with("firmware:read").patch(url, {"name": "Mine"}).status_code == 403
    with pytest.raises(NotPermitted):
        firmware_images.rename(image, "Mine", by=bob)
    assert api.delete(url).status_code == 204
    assert api.patch(url, {"name": "Gone"}).status_code == 409
    image.refresh_from_db()
    assert image.name == "Summer"
    assert AuditEntry.objects.filter(action="firmware_image.renamed").count() == 2
