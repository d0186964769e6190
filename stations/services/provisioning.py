"""Boots and registration (OCPP 2.0.1 B01 to B03, 1.6 section 4.2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db.models import F, Func, Q, Value
from django.db.transaction import atomic

from core import access, audit, statements
from core.access import Actor, Permission
from core.errors import DomainError
from stations import live
from stations.domain import capabilities
from stations.domain.capabilities import Source
from stations.domain.events import StationBooted
from stations.domain.intents import TriggerMessage
from stations.domain.station import StationSide
from stations.domain.treatment import Treatment
from stations.domain.words import Capability, Registration
from stations.models import Alert, ChargingStation, Command, Presence
from stations.services import (
    alerts,
    commands,
    device_model,
    effects,
    firmware,
    learning,
    quirks,
    stations,
    streams,
)

PENDING_RETRY_S = 60
JITTER = 0.10
TRIGGERED = "Triggered"
BOOT = "boot_notification"
AWAITS_DECISION = "registration_pending"
DRIFT_STEP_MS = 500
REPORTED: Mapping[str, int] = {
    "vendor": 50,
    "model": 50,
    "serial_number": 50,
    "firmware_version": 50,
    "iccid": 20,
    "imsi": 20,
    "meter_type": 50,
    "meter_serial_number": 50,
}
"""What a station says of itself, each with what its column holds."""


class Open(NamedTuple):
    """What is open at a station that a boot may settle; mostly nothing, and then nothing is looked for."""

    effects: bool
    values: bool
    firmware: bool
    streams: bool
    decision: bool


OPEN = """
    SELECT
        EXISTS (SELECT FROM stations_command
            WHERE station_id = %(station)s AND effect = '' AND effect_until >= %(now)s),
        EXISTS (SELECT FROM stations_variable WHERE station_id = %(station)s AND pending_value <> ''),
        EXISTS (SELECT FROM stations_firmwarejob
            WHERE station_id = %(station)s AND requested AND confirmed_at IS NULL),
        EXISTS (SELECT FROM stations_eventstream WHERE station_id = %(station)s AND closed_at IS NULL),
        EXISTS (SELECT FROM stations_alert
            WHERE station_id = %(station)s AND kind = %(kind)s AND cleared_at IS NULL)
"""


@dataclass(frozen=True, slots=True)
class Registered:
    """How a boot is answered: the station's registration, and when to send the next message."""

    registration: Registration
    interval_s: int
    treatment: Treatment


def boot(
    station: StationSide,
    event: StationBooted,
    *,
    version: str,
    lacks: frozenset[Capability],
    received_at: datetime,
) -> Registered:
    """Write down who the station says it is. Repeats change nothing more (P101); sessions stay (P107).

    ``lacks`` is what its version of OCPP has no words for.
    """
    with atomic():
        row = ChargingStation.objects.select_for_update(of=("self",)).get(pk=station.station_id)
        again = row.booted_at is not None
        open_ = _open_at(row.id, received_at)
        asked_for = event.reason == TRIGGERED or (open_.effects and _was_triggered(row.id, received_at))
        _assign(row, event, version)
        row.capabilities = learning.by_version(row.capabilities, version, lacks, received_at)
        row.quirks = quirks.treatment_of(row)
        if open_.effects:
            effects.message_received(row.id, BOOT)
        if not (asked_for and again):
            _start_afresh(row, open_, received_at)
        _note_decision_wanted(row, open_, received_at)
        row.save()
        live.announce_on_commit(
            "station", row.organization_id, row.id, site_id=row.site_id, station_id=row.id
        )
    return Registered(Registration(row.registration), _interval_s(row), quirks.effective(row))


def decide(station: ChargingStation, registration: Registration, *, by: Actor) -> ChargingStation:
    """Accept, hold or turn away a station. One that waits for it is asked to boot again at once."""
    by.require(Permission.STATIONS_EDIT, station)
    with atomic():
        row = ChargingStation.objects.select_for_update(of=("self",)).get(pk=station.pk)
        before, row.registration = row.registration, registration.value
        if before == registration:
            return row
        row.save(update_fields=["registration", "updated_at"])
        audit.record(
            "station.registration_decided",
            row,
            by=by,
            changes={"registration": [before, registration.value]},
        )
        alerts.clear(AWAITS_DECISION, station_id=row.id, at=row.updated_at)
        _carry_out(row, registration)
        live.announce_on_commit(
            "station", row.organization_id, row.id, site_id=row.site_id, station_id=row.id
        )
    station.registration = row.registration
    return station


