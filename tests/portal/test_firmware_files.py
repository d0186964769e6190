"""Firmware as stations load it: by an address of their own, in parts, and never with other bytes (W-20, W-22)."""

import asyncio
import http.client
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.files.storage import storages
from django.http import HttpResponse
from django.test import Client

import portal.files
from core import clock
from core.access import Actor
from portal import files
from portal.pace import Pace
from stations.models import Alert, ChargingStation, FirmwareImage, FirmwareLink
from stations.services import firmware_images
from tests import factories
from tests.running import Server

CONTENT = bytes(range(256)) * 700
HOUR = timedelta(hours=1)


@pytest.fixture
def alice(db: None) -> Actor:
    return factories.make_actor(factories.make_organization())


@pytest.fixture
def station(alice: Actor) -> ChargingStation:
    return factories.make_station(alice)[0]


@pytest.fixture
def image(alice: Actor) -> Iterator[FirmwareImage]:
    made = factories.make_image(alice, CONTENT)
    yield made
    storages["files"].delete(made.file)


def offered(image: FirmwareImage, station: ChargingStation, last: timedelta = HOUR) -> str:
    return urlsplit(firmware_images.offer(image, station, clock.now() + last)).path


def load(path: str, **headers: str) -> Any:
    return Client().get(path, headers=headers)


def body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def stored(image: FirmwareImage) -> Path:
    return Path(storages["files"].path(image.file))


def test_a_station_loads_the_image_without_signing_in_and_gets_no_cookie(
    image: FirmwareImage, station: ChargingStation
) -> None:
    answer = load(offered(image, station))

    assert (answer.status_code, body(answer)) == (200, CONTENT)
    assert answer["ETag"] == f'"{image.sha256}"'
    assert answer["Content-Disposition"] == 'attachment; filename="ac22-2.0.bin"'
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert not answer.cookies
    link = FirmwareLink.objects.get(image=image)
    assert (link.requests, link.fetched_at is not None) == (1, True)


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [("bytes=0-9", 0, 10), ("bytes=100-", 100, None), ("bytes=-7", -7, None), ("bytes=5-99999999", 5, None)],
)
def test_w22_a_part_of_the_image_can_be_loaded(
    image: FirmwareImage, station: ChargingStation, wanted: str, start: int, end: int | None
) -> None:
    answer = load(offered(image, station), Range=wanted)
    part = CONTENT[start:end]

    first = start % len(CONTENT)
    assert (answer.status_code, body(answer)) == (206, part)
    assert answer["Content-Range"] == f"bytes {first}-{first + len(part) - 1}/{len(CONTENT)}"
    assert answer["Content-Length"] == str(len(part))


@pytest.mark.parametrize("wanted", ["bytes=999999999-", "bytes=-0", f"bytes={len(CONTENT)}-"])
def test_a_part_beyond_the_end_is_refused_with_416(
    image: FirmwareImage, station: ChargingStation, wanted: str
) -> None:
    answer = load(offered(image, station), Range=wanted)

    assert (answer.status_code, answer["Content-Range"]) == (416, f"bytes */{len(CONTENT)}")
    assert CONTENT[:10] not in body(answer)


@pytest.mark.parametrize(
    "wanted",
    [
        "bytes=",
        "bytes=-",
        "bytes=9-1",
        "bytes=a-b",
        "lines=1-2",
        "bytes=0-1,5-6",
        "bytes=" + "9" * 400 + "-",
        "\x7f",
    ],
)
def test_what_is_no_single_part_means_the_whole_image(
    image: FirmwareImage, station: ChargingStation, wanted: str
) -> None:
    answer = load(offered(image, station), Range=wanted)

    assert (answer.status_code, body(answer)) == (200, CONTENT)


def test_w22_if_range_gives_a_part_only_of_the_same_file(
    image: FirmwareImage, station: ChargingStation
) -> None:
    path = offered(image, station)
    whole = load(path)
    conditions = {f'"{image.sha256}"': 206, '"other"': 200, f'W/"{image.sha256}"': 200, "nonsense": 200}

    for condition, status in {**conditions, whole["Last-Modified"]: 206}.items():
        assert load(path, Range="bytes=0-9", **{"If-Range": condition}).status_code == status


def test_head_tells_the_size_and_sends_nothing(image: FirmwareImage, station: ChargingStation) -> None:
    answer = Client().head(offered(image, station))

    assert (answer.status_code, answer["Content-Length"], answer.content) == (200, str(len(CONTENT)), b"")
    assert Client().post(offered(image, station)).status_code == 405


