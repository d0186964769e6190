"""Checking a raw CALL: known in the version, in our direction, by its schema.

Before a command or a plan is made of it, and again when it is said, since a station may speak another version then.
"""

from collections.abc import Callable, Mapping
from typing import Any

from core.errors import Invalid, NotSupported
from stations.domain.intents import Call, Intent
from stations.domain.words import Version
from stations.models import ChargingStation
from stations.ocpp import schemas
from stations.ocpp.schemas import Kind

STATIONS_SAY: frozenset[str] = frozenset(
    {
        "Authorize", "BatterySwap", "BootNotification", "ClearedChargingLimit", "ClosePeriodicEventStream",
        "DiagnosticsStatusNotification", "FirmwareStatusNotification", "Get15118EVCertificate",
        "GetCertificateChainStatus", "GetCertificateStatus", "Heartbeat", "LogStatusNotification", "MeterValues",
        "NotifyChargingLimit", "NotifyCustomerInformation", "NotifyDERAlarm", "NotifyDERStartStop",
        "NotifyDisplayMessages", "NotifyEVChargingNeeds", "NotifyEVChargingSchedule", "NotifyEvent",
        "NotifyMonitoringReport", "NotifyPeriodicEventStream", "NotifyPriorityCharging", "NotifyReport",
        "NotifySettlement", "OpenPeriodicEventStream", "PublishFirmwareStatusNotification",
        "PullDynamicScheduleUpdate", "ReportChargingProfiles", "ReportDERControl", "ReservationStatusUpdate",
        "SecurityEventNotification", "SignCertificate", "SignedFirmwareStatusNotification", "StartTransaction",
        "StatusNotification", "StopTransaction", "TransactionEvent", "VatNumberValidation",
    }
)  # fmt: skip


def check_at_once(station: ChargingStation, intent: Intent) -> None:
    """Raise :class:`Invalid` where a raw call could not be said to the station by the version that it speaks, or
    spoke last. Other intents are for all stations."""
    if not isinstance(intent, Call):
        return
    spoken = _spoken(station)
    if spoken and intent.ocpp_version not in (None, spoken):
        raise Invalid(f"The station speaks OCPP {spoken}.", field="ocpp_version")
    check(spoken, intent.action, intent.payload)


def check_for_later(station: ChargingStation, intent: Intent) -> None:
    """The same for a plan: by the version that it names, which the station may come to speak until then."""
    if isinstance(intent, Call):
        check(intent.ocpp_version or _spoken(station), intent.action, intent.payload)


def check_by_time(*, planned: bool) -> Callable[[ChargingStation, Intent], None]:
    """Which of the two holds for a wish."""
    return check_for_later if planned else check_at_once


def check_for_any(intent: Intent) -> None:
    """Raise :class:`Invalid` for a raw call that no version, or not the one it names, allows."""
    if not isinstance(intent, Call):
        return
    versions = [intent.ocpp_version] if intent.ocpp_version else list(Version)
    refusals = [refusal for version in versions if (refusal := _refusal(version, intent))]
    if len(refusals) == len(versions):
        raise min(refusals, key=lambda refusal: refusal.field == "action")  # where it is known says more


def require_sayable(version: Version, call: Call) -> None:
    """As it is said. Raises :class:`NotSupported` where it is not for this version, :class:`Invalid` for what
    stations say to us; the schema is asked of everything that we send."""
    if call.ocpp_version not in (None, version.value):
        raise NotSupported(f"This is for OCPP {call.ocpp_version}; the station speaks {version.value}.")
    if not schemas.is_known(version, call.action):
        raise NotSupported(f"OCPP {version.value} has no action “{call.action}”.")
    _require_direction(call.action)


def check(version_word: str, action: str, payload: Mapping[str, Any]) -> None:
    """Raise :class:`Invalid` naming the field where the station's version does not allow the CALL."""
    if not version_word:
        raise Invalid("The station never connected, so its version of OCPP is not known yet.", field="action")
    version = Version(version_word)
    if not schemas.is_known(version, action):
        raise Invalid(f"OCPP {version.value} has no action “{action}”.", field="action")
    _require_direction(action)
    schema = schemas.schema_of(version, action, Kind.REQUEST)
    deviations = schema.deviations(payload) if schema else []
    if deviations:
        first = deviations[0]
        pointer = "/".join(str(step) for step in ("payload", *first.path))
        raise Invalid(first.refusal().description, field=pointer)


def _require_direction(action: str) -> None:
    if action in STATIONS_SAY:
        raise Invalid(f"“{action}” is said by stations, not to them.", field="action")


def _refusal(version_word: str, call: Call) -> Invalid | None:
    try:
        check(version_word, call.action, call.payload)
    except Invalid as refusal:
        return refusal
    return None


def _spoken(station: ChargingStation) -> str:
    """Its version now, or as it was here last; empty for one that never connected."""
    return station.presence.ocpp_version or station.boot_version
