"""Reports in parts, whatever they are about: asked for, arriving, complete, refused, or stopped midway (P210)."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q
from django.db.transaction import atomic

from stations import live
from stations.domain.monitoring import PartReceived
from stations.domain.station import StationSide
from stations.models import Report
from stations.services import effects

TIMEOUT = timedelta(minutes=5)
MAX_REPORTS = 200
GOOD = "Accepted"

About = Report.About


def expect(
    station_id: UUID,
    request_id: int,
    kind: str,
    *,
    about: About = About.VARIABLES,
    group_id: int | None = None,
    answer: str = "",
) -> None:
    """We ask for a report, or have; its parts may have begun to arrive already."""
    row = Report(
        station_id=station_id,
        about=about,
        request_id=request_id,
        group_id=group_id or request_id,
        kind=kind[:30],
        requested=True,
        answer=answer[:20],
    )
    Report.objects.bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=["station", "about", "request_id"],
        update_fields=["kind", "requested", "group_id", "answer"],
    )
    _forget_oldest(station_id)


def answered(station: StationSide, about: About, request_id: int, kind: str, answer: str) -> None:
    """The station's word to the request; the report exists from now on even where nobody expected it."""
    known = Report.objects.filter(station_id=station.station_id, about=about, request_id=request_id)
    if not known.update(answer=answer[:20], requested=True) and answer == GOOD:
        expect(station.station_id, request_id, kind, about=about, answer=answer)
    _tell(station)


def lock(station_id: UUID, about: About, request_id: int) -> Report:
    """The report's row, made where there is none, held until the transaction ends."""
    fresh = Report(station_id=station_id, about=about, request_id=request_id)
    Report.objects.bulk_create([fresh], ignore_conflicts=True)
    _forget_oldest(station_id)
    return Report.objects.select_for_update().get(station_id=station_id, about=about, request_id=request_id)


def take_part(
    station: StationSide, about: About, part: PartReceived, count: int, received_at: datetime
) -> Report:
    """Note that a part arrived, inside the caller's transaction; one that came before counts once."""
    report = lock(station.station_id, about, part.request_id)
    if part.seq_no not in report.parts:
        report.parts = sorted([*report.parts, part.seq_no])
        report.variable_count += count
    if not part.to_be_continued:
        report.last_part = max(part.seq_no, report.last_part or 0)
    was_complete, report.complete = report.complete, _is_complete(report)
    report.last_part_at, report.incomplete_at = received_at, None
    report.save()
    if report.complete and not was_complete:
        _completed(report)
    _tell(station)
    return report


def arrived_at_once(station: StationSide, request_id: int, kind: str, count: int, at: datetime) -> None:
    """A report that came as a whole, in the answer itself."""
    now = PartReceived(request_id=request_id, seq_no=0, to_be_continued=False, generated_at=at)
    with atomic():
        expect(station.station_id, request_id, kind, answer=GOOD)
        take_part(station, About.VARIABLES, now, count, at)


def expire(now: datetime) -> int:
    """Mark reports that stopped midway; what arrived of them stays (P210)."""
    silent = Q(last_part_at__lt=now - TIMEOUT) | Q(last_part_at=None, created_at__lt=now - TIMEOUT)
    open_ = Report.objects.filter(silent, complete=False, incomplete_at=None)
    overdue = list(open_.select_related("station")[:500])
    for report in overdue:
        Report.objects.filter(pk=report.pk, complete=False).update(incomplete_at=now)
        station = report.station
        live.announce(
            "station", station.organization_id, station.pk, site_id=station.site_id, station_id=station.pk
        )
    return len(overdue)


def _completed(report: Report) -> None:
    """The effect is seen once all that the request was cut into is complete."""
    group = Report.objects.filter(station_id=report.station_id, about=report.about, group_id=report.group_id)
    if report.group_id is None or not group.filter(complete=False).exists():
        items = (
            sum(group.values_list("variable_count", flat=True)) if report.group_id else report.variable_count
        )
        effects.report_completed(report.station_id, report.group_id or report.request_id, items)


def _forget_oldest(station_id: UUID) -> None:
    """A station may number its reports as it likes, but not fill the table."""
    kept = Report.objects.filter(station_id=station_id).order_by("-created_at", "-id")
    surplus = kept.values_list("pk", flat=True)[MAX_REPORTS : MAX_REPORTS + 100]
    if found := list(surplus):
        Report.objects.filter(pk__in=found).delete()


def _is_complete(report: Report) -> bool:
    """The last part and all before it are here; parts count from 0."""
    return report.last_part is not None and len(set(report.parts)) == report.last_part + 1


def _tell(station: StationSide) -> None:
    live.announce_on_commit(
        "station",
        station.organization_id,
        station.station_id,
        site_id=station.site_id,
        station_id=station.station_id,
    )
