"""What cannot be said to a station leaves nothing behind that waits for its answer (M-09)."""

import pytest

from core.access import Actor
from stations.domain import intents
from stations.domain.intents import VariableItem
from stations.models import FirmwareJob, LogJob, Report
from tests.stations.ocpp.asking import VERSIONS, VERSIONS_2X, ended, issue
from tests.stations.ocpp.knocking import Charger

URL = "https://files.example.org/8f2c"
PASSWORD_16 = "00112233445566778899aabbccddeeff"
PASSWORD_2X = "a-new-password-for-it"
OF_A_PASSWORD = {
    "1.6": VariableItem(variable="AuthorizationKey", value=PASSWORD_16),
    "2.0.1": VariableItem(variable="BasicAuthPassword", component="SecurityCtrlr", value=PASSWORD_2X),
    "2.1": VariableItem(variable="BasicAuthPassword", component="SecurityCtrlr", value=PASSWORD_2X),
}


def refused(charger: Charger, alice: Actor, version: str, *wishes: intents.Intent) -> None:
    """The station is rejected, so that each wish fails before it leaves."""
    charger.set(registration="rejected")
    with charger.dial(version) as socket:
        socket.boot()
        for wish in wishes:
            command = ended(issue(charger, alice, wish))
            assert (command.status, command.error["code"]) == ("failed", "not_accepted")
        assert not socket.calls


@pytest.mark.parametrize("version", VERSIONS)
def test_jobs_begin_with_their_request_and_not_without_it(
    charger: Charger, alice: Actor, version: str
) -> None:
    log = intents.GetLog(kind="diagnostics", location=URL)

    refused(charger, alice, version, intents.UpdateFirmware(location=URL), log)

    assert not LogJob.objects.filter(station=charger.station).exists()
    assert not FirmwareJob.objects.filter(station=charger.station).exists()


@pytest.mark.parametrize("version", VERSIONS_2X)
def test_reports_are_expected_once_they_are_asked_for(charger: Charger, alice: Actor, version: str) -> None:
    refused(charger, alice, version, intents.GetBaseReport(kind="full_inventory"))

    assert not Report.objects.filter(station=charger.station).exists()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_password_that_never_left_opens_no_door(charger: Charger, alice: Actor, version: str) -> None:
    refused(charger, alice, version, intents.SetVariables(items=(OF_A_PASSWORD[version],)))

    assert charger.station.credentials.count() == 1
