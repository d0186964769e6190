"""What is known of the stations that were told to update, gathered for :func:`domain.rollouts.judged`."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from stations.domain.firmware import FirmwareKind
from stations.domain.rollouts import Evidence
from stations.models import Command, FirmwareJob, JobStep, RolloutAttempt, RolloutStation

INSTALLED = "Installed"


def evidence(rows: Sequence[RolloutStation], wanted: str) -> dict[UUID, tuple[RolloutAttempt, Evidence]]:
    """Of each row with an attempt, its last one and what is known of it; in four queries for all of them."""
    last: dict[UUID, RolloutAttempt] = {}
    attempts = RolloutAttempt.objects.filter(row__in=rows).select_related("command").order_by("number")
    for attempt in attempts:
        last[attempt.row_id] = attempt
    jobs = _jobs(rows, last)
    said = dict(
        JobStep.objects.filter(firmware_job__in=jobs.values(), word=INSTALLED).values_list(
            "firmware_job_id", "first_at"
        )
    )
    found = {}
    for row in rows:
        attempt_ = last.get(row.pk)
        if attempt_ is not None:
            job = jobs.get((row.station_id, attempt_.request_id))
            found[row.pk] = attempt_, _of(row, wanted, attempt_.command, job, said)
    return found


def _jobs(
    rows: Sequence[RolloutStation], last: dict[UUID, RolloutAttempt]
) -> dict[tuple[UUID, int | None], FirmwareJob]:
    found = FirmwareJob.objects.filter(
        kind=FirmwareKind.UPDATE.value,
        station__in=[row.station_id for row in rows],
        request_id__in=[attempt.request_id for attempt in last.values()],
    )
    return {(job.station_id, job.request_id): job for job in found}


def _of(
    row: RolloutStation, wanted: str, command: Command, job: FirmwareJob | None, said: dict[UUID, datetime]
) -> Evidence:
    station, error = row.station, command.error or {}
    heard = [command.sent_at or command.issued_at]
    heard += [job.reported_at] if job and job.reported_at else []
    detail = job.detail if job is not None else str(error.get("description", ""))
    return Evidence(
        wanted=wanted,
        runs=station.firmware_version,
        booted_at=station.booted_at,
        connected=station.presence.connected,
        command=command.status,
        left=command.sent_at is not None,
        error=str(error.get("code", "")),
        job=job.status if job is not None else "",
        word=job.word if job is not None else "",
        detail=detail,
        said_installed_at=said.get(job.pk) if job is not None else None,
        sent_at=heard[0],
        reported_at=job.reported_at if job is not None else None,
        heard_at=max(heard),
    )
