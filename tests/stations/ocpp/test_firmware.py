"""Firmware jobs on the wire: states in any order, one job a request, and when an installation is believed."""

from typing import Any

import pytest

from core.access import Actor, Role
from core.errors import NotFound, NotPermitted
from core.models import Organization
from stations.domain import intents
from stations.models import Alert, FirmwareJob
from tests.factories import make_actor, make_organization
from tests.stations.ocpp.asking import VERSIONS, VERSIONS_2X, ask, ended, issue
from tests.stations.ocpp.knocking import Charger
from tests.wire.client import BOOT, CallError, WireStation
from tests.wire.golden import wire

URL = "https://firmware.example.org/ac22-2.0.bin"
PLAIN = intents.UpdateFirmware(location=URL, version="2.0")
SIGNED = intents.UpdateFirmware(location=URL, version="2.0", signature="c2ln", signing_certificate="PEM")
CHECKSUM = "0123456789abcdef0123456789abcdef"
PUBLISH = intents.PublishFirmware(location=URL, checksum=CHECKSUM)
STATUS = "FirmwareStatusNotification"


def boot(socket: WireStation, firmware: str) -> None:
    """The station starts with that version."""
    if socket.version == "1.6":
        socket.boot(firmwareVersion=firmware)
        return
    station = {**BOOT[socket.version]["chargingStation"], "firmwareVersion": firmware}  # type: ignore[dict-item]
    socket.boot(chargingStation=station)


def taken(version: str) -> dict[str, Any]:
    """How the version says that it takes a plain update."""
    return {} if version == "1.6" else {"status": "Accepted"}


def report(socket: WireStation, call: list[Any], *words: str) -> None:
    """States of the update that was asked for by this CALL."""
    named = {"requestId": call[3]["requestId"]} if "requestId" in call[3] else {}
    action = "SignedFirmwareStatusNotification" if call[2] == "SignedUpdateFirmware" else STATUS
    for word in words:
        assert socket.call(action, {"status": word, **named}) == {}


def job_of(charger: Charger) -> FirmwareJob:
    return FirmwareJob.objects.get(station=charger.station)


