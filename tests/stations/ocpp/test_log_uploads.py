"""Logs that stations upload to us: one unguessable target for each request, taken once (W-19, P234)."""

import http.client
import io
import json
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import time_machine
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from core import clock, keys
from core.access import Actor, Role
from core.errors import NotPermitted
from core.models import AuditEntry, Organization
from stations.domain import intents
from stations.models import BulkPart, Command, LogFile, RawFrame
from stations.services import bulk_commands, commands, files, log_files
from stations.services.bulk_commands import Manners
from tests import factories
from tests.running import Server
from tests.stations.ocpp.asking import VERSIONS, ask
from tests.stations.ocpp.knocking import Charger
from tests.waiting import eventually

LOG = b"2026-11-26T10:00:00Z door opened\n" * 100
ANSWERS = {
    "1.6": {"fileName": "diag.zip"},
    "2.0.1": {"status": "Accepted", "filename": "diag.zip"},
    "2.1": {"status": "Accepted", "filename": "diag.zip"},
}
GET_LOG = intents.GetLog(kind="diagnostics")
Target = tuple[LogFile, str]


@pytest.fixture
def bob(db: None) -> Actor:
    return factories.make_actor(factories.make_organization(), Role.TECHNICIAN, "bob")


@pytest.fixture
def target(bob: Actor) -> Callable[[], Target]:
    """A request for a log: its target, and the path of the address that the station is told."""

    def make() -> Target:
        station = _station_of(bob)
        command = commands.issue(station, GET_LOG, by=bob, if_offline="wait")
        return _target_of(command)

    return make


def _station_of(actor: Actor) -> Any:
    alice = factories.make_actor(_organization_of(actor))
    return factories.make_station(alice)[0]


def _organization_of(actor: Actor) -> Any:
    return Organization.objects.get(pk=actor.organization_id)


def _target_of(command: Command) -> Target:
    said = json.loads(keys.unseal(command.sealed, purpose=commands.SEALED_FOR))
    found = LogFile.objects.get(station_id=command.station_id, request_id=said["request_id"])
    return found, urlsplit(said["location"]).path


def put(path: str, content: bytes = LOG, **headers: str) -> Any:
    return Client(enforce_csrf_checks=True).put(
        path, content, content_type="application/octet-stream", headers=headers
    )


def kept() -> set[str]:
    folder = Path(settings.FILES_DIR) / "logs"
    return {path.name for path in folder.glob("*")} if folder.exists() else set()


def send(server: Server, method: str, path: str, body: bytes, **headers: str) -> tuple[int, bytes]:
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        line.request(method, path, body, headers)
        answer = line.getresponse()
        return answer.status, answer.read()
    finally:
        line.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_p234_a_request_without_an_address_gives_the_station_a_target_of_its_own(
    live: Server, charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        call, command = ask(charger, socket, alice, GET_LOG, ANSWERS[version])
        location = call[3]["location"] if version == "1.6" else call[3]["log"]["remoteLocation"]
        path = urlsplit(location).path
        sent = [send(live, "PUT", f"{path}/diag.zip", LOG), send(live, "PUT", f"{path}/diag.zip", b"other")]

    token = path.split("/")[3]
    assert (len(location) <= 512, len(token)) == (True, 43)
    assert [status for status, _ in sent] == [201, 409]
    found = LogFile.objects.get(station=charger.station)
    assert (found.request_id, found.name) == (command.parameters["request_id"], "diag.zip")
    assert (Path(settings.FILES_DIR) / found.file).read_bytes() == LOG
    assert "diag" not in found.file
    eventually(
        lambda: RawFrame.objects.filter(station=charger.station, action=call[2]).exists(),
        what="the frame of the request",
    )
    told = (
        RawFrame.objects.filter(station=charger.station),
        Command.objects.filter(station=charger.station),
        AuditEntry.objects.filter(organization=found.organization_id),
        LogFile.objects.filter(station=charger.station),
    )
    assert not any(token in str(list(rows.values())) for rows in told)
    assert command.parameters["location"].endswith("/files/logs/****")


def test_p234_of_two_uploads_at_once_one_is_kept(live: Server, charger: Charger, alice: Actor) -> None:
    station = charger.station
    command = commands.issue(station, GET_LOG, by=alice, if_offline="wait")
    found, path = _target_of(command)
    statuses: list[int] = []
    uploads = [
        threading.Thread(
            target=lambda n=n: statuses.append(send(live, "PUT", path, bytes([n]) * 3_000_000)[0])
        )
        for n in range(65, 69)
    ]
    for upload in uploads:
        upload.start()
    for upload in uploads:
        upload.join(30)

    assert sorted(statuses) == [201, 409, 409, 409]
    found.refresh_from_db()
    content = (Path(settings.FILES_DIR) / found.file).read_bytes()
    assert (len(content), len(set(content))) == (3_000_000, 1)


def test_p234_a_file_comes_by_post_as_the_body_or_in_a_form_without_a_session(
    target: Callable[[], Target],
) -> None:
    browser = Client(enforce_csrf_checks=True)
    raw, raw_path = target()
    form, form_path = target()

    answers = [
        browser.post(raw_path, LOG, content_type="application/gzip"),
        browser.post(form_path, {"file": SimpleUploadedFile("station log.txt", LOG)}),
    ]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert not any(answer.cookies for answer in answers)
    for one in (raw, form):
        one.refresh_from_db()
        assert (one.size_bytes, b"".join(log_files.content(one))) == (len(LOG), LOG)
    assert (raw.name, form.name) == (f"diagnostics-{raw.request_id}.log", "station log.txt")


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a/b.log", "..", ".ssh", "a\\b", "a\r\nSet-Cookie: x", "a\x00b", "x" * 256]
)
def test_p234_path_tricks_in_names_are_refused_and_nothing_is_written(
    target: Callable[[], Target], name: str
) -> None:
    found, path = target()
    before = kept()

    answer = put(f"{path}/{quote(name, safe='')}")

    assert answer.status_code in (400, 404), answer.content
    found.refresh_from_db()
    assert (found.received_at, found.tries) == (None, 0)
    assert kept() == before
    assert put(f"{path}/good.log").status_code == 201


