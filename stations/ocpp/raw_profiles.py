"""Charging profiles in raw messages of any version: what holds for ours holds for them."""

from collections.abc import Mapping

from core.errors import Invalid
from stations.ocpp.context import Json

SET = "SetChargingProfile"
STARTS = ("RemoteStartTransaction", "RequestStartTransaction")
EXTERNAL = "ChargingStationExternalConstraints"
OF_A_SESSION = "TxProfile"


def check(action: str, payload: Json) -> None:
    """Raises :class:`Invalid` for a purpose that we may not send, and where a session is named wrongly.

    Sources: 1.6 section 5.16.2 (P251), 2.0.1 F01 and K01.
    """
    profile = payload.get("csChargingProfiles") or payload.get("chargingProfile")
    if action not in (SET, *STARTS) or not isinstance(profile, Mapping):
        return
    purpose, names_session = profile.get("chargingProfilePurpose"), "transactionId" in profile
    if action in STARTS and (purpose != OF_A_SESSION or names_session):
        raise Invalid("The profile of a start is a TxProfile without transactionId.", field="payload")
    if purpose == EXTERNAL:
        raise Invalid(
            "External constraints are reported by stations and never sent to them.", field="payload"
        )
    if action == SET and names_session != (purpose == OF_A_SESSION):
        raise Invalid("A TxProfile, and no other, names its session by transactionId.", field="payload")