def measure_drift(station_id: UUID, sent_at: datetime, received_at: datetime) -> bool:
    """Keep by how much the station's clock is ahead of ours, from the time in a message it just made (P112).

    Written only when it moved by half a second; whether it was.
    """
    drift_ms = drift(sent_at, received_at)
    near = Q(
        clock_drift_ms__isnull=False,
        clock_drift_ms__gt=drift_ms - DRIFT_STEP_MS,
        clock_drift_ms__lt=drift_ms + DRIFT_STEP_MS,
    )
    return bool(Presence.objects.filter(~near, station_id=station_id).update(clock_drift_ms=drift_ms))


def note_unsupported(station_id: UUID, action: str) -> None:
    """The station does not know the action; remembered until its next boot, and asked again if wished (P215)."""
    lacking = ChargingStation.objects.filter(pk=station_id).exclude(unsupported__contains=[action[:50]])
    lacking.update(unsupported=Func(F("unsupported"), Value(action[:50]), function="array_append"))


def drift(sent_at: datetime, received_at: datetime) -> int:
    """Milliseconds by which the station's clock is ahead of ours; negative where it is behind."""
    return round((sent_at - received_at).total_seconds() * 1000)


def _was_triggered(station_id: UUID, now: datetime) -> bool:
    """Whether we asked for this message, which is no restart then; 1.6 does not tell by itself."""
    return Command.objects.filter(
        station_id=station_id,
        command=TriggerMessage.name,
        parameters__message=BOOT,
        effect="",
        effect_until__gte=now,
    ).exists()


def _open_at(station_id: UUID, now: datetime) -> Open:
    row = statements.execute(OPEN, {"station": station_id, "now": now, "kind": AWAITS_DECISION})
    assert row is not None
    return Open(*row)


def _assign(row: ChargingStation, event: StationBooted, version: str) -> None:
    for name, longest in REPORTED.items():
        setattr(row, name, getattr(event, name)[:longest])
    row.boot_version = version
    row.boot_reason = event.reason[:30]


def _start_afresh(row: ChargingStation, open_: Open, received_at: datetime) -> None:
    """What a real restart ends: refusals remembered, open streams, and values that waited for it.

    Events after ``booted_at`` may be numbered anew (P108).
    """
    row.booted_at = received_at
    row.unsupported = []
    row.capabilities = capabilities.without(row.capabilities, [Source.ANSWER])
    if open_.values:
        device_model.apply_pending(row.id, received_at)
    if open_.effects:
        effects.booted(row.id)
    if open_.firmware:
        firmware.booted(row, received_at)
    if open_.streams:
        streams.booted(row.id, received_at)


def _note_decision_wanted(row: ChargingStation, open_: Open, received_at: datetime) -> None:
    if row.registration != Registration.PENDING:
        if open_.decision:
            alerts.clear(AWAITS_DECISION, station_id=row.id, at=received_at)
        return
    alerts.raise_(
        AWAITS_DECISION,
        station_id=row.id,
        organization_id=row.organization_id,
        severity=Alert.Severity.INFO,
        detail=f"{row.vendor} {row.model} waits to be accepted.",
        at=received_at,
    )


def _interval_s(row: ChargingStation) -> int:
    """The heartbeat interval, spread by up to a tenth over the stations, the same at each boot (P100, M-13)."""
    usual: int = row.heartbeat_interval_s or settings.OCPP_HEARTBEAT_INTERVAL
    if row.registration == Registration.PENDING:
        usual = min(usual, PENDING_RETRY_S)
    place = int.from_bytes(row.id.bytes[-4:], "big") / 2**32
    return max(1, round(usual * (1 - JITTER + 2 * JITTER * place)))


def _carry_out(row: ChargingStation, registration: Registration) -> None:
    presence = Presence.objects.filter(station=row, connected=True).first()
    if presence is None:
        return
    if registration is not Registration.ACCEPTED:
        stations.disconnect(row, reason="The registration of the station was changed.")
        return
    _ask_for_boot(row)


def _ask_for_boot(row: ChargingStation) -> None:
    """Only a boot makes the station accepted; without the trigger it comes by itself, later."""
    try:
        with atomic():
            commands.issue(
                row,
                TriggerMessage(message=BOOT),
                by=access.system("registration"),
                reason="The station was accepted.",
            )
    except DomainError:
        # A full queue or a station switched off: it boots again by its own retry interval.
        return
