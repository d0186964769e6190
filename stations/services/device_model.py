"""The device model: reports in parts, variables read and written, values that wait for a restart.

Set-based: one statement stores a whole message. Who locks what: the report's row first, then variables in
the order of their names.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.db import connection
from django.db.models import Case, F, Q, Value, When
from django.db.transaction import atomic

from core.ids import uuid7
from stations import live
from stations.domain.events import ReportPartReceived, VariableReported
from stations.domain.secrecy import MASK, is_secret
from stations.domain.station import StationSide
from stations.models import Report, Variable
from stations.services import effects

REPORT_TIMEOUT = timedelta(minutes=5)
MAX_VARIABLES = 20_000
MAX_REPORTS = 200
WRITE_ONLY = "WriteOnly"
DEVICE_DATA = "DeviceDataCtrlr"
DEFAULT_ITEMS = 50
DEFAULT_BYTES = 32_768


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one message to a station may hold (2.0.1 DeviceDataCtrlr)."""

    items: int = DEFAULT_ITEMS
    bytes: int = DEFAULT_BYTES


class Written(StrEnum):
    """How the station took a new value."""

    NOW = "now"
    AFTER_RESTART = "after_restart"


def expect_report(station_id: UUID, request_id: int, kind: str) -> None:
    """We have asked for a report; its parts may have begun to arrive already."""
    Report.objects.bulk_create(
        [Report(station_id=station_id, request_id=request_id, kind=kind, requested=True)],
        update_conflicts=True,
        unique_fields=["station", "request_id"],
        update_fields=["kind", "requested"],
    )


def store_part(station: StationSide, part: ReportPartReceived, received_at: datetime) -> Report:
    """Merge one part, whoever asked for it (P210, P211); a part that came before changes nothing twice."""
    with atomic():
        report = _report_for_update(station.station_id, part.request_id)
        store(station, part.variables, received_at)
        if part.seq_no not in report.parts:
            report.parts = sorted([*report.parts, part.seq_no])
            report.variable_count += len(part.variables)
        if not part.to_be_continued:
            report.last_part = max(part.seq_no, report.last_part or 0)
        was_complete, report.complete = report.complete, _is_complete(report)
        report.last_part_at, report.incomplete_at = received_at, None
        report.save()
        if report.complete and not was_complete:
            effects.report_completed(station.station_id, part.request_id, report.variable_count)
    return report


def store(station: StationSide, variables: Sequence[VariableReported], received_at: datetime) -> int:
    """Keep reported values; what a report leaves out of a known variable stays. Secrets are masked."""
    rows = _known_or_room(station.station_id, variables)
    if not rows:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_UPSERT, {"station": station.station_id, "now": received_at, **_columns(rows)})
    _tell(station)
    return len(rows)


def write(
    station: StationSide, written: Sequence[tuple[VariableReported, Written]], received_at: datetime
) -> None:
    """Values that the station took: at once, or as pending until its next boot (P216)."""
    with atomic():
        store(station, [item for item, how in written if how is Written.NOW], received_at)
        waiting = [item for item, how in written if how is Written.AFTER_RESTART]
        for item in waiting:
            _set_pending(station.station_id, item, received_at)
        _tell(station)


def apply_pending(station_id: UUID, at: datetime) -> int:
    """The station restarted: values that waited for it are in force."""
    pending = Variable.objects.filter(station_id=station_id).exclude(pending_value="")
    return pending.update(
        value=Case(When(mutability=WRITE_ONLY, then=F("value")), default=F("pending_value")),
        pending_value=Value(""),
        changed_at=at,
    )


def expire_reports(now: datetime) -> int:
    """Mark reports that stopped midway; what arrived of them stays (P210)."""
    silent = Q(last_part_at__lt=now - REPORT_TIMEOUT) | Q(
        last_part_at=None, created_at__lt=now - REPORT_TIMEOUT
    )
    open_ = Report.objects.filter(silent, complete=False, incomplete_at=None)
    return open_.update(incomplete_at=now)


def limits_of(station_id: UUID, message: str) -> Limits:
    """What the station said of the size of ``GetVariables``, ``SetVariables`` or ``GetReport``."""
    rows = Variable.objects.filter(
        station_id=station_id,
        component__iexact=DEVICE_DATA,
        variable__in=["ItemsPerMessage", "BytesPerMessage"],
        attribute="Actual",
        variable_instance__in=["", message],
    ).order_by("variable_instance")
    told = {
        row.variable: int(row.value)
        for row in rows
        if row.value and row.value.isascii() and row.value.isdigit()
    }
    return Limits(
        items=max(1, told.get("ItemsPerMessage", DEFAULT_ITEMS)),
        bytes=max(256, told.get("BytesPerMessage", DEFAULT_BYTES)),
    )


def _tell(station: StationSide) -> None:
    live.announce_on_commit(
        "station",
        station.organization_id,
        station.station_id,
        site_id=station.site_id,
        station_id=station.station_id,
    )


def _report_for_update(station_id: UUID, request_id: int) -> Report:
    Report.objects.bulk_create([Report(station_id=station_id, request_id=request_id)], ignore_conflicts=True)
    _forget_oldest_reports(station_id)
    return Report.objects.select_for_update().get(station_id=station_id, request_id=request_id)


