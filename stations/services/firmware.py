"""Firmware jobs: one for each request, told by the station's own reports (OCPP 2.0.1 block L, P230 to P232)."""

from datetime import datetime
from uuid import UUID

from django.db.transaction import atomic

from core import clock
from stations.domain.firmware import ENDED, FirmwareKind, FirmwareStateReported, JobStatus
from stations.domain.intents import PublishFirmware, UpdateFirmware
from stations.domain.secrecy import masked_address
from stations.domain.station import StationSide
from stations.models import Alert, ChargingStation, Command, FirmwareJob
from stations.services import alerts, effects, jobs

FAILED = "firmware_failed"
NOT_PUBLISHED = [JobStatus.REFUSED, JobStatus.WITHDRAWN, JobStatus.FAILED, JobStatus.REPLACED]
NOT_ENDED = [status.value for status in JobStatus if status not in ENDED]
MESSAGE = {
    FirmwareKind.UPDATE: "firmware_status_notification",
    FirmwareKind.PUBLISH: "publish_firmware_status_notification",
}


def begin(station: StationSide, intent: UpdateFirmware | PublishFirmware, *, signed: bool = False) -> None:
    """The request is about to leave: its job exists before anything can be reported of it."""
    kind = FirmwareKind.UPDATE if isinstance(intent, UpdateFirmware) else FirmwareKind.PUBLISH
    row = ChargingStation.objects.only("firmware_version").get(pk=station.station_id)
    job = FirmwareJob(
        organization_id=station.organization_id,
        station_id=station.station_id,
        kind=kind.value,
        request_id=intent.request_id,
        requested=True,
        location=masked_address(intent.location)[:2000],
        version_before=row.firmware_version,
        signed=signed,
        created_at=clock.now(),
    )
    if isinstance(intent, UpdateFirmware):
        job.version = intent.version[:50]
        job.retrieve_at, job.install_at = intent.retrieve_at, intent.install_at
    else:
        job.checksum = intent.checksum[:32]
    job.save(force_insert=True)
    jobs.tell(station)


def answered(
    station: StationSide, kind: FirmwareKind, request_id: int | None, status: str, at: datetime
) -> None:
    """What the station said to the request. ``AcceptedCanceled``: the update before it is over (L01.FR.24)."""
    with atomic():
        job = _job_for_update(station, kind, request_id)
        if job is None:
            return
        jobs.answered(job, status, at)
        job.save()
        if status == "AcceptedCanceled":
            _replace_before(job, at)
        jobs.tell(station)


def reported(station: StationSide, event: FirmwareStateReported, received_at: datetime) -> None:
    """A state, whatever came before it. Without a request id it is about the latest request (P231)."""
    with atomic():
        job = _job_of(station, event, received_at)
        if job is not None:
            jobs.step(job, event.status, received_at, event.detail)
            job.locations = list(event.locations) or job.locations
            _look_at_version(job, received_at)
            job.save()
            _alert(station, job, received_at)
        effects.message_received(station.station_id, MESSAGE[event.kind])
        jobs.tell(station)


def booted(station: ChargingStation, at: datetime) -> None:
    """A boot shows which version runs: the proof of an installation, or of none (P232)."""
    recent = FirmwareJob.objects.select_for_update().filter(
        station=station, kind=FirmwareKind.UPDATE.value, requested=True, confirmed_at=None
    )
    job = recent.exclude(status__in=[JobStatus.REFUSED, JobStatus.REPLACED]).order_by("-id").first()
    if job is None or job.status in (JobStatus.SENT, JobStatus.ACCEPTED, JobStatus.SCHEDULED):
        return
    if _shows_new_version(job, station.firmware_version):
        job.confirmed_at, job.detail = at, ""
        job.status, job.ended_at = JobStatus.INSTALLED.value, job.ended_at or at
        alerts.clear(FAILED, station_id=station.id, at=at)
    elif job.version and job.status == JobStatus.INSTALLED:
        job.detail = f"The station booted with {station.firmware_version or 'no version'} instead."[:500]
    job.save()


