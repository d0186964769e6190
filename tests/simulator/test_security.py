"""Firmware, logs and certificates of simulated stations: every message is checked against the official schemas."""

import pytest

from portal.simulator import SimulatedStation
from portal.simulator.settings import Habits
from tests import pki
from tests.simulator.csms import FakeCsms

every_version = pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
both_two = pytest.mark.parametrize("version", ["2.0.1", "2.1"])
QUICK = Habits(reboot_s=0.01)
NOW = "2026-11-25T00:00:00Z"
ROOT = pki.authority()


def update_to(version, location):
    if version == "1.6":
        return "UpdateFirmware", {"location": location, "retrieveDate": NOW}
    return "UpdateFirmware", {"requestId": 7, "firmware": {"location": location, "retrieveDateTime": NOW}}


@every_version
async def test_an_update_ends_with_a_restart_that_shows_the_version_in_the_files_name(version):
    async with (
        FakeCsms() as csms,
        SimulatedStation(csms.url, "CP1", version=version, habits=QUICK) as station,
    ):
        await station.boot()
        answer = await csms.command("CP1", *update_to(version, "https://example.org/wallbox-5.0.bin"))
        told = lambda: [one["status"] for one in csms.of("FirmwareStatusNotification")]  # noqa: E731
        await csms.eventually(lambda: "Installed" in told())

    assert answer[2] == ({} if version == "1.6" else {"status": "Accepted"})
    assert told() == ["Downloading", "Downloaded", "Installing", "Installed"]
    assert "5.0" in str(csms.of("BootNotification")[-1])
    assert csms.invalid == []


@every_version
async def test_a_file_that_cannot_be_loaded_fails(version):
    async with (
        FakeCsms() as csms,
        SimulatedStation(csms.url, "CP1", version=version, habits=QUICK) as station,
    ):
        await station.boot()
        await csms.command("CP1", *update_to(version, "https://example.org/fail.bin"))
        await csms.eventually(lambda: len(csms.of("FirmwareStatusNotification")) == 2)

    assert csms.of("FirmwareStatusNotification")[-1]["status"] == "DownloadFailed"
    assert csms.invalid == []


@every_version
async def test_a_log_is_uploaded(version):
    wanted = {"requestId": 8, "logType": "SecurityLog", "log": {"remoteLocation": "https://example.org/up"}}
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        await station.boot()
        answer = await csms.command("CP1", "GetLog", wanted)
        await csms.eventually(lambda: len(csms.of("LogStatusNotification")) == 2)

    assert answer[2] == {"status": "Accepted", "filename": "CP1.log"}
    assert csms.of("LogStatusNotification")[-1] == {"status": "Uploaded", "requestId": 8}
    assert csms.invalid == []


@every_version
async def test_a_certificate_is_asked_for_and_taken_where_it_fits(version):
    trigger = (
        ("ExtendedTriggerMessage", {"requestedMessage": "SignChargePointCertificate"})
        if version == "1.6"
        else ("TriggerMessage", {"requestedMessage": "SignChargingStationCertificate"})
    )
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        await station.boot()
        await csms.command("CP1", *trigger)
        await csms.eventually(lambda: csms.of("SignCertificate"))
        fitting = ROOT.sign(csms.of("SignCertificate")[0]["csr"])
        other = ROOT.sign(pki.request("CP1", "Demo"))
        answers = [
            (await csms.command("CP1", "CertificateSigned", {"certificateChain": chain}))[2]
            for chain in (other, fitting)
        ]

    assert answers == [{"status": "Rejected"}, {"status": "Accepted"}]
    assert csms.invalid == []


@every_version
async def test_roots_are_installed_listed_and_deleted(version):
    kind = "CentralSystemRootCertificate" if version == "1.6" else "CSMSRootCertificate"
    asked = {"certificateType": kind if version == "1.6" else [kind]}
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        await station.boot()
        root = {"certificateType": kind, "certificate": pki.pem(ROOT.certificate)}
        none = await csms.command("CP1", "GetInstalledCertificateIds", asked)
        done = await csms.command("CP1", "InstallCertificate", root)
        listed = await csms.command("CP1", "GetInstalledCertificateIds", asked)
        named = {"certificateHashData": pki.hash_data(ROOT.certificate, ROOT.certificate)}
        gone = [(await csms.command("CP1", "DeleteCertificate", named))[2] for _ in range(2)]

    assert (none[2], done[2]) == ({"status": "NotFound"}, {"status": "Accepted"})
    assert named["certificateHashData"]["serialNumber"] in str(listed[2])
    assert gone == [{"status": "Accepted"}, {"status": "NotFound"}]
    assert csms.invalid == []


@both_two
async def test_firmware_is_published_for_others(version):
    wanted = {"location": "https://example.org/a.bin", "checksum": "0" * 32, "requestId": 9}
    async with FakeCsms() as csms, SimulatedStation(csms.url, "CP1", version=version) as station:
        await station.boot()
        await csms.command("CP1", "PublishFirmware", wanted)
        await csms.eventually(lambda: len(csms.of("PublishFirmwareStatusNotification")) == 4)

    assert csms.of("PublishFirmwareStatusNotification")[-1]["status"] == "Published"
    assert csms.invalid == []
