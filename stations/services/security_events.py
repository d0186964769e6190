"""What stations report about their own security (OCPP 2.0.1 A04), stored once (P242)."""

from datetime import UTC, datetime

from django.db.transaction import atomic

from stations import live
from stations.domain.events import SecurityEventReported, Stamp
from stations.domain.station import StationSide
from stations.domain.words import Flag
from stations.models import Alert, SecurityEvent
from stations.services import alerts

CRITICAL = frozenset(
    {
        "FirmwareUpdated",
        "SettingSystemTime",
        "StartupOfTheDevice",
        "ResetOrReboot",
        "SecurityLogWasCleared",
        "MemoryExhaustion",
        "TamperDetectionActivated",
        "MaintenanceLoginAccepted",
        "MaintenanceLoginFailed",
    }
)
"""Those that a station must not keep to itself (2.0.1 part 2, appendix 1)."""

EVERYDAY = frozenset({"FirmwareUpdated", "SettingSystemTime", "StartupOfTheDevice", "ResetOrReboot"})
"""Critical by the book, but part of every restart: shown among the events, never an alert of their own."""

SUSPICIOUS = frozenset(
    {
        "AttemptedReplayAttacks",
        "InvalidFirmwareSignature",
        "InvalidFirmwareSigningCertificate",
        "InvalidCsmsCertificate",
        "InvalidChargingStationCertificate",
        "InvalidCentralSystemCertificate",
        "InvalidChargePointCertificate",
    }
)
"""Those that somebody may have a hand in, or that keep a station from connecting; the last two are words of 1.6."""

ALERT = "security_event"


def store(station: StationSide, event: SecurityEventReported) -> bool:
    """Keep the event and alert where it needs a person; ``False`` where it was known already."""
    with atomic():
        row = SecurityEvent(
            station_id=station.station_id,
            type=event.type[:50],
            critical=event.type in CRITICAL,
            tech_info=event.tech_info[:255],
            occurred_at=_told_time(event.stamp),
            received_at=event.stamp.received_at,
        )
        SecurityEvent.objects.bulk_create([row], ignore_conflicts=True)
        if not SecurityEvent.objects.filter(pk=row.pk).exists():
            return False
        severity = severity_of(event.type)
        if severity:
            _alert(station, event, severity)
        live.announce_on_commit(
            "station",
            station.organization_id,
            station.station_id,
            site_id=station.site_id,
            station_id=station.station_id,
        )
    return True


def severity_of(type_: str) -> Alert.Severity | None:
    """How loud an event is; ``None`` for those that are only kept."""
    if type_ in CRITICAL - EVERYDAY:
        return Alert.Severity.CRITICAL
    return Alert.Severity.WARNING if type_ in SUSPICIOUS else None


def _told_time(stamp: Stamp) -> datetime:
    """The time as sent, even an absurd one: a repeat must be known by it."""
    if Flag.CLOCK_IMPLAUSIBLE not in stamp.flags:
        return stamp.occurred_at
    try:
        told = datetime.fromisoformat(stamp.as_sent)
    except ValueError:
        return stamp.occurred_at
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def _alert(station: StationSide, event: SecurityEventReported, severity: Alert.Severity) -> None:
    alerts.raise_(
        ALERT,
        subject=event.type[:80],
        station_id=station.station_id,
        organization_id=station.organization_id,
        severity=severity,
        detail=f"{event.type}: {event.tech_info}" if event.tech_info else event.type,
        at=event.stamp.received_at,
    )
