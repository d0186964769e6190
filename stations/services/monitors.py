"""Monitors on variables: set, cleared, reported (2.0.1 N02 to N06). Who locks what: monitors by their numbers."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.db.transaction import atomic

from stations import live
from stations.domain.monitoring import MonitorReported, PartReceived
from stations.domain.station import StationSide
from stations.models import Monitor, MonitoringState, Report
from stations.services import alerts, answering, reports

ALERT = "station_event"
CUSTOM, PRECONFIGURED = "CustomMonitor", "PreconfiguredMonitor"
EVERYTHING = "all monitors"
GONE_WITH: dict[str, tuple[str, ...]] = {
    "FactoryDefault": (CUSTOM, ""),
    "HardWiredOnly": (CUSTOM, PRECONFIGURED, ""),
}
"""Which kinds of monitors end when a base is set (N03.FR.03 to N03.FR.05)."""

NAMES = ("component", "component_instance", "evse_id", "connector_id", "variable", "variable_instance")
RULE = ("type", "value", "severity", "transaction_only", "kind")
MAX_MONITORS = 2_000


def keep_set(station: StationSide, monitors: Sequence[MonitorReported], at: datetime) -> None:
    """Monitors that the station took from us."""
    with atomic():
        _upsert(station.station_id, monitors, {"set_by": answering.issuer()[:200], "set_at": at})
        _tell(station)


def store_part(
    station: StationSide, part: PartReceived, monitors: Sequence[MonitorReported], received_at: datetime
) -> Report:
    """Merge one part of a monitoring report, whoever asked for it; a repeated one changes nothing twice."""
    with atomic():
        before = reports.lock(station.station_id, Report.About.MONITORS, part.request_id)
        was_complete = before.complete
        _upsert(station.station_id, monitors, {"reported_at": received_at})
        report = reports.take_part(station, Report.About.MONITORS, part, len(monitors), received_at)
        if report.complete and not was_complete and report.kind == EVERYTHING:
            _end_unreported(report, received_at)
    return report


def clear(station: StationSide, numbers: Iterable[int], at: datetime) -> None:
    """The station has these no more; what they alerted of is over."""
    with atomic():
        _end(station.station_id, Monitor.objects.active().filter(number__in=list(numbers)), at)
        _tell(station)


def base_set(station: StationSide, base: str, at: datetime) -> None:
    """The set of monitors that the station has by itself was chosen."""
    with atomic():
        MonitoringState.objects.update_or_create(
            station_id=station.station_id, defaults={"base": base[:20], "base_at": at}
        )
        ending = Monitor.objects.active().filter(kind__in=GONE_WITH.get(base, ()))
        _end(station.station_id, ending, at)
        _tell(station)


def level_set(station: StationSide, severity: int, at: datetime) -> None:
    """Events up to this severity are told from now on."""
    MonitoringState.objects.update_or_create(
        station_id=station.station_id, defaults={"level": severity, "level_at": at}
    )
    _tell(station)


def find_or_make(station_id: UUID, told: MonitorReported) -> Monitor:
    """The monitor of an event, known or not."""
    place = {name: getattr(told, name) for name in NAMES}
    monitor, _ = Monitor.objects.get_or_create(
        station_id=station_id,
        number=told.number,
        defaults={**place, "kind": told.kind, "severity": told.severity},
    )
    return monitor


def subject_of(place: Any, number: int | None) -> str:
    """How alerts name the variable, and which monitor told, so that two on one variable end apart."""
    where = [str(n) for n in (place.evse_id, place.connector_id) if n is not None]
    named = [place.component, place.component_instance, place.variable, place.variable_instance]
    words = [*(name for name in named if name), "/".join(where), "" if number is None else f"#{number}"]
    return " ".join(word for word in words if word)


def _upsert(station_id: UUID, monitors: Sequence[MonitorReported], extra: dict[str, Any]) -> None:
    by_number = {monitor.number: monitor for monitor in monitors}
    room = MAX_MONITORS - Monitor.objects.filter(station_id=station_id).count()
    known = set(
        Monitor.objects.filter(station_id=station_id, number__in=by_number).values_list("number", flat=True)
    )
    rows = []
    for number in sorted(by_number):
        if number not in known and (room := room - 1) < 0:
            continue
        told = by_number[number]
        values = {name: getattr(told, name) for name in (*NAMES, *RULE)}
        rows.append(Monitor(station_id=station_id, number=number, **values, **extra, cleared_at=None))
    fields = [*NAMES, *(name for name in RULE if name != "kind"), *extra, "cleared_at"]
    if any(row.kind for row in rows):
        fields.append("kind")
    Monitor.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["station", "number"], update_fields=fields
    )


def _end_unreported(report: Report, at: datetime) -> None:
    """What a complete report of everything leaves out is no longer there."""
    asked = report.created_at
    seen_since = Q(reported_at__gte=asked) | Q(set_at__gte=asked)
    ending = Monitor.objects.active().exclude(seen_since)
    _end(report.station_id, ending, at)


def _end(station_id: UUID, monitors: Any, at: datetime) -> None:
    for monitor in monitors.filter(station_id=station_id).order_by("number"):
        Monitor.objects.filter(pk=monitor.pk).update(cleared_at=at, alerting=False)
        alerts.clear(ALERT, station_id=station_id, at=at, subject=subject_of(monitor, monitor.number))


def _tell(station: StationSide) -> None:
    live.announce_on_commit(
        "station",
        station.organization_id,
        station.station_id,
        site_id=station.site_id,
        station_id=station.station_id,
    )
