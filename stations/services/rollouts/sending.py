"""Which stations may be told now, and telling them: one command and one attempt, in one transaction."""

from collections import Counter
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Q
from django.db.transaction import atomic

from core import access
from core.errors import DomainError
from stations.domain import intents
from stations.domain.firmware import ENDED, FirmwareKind, JobStatus
from stations.domain.rollouts import UNDER_WAY, Progress
from stations.domain.words import CommandStatus
from stations.models import (
    Command,
    FirmwareJob,
    FirmwareRollout,
    RolloutAttempt,
    RolloutStation,
    Transaction,
)
from stations.services import commands, firmware_images
from stations.services.rollouts import deciding

PATIENCE_S = 60
AT_LEAST = timedelta(hours=1)
ACTOR = "rollout"
UNSETTLED = (CommandStatus.PENDING.value, CommandStatus.SENT.value)
OPEN_JOBS = [status.value for status in JobStatus if status not in ENDED]
OFFLINE = "The station is not connected; it is updated when it comes back."
SHUT = "The window is not open now."
BUSY = "A session is running; the station is updated afterwards."
OTHER = "Another update is under way at the station."


def candidates(rollout: FirmwareRollout, now: datetime) -> tuple[list[RolloutStation], bool]:
    """Stations that may be told now; why each of the others still waits is written down, ``True`` if it is new."""
    waiting = (
        rollout.rows.filter(status=Progress.WAITING, wave__started_at__isnull=False)
        .select_related("station__presence", "station__site", "wave")
        .order_by("id")
    )
    rows = list(waiting)
    stations = [row.station_id for row in rows]
    charging = _charging(stations) if rollout.only_when_idle else set()
    updating = _updating(stations, now - max(rollout.silence, AT_LEAST))
    busy = _at_work(rollout)
    found, noted = [], []
    for row in rows:
        reason = _held(rollout, row, now, charging, updating)
        site = row.station.site_id
        if reason is None and busy[site] < rollout.concurrency:
            busy[site] += 1
            found.append(row)
        elif reason and row.detail != reason:
            row.detail = reason
            noted.append(row)
    RolloutStation.objects.bulk_update(noted, ["detail"], batch_size=500)
    return found, bool(noted)


def send(rollout: FirmwareRollout, row: RolloutStation, now: datetime) -> None:
    """Issue the command of the next attempt; what cannot be issued counts as an attempt that failed."""
    if refusal := firmware_images.fits(rollout.image, row.station):
        return deciding.finish(row, Progress.SKIPPED, refusal.message, now)
    try:
        with atomic():
            command = _issue(rollout, row)
    except DomainError as error:
        return _refused(rollout, row, error.message, now)
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
    return None


def _issue(rollout: FirmwareRollout, row: RolloutStation) -> Command:
    intent = intents.UpdateFirmware(image=rollout.image_id, signature_optional=True)
    who = access.system(ACTOR)
    return commands.issue(row.station, intent, by=who, patience_s=PATIENCE_S, reason=f"Rollout {rollout}")


def _refused(rollout: FirmwareRollout, row: RolloutStation, why: str, now: datetime) -> None:
    row.failures += 1
    if row.failures > rollout.retries:
        row.save(update_fields=["failures"])
        return deciding.finish(row, Progress.FAILED, why, now)
    row.detail, row.next_try_at = why[:500], now + timedelta(seconds=rollout.retry_seconds)
    row.save(update_fields=["failures", "detail", "next_try_at"])
    return None


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
    lately = Q(created_at__gt=since) | Q(reported_at__gt=since)
    jobs = FirmwareJob.objects.filter(
        lately, station__in=stations, kind=FirmwareKind.UPDATE.value, status__in=OPEN_JOBS
    )
    asked = Command.objects.filter(
        station__in=stations, command=intents.UpdateFirmware.name, status__in=UNSETTLED
    )
    return {*jobs.values_list("station_id", flat=True), *asked.values_list("station_id", flat=True)}


def _at_work(rollout: FirmwareRollout) -> Counter[UUID]:
    """How many stations of each site install something, whichever rollout told them."""
    rows = RolloutStation.objects.filter(organization=rollout.organization_id, status__in=UNDER_WAY)
    return Counter(rows.values_list("station__site_id", flat=True))
