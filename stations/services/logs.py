"""Log jobs: one for each request; a second that the station takes ends the first (OCPP 2.0.1 N01, P233)."""

from datetime import datetime

from django.db.transaction import atomic

from core import clock
from stations.domain.firmware import ENDED, JobStatus, LogStateReported
from stations.domain.intents import GetLog
from stations.domain.secrecy import masked_address
from stations.domain.station import StationSide
from stations.models import Command, LogFile, LogJob, SecurityEvent, Variable
from stations.services import effects, jobs

MESSAGE = "log_status_notification"
NOT_ENDED = [status.value for status in JobStatus if status not in ENDED]
EXTENSION_KEYS = ("SecurityProfile", "CpoName", "CertificateSignedMaxChainSize", "CertificateStoreMaxLength")


def begin(station: StationSide, intent: GetLog) -> None:
    """The request is about to leave."""
    job = LogJob.objects.create(
        organization_id=station.organization_id,
        station_id=station.station_id,
        kind=intent.kind,
        request_id=intent.request_id,
        requested=True,
        location=masked_address(intent.location)[:2000],
        oldest_at=intent.oldest_at,
        latest_at=intent.latest_at,
        created_at=clock.now(),
    )
    LogFile.objects.filter(station_id=station.station_id, request_id=intent.request_id).update(job=job)
    jobs.tell(station)


def answered(station: StationSide, request_id: int | None, status: str, filename: str, at: datetime) -> None:
    """What the station said to the request; no file name on ``Nothing``."""
    with atomic():
        job = _job_for_update(station, request_id)
        if job is None:
            return
        if status == "Nothing":
            jobs.end(job, JobStatus.NOTHING, "The station has no such log.", at)
        else:
            jobs.answered(job, status, at)
        job.filename = filename[:255] or job.filename
        job.save()
        if status == "AcceptedCanceled":
            _replace_before(job, at)
        jobs.tell(station)


def reported(
    station: StationSide, event: LogStateReported, received_at: datetime, *, message: str = MESSAGE
) -> None:
    """A state of an upload, whatever came before it (P230, P231)."""
    with atomic():
        job = _job_of(station, event, received_at)
        if job is not None:
            jobs.step(job, event.status, received_at, event.detail)
            job.save()
        effects.message_received(station.station_id, message)
        jobs.tell(station)


def command_ended(command: Command) -> None:
    """No usable answer came. What the station reports later still counts."""
    code = str((command.error or {}).get("code", ""))
    description = str((command.error or {}).get("description", "")) or code
    found = LogJob.objects.select_for_update().filter(
        station_id=command.station_id,
        request_id=command.parameters.get("request_id"),
        status=JobStatus.SENT.value,
    )
    for job in found:
        if code in ("timeout", "outcome_unknown", "disconnected"):
            job.detail = description[:500]
        else:
            jobs.end(job, JobStatus.REFUSED, description, clock.now())
        job.save()


def knows_security(station: StationSide) -> bool:
    """Whether a 1.6 station has shown that it has the security extension."""
    keys = Variable.objects.filter(station_id=station.station_id, component="", variable__in=EXTENSION_KEYS)
    told = SecurityEvent.objects.filter(station_id=station.station_id).exclude(type="DuplicateIdentity")
    return keys.exists() or told.exists()


def _job_for_update(station: StationSide, request_id: int | None) -> LogJob | None:
    rows = LogJob.objects.select_for_update().filter(station_id=station.station_id)
    if request_id is not None:
        return rows.filter(request_id=request_id).first()
    return rows.order_by("-id").first()


def _job_of(station: StationSide, event: LogStateReported, at: datetime) -> LogJob | None:
    found = _job_for_update(station, event.request_id)
    if event.status == "Idle" or (found is not None and not jobs.is_over(found, event.request_id, at)):
        return found
    row = LogJob(
        organization_id=station.organization_id,
        station_id=station.station_id,
        request_id=event.request_id,
        created_at=at,
    )
    LogJob.objects.bulk_create([row], ignore_conflicts=True)
    jobs.forget_oldest(LogJob, station.station_id)
    return LogJob.objects.select_for_update().filter(pk=row.pk).first() or _job_for_update(
        station, event.request_id
    )


def _replace_before(job: LogJob, at: datetime) -> None:
    earlier = LogJob.objects.select_for_update().filter(
        station_id=job.station_id, pk__lt=job.pk, status__in=NOT_ENDED
    )
    for old in earlier:
        jobs.end(old, JobStatus.REPLACED, "A newer request took its place.", at)
        old.save()