def test_p234_odd_signs_in_a_name_are_shown_as_something_harmless(target: Callable[[], Target]) -> None:
    found, path = target()

    odd = 'CP<script>"10:00".log'
    assert put(f"{path}/{quote(odd)}").status_code == 201
    found.refresh_from_db()
    assert found.name == "CP_script__10_00_.log"


def test_p234_an_upload_above_the_cap_is_refused_and_leaves_nothing_on_the_disk(
    target: Callable[[], Target], settings: Any
) -> None:
    settings.LOG_FILE_MAX_BYTES = 100_000
    found, path = target()
    before = kept()

    announced = put(path, b"x" * 200_000)
    form = Client().post(path, {"file": io.BytesIO(b"x" * 120_000)})
    unannounced = put(path, b"x" * 120_000)

    assert [announced.status_code, form.status_code, unannounced.status_code] == [413, 413, 413]
    assert kept() == before
    found.refresh_from_db()
    assert (found.received_at, found.claimed_at) == (None, None)
    assert "larger than 100000 bytes" in found.detail
    assert put(path, b"x" * 100_000).status_code == 201


def test_an_empty_upload_is_refused_and_may_be_tried_again_a_few_times(target: Callable[[], Target]) -> None:
    found, path = target()

    statuses = [put(path, b"").status_code for _ in range(log_files.TRIES_MOST + 1)]

    assert statuses == [400] * log_files.TRIES_MOST + [409]
    found.refresh_from_db()
    assert (found.received_at, found.file) == (None, "")


def test_p234_a_target_ends_after_a_day_and_no_other_address_is_one(target: Callable[[], Target]) -> None:
    found, path = target()
    token = path.split("/")[3]
    wrong = [
        path.replace(token, "A" * 43),
        path.replace(token, token.swapcase()),
        path.replace(token, str(found.pk)),
        path.replace(token, token[:20]),
    ]

    assert [put(one).status_code for one in wrong] == [404] * len(wrong)
    assert Client().get(path).status_code == 405
    with time_machine.travel(clock.now() + timedelta(hours=24, seconds=1)):
        assert put(path).status_code == 404
    assert put(path).status_code == 201


def test_a_claim_whose_process_died_is_free_again_later(target: Callable[[], Target]) -> None:
    found, path = target()
    LogFile.objects.filter(pk=found.pk).update(claimed_at=clock.now())

    assert put(path).status_code == 409
    with time_machine.travel(clock.now() + timedelta(minutes=16)):
        assert put(path).status_code == 201


def test_a_bulk_request_gives_every_station_a_target_of_its_own(bob: Actor) -> None:
    stations = [_station_of(bob) for _ in range(3)]

    bulk = bulk_commands.issue(stations, GET_LOG, by=bob, manners=Manners(if_offline="wait"))

    parts = list(BulkPart.objects.filter(bulk=bulk).select_related("command"))
    paths = {_target_of(part.command)[1] for part in parts if part.command}
    assert len(paths) == 3
    assert [put(path).status_code for path in sorted(paths)] == [201] * 3
    assert LogFile.objects.filter(station__in=stations, received_at__isnull=False).count() == 3


def test_who_may_not_ask_for_logs_gets_no_target(bob: Actor) -> None:
    station = _station_of(bob)
    viewer = factories.make_actor(_organization_of(bob), Role.VIEWER, "eve")

    with pytest.raises(NotPermitted):
        commands.issue(station, GET_LOG, by=viewer, if_offline="wait")
    assert not LogFile.objects.filter(station=station).exists()


def test_an_address_of_the_operators_own_makes_no_target(bob: Actor) -> None:
    station = _station_of(bob)
    intent = intents.GetLog(kind="security", location="https://files.example.org/up")

    command = commands.issue(station, intent, by=bob, if_offline="wait")

    assert command.parameters["location"] == "https://files.example.org/up"
    assert not LogFile.objects.filter(station=station).exists()


def test_files_are_kept_as_long_as_is_set_and_their_rows_stay(
    target: Callable[[], Target], settings: Any
) -> None:
    settings.LOG_FILE_RETENTION_DAYS = 30
    (old, old_path), (unused, _) = target(), target()
    assert put(old_path).status_code == 201
    old.refresh_from_db()
    place = Path(settings.FILES_DIR) / old.file
    stray = files.keep(io.BytesIO(b"left behind"), "logs", most_bytes=100)

    log_files.forget(clock.now() + timedelta(days=29))
    assert place.exists()
    assert not (Path(settings.FILES_DIR) / stray.name).exists()
    log_files.forget(clock.now() + timedelta(days=32))

    old.refresh_from_db()
    assert (place.exists(), old.readable, old.sha256 != "") == (False, False, True)
    assert not LogFile.objects.filter(pk=unused.pk).exists()
