"""Which stations may be told now, and telling them: one command and one attempt, in one transaction."""

from collections import Counter
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from core import access
from core.errors import DomainError
from stations.domain import intents
from stations.domain.firmware import ENDED, FirmwareKind, JobStatus
from stations.domain.rollouts import UNDER_WAY, Progress
from stations.domain.words import Version
from stations.models import (
    FirmwareJob,
    FirmwareRollout,
    RolloutAttempt,
    RolloutStation,
    Transaction,
)
from stations.services import commands, firmware_images, logs
from stations.services.rollouts import deciding

OFFER_FOR = timedelta(hours=24)
PATIENCE_S = 60
OPEN_JOBS = [status.value for status in JobStatus if status not in ENDED]
OFFLINE = "The station is not connected; it is updated when it comes back."
SHUT = "The window is not open now."
BUSY = "A session is running; the station is updated afterwards."
OTHER = "Another update is under way at the station."


def candidates(rollout: FirmwareRollout, now: datetime) -> list[RolloutStation]:
    """Waiting stations of waves that have begun, with why each of the others still waits written down."""
    waiting = (
        rollout.rows.select_for_update(of=("self",))
        .filter(status=Progress.WAITING, wave__started_at__isnull=False)
        .select_related("station__presence", "station__site", "wave")
        .order_by("id")
    )
    rows = list(waiting)
    stations = [row.station_id for row in rows]
    charging = _charging(stations) if rollout.only_when_idle else set()
    updating = _updating(stations, now - rollout.silence)
    busy = _at_work(rollout)
    found = []
    for row in rows:
        reason = _held(rollout, row, now, charging, updating)
        site = row.station.site_id
        if reason is None and busy[site] < rollout.concurrency:
            busy[site] += 1
            found.append(row)
        elif reason and row.detail != reason:
            row.detail = reason
            row.save(update_fields=["detail"])
    return found


def send(rollout: FirmwareRollout, row: RolloutStation, now: datetime) -> None:
    """Issue the command of the next attempt. A refusal by a rule of ours ends the station as failed."""
    image, station = rollout.image, row.station
    try:
        plain = station.presence.ocpp_version == Version.V16 and not logs.knows_security(_Side(row))
        intent = intents.UpdateFirmware(
            location=firmware_images.offer(image, station, now + OFFER_FOR),
            version=image.version,
            signature="" if plain else image.signature,
            signing_certificate="" if plain else image.signing_certificate,
        )
        command = commands.issue(
            station,
            intent,
            by=access.system("rollout"),
            patience_s=PATIENCE_S,
            reason=f"Rollout {rollout}",
        )
    except DomainError as error:
        deciding.finish(row, Progress.FAILED, error.message, now)
        return
    row.attempts += 1
    RolloutAttempt.objects.create(
        row=row,
        number=row.attempts,
        command=command,
        request_id=command.parameters["request_id"],
        issued_at=now,
    )
    row.status, row.detail, row.next_try_at = Progress.SENT.value, "", None
    row.sent_at = row.status_at = now
    row.save()


class _Side:
    """The station as services of a socket know it."""

    def __init__(self, row: RolloutStation) -> None:
        self.station_id = row.station_id
        self.organization_id = row.organization_id
        self.site_id = row.station.site_id


def _held(
    rollout: FirmwareRollout,
    row: RolloutStation,
    now: datetime,
    charging: set[UUID],
    updating: set[UUID],
) -> str | None:
    """Why the station still waits (an empty text: it was said already), or ``None`` where it may be told."""
    station = row.station
    if row.next_try_at is not None and row.next_try_at > now:
        return ""
    if not station.presence.connected:
        return OFFLINE
    if rollout.window is not None and not rollout.window.is_open(now, ZoneInfo(station.site.time_zone)):
        return SHUT
    if station.pk in charging:
        return BUSY
    return OTHER if station.pk in updating else None


def _charging(stations: list[UUID]) -> set[UUID]:
    active = Transaction.objects.filter(station__in=stations, status="active")
    return set(active.values_list("station_id", flat=True))


def _updating(stations: list[UUID], since: datetime) -> set[UUID]:
    """Where an update runs that somebody else asked for, or the station began by itself."""
    jobs = FirmwareJob.objects.filter(
        station__in=stations, kind=FirmwareKind.UPDATE.value, status__in=OPEN_JOBS, created_at__gt=since
    )
    return set(jobs.values_list("station_id", flat=True))


def _at_work(rollout: FirmwareRollout) -> Counter[UUID]:
    rows = rollout.rows.filter(status__in=UNDER_WAY)
    return Counter(rows.values_list("station__site_id", flat=True))
