"""Checking a raw CALL before a command is made of it: known in the version, in our direction, by its schema."""

from collections.abc import Mapping
from typing import Any

from core.errors import Invalid
from stations.domain.words import Version
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


def check(version_word: str, action: str, payload: Mapping[str, Any]) -> None:
    """Raise :class:`Invalid` naming the field where the station's version does not allow the CALL."""
    if not version_word:
        raise Invalid("The station never connected, so its version of OCPP is not known yet.", field="action")
    version = Version(version_word)
    if not schemas.is_known(version, action):
        raise Invalid(f"OCPP {version.value} has no action “{action}”.", field="action")
    if action in STATIONS_SAY:
        raise Invalid(f"“{action}” is said by stations, not to them.", field="action")
    schema = schemas.schema_of(version, action, Kind.REQUEST)
    deviations = schema.deviations(payload) if schema else []
    if deviations:
        first = deviations[0]
        pointer = "/".join(str(step) for step in ("payload", *first.path))
        raise Invalid(first.refusal().description, field=pointer)
