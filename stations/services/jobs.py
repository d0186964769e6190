"""What firmware jobs and log jobs share: steps, status, the end without an answer.

Who locks what: the job's row, before its steps. A station may number its own jobs as it likes, but not fill
the table.
"""

from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from django.db import connection

from core.ids import uuid7
from stations import live
from stations.domain.firmware import ENDED, JobStatus, following
from stations.domain.station import StationSide
from stations.models import FirmwareJob, LogJob

MAX_JOBS = 200
MAX_WORDS = 50
AFTERMATH = timedelta(hours=1)
J = TypeVar("J", FirmwareJob, LogJob)


def step(job: FirmwareJob | LogJob, word: str, at: datetime, detail: str = "") -> None:
    """Keep what the station said, and move the job on where that is news."""
    _note(job, word[:30], detail.replace("\x00", "")[:500], at)
    before = JobStatus(job.status)
    now = following(before, word)
    job.status, job.word, job.reported_at = now.value, word[:30], at
    if detail or now is not before:
        job.detail = detail.replace("\x00", "")[:500]
    job.ended_at = (job.ended_at or at) if now in ENDED else None


def answered(job: FirmwareJob | LogJob, status: str, at: datetime) -> None:
    """The station took the request, or refused it; what it reported meanwhile counts for more."""
    if status in ("Accepted", "AcceptedCanceled"):
        if job.status == JobStatus.SENT:
            job.status = JobStatus.ACCEPTED.value
        return
    end(job, JobStatus.REFUSED, status, at)


def end(job: FirmwareJob | LogJob, status: JobStatus, detail: str, at: datetime) -> None:
    """Close a job that has not ended by itself."""
    if job.ended:
        return
    job.status, job.detail, job.ended_at = status.value, detail[:500], at


def is_over(job: FirmwareJob | LogJob, request_id: int | None, at: datetime) -> bool:
    """Whether a report without a request id is about something newer than this job, which ended long ago."""
    return request_id is None and job.ended_at is not None and job.ended_at < at - AFTERMATH


def forget_oldest(model: type[J], station_id: UUID) -> None:
    """Keep the newest jobs of a station."""
    ids = model._default_manager.filter(station_id=station_id).order_by("-id").values_list("pk", flat=True)
    if surplus := list(ids[MAX_JOBS : MAX_JOBS + 50]):
        model._default_manager.filter(pk__in=surplus).delete()


def tell(station: StationSide) -> None:
    """Pages of the station look again after the commit."""
    live.announce_on_commit(
        "station",
        station.organization_id,
        station.station_id,
        site_id=station.site_id,
        station_id=station.station_id,
    )


def _note(job: FirmwareJob | LogJob, word: str, detail: str, at: datetime) -> None:
    """One row a word, counted again at each repetition; a lenient station may say words of its own, up to a limit."""
    column = "firmware_job_id" if isinstance(job, FirmwareJob) else "log_job_id"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO stations_jobstep AS s (id, {column}, word, detail, count, first_at, last_at)
            SELECT %s, %s, %s, %s, 1, %s, %s
            WHERE (SELECT count(*) FROM stations_jobstep k WHERE k.{column} = %s AND k.word <> %s) < %s
            ON CONFLICT ({column}, word) DO UPDATE SET count = s.count + 1, last_at = excluded.last_at,
                detail = CASE WHEN excluded.detail = '' THEN s.detail ELSE excluded.detail END
            """,
            [uuid7(), job.pk, word, detail, at, at, job.pk, word, MAX_WORDS],
        )