def unpublished(station: StationSide, checksum: str, status: str, at: datetime) -> None:
    """The answer to UnpublishFirmware, kept with what was published under that checksum (L04)."""
    words = {"Unpublished": JobStatus.WITHDRAWN, "NoFirmware": JobStatus.WITHDRAWN}
    with atomic():
        published = FirmwareJob.objects.select_for_update().filter(
            station_id=station.station_id, kind=FirmwareKind.PUBLISH.value, checksum__iexact=checksum
        )
        for job in published.exclude(status__in=NOT_PUBLISHED):
            job.detail = status[:500]
            if status in words:
                job.status, job.ended_at, job.locations = words[status].value, at, []
            job.save()
        jobs.tell(station)


def command_ended(command: Command) -> None:
    """No usable answer came. What the station reports later still counts."""
    request_id = command.parameters.get("request_id")
    code = str((command.error or {}).get("code", ""))
    description = str((command.error or {}).get("description", "")) or code
    found = FirmwareJob.objects.select_for_update().filter(
        station_id=command.station_id, request_id=request_id, status=JobStatus.SENT.value
    )
    for job in found:
        if code in ("timeout", "outcome_unknown", "disconnected"):
            job.detail = description[:500]
        else:
            jobs.end(job, JobStatus.REFUSED, description, clock.now())
        job.save()


def _job_for_update(station: StationSide, kind: FirmwareKind, request_id: int | None) -> FirmwareJob | None:
    rows = FirmwareJob.objects.select_for_update().filter(station_id=station.station_id, kind=kind.value)
    if request_id is not None:
        return rows.filter(request_id=request_id).first()
    return rows.order_by("-id").first()


def _job_of(station: StationSide, event: FirmwareStateReported, at: datetime) -> FirmwareJob | None:
    """The job that the report is about; one that the station began by itself is kept as well."""
    found = _job_for_update(station, event.kind, event.request_id)
    if event.status == "Idle" or (found is not None and not jobs.is_over(found, event.request_id, at)):
        return found
    row = FirmwareJob(
        organization_id=station.organization_id,
        station_id=station.station_id,
        kind=event.kind.value,
        request_id=event.request_id,
        version_before=_version_of(station.station_id),
        created_at=at,
    )
    FirmwareJob.objects.bulk_create([row], ignore_conflicts=True)
    jobs.forget_oldest(FirmwareJob, station.station_id)
    return FirmwareJob.objects.select_for_update().filter(pk=row.pk).first() or _job_for_update(
        station, event.kind, event.request_id
    )


def _version_of(station_id: UUID) -> str:
    return str(ChargingStation.objects.values_list("firmware_version", flat=True).get(pk=station_id))


def _replace_before(job: FirmwareJob, at: datetime) -> None:
    earlier = FirmwareJob.objects.select_for_update().filter(
        station_id=job.station_id, kind=job.kind, pk__lt=job.pk, status__in=NOT_ENDED
    )
    for old in earlier:
        jobs.end(old, JobStatus.REPLACED, "A newer request took its place.", at)
        old.save()


def _look_at_version(job: FirmwareJob, at: datetime) -> None:
    """Installed may come after the boot that shows the new version (P232)."""
    if job.status != JobStatus.INSTALLED or job.confirmed_at is not None:
        return
    if _shows_new_version(job, _version_of(job.station_id)):
        job.confirmed_at = at


def _shows_new_version(job: FirmwareJob, version: str) -> bool:
    if job.version:
        return version == job.version and version != job.version_before
    return bool(version) and version != job.version_before


def _alert(station: StationSide, job: FirmwareJob, at: datetime) -> None:
    if job.status == JobStatus.FAILED:
        alerts.raise_(
            FAILED,
            station_id=station.station_id,
            organization_id=station.organization_id,
            severity=Alert.Severity.WARNING,
            detail=f"The firmware was not {'installed' if job.kind == 'update' else 'published'}: {job.word}.",
            at=at,
        )
    elif job.succeeded:
        alerts.clear(FAILED, station_id=station.station_id, at=at)
