"""Charging profiles that an expert sends in a version's own words (P251; 2.0.1 F01, K01)."""

from typing import Any

import pytest

from core.access import Actor
from stations.domain import intents
from tests.stations.ocpp.asking import ask, ended, issue
from tests.stations.ocpp.knocking import Charger

PERIODS = [{"startPeriod": 0, "limit": 16.0}]
SCHEDULE_16 = {"chargingRateUnit": "A", "chargingSchedulePeriod": PERIODS}
SCHEDULE_2X = [{"id": 1, **SCHEDULE_16}]


def profile(version: str, purpose: str, **more: Any) -> dict[str, Any]:
    number, schedule = ("id", SCHEDULE_2X) if version != "1.6" else ("chargingProfileId", SCHEDULE_16)
    return {
        number: 7,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Relative",
        "chargingSchedule": schedule,
        **more,
    }


def setting(version: str, purpose: str, **more: Any) -> intents.Call:
    made = profile(version, purpose, **more)
    if version == "1.6":
        return intents.Call(
            action="SetChargingProfile", payload={"connectorId": 1, "csChargingProfiles": made}
        )
    return intents.Call(action="SetChargingProfile", payload={"evseId": 1, "chargingProfile": made})


def starting(version: str, purpose: str, **more: Any) -> intents.Call:
    made = profile(version, purpose, **more)
    if version == "1.6":
        return intents.Call(
            action="RemoteStartTransaction", payload={"idTag": "ABC", "chargingProfile": made}
        )
    payload = {"idToken": {"idToken": "ABC", "type": "Central"}, "remoteStartId": 1, "chargingProfile": made}
    return intents.Call(action="RequestStartTransaction", payload=payload)


REFUSED = [
    ("2.0.1", setting("2.0.1", "ChargingStationExternalConstraints"), "never sent to them"),
    ("2.1", setting("2.1", "ChargingStationExternalConstraints"), "never sent to them"),
    ("1.6", setting("1.6", "TxProfile"), "names its session"),
    ("1.6", setting("1.6", "TxDefaultProfile", transactionId=4), "names its session"),
    ("2.0.1", setting("2.0.1", "TxProfile"), "names its session"),
    ("1.6", starting("1.6", "TxProfile", transactionId=4), "without transactionId"),
    ("1.6", starting("1.6", "TxDefaultProfile"), "without transactionId"),
    ("2.1", starting("2.1", "TxProfile", transactionId="4"), "without transactionId"),
]


@pytest.mark.parametrize(("version", "raw", "why"), REFUSED)
def test_p251_a_raw_profile_that_may_not_be_sent_is_not_sent(
    charger: Charger, alice: Actor, version: str, raw: intents.Call, why: str
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        command = ended(issue(charger, alice, raw))
        assert not socket.calls

    assert (command.status, command.error["code"]) == ("failed", "invalid")
    assert why in command.error["description"]


@pytest.mark.parametrize(
    ("version", "raw"),
    [
        ("1.6", setting("1.6", "TxProfile", transactionId=4)),
        ("1.6", setting("1.6", "TxDefaultProfile")),
        ("2.0.1", setting("2.0.1", "TxProfile", transactionId="T1")),
        ("1.6", starting("1.6", "TxProfile")),
        ("2.0.1", starting("2.0.1", "TxProfile")),
    ],
)
def test_p251_a_raw_profile_that_keeps_the_rules_is_sent(
    charger: Charger, alice: Actor, version: str, raw: intents.Call
) -> None:
    with charger.dial(version) as socket:
        socket.boot()
        call, command = ask(charger, socket, alice, raw, {"status": "Rejected"})

    assert (call[2], call[3], command.status) == (raw.action, raw.payload, "rejected")