@pytest.mark.parametrize("version", VERSIONS)
def test_tc_044_1_and_l_01_an_update_is_followed_until_the_boot_shows_the_new_version(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        boot(socket, "1.0")
        call, command = ask(charger, socket, alice, PLAIN, taken(version))
        assert (command.status, job_of(charger).status) == ("accepted", "accepted")
        report(socket, call, "Downloading", "Downloaded", "Installing")
        assert job_of(charger).status == "installing"
        boot(socket, "2.0")
        report(socket, call, "Installed")

    job = job_of(charger)
    assert call[2] == "UpdateFirmware"
    assert (job.requested, job.status, job.unconfirmed) == (True, "installed", False)
    assert (job.version_before, job.confirmed_at is not None) == ("1.0", True)
    assert list(job.steps.values_list("word", flat=True)) == [
        "Downloading", "Downloaded", "Installing", "Installed",
    ]  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
def test_p232_installed_may_come_before_the_boot_and_counts_as_unconfirmed_until_then(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        boot(socket, "1.0")
        call, _ = ask(charger, socket, alice, PLAIN, taken(version))
        report(socket, call, "Installing", "Installed")
        assert job_of(charger).unconfirmed
        boot(socket, "2.0")

    assert not job_of(charger).unconfirmed


@pytest.mark.parametrize("version", VERSIONS)
def test_an_installation_is_not_believed_when_the_station_boots_with_another_version(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        boot(socket, "1.0")
        call, _ = ask(charger, socket, alice, PLAIN, taken(version))
        report(socket, call, "Installed")
        boot(socket, "1.0")

    job = job_of(charger)
    assert job.unconfirmed
    assert "booted with 1.0 instead" in job.detail


@pytest.mark.parametrize("version", VERSIONS)
def test_p232_a_reboot_during_the_installation_does_not_reset_the_job(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        boot(socket, "1.0")
        call, _ = ask(charger, socket, alice, PLAIN, taken(version))
        report(socket, call, "Installing")
        boot(socket, "1.0")

    assert (job_of(charger).status, job_of(charger).confirmed_at) == ("installing", None)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("word", ["DownloadFailed", "InstallationFailed"])
def test_tc_044_2_and_3_a_failure_is_kept_and_alerts_until_a_later_success(
    charger: Charger, alice: Actor, version: str, word: str
) -> None:
    with charger.dial(version) as socket:
        boot(socket, "1.0")
        call, _ = ask(charger, socket, alice, PLAIN, taken(version))
        report(socket, call, "Downloading", word, word)
        failed = job_of(charger)
        alert = Alert.objects.get(station=charger.station, kind="firmware_failed")
        report(socket, call, "Downloading", "Downloaded", "Installed")

    assert (failed.status, failed.word, alert.cleared_at) == ("failed", word, None)
    assert failed.steps.get(word=word).count == 2
    assert job_of(charger).status == "installed"
    alert.refresh_from_db()
    assert alert.cleared_at is not None


@pytest.mark.parametrize("version", VERSIONS)
def test_p230_states_are_answered_when_no_request_is_known(charger: Charger, version: str) -> None:
    golden = "v16/FirmwareStatusNotification" if version == "1.6" else "v201/FirmwareStatusNotification"
    with charger.dial(version) as socket:
        boot(socket, "1.0")
        assert socket.call(STATUS, {"status": "Idle"}) == {}
        assert not FirmwareJob.objects.filter(station=charger.station).exists()
        for _ in range(2):
            assert socket.call(STATUS, wire(f"{golden}.downloading")) == {}

    job = job_of(charger)
    assert (job.requested, job.status, job.steps.get().count) == (False, "downloading", 2)


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p230_states_before_the_commands_own_answer_stay(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        boot(socket, "1.0")
        issue(charger, alice, PLAIN)
        call = socket.next_call()
        report(socket, call, "Downloaded", "Downloading")
        socket.reply(call, {"status": "Accepted"})
        socket.call("Heartbeat", {})
        report(socket, call, "Installing")

    assert (job_of(charger).requested, job_of(charger).status) == (True, "installing")


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_p231_a_state_without_request_id_belongs_to_the_latest_request(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        boot(socket, "1.0")
        ask(charger, socket, alice, PLAIN, {"status": "Accepted"})
        ask(charger, socket, alice, PLAIN, {"status": "AcceptedCanceled"})
        assert socket.call(STATUS, {"status": "Downloading"}) == {}

    newest, first = FirmwareJob.objects.filter(station=charger.station).order_by("-id")
    assert (first.status, newest.status) == ("replaced", "downloading")


@pytest.mark.parametrize("version", VERSIONS)
def test_tc_080_a_signed_update_carries_signature_and_certificate(
    charger: Charger, alice: Actor, version: str
) -> None:
    with charger.dial(version) as socket:
        boot(socket, "1.0")
        call, command = ask(charger, socket, alice, SIGNED, {"status": "Accepted"})
        report(socket, call, "Downloaded", "SignatureVerified", "InstallRebooting", "Installed")

    assert call[2] == ("SignedUpdateFirmware" if version == "1.6" else "UpdateFirmware")
    assert (call[3]["firmware"]["signature"], call[3]["firmware"]["signingCertificate"]) == ("c2ln", "PEM")
    assert call[3]["requestId"] == command.parameters["request_id"]
    assert (job_of(charger).signed, job_of(charger).status) == (True, "installed")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("word", ["InvalidSignature", "InstallVerificationFailed"])
def test_tc_081_a_bad_signature_ends_the_job(charger: Charger, alice: Actor, version: str, word: str) -> None:
    with charger.dial(version) as socket:
        boot(socket, "1.0")
        call, _ = ask(charger, socket, alice, SIGNED, {"status": "Accepted"})
        report(socket, call, "Downloaded", word)

    assert (job_of(charger).status, job_of(charger).word) == ("failed", word)


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize("word", ["Rejected", "InvalidCertificate", "RevokedCertificate"])
def test_tc_l_04_05_11_what_the_station_does_not_take_is_refused_with_its_word(
    charger: Charger, alice: Actor, version: str, word: str
) -> None:
    with charger.dial(version) as socket:
        boot(socket, "1.0")
        _, command = ask(charger, socket, alice, SIGNED, {"status": word})

    assert command.status == "rejected"
    assert (job_of(charger).status, job_of(charger).detail) == ("refused", word)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_error_instead_of_an_answer_refuses_the_job(charger: Charger, alice: Actor, version: str) -> None:
    with charger.dial(version) as socket:
        boot(socket, "1.0")
        command = issue(charger, alice, PLAIN)
        call = socket.next_call()
        socket.send([4, call[1], "NotSupported", "", {}])
        assert ended(command).status == "failed"

    assert job_of(charger).status == "refused"


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_tc_l_17_to_24_publishing_is_followed_and_withdrawn(
    charger: Charger, alice: Actor, version: str
) -> None:
    golden = "v201/PublishFirmwareStatusNotification.published"
    action = "PublishFirmwareStatusNotification"
    with charger.dial(version) as socket:
        boot(socket, "1.0")
        call, _ = ask(charger, socket, alice, PUBLISH, {"status": "Accepted"})
        number = call[3]["requestId"]
        for word in ("DownloadScheduled", "Downloading", "Downloaded", "ChecksumVerified"):
            socket.call(action, {"status": word, "requestId": number})
        socket.call(action, wire(golden, requestId=number))
        published = job_of(charger)
        withdraw = intents.UnpublishFirmware(checksum=CHECKSUM)
        _, ongoing = ask(charger, socket, alice, withdraw, {"status": "DownloadOngoing"})
        still = job_of(charger)
        _, done = ask(charger, socket, alice, withdraw, {"status": "Unpublished"})

    assert call[3]["checksum"] == CHECKSUM
    assert (published.status, published.locations) == ("published", ["http://192.168.7.1/ac22.bin"])
    assert (ongoing.status, still.status, still.detail) == ("rejected", "published", "DownloadOngoing")
    assert (done.status, job_of(charger).status) == ("accepted", "withdrawn")


@pytest.mark.parametrize("version", VERSIONS_2X)
@pytest.mark.parametrize("word", ["InvalidChecksum", "PublishFailed", "DownloadFailed"])
def test_tc_l_19_20_24_publishing_that_fails_says_so(
    charger: Charger, alice: Actor, version: str, word: str
) -> None:
    with charger.dial(version) as socket:
        boot(socket, "1.0")
        call, _ = ask(charger, socket, alice, PUBLISH, {"status": "Accepted"})
        socket.call("PublishFirmwareStatusNotification", {"status": word, "requestId": call[3]["requestId"]})

    assert (job_of(charger).status, job_of(charger).word) == ("failed", word)


def test_2_1_tells_why_a_download_failed(charger: Charger, alice: Actor) -> None:
    with charger.dial("2.1") as socket:
        boot(socket, "1.0")
        call, _ = ask(charger, socket, alice, PLAIN, {"status": "Accepted"})
        socket.call(STATUS, wire("v21/FirmwareStatusNotification.failed", requestId=call[3]["requestId"]))

    assert job_of(charger).detail == "NotFound 404 from the server"


def test_1_6_has_nothing_to_publish(charger: Charger, alice: Actor) -> None:
    with charger.dial("1.6") as socket:
        boot(socket, "1.0")
        assert ended(issue(charger, alice, PUBLISH)).status == "not_supported"

    assert not FirmwareJob.objects.filter(station=charger.station).exists()


@pytest.mark.parametrize(
    ("version", "code"),
    [("1.6", "PropertyConstraintViolation"), ("2.0.1", "PropertyConstraintViolation")],
)
def test_a_word_outside_of_the_schema_is_refused_by_strict_and_kept_by_lenient(
    charger: Charger, version: str, code: str
) -> None:
    with charger.dial(version) as socket:
        boot(socket, "1.0")
        with pytest.raises(CallError) as refused:
            socket.call(STATUS, {"status": "Baking"})
    assert refused.value.code == code
    assert not FirmwareJob.objects.filter(station=charger.station).exists()

    charger.set(lenient=True)
    with charger.dial(version) as socket:
        boot(socket, "1.0")
        assert socket.call(STATUS, {"status": "Baking"}) == {}
    assert job_of(charger).steps.get().word == "Baking"


def test_a_stranger_cannot_update_and_a_viewer_may_not(charger: Charger, alice: Actor) -> None:
    charlie = make_actor(make_organization(), name="charlie")
    vera = make_actor(Organization.objects.get(pk=alice.organization_id), Role.VIEWER, "vera")
    for intent in (PLAIN, PUBLISH, intents.UnpublishFirmware(checksum=CHECKSUM)):
        with pytest.raises(NotFound):
            issue(charger, charlie, intent)
        with pytest.raises(NotPermitted):
            issue(charger, vera, intent)

    assert not FirmwareJob.objects.visible_to(charlie).exists()


def test_words_of_its_own_fill_no_table(charger: Charger) -> None:
    charger.set(lenient=True)
    with charger.dial("2.0.1") as socket:
        boot(socket, "1.0")
        for number in range(60):
            assert socket.call(STATUS, {"status": f"Baking{number}"}) == {}
        assert socket.call(STATUS, {"status": "Baking7"}) == {}

    assert job_of(charger).steps.count() == 50
    assert job_of(charger).steps.get(word="Baking7").count == 2


@pytest.mark.parametrize("status", ["Unpublished", "NoFirmware"])
def test_l04_a_publication_that_failed_stays_failed_when_the_image_is_withdrawn(
    charger: Charger, alice: Actor, status: str
) -> None:
    with charger.dial("2.0.1") as socket:
        socket.boot()
        sent, _ = ask(charger, socket, alice, PUBLISH, {"status": "Accepted"})
        told = {"status": "DownloadFailed", "requestId": sent[3]["requestId"]}
        socket.call("PublishFirmwareStatusNotification", told)
        withdraw = intents.UnpublishFirmware(checksum=CHECKSUM)
        ask(charger, socket, alice, withdraw, {"status": status})

    job = FirmwareJob.objects.get(station=charger.station)
    assert (job.status, job.succeeded) == ("failed", False)