def test_w22_an_address_ends_with_its_time_with_the_image_and_belongs_to_one_image(
    alice: Actor, image: FirmwareImage, station: ChargingStation
) -> None:
    other = factories.make_image(alice, b"other", filename="other.bin")
    good = offered(image, station)
    over = offered(image, station, timedelta(seconds=-1))
    token = good.split("/")[3]
    wrong = [
        over,
        good.replace(token, "A" * 43),
        good.replace(token, token[:-1]),
        good.replace(image.filename, other.filename),
        f"/files/firmware/{token}/..%2f..%2fsecrets.env",
        f"/files/firmware/{image.pk}/{image.filename}",
    ]

    assert [load(path).status_code for path in wrong] == [404] * len(wrong)
    assert load(good).status_code == 200
    firmware_images.retire(image, by=alice)
    assert load(good).status_code == 404


def test_w22_every_station_gets_an_address_of_its_own_that_is_kept_hashed(
    alice: Actor, image: FirmwareImage, station: ChargingStation
) -> None:
    paths = {
        offered(image, station),
        offered(image, station),
        offered(image, factories.make_station(alice)[0]),
    }
    kept = str(list(FirmwareLink.objects.values()))

    assert len(paths) == 3
    assert not any(path.split("/")[3] in kept for path in paths)


@pytest.mark.parametrize("spoilt", [CONTENT[:-1] + b"!", CONTENT[:100], CONTENT + b"more"])
def test_w20_changed_bytes_are_not_served_and_alert(
    alice: Actor, image: FirmwareImage, station: ChargingStation, spoilt: bytes
) -> None:
    path = offered(image, station)
    assert load(path).status_code == 200
    stored(image).write_bytes(spoilt)

    answers = [load(path), load(path, Range="bytes=0-9")]

    assert answers[0].status_code == 409
    assert b"no longer the one" in body(answers[0])
    assert not any(answer.status_code in (200, 206) for answer in answers)
    alert = Alert.objects.get(station=station, kind="firmware_file_changed", cleared_at=None)
    assert alert.severity == "critical"
    image.refresh_from_db()
    assert image.state == "damaged"
    refusal = firmware_images.fits(image, station)
    assert refusal is not None
    assert "no longer" in refusal.message


def test_w20_a_file_that_is_gone_is_not_served(image: FirmwareImage, station: ChargingStation) -> None:
    path = offered(image, station)
    stored(image).unlink()

    assert load(path).status_code == 409
    assert Alert.objects.filter(station=station, kind="firmware_file_changed").exists()


def test_w22_who_asks_too_often_is_told_to_wait(
    image: FirmwareImage, station: ChargingStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portal.files, "pace", Pace(per_minute=6))
    path = offered(image, station)
    answers: list[HttpResponse] = [Client().head(path) for _ in range(8)]

    assert answers[0].status_code == 200
    assert answers[-1].status_code == 429
    assert int(answers[-1]["Retry-After"]) >= 1
    assert Client().head(offered(image, station)).status_code == 200


def test_the_running_portal_sends_an_image_in_pieces_and_goes_on_where_a_station_broke_off(
    live: Server,
) -> None:
    alice = factories.make_actor(factories.make_organization())
    content = CONTENT * 20
    image = factories.make_image(alice, content)
    path = offered(image, factories.make_station(alice)[0])
    half = len(content) // 2

    line = http.client.HTTPConnection("127.0.0.1", live.port, timeout=20)
    line.request("GET", path)
    began = line.getresponse()
    first = began.read(half)
    line.close()
    line.request("GET", path, headers={"Range": f"bytes={half}-", "If-Range": began.headers["ETag"]})
    rest = line.getresponse()

    assert (began.status, rest.status) == (200, 206)
    assert first + rest.read() == content
    assert rest.headers["Set-Cookie"] is None
    line.close()


def test_a_station_that_hangs_up_while_a_piece_is_read_leaves_no_error_and_no_open_file() -> None:
    begun, go_on, closed = threading.Event(), threading.Event(), []

    def pieces() -> Iterator[bytes]:
        try:
            begun.set()
            go_on.wait(5)
            yield b"one"
        finally:
            closed.append(True)

    async def hang_up() -> None:
        async def read() -> None:
            async for _ in files._one_by_one(pieces()):
                pass

        reading = asyncio.create_task(read())
        await asyncio.to_thread(begun.wait, 5)
        reading.cancel()
        await asyncio.sleep(0.05)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await reading

    asyncio.run(hang_up())
    assert closed == [True]
