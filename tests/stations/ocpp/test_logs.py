"""Log jobs on the wire: diagnostics and security logs of all versions."""

from datetime import UTC, datetime
from typing import Any

import pytest

from core.access import Actor
from core.errors import NotFound
from stations.domain import intents
from stations.models import LogJob
from tests.factories import make_actor, make_organization
from tests.stations.ocpp.asking import VERSIONS, VERSIONS_2X, ask, issue
from tests.stations.ocpp.knocking import Charger
from tests.wire.golden import wire

URL = "https://files.example.org/up/8f2c"
DIAGNOSTICS = intents.GetLog(kind="diagnostics", location=URL)
SECURITY = intents.GetLog(kind="security", location=URL)
TAMPERED = "v201/SecurityEventNotification.tampered"
TAKEN = {"status": "Accepted", "filename": "log.gz"}


def jobs_of(charger: Charger) -> list[LogJob]:
    return list(LogJob.objects.filter(station=charger.station).order_by("id"))


def report(socket: Any, call: list[Any], *words: str) -> None:
    for word in words:
        assert socket.call("LogStatusNotification", {"status": word, "requestId": call[3]["requestId"]}) == {}


def test_tc_045_1_a_16_station_without_the_extension_is_asked_by_get_diagnostics(
    charger: Charger, alice: Actor
) -> None:
    action = "DiagnosticsStatusNotification"
    with charger.dial("1.6") as socket:
        socket.boot()
        call, command = ask(charger, socket, alice, DIAGNOSTICS, {"fileName": "diag.zip"})
        assert socket.call(action, wire("v16/DiagnosticsStatusNotification.uploading")) == {}
        assert socket.call(action, {"status": "Uploaded"}) == {}
        assert socket.call(action, {"status": "Idle"}) == {}

    (job,) = jobs_of(charger)
    assert (call[2], call[3]["location"], command.status) == ("GetDiagnostics", URL, "accepted")
    assert (job.kind, job.status, job.filename) == ("diagnostics", "uploaded", "diag.zip")


def test_tc_045_2_an_upload_that_fails_says_so(charger: Charger, alice: Actor) -> None:
    with charger.dial("1.6") as socket:
        socket.boot()
        ask(charger, socket, alice, DIAGNOSTICS, {"fileName": "diag.zip"})
        socket.call("DiagnosticsStatusNotification", {"status": "UploadFailed"})

    (job,) = jobs_of(charger)
    assert (job.status, job.word) == ("failed", "UploadFailure")


def test_a_station_without_a_file_name_has_nothing_to_upload(charger: Charger, alice: Actor) -> None:
    with charger.dial("1.6") as socket:
        socket.boot()
        _, command = ask(charger, socket, alice, DIAGNOSTICS, {})

    assert (command.status, jobs_of(charger)[0].status) == ("accepted", "nothing")


def test_a_16_station_that_showed_the_extension_is_asked_by_get_log(charger: Charger, alice: Actor) -> None:
    with charger.dial("1.6") as socket:
        socket.boot()
        socket.call("SecurityEventNotification", wire(TAMPERED))
        call, _ = ask(charger, socket, alice, DIAGNOSTICS, TAKEN)

    assert (call[2], call[3]["logType"]) == ("GetLog", "DiagnosticsLog")


@pytest.mark.parametrize("version", VERSIONS)
def test_tc_079_and_n_25_a_security_log_is_followed_by_its_request_id(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        call, command = ask(charger, socket, alice, SECURITY, TAKEN)
        report(socket, call, "Uploading", "Uploading", "Uploaded")

    (job,) = jobs_of(charger)
    assert (call[2], call[3]["logType"], command.status) == ("GetLog", "SecurityLog", "accepted")
    assert call[3]["log"] == {"remoteLocation": URL}
    assert (job.requested, job.status, job.filename) == (True, "uploaded", "log.gz")
    assert {step.word: step.count for step in job.steps.all()} == {"Uploading": 2, "Uploaded": 1}


@pytest.mark.parametrize("version", VERSIONS)
def test_p233_a_second_log_that_is_taken_ends_the_first(charger: Charger, alice: Actor, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        first, _ = ask(charger, socket, alice, SECURITY, TAKEN)
        report(socket, first, "Uploading")
        second, command = ask(charger, socket, alice, SECURITY, {**TAKEN, "status": "AcceptedCanceled"})
        report(socket, second, "Uploaded")

    one, two = jobs_of(charger)
    assert command.status == "accepted"
    assert (one.status, two.status) == ("replaced", "uploaded")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("word", ["UploadFailure", "PermissionDenied", "BadMessage", "NotSupportedOperation"])
def test_every_failure_of_an_upload_is_kept(charger: Charger, alice: Actor, version: str, word: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        call, _ = ask(charger, socket, alice, SECURITY, TAKEN)
        report(socket, call, "Uploading", word)

    assert (jobs_of(charger)[0].status, jobs_of(charger)[0].word) == ("failed", word)


@pytest.mark.parametrize("version", VERSIONS)
def test_p230_states_of_logs_are_answered_without_any_request(charger: Charger, version: str) -> None:
    golden = (
        "v16/LogStatusNotification.uploading" if version == "1.6" else "v201/LogStatusNotification.uploading"
    )
    with charger.dial(version) as socket:
        socket.boot()
        assert socket.call("LogStatusNotification", {"status": "Idle"}) == {}
        assert socket.call("LogStatusNotification", wire(golden)) == {}
        assert socket.call("LogStatusNotification", wire(golden, status="Uploaded", requestId=None)) == {}

    (job,) = jobs_of(charger)
    assert (job.requested, job.request_id, job.status) == (False, 4711, "uploaded")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_log_that_is_refused_is_refused(charger: Charger, alice: Actor, version: str) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        _, command = ask(charger, socket, alice, SECURITY, {"status": "Rejected"})

    assert (command.status, jobs_of(charger)[0].status) == ("rejected", "refused")


def test_only_2_1_has_a_log_of_the_data_collector(charger: Charger, alice: Actor) -> None:
    wanted = intents.GetLog(kind="data_collector", location=URL)
    with charger.dial("2.1") as socket:
        socket.boot()
        call, _ = ask(charger, socket, alice, wanted, TAKEN)

    assert call[3]["logType"] == "DataCollectorLog"


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_period_and_retries_go_with_the_request(charger: Charger, alice: Actor, version: str) -> None:
    begin = datetime(2026, 11, 1, tzinfo=UTC)
    wanted = intents.GetLog(kind="diagnostics", location=URL, oldest_at=begin, retries=2, retry_interval_s=60)
    with charger.dial(version) as socket:
        socket.boot()
        call, _ = ask(charger, socket, alice, wanted, TAKEN)

    assert call[3]["log"]["oldestTimestamp"] == "2026-11-01T00:00:00.000Z"
    assert (call[3]["retries"], call[3]["retryInterval"]) == (2, 60)


def test_a_stranger_cannot_ask_for_a_log(charger: Charger) -> None:
    charlie = make_actor(make_organization(), name="charlie")
    with pytest.raises(NotFound):
        issue(charger, charlie, SECURITY)

    assert not LogJob.objects.visible_to(charlie).exists()