def _forget_oldest_reports(station_id: UUID) -> None:
    """A station may number its reports as it likes, but not fill the table."""
    kept = Report.objects.filter(station_id=station_id).order_by("-created_at", "-id")
    surplus = kept.values_list("pk", flat=True)[MAX_REPORTS : MAX_REPORTS + 100]
    if found := list(surplus):
        Report.objects.filter(pk__in=found).delete()


def _is_complete(report: Report) -> bool:
    """The last part and all before it are here; parts count from 0."""
    return report.last_part is not None and len(set(report.parts)) == report.last_part + 1


Name = tuple[str, str, int, int, str, str, str]


def _name(item: VariableReported) -> Name:
    return (
        item.component[:50],
        item.component_instance[:50],
        -1 if item.evse_id is None else item.evse_id,
        -1 if item.connector_id is None else item.connector_id,
        item.variable[:50],
        item.variable_instance[:50],
        item.attribute[:10],
    )


def _known_or_room(station_id: UUID, variables: Iterable[VariableReported]) -> list[VariableReported]:
    """Each variable once, the last one said, in the order of locking; none new beyond the station's limit."""
    by_name = {_name(item): item for item in variables}
    rows = [by_name[name] for name in sorted(by_name)]
    known = Variable.objects.filter(station_id=station_id)
    if not rows or known.count() + len(rows) <= MAX_VARIABLES:
        return rows
    names = {row.component for row in rows}
    present = {
        (v.component, v.component_instance, -1 if v.evse_id is None else v.evse_id,
         -1 if v.connector_id is None else v.connector_id, v.variable, v.variable_instance, v.attribute)
        for v in known.filter(component__in=names)
    }  # fmt: skip
    return [row for row in rows if _name(row) in present]


def _columns(rows: Sequence[VariableReported]) -> Mapping[str, list[object]]:
    return {
        "ids": [uuid7() for _ in rows],
        "components": [row.component[:50] for row in rows],
        "component_instances": [row.component_instance[:50] for row in rows],
        "evses": [row.evse_id for row in rows],
        "connectors": [row.connector_id for row in rows],
        "variables": [row.variable[:50] for row in rows],
        "variable_instances": [row.variable_instance[:50] for row in rows],
        "attributes": [row.attribute[:10] for row in rows],
        "values": [shown(row) for row in rows],
        "mutabilities": [row.mutability[:10] for row in rows],
        "data_types": [row.data_type[:20] for row in rows],
        "units": [row.unit[:16] for row in rows],
        "constants": [row.constant for row in rows],
    }


def shown(item: VariableReported) -> str | None:
    """The value as it may be kept: never that of a secret."""
    if item.value is None or item.mutability == WRITE_ONLY:
        return None
    secret = is_secret(item.variable) or is_secret(item.variable_instance)
    return MASK if secret and item.value else item.value[:2500]


def _set_pending(station_id: UUID, item: VariableReported, at: datetime) -> None:
    value = shown(item) or ""
    Variable.objects.update_or_create(
        station_id=station_id,
        component=item.component[:50],
        component_instance=item.component_instance[:50],
        evse_id=item.evse_id,
        connector_id=item.connector_id,
        variable=item.variable[:50],
        variable_instance=item.variable_instance[:50],
        attribute=item.attribute,
        defaults={"pending_value": value},
        create_defaults={"pending_value": value, "changed_at": at, "reported_at": at},
    )


_UPSERT = """
INSERT INTO stations_variable AS v (
    id, station_id, component, component_instance, evse_id, connector_id, variable, variable_instance,
    attribute, value, mutability, data_type, unit, constant, pending_value, changed_at, reported_at)
SELECT r.id, %(station)s, r.component, r.component_instance, r.evse_id, r.connector_id, r.variable,
       r.variable_instance, r.attribute, r.value, r.mutability, r.data_type, r.unit, r.constant, '',
       %(now)s, %(now)s
FROM unnest(%(ids)s::uuid[], %(components)s::text[], %(component_instances)s::text[], %(evses)s::int[],
            %(connectors)s::int[], %(variables)s::text[], %(variable_instances)s::text[],
            %(attributes)s::text[], %(values)s::text[], %(mutabilities)s::text[], %(data_types)s::text[],
            %(units)s::text[], %(constants)s::bool[])
     AS r(id, component, component_instance, evse_id, connector_id, variable, variable_instance, attribute,
          value, mutability, data_type, unit, constant)
ON CONFLICT (station_id, component, component_instance, evse_id, connector_id, variable, variable_instance,
             attribute)
DO UPDATE SET
    value = CASE WHEN v.mutability = 'WriteOnly' THEN v.value ELSE excluded.value END,
    mutability = CASE WHEN excluded.mutability = '' THEN v.mutability ELSE excluded.mutability END,
    data_type = CASE WHEN excluded.data_type = '' THEN v.data_type ELSE excluded.data_type END,
    unit = CASE WHEN excluded.unit = '' THEN v.unit ELSE excluded.unit END,
    constant = v.constant OR excluded.constant,
    pending_value = CASE WHEN v.pending_value = excluded.value THEN '' ELSE v.pending_value END,
    changed_at = CASE WHEN v.value IS DISTINCT FROM excluded.value THEN excluded.changed_at ELSE v.changed_at END,
    reported_at = excluded.reported_at
"""
